//! Which full names are accepted, and the form in which they are kept.
//!
//! A name loses its control characters, is normalised (NFKC) as a whole, squeezed, looked at for a link, and HTML-escaped. The escaped form is what is
//! stored and given back, as the Python authnzerver did: frontends show it as it is.
//!
//! # What counts as a link
//!
//! Names appear in letters and on pages, where a web address in a name would be an advertisement or a trap. Case and
//! invisible characters do not matter. A name is refused when it holds
//!
//! - `http` or `://` anywhere, or
//! - a host name: a run of letters, digits, marks, hyphens and dots that has a dot before a public suffix at its end.
//!   Dots after the suffix do not count. Both parts of Mozilla's list do, in Unicode and in punycode.
//!
//! So `example.com`, `(foo.bar.co.uk/x)` and `.com` are links; `St.Melanie` and `A.J.Miller` are none, as `.me` and
//! `.mil` do not end there; `J.R.R. Tolkien` and `Dr. Who` are none, as there is no suffix `r`, and no dot before `dr`.
//! A title such as `M.Sc.` is taken for a link, since `m.sc` is a host name.

use super::lists::ends_in_public_suffix;
use super::text::{casefold, squeeze};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The longest name in characters, counted in the form in which it is stored.
pub const NAME_CHARACTERS_MAX: usize = 280;

/// A name as it is stored: normalised, squeezed, escaped; possibly empty. It has no `Debug`, since it names a person.
pub struct FullName(String);

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRefused {
    /// It seems to hold a link.
    LooksLikeLink,
    /// It is longer than [`NAME_CHARACTERS_MAX`].
    TooLong,
}

impl FullName {
    /// Takes a name for storing.
    ///
    /// # Errors
    ///
    /// When it is too long or looks like a link.
    pub fn accept(text: &str) -> Result<Self, NameRefused> {
        // Before the rest, so that nothing invisible comes between two spaces or a character and its mark.
        let text: String = text.chars().filter_map(without_control).collect();
        // Normalising can make eighteen characters of one, so no more of it is made than may be stored. It can also
        // make new spaces, hence the second squeeze.
        let normalised: String = squeeze(&text).nfkc().take(NAME_CHARACTERS_MAX + 1).collect();
        let name = squeeze(&normalised);
        let escaped = escape(&name);
        if is_too_long(&normalised) || is_too_long(&escaped) {
            return Err(NameRefused::TooLong);
        }
        if looks_like_link(&name) {
            return Err(NameRefused::LooksLikeLink);
        }
        Ok(Self(escaped))
    }

    /// The name in the form in which it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters that a name has no use for are taken out: those that turn the direction of what is written
/// around, and those that show nothing. Ends of lines become spaces. Joiners and variation selectors stay, since some
/// scripts need them, and so do the lower controls, of which runs become a space later.
fn without_control(character: char) -> Option<char> {
    match character {
        '\u{85}' | '\u{2028}' | '\u{2029}' => Some(' '),
        '\u{7f}'..='\u{9f}' | '\u{ad}' => None,
        // Marks, embeddings, overrides and isolates of direction.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
        // Without width: spaces and joiners of words, operators, switches, annotations, tags.
        '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}' | '\u{feff}' => None,
        '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' => None,
        other => Some(other),
    }
}

fn is_too_long(name: &str) -> bool {
    name.chars().count() > NAME_CHARACTERS_MAX
}

/// `&#x27;` for the apostrophe is one of two forms that stored data holds; we write only this one.
fn escape(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len());
    for character in name.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#x27;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A stored name as a person wrote it, for where it is not shown as HTML.
#[must_use]
pub fn unescaped(stored: &str) -> String {
    const MEANT: [(&str, &str); 6] = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#39;", "'"),
        // Last, so that what it makes is not taken for another one.
        ("&amp;", "&"),
    ];
    MEANT.iter().fold(stored.to_owned(), |name, (written, meant)| name.replace(written, meant))
}

/// A text that somebody unknown chose, for where others read it: on one line, normalised and cut, without what shows nothing or
/// turns the direction of what follows. `None` if a mail program may make a link of it.
#[must_use]
pub fn shown_to_others(text: &str, characters_max: usize) -> Option<String> {
    let visible: String = text.chars().take(characters_max).filter_map(without_control).collect();
    // Normalising can make eighteen characters of one, and a web address of what looked like none.
    let normalised: String = visible.nfkc().take(characters_max).collect();
    let line = squeeze(&normalised);
    (!looks_like_link(&line)).then_some(line)
}

/// Whether a text holds what a mail program or a page may make a link of.
#[must_use]
pub fn looks_like_link(name: &str) -> bool {
    let visible: String = name.chars().filter(|character| !is_invisible(*character)).collect();
    let folded = casefold(&visible);
    folded.contains("http")
        || folded.contains("://")
        || folded.split(|character| !may_stand_in_a_host_name(character)).any(is_host_name)
}

/// Characters that show nothing, so that they could hide a link: control characters, and what Unicode calls default
/// ignorable, such as joiners. A name may hold some of them, since some scripts need them.
#[rustfmt::skip]
fn is_invisible(character: char) -> bool {
    character.is_control() || matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

fn may_stand_in_a_host_name(character: char) -> bool {
    character.is_alphanumeric()
        || is_combining_mark(character)
        || matches!(character, '-' | '.' | IDEOGRAPHIC_DOT)
}

/// Browsers take this full stop for a dot.
const IDEOGRAPHIC_DOT: char = '\u{3002}';

fn is_host_name(run: &str) -> bool {
    let host = run.replace(IDEOGRAPHIC_DOT, ".");
    let host = host.trim_end_matches('.');
    host.contains('.') && ends_in_public_suffix(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(text: &str) -> Result<String, NameRefused> {
        FullName::accept(text).map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_are_normalised_squeezed_and_escaped() {
        let cases = [
            ("", ""),
            ("   ", ""),
            ("Test User", "Test User"),
            ("\u{fb01}ne \u{2163}", "fine IV"),
            ("A\u{3000}B", "A B"),
            ("\0 A\t\r\nB \u{a0}", "A B"),
            ("O'Brien & <b>", "O&#x27;Brien &amp; &lt;b&gt;"),
            ("\"Q\"", "&quot;Q&quot;"),
            // Escaping follows normalising, so that a full-width mark is escaped too.
            ("\u{ff1c}script\u{ff1e}", "&lt;script&gt;"),
            ("A &amp; B", "A &amp;amp; B"),
            ("e\u{301}", "\u{e9}"),
            ("a@b", "a@b"),
            ("@a@b@", "@a@b@"),
            ("山田 太郎", "山田 太郎"),
            ("admin", "admin"),
            // What turns the direction around, or shows nothing, goes.
            ("\u{202e}nimda\u{202c}", "nimda"),
            ("\u{202a}\u{202b}\u{202d}A\u{2066}\u{2067}\u{2068}\u{2069} B", "A B"),
            ("A \u{200f}\u{200e}\u{61c} B", "A B"),
            ("ad\u{ad}m\u{200b}i\u{2060}n\u{feff}\u{e0061}", "admin"),
            ("A\u{7f}\u{9b}B\u{fffa}", "AB"),
            ("A\u{2028}B\u{85}\u{2029}C", "A B C"),
            ("e\u{202e}\u{301}", "\u{e9}"),
            // What scripts need stays: joiners, and selectors of an ideograph's form.
            (
                "\u{646}\u{200c}\u{647} \u{915}\u{94d}\u{200d}\u{937}",
                "\u{646}\u{200c}\u{647} \u{915}\u{94d}\u{200d}\u{937}",
            ),
            ("\u{8fbb}\u{e0100}", "\u{8fbb}\u{e0100}"),
        ];
        for (text, expected) in cases {
            assert_eq!(stored(text).as_deref(), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn dots_do_not_make_a_name_a_link() {
        for name in [
            "St.Melanie",
            "A.J.Miller",
            "J.R.Smith",
            "J.R.R. Tolkien",
            "J.R.R.Tolkien",
            "Dr. Who",
            "Prof.Dr. Jekyll",
            "Mr.",
            "com",
            "Acme Inc.",
            "Me. Co.",
            "a. com",
            "Ph.D.",
            "... com",
            "3.14",
            "Dr.-Ing. Ada",
            "Martin Luther King Jr.",
        ] {
            assert_eq!(stored(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn names_that_hold_a_link_are_refused() {
        for name in [
            "example.com",
            "visit example.co.uk now",
            "foo.bar.com/x",
            "http://x",
            "HTTPd fan",
            "x://y",
            "EXAMPLE.COM",
            "example.com.",
            "(example.com)",
            "\"example.com\"",
            "\u{ab}example.com\u{bb}",
            "example.com:80",
            "me@example.com",
            "a@b@example.com",
            "co.uk",
            ".com",
            "x..com",
            "foo_bar.com",
            "example.github.io",
            "m.sc",
            "foo.ck",
            "www.ck",
            "h\u{200b}ttp",
            "example.c\u{200d}om",
            "example.c\u{7f}om",
            "example.c\u{e0061}om",
            "example\u{ad}.com",
            "\u{202e}example.com",
            "\u{ff45}xample\u{ff0e}com",
            "example\u{3002}com",
            "example\u{2024}com",
            "食狮.中国",
            "xn--85x722f.xn--55qx5d.cn",
            "президент.рф",
            "ex\u{332}ample.com",
            "example.com\u{fe0f}",
        ] {
            assert_eq!(stored(name), Err(NameRefused::LooksLikeLink), "{name:?}");
        }
    }

    #[test]
    fn the_stored_form_has_a_greatest_length() {
        assert!(stored(&"é".repeat(NAME_CHARACTERS_MAX)).is_ok());
        assert_eq!(stored(&"é".repeat(NAME_CHARACTERS_MAX + 1)), Err(NameRefused::TooLong));
        assert!(stored(&"&".repeat(NAME_CHARACTERS_MAX / 5)).is_ok());
        assert_eq!(stored(&"&".repeat(NAME_CHARACTERS_MAX / 5 + 1)), Err(NameRefused::TooLong));
        assert!(stored(&" ".repeat(10_000)).is_ok(), "what is squeezed away does not count");
        let torn_apart = format!("A{}B", "\u{a0}".repeat(NAME_CHARACTERS_MAX));
        assert_eq!(stored(&torn_apart), Err(NameRefused::TooLong), "refused rather than cut");
    }

    #[test]
    fn no_text_makes_the_rules_panic_and_what_is_accepted_is_safe_to_show() {
        let alphabet: Vec<char> = "aé.。-@&<>'\" \0\u{301}\u{200b}\u{fb01}com中国\u{fdfa}".chars().collect();
        let mut rng = fastrand::Rng::with_seed(9);
        for round in 0..20_000 {
            let length = rng.usize(..20);
            let any_character = round % 2 == 0;
            let text: String = (0..length)
                .map(|_| if any_character { rng.char(..) } else { alphabet[rng.usize(..alphabet.len())] })
                .collect();
            if let Ok(name) = FullName::accept(&text) {
                assert!(!name.as_str().contains(['<', '>', '"', '\'']));
                assert!(name.as_str().chars().count() <= NAME_CHARACTERS_MAX);
                assert_eq!(squeeze(name.as_str()), name.as_str());
            }
        }
    }

    #[test]
    fn a_stored_name_can_be_shown_as_it_was_written() {
        for name in ["O'Brien & Sons", "<b>", "a &lt; \"b\"", "&amp;quot;", "plain"] {
            assert_eq!(unescaped(&escape(name)), name);
        }
        assert_eq!(unescaped("O&#39;Brien"), "O'Brien");
    }
}

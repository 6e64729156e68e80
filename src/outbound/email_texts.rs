//! The texts of the emails that the server sends by itself. Each is a file, `NAME.LANGUAGE.txt`, perhaps with
//! `NAME.LANGUAGE.html` beside it. Those in English are built in; an operator's directory may have others, which count
//! first.

mod html;
mod links;
mod placeholder;
mod template;

pub use placeholder::Placeholder;
pub use template::{Filled, Values};

use crate::files::read_small;
use crate::problem;
use crate::problem::{Problem, operator_name};
use placeholder::Carries;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use template::Template;

/// The language of the texts that are built in.
pub const BUILT_IN_LANGUAGE: &str = "en";
/// Bytes of a template's file.
const TEMPLATE_BYTES_MAX: u64 = 128 * 1024;
/// Files that are looked at in a directory.
const FILES_MAX: usize = 2000;
/// Characters of a language's tag.
const LANGUAGE_CHARACTERS_MAX: usize = 35;

/// What is known about an email before it is written.
struct Row {
    name: &'static str,
    carries: Carries,
    built_in: &'static str,
}

macro_rules! texts {
    ($($(#[$doc:meta])+ $email:ident, $name:literal, $carries:ident;)+) => {
        /// Which email it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EmailText {
            $($(#[$doc])+ $email,)+
        }

        impl EmailText {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$email),+];
        }

        /// In the order of [`EmailText::ALL`].
        const ROWS: &[Row] = &[$(Row {
            name: $name,
            carries: Carries::$carries,
            built_in: include_str!(concat!("email_texts/built_in/", $name, ".en.txt")),
        }),+];
    };
}

texts! {
    /// Verifies a sign-up by a link.
    SignUp, "signup", Link;
    /// Verifies a sign-up by a code to type.
    SignUpTyped, "signup-typed", TypedCode;
    /// Tells somebody who signed up that they have an account.
    AccountExists, "account-exists", Nothing;
    /// Lets somebody choose a new password, by a link.
    Reset, "reset", Link;
    /// The same, by a code to type.
    ResetTyped, "reset-typed", TypedCode;
    /// Lets somebody log in, by a link.
    Login, "login", Link;
    /// The same, by a code to type.
    LoginTyped, "login-typed", TypedCode;
    /// Has somebody prove the new address of an account, by a link.
    EmailChange, "email-change", Link;
    /// The same, by a code to type.
    EmailChangeTyped, "email-change-typed", TypedCode;
    /// Tells the old address, and lets it undo the change by a link.
    EmailUndo, "email-undo", Link;
    /// Tells somebody that another account was to have their address.
    EmailTaken, "email-taken", Nothing;
}

/// The built-in files: their names and what is in them.
pub fn built_in() -> impl Iterator<Item = (String, &'static str)> {
    ROWS.iter().map(|row| (format!("{}.{BUILT_IN_LANGUAGE}.txt", row.name), row.built_in))
}

/// All texts: those that are built in, and the operator's.
pub struct EmailTexts {
    built_in: Vec<Template>,
    /// By name and language.
    own: BTreeMap<(&'static str, String), Template>,
    language: String,
}

impl EmailTexts {
    /// The built-in texts alone.
    ///
    /// # Panics
    ///
    /// Never: a test reads each of them.
    #[must_use]
    pub fn built_in_only() -> Self {
        let read = |row: &Row| {
            Template::read(row.built_in, row.carries, &[]).expect("a test has read the built-in texts")
        };
        let built_in = ROWS.iter().map(read).collect();
        Self { built_in, own: BTreeMap::new(), language: BUILT_IN_LANGUAGE.to_owned() }
    }

    /// Reads the texts in a directory. `language` is the one for whoever has no other, and `allowed_sites` those that
    /// texts may link to, or every one.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with them, one line each.
    pub fn read(directory: &Path, language: &str, allowed_sites: &[String]) -> Result<Self, Vec<Problem>> {
        let mut texts = Self { language: language.to_ascii_lowercase(), ..Self::built_in_only() };
        let mut problems = Vec::new();
        let files = files(directory).map_err(|problem| vec![problem])?;
        for path in &files {
            if let Err(problem) = texts.take(path, allowed_sites) {
                problems.push(problem!("{}: {}", path.display(), problem));
            }
        }
        if problems.is_empty() { Ok(texts) } else { Err(problems) }
    }

    /// How many of them are the operator's.
    #[must_use]
    pub fn own(&self) -> usize {
        self.own.len()
    }

    /// Writes an email in the language, or else in one that it belongs to, in the operator's, or in English.
    #[must_use]
    pub fn write(&self, email: EmailText, language: &str, values: &dyn Values) -> Filled {
        let mut languages = ranges(language).chain(ranges(&self.language)).chain(ranges(BUILT_IN_LANGUAGE));
        // They are in the same order.
        let place = email as usize;
        let name = ROWS[place].name;
        let own = languages.find_map(|language| self.own.get(&(name, language)));
        own.unwrap_or(&self.built_in[place]).fill(values)
    }

    /// Takes a file of the operator's, which come in the order of their names, a text before it.
    fn take(&mut self, path: &Path, allowed_sites: &[String]) -> Result<(), Problem> {
        let name = path.file_name().and_then(OsStr::to_str).ok_or("its name is not UTF-8 text")?;
        let (stem, is_html) = match (name.strip_suffix(".txt"), name.strip_suffix(".html")) {
            (Some(stem), _) => (stem, false),
            (_, Some(stem)) => (stem, true),
            _ => return Err("its name must end in .txt or .html".into()),
        };
        let (name, language) = stem.split_once('.').unwrap_or((stem, ""));
        let row = ROWS.iter().find(|row| row.name == name).ok_or_else(|| {
            let names = ROWS.iter().map(|row| Problem::from(row.name));
            problem!("no email is called so; there are {}", Problem::join(names, ", "))
        })?;
        if !is_language(language) {
            return Err(problem!(
                "behind the name must stand a language, as in {}.de-CH.{}",
                row.name,
                if is_html { "html" } else { "txt" }
            ));
        }
        let bytes = read_small(path, TEMPLATE_BYTES_MAX).map_err(|error| Problem::of(&error))?.bytes;
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text")?;
        let key = (row.name, language.to_ascii_lowercase());
        let placed = |problem: placeholder::Problem| Problem::of(&problem);
        if is_html {
            let template = self.own.get_mut(&key).ok_or_else(|| {
                problem!(
                    "an email as HTML needs its text, too: {}.{}.txt, without a problem",
                    row.name,
                    operator_name(language)
                )
            })?;
            return template.add_html(&text, row.carries, allowed_sites).map_err(placed);
        }
        let template = Template::read(&text, row.carries, allowed_sites).map_err(placed)?;
        match self.own.insert(key, template) {
            None => Ok(()),
            Some(_) => Err("there is another file for this email and language".into()),
        }
    }
}

/// Whether a text can be the tag of a language, such as `de-CH` (BCP 47).
#[must_use]
pub fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let is_first =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphabetic());
    let is_other =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    tag.len() <= LANGUAGE_CHARACTERS_MAX && parts.next().is_some_and(is_first) && parts.all(is_other)
}

/// A language and those that it belongs to: `de-ch`, `de`.
fn ranges(language: &str) -> impl Iterator<Item = String> {
    let whole = language.to_ascii_lowercase();
    let first = (!whole.is_empty()).then_some(whole);
    std::iter::successors(first, |tag| tag.rsplit_once('-').map(|(shorter, _)| shorter.to_owned()))
}

/// The templates in a directory, texts before HTML; what is hidden, and what has another ending, is not looked at.
fn files(directory: &Path) -> Result<Vec<PathBuf>, Problem> {
    let refuse = |error: std::io::Error| problem!("{}: {}", directory.display(), error);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(refuse)? {
        let path = entry.map_err(refuse)?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let is_ours = path.extension().is_some_and(|ending| ending == "txt" || ending == "html");
        if is_ours && !is_hidden {
            files.push(path);
        }
        if files.len() > FILES_MAX {
            return Err(problem!("{}: there are more than {} files", directory.display(), FILES_MAX));
        }
    }
    files.sort_by_key(|path| (path.extension().is_some_and(|ending| ending == "html"), path.clone()));
    Ok(files)
}

#[cfg(test)]
mod tests;

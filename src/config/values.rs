//! Turns the text of a setting into its value. Each function refuses with what the value *must be*, as the end
//! of a sentence; it never repeats the text, which may be a secret. Nothing here reads files or the network.

#![expect(clippy::unnecessary_wraps, reason = "the table wants them all alike")]

use crate::guard::code::CodeForm;
use crate::guard::envelope::Keyring;
use crate::guard::password::Argon2Cost;
use crate::guard::ratelimit::RateLimits;
use crate::guard::redact::PiiSalt;
use crate::guard::secret::Secret;
use crate::guard::token::api_key::is_prefix;
use crate::log::LogFormat;
use crate::outbound::email_texts::is_language;
use crate::outbound::mail::Protection;
use crate::outbound::mailbox::Sender;
use crate::outbound::templates::link;
use crate::policy::passwords::PasswordPolicy;
use crate::problem;
use crate::problem::Problem;
use crate::store::Location;
use log::LevelFilter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

/// What happens to a new password when the list of leaked ones cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PwnedFail {
    /// It passes.
    Open,
    /// It is refused.
    Closed,
}

/// Whose failed logins are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// All on one account.
    Account,
    /// All on one account from one client network, so that a stranger elsewhere cannot lock the owner out.
    AccountAndClient,
}

/// How users change their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailChange {
    /// By an edit, and nobody proves anything.
    Direct,
    /// By a code that is emailed to the new address.
    Proof,
}

impl EmailChange {
    /// Whether no address is changed unless it is proven.
    #[must_use]
    pub fn takes_proof(self) -> bool {
        self == Self::Proof
    }
}

/// How repeated failed attempts are slowed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backoff {
    /// The answer to a failed attempt is delayed, longer each time.
    Hold,
    /// It comes at once; the next attempt is refused, and not counted, until that time is over.
    Refuse,
}

/// A whole number within limits. Blanks around it and `_` between digits are allowed.
pub fn integer<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(text: &str) -> Result<T, Problem> {
    number(text)
        .filter(|value| (MIN..=MAX).contains(value))
        .and_then(|value| T::try_from(value).ok())
        .ok_or_else(|| problem!("a whole number from {} to {}", MIN, MAX))
}

/// A whole number within limits, or `auto` for none.
pub fn integer_or_auto<T: TryFrom<u64>, const MIN: u64, const MAX: u64>(
    text: &str,
) -> Result<Option<T>, Problem> {
    if text.eq_ignore_ascii_case("auto") {
        return Ok(None);
    }
    integer::<T, MIN, MAX>(text).map(Some).map_err(|allowed| problem!("`auto` or {}", allowed))
}

/// `1` or `0`.
pub fn boolean(text: &str) -> Result<bool, Problem> {
    choice(text, &[("1", true), ("0", false)])
}

/// The address to listen on.
pub fn address(text: &str) -> Result<IpAddr, Problem> {
    if text.eq_ignore_ascii_case("localhost") {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| "an IPv4 or IPv6 address, such as 127.0.0.1, 0.0.0.0 or ::1".into())
}

/// Host names that the `Host` header may carry, in lower case, for header names are compared that way.
pub fn hosts(text: &str) -> Result<Vec<String>, Problem> {
    let hosts: Vec<String> = list(text).map(str::to_ascii_lowercase).collect();
    let bracketed = |host: &str| {
        host.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
    };
    if hosts.is_empty() || !hosts.iter().all(|host| is_host_name(host) || bracketed(host)) {
        return Err("host names or addresses with `;` between them, without ports or `*`, \
                    IPv6 addresses in square brackets"
            .into());
    }
    Ok(hosts)
}

/// One host name or address.
pub fn host(text: &str) -> Result<String, Problem> {
    if is_host_name(text) || text.parse::<IpAddr>().is_ok() {
        Ok(text.into())
    } else {
        Err("a host name or an address, without a port".into())
    }
}

/// A host name, or nothing.
pub fn optional_host(text: &str) -> Result<Option<String>, Problem> {
    if text.is_empty() { Ok(None) } else { host(text).map(Some) }
}

/// Where the database is.
pub fn database(text: &str) -> Result<Location, Problem> {
    const ALLOWED: &str = "the path of an SQLite file: sqlite:///relative/path, sqlite:////absolute/path or a \
                           plain path, or the URL of a PostgreSQL; other databases, and SQLite in memory, are not \
                           supported";
    if let Some(postgres) = Location::postgres(text) {
        return postgres;
    }
    let path = match text.strip_prefix("sqlite:///") {
        Some(path) if path.contains('?') => return Err(problem!("{}, nor are `?` options", ALLOWED)),
        Some(path) => path,
        None if text.contains("://") || text.starts_with("file:") => return Err(ALLOWED.into()),
        None => text,
    };
    if path.is_empty() || path == ":memory:" || path.contains('\0') {
        return Err(ALLOWED.into());
    }
    Ok(Location::File(path.into()))
}

/// A directory. It is made absolute with the other sources at hand.
pub fn directory(text: &str) -> Result<PathBuf, Problem> {
    Ok(text.into())
}

/// A file, or nothing. That it exists was seen when the setting was looked up.
pub fn optional_file(text: &str) -> Result<Option<PathBuf>, Problem> {
    Ok((!text.is_empty()).then(|| text.into()))
}

/// The tag of a language.
pub fn language(text: &str) -> Result<String, Problem> {
    let allowed = "the tag of a language, such as en, de or pt-BR";
    if is_language(text) { Ok(text.to_owned()) } else { Err(allowed.into()) }
}

/// The keys that open and seal messages.
pub fn keyring(text: &str) -> Result<Keyring, Problem> {
    const ALLOWED: &str = "32 bytes in URL-safe or standard base64 (44 characters), several such keys, or a file that holds them";
    Keyring::parse(text).map_err(|error| problem!("{}: {}", ALLOWED, error))
}

/// Whether the text is a key, and not perhaps the path of one.
#[must_use]
pub fn key_decodes(text: &str) -> bool {
    Keyring::parse(text).is_ok()
}

/// The key for the hashes of personal data in logs.
pub fn pii_salt(text: &str) -> Result<PiiSalt, Problem> {
    const ALLOWED: &str = "at most 64 bytes, or `none`, or a file that holds either";
    PiiSalt::parse(text).map_err(|error| problem!("{}: {}", ALLOWED, error))
}

/// Any secret text, also an empty one.
pub fn secret(text: &str) -> Result<Secret<String>, Problem> {
    Ok(Secret::new(text.into()))
}

/// One line of any text, also an empty one.
pub fn line(text: &str) -> Result<String, Problem> {
    if text.chars().any(char::is_control) { Err("one line of text".into()) } else { Ok(text.into()) }
}

/// What API keys begin with.
pub fn api_key_prefix(text: &str) -> Result<String, Problem> {
    if is_prefix(text) { Ok(text.into()) } else { Err("1 to 12 lower-case letters and digits".into()) }
}

/// A sender as `Name <address>`, or just the address, that letters can be sent from.
pub fn sender(text: &str) -> Result<String, Problem> {
    Sender::parse(text).map(|_| text.to_owned()).ok_or_else(|| {
        "an e-mail address that mail can be sent from, with or without a name: `Name <name@example.org>`"
            .into()
    })
}

/// What to call ourselves towards a mail server: a host name, or an address in square brackets.
pub fn client_name(text: &str) -> Result<String, Problem> {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_literal = literal.is_some_and(|literal| match literal.strip_prefix("IPv6:") {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => literal.parse::<Ipv4Addr>().is_ok(),
    });
    let is_name = is_host_name(text) && !text.split('.').any(str::is_empty);
    if is_literal || is_name {
        Ok(text.into())
    } else {
        Err("`auto`, a host name, or an address in square brackets, such as [192.0.2.1] or [IPv6:2001:db8::1]".into())
    }
}

/// The same, or `auto` for whatever suits.
pub fn optional_client_name(text: &str) -> Result<Option<String>, Problem> {
    if text.eq_ignore_ascii_case("auto") { Ok(None) } else { client_name(text).map(Some) }
}

/// Something that can pass for an e-mail address: one word with an `@` inside.
pub fn email_address(text: &str) -> Result<String, Problem> {
    let has_both_parts =
        text.split_once('@').is_some_and(|(name, host)| !name.is_empty() && !host.is_empty());
    if has_both_parts && !text.chars().any(|character| character.is_whitespace() || character.is_control()) {
        Ok(text.into())
    } else {
        Err("an e-mail address, such as name@example.org".into())
    }
}

/// The rules for new passwords.
pub fn password_policy(text: &str) -> Result<PasswordPolicy, Problem> {
    const ALLOWED: &str = "four fields as in the default, or `nist`";
    PasswordPolicy::parse(text).map_err(|error| problem!("{}: {}", ALLOWED, error))
}

/// Requests a minute.
pub fn rate_limits(text: &str) -> Result<RateLimits, Problem> {
    const ALLOWED: &str = "`name:number` pairs with `;` between them, or `none`";
    RateLimits::parse(text).map_err(|error| problem!("{}: {}", ALLOWED, error))
}

/// The cost of new password hashes.
pub fn argon2_cost(text: &str) -> Result<Argon2Cost, Problem> {
    const ALLOWED: &str = "like `m=65536,t=3,p=4`";
    Argon2Cost::parse(text, false).map_err(|error| problem!("{}: {}", ALLOWED, error))
}

/// Base URLs, without a slash at the end.
pub fn base_urls(text: &str) -> Result<Vec<String>, Problem> {
    let urls: Vec<String> = list(text).map(|url| url.trim_end_matches('/').to_owned()).collect();
    if urls.iter().all(|url| is_web_url(url) && link(url, "/", &[]).is_some()) {
        return Ok(urls);
    }
    Err("http:// or https:// URLs with `;` between them, without `?`, `#` or `@`".into())
}

/// The URL of a service, or `none`.
pub fn service_url(text: &str) -> Result<Option<String>, Problem> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(None);
    }
    if is_web_url(text) { Ok(Some(text.into())) } else { Err("`none`, or an http:// or https:// URL".into()) }
}

/// How mail travels.
pub fn email_tls(text: &str) -> Result<Protection, Problem> {
    choice(
        text,
        &[
            ("auto", Protection::Automatic),
            ("starttls", Protection::StartTls),
            ("tls", Protection::Tls),
            ("none", Protection::None),
        ],
    )
}

/// What happens when leaked passwords cannot be looked up.
pub fn pwned_fail(text: &str) -> Result<PwnedFail, Problem> {
    choice(text, &[("open", PwnedFail::Open), ("closed", PwnedFail::Closed)])
}

/// What a lock after failures covers.
pub fn lock_mode(text: &str) -> Result<LockMode, Problem> {
    choice(text, &[("account", LockMode::Account), ("account-and-client", LockMode::AccountAndClient)])
}

/// How codes get from emails to the site.
pub fn code_form(text: &str) -> Result<CodeForm, Problem> {
    choice(text, &[("link", CodeForm::Link), ("typed", CodeForm::Typed)])
}

/// How users change their addresses.
pub fn email_change(text: &str) -> Result<EmailChange, Problem> {
    choice(text, &[("direct", EmailChange::Direct), ("proof", EmailChange::Proof)])
}

/// How repeated failed attempts are slowed down.
pub fn backoff(text: &str) -> Result<Backoff, Problem> {
    choice(text, &[("hold", Backoff::Hold), ("refuse", Backoff::Refuse)])
}

/// An address and a port to listen on, or nothing.
pub fn optional_socket_address(text: &str) -> Result<Option<SocketAddr>, Problem> {
    match text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_| "an IP address and a port, such as 127.0.0.1:9464".into()),
    }
}

/// How log lines look.
pub fn log_format(text: &str) -> Result<LogFormat, Problem> {
    choice(text, &[("text", LogFormat::Text), ("json", LogFormat::Json)])
}

/// The least level that is logged.
pub fn log_level(text: &str) -> Result<LevelFilter, Problem> {
    choice(
        text,
        &[
            ("debug", LevelFilter::Debug),
            ("info", LevelFilter::Info),
            ("warning", LevelFilter::Warn),
            ("error", LevelFilter::Error),
            ("none", LevelFilter::Off),
        ],
    )
}

/// Whether the text can stand as a URL of the web: right scheme, a host, one word.
#[must_use]
pub fn is_web_url(text: &str) -> bool {
    text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', ':', '?', '#'])
            && rest.chars().all(|character| character.is_ascii_graphic())
    })
}

fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Problem> {
    choices.iter().find(|(word, _)| text.eq_ignore_ascii_case(word)).map(|(_, value)| *value).ok_or_else(
        || {
            let mut words: Vec<_> = choices.iter().map(|(word, _)| problem!("`{}`", *word)).collect();
            let last = words.pop().unwrap_or_else(|| "nothing".into());
            if words.is_empty() { last } else { problem!("{} or {}", Problem::join(words, ", "), last) }
        },
    )
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    let well_spaced = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if well_spaced && all_digits { text.replace('_', "").parse().ok() } else { None }
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}

fn is_host_name(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_keep_to_their_limits() {
        for (text, expected) in
            [("80", Some(80)), (" 1_0 ", Some(10)), ("0", Some(0)), ("65535", Some(65535))]
        {
            assert_eq!(integer::<u16, 0, 65535>(text).ok(), expected, "{text}");
        }
        for text in ["", "-1", "65536", "12.0", "1__0", "_1", "1_", "+1", "99999999999999999999999", "١"] {
            assert!(integer::<u16, 0, 65535>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_sqlite_files_are_databases() {
        for (text, path) in [
            ("sqlite:///a/b.sqlite", "a/b.sqlite"),
            ("sqlite:////a/b.sqlite", "/a/b.sqlite"),
            ("/a/b.sqlite", "/a/b.sqlite"),
            ("b.sqlite", "b.sqlite"),
        ] {
            let read = database(text).unwrap_or_else(|problem| panic!("{problem}"));
            assert_eq!(read.path(), Some(std::path::Path::new(path)));
        }
        for text in [
            "sqlite://",
            "sqlite:///",
            "sqlite:///:memory:",
            ":memory:",
            "sqlite:///a?mode=ro",
            "sqlite+pysqlite:///a",
            "file:a",
        ] {
            let refusal = database(text).map(drop).expect_err(text).to_string();
            assert!(refusal.contains("sqlite:///") && !refusal.contains("hidden"), "{refusal}");
        }
    }

    #[test]
    fn hosts_are_folded_and_come_without_ports() {
        assert_eq!(
            hosts("Localhost; 127.0.0.1;;[::1]"),
            Ok(vec!["localhost".into(), "127.0.0.1".into(), "[::1]".into()])
        );
        for text in [";", "", "a:80", "::1", "*.example.org", "a b", "[x]"] {
            assert!(hosts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_is_one_word_with_something_on_both_sides() {
        for text in ["a@b", "admin@localhost", "a@b@c"] {
            assert_eq!(email_address(text).as_deref(), Ok(text));
        }
        for text in ["", "a", "@", "@b", "a@", "a b@c", "a@b c", "a@b\u{a0}", "a\u{0}@b", "a@b\n"] {
            assert!(email_address(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_rest_says_what_it_takes() {
        assert_eq!(address("localhost"), Ok(IpAddr::from([127, 0, 0, 1])));
        assert!(address("example.org").is_err() && address("127.0.0.1:80").is_err());
        assert_eq!(email_tls("x").expect_err("unknown"), "`auto`, `starttls`, `tls` or `none`");
        assert_eq!(integer_or_auto::<usize, 1, 8>("auto"), Ok(None));
        assert_eq!(
            integer_or_auto::<usize, 1, 8>("9").expect_err("too many"),
            "`auto` or a whole number from 1 to 8"
        );
        assert_eq!(service_url("none"), Ok(None));
        assert!(service_url("ftp://x").is_err() && service_url("https://").is_err());
        assert_eq!(base_urls("https://a.org/;http://b"), Ok(vec!["https://a.org".into(), "http://b".into()]));
        assert!(base_urls("https://a b").is_err() && base_urls("") == Ok(vec![]));
        assert!(sender("A <a@b>").is_ok() && sender("a@b\r\nBcc: c@d").is_err() && sender("a").is_err());
        assert!(sender("A <a@b").is_err() && sender("A <a@b_c>").is_err() && sender("\u{e4}@b").is_err());
        assert!(base_urls("https://a@b").is_err() && base_urls("https://a?b").is_err());
        for name in ["auth.example.org", "auth", "[192.0.2.1]", "[IPv6:::1]"] {
            assert_eq!(optional_client_name(name), Ok(Some(name.to_owned())));
        }
        for name in ["", "a b", "a..b", "192.0.2.1]", "[a]", "[::1]", "a\r\nMAIL"] {
            assert!(optional_client_name(name).is_err(), "{name}");
        }
        assert_eq!(optional_client_name("auto"), Ok(None));
    }
}

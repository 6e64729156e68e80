//! Asks the range API of Have I Been Pwned, or a copy of it elsewhere, whether a password has leaked.
//!
//! A password never leaves this machine, nor does its hash: the range API is told the first five of the
//! hash's forty digits, answers with the hundreds of hashes that begin so, and they are compared here.
//! Nothing of the password, the hash or those five digits is ever part of an error or a log line.

use super::{Breach, BreachLookup, UnknownReason};
use crate::outbound::names;
use crate::outbound::web::{RootsError, WebClient, is_untrusted};
use crate::problem::Loggable;
use std::fmt;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::Uri;
use ureq::tls::TlsConfig;
use zeroize::Zeroizing;

/// The longest answer that is read. The public API sends about 80 kB, padding included.
const BODY_BYTES_MAX: u64 = 2 * 1024 * 1024;
/// How often a lookup may be sent elsewhere.
const REDIRECTS_MAX: u32 = 3;
/// How many digits of the hash the API is told.
const PREFIX_DIGITS: usize = 5;

/// How long the steps of a lookup may take.
#[derive(Clone, Copy, Debug)]
pub struct TimeLimits {
    /// To resolve the name; and again to connect, TLS included.
    pub connect: Duration,
    /// For each wait for the next bytes.
    pub read: Duration,
    /// For everything together.
    pub total: Duration,
}

/// Calling servers made for the original give up after five seconds. They get their answer before.
impl Default for TimeLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), read: Duration::from_secs(3), total: Duration::from_secs(4) }
    }
}

/// Where and how to ask a range API.
#[derive(Clone, Debug)]
pub struct RangeSettings {
    /// An `http://` or `https://` address. `/range/` and five digits are put behind it; whether it ends with
    /// `/range/` already does not matter.
    pub base_url: String,
    /// A PEM file of root certificates to trust beside those built in (`SSL_CERT_FILE`).
    pub extra_roots: Option<PathBuf>,
    /// Whether `ALL_PROXY`, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are honoured.
    pub proxy_from_environment: bool,
    /// How long the steps may take.
    pub limits: TimeLimits,
}

impl RangeSettings {
    /// The usual settings for the range API at `base_url`.
    #[must_use]
    pub fn at(base_url: &str) -> Self {
        Self {
            base_url: base_url.to_owned(),
            extra_roots: None,
            proxy_from_environment: true,
            limits: TimeLimits::default(),
        }
    }
}

/// Why settings cannot be used. Says nothing of the address, which may hold a password.
#[derive(Debug)]
pub enum RangeError {
    /// The base address is none that can be asked.
    BaseUrl,
    /// The file of root certificates is of no use.
    Roots(RootsError),
}

impl Loggable for RangeError {}

impl fmt::Display for RangeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BaseUrl => out.write_str(
                "the address of the leaked-password service must begin with http:// or https://, name a host, \
                 and have no query",
            ),
            Self::Roots(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for RangeError {}

/// Asks a range API over HTTP.
pub struct RangeClient {
    base_url: String,
    client: WebClient,
}

impl RangeClient {
    /// Checks the settings and reads the extra roots. Connects to nothing yet.
    ///
    /// # Errors
    /// The address cannot be asked, or the extra roots cannot be read.
    pub fn new(settings: &RangeSettings) -> Result<Self, RangeError> {
        let uri: Uri = settings.base_url.parse().map_err(|_| RangeError::BaseUrl)?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(RangeError::BaseUrl),
        };
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(RangeError::BaseUrl);
        }
        let client = WebClient::new(settings.extra_roots.as_deref(), |tls| agent(settings, https, tls))
            .map_err(RangeError::Roots)?;
        let base_url = settings.base_url.trim_end_matches('/');
        Ok(Self { base_url: base_url.strip_suffix("/range").unwrap_or(base_url).to_owned(), client })
    }

    fn answer(&self, prefix: &str) -> Result<Vec<u8>, UnknownReason> {
        let url = format!("{}/range/{prefix}", self.base_url);
        self.client.ask(|agent| fetch(agent, &url), |reason| *reason == UnknownReason::Tls)
    }
}

impl BreachLookup for RangeClient {
    fn leaked(&self, password_sha1: &[u8; 20]) -> Breach {
        let digits = hex(password_sha1);
        let (prefix, suffix) = digits.split_at(PREFIX_DIGITS);
        match self.answer(prefix) {
            Ok(body) => find(&body, suffix),
            Err(reason) => Breach::Unknown(reason),
        }
    }
}

fn agent(settings: &RangeSettings, https: bool, tls: TlsConfig) -> ureq::Agent {
    let limits = settings.limits;
    let config = ureq::Agent::config_builder()
        // An address that asks for TLS gets TLS at every step of the way.
        .https_only(https)
        .max_redirects(REDIRECTS_MAX)
        .proxy(if settings.proxy_from_environment { ureq::Proxy::try_from_env() } else { None })
        .tls_config(tls)
        .user_agent("authnzerver")
        .timeout_resolve(Some(limits.connect))
        .timeout_connect(Some(limits.connect))
        .timeout_per_read(Some(limits.read))
        .timeout_per_write(Some(limits.read))
        .timeout_global(Some(limits.total))
        .build();
    names::agent(config)
}

fn fetch(agent: &ureq::Agent, url: &str) -> Result<Vec<u8>, UnknownReason> {
    // With padding, the length of an answer does not give away which range was asked for.
    let response = agent.get(url).header("Add-Padding", "true").call().map_err(|error| reason(&error))?;
    match response.status().as_u16() {
        200 => {}
        status => return Err(UnknownReason::Status(status)),
    }
    response.into_body().with_config().limit(BODY_BYTES_MAX).read_to_vec().map_err(|error| reason(&error))
}

fn reason(error: &ureq::Error) -> UnknownReason {
    use ureq::Error;
    match error {
        Error::StatusCode(status) => UnknownReason::Status(*status),
        Error::Timeout(_) => UnknownReason::TimedOut,
        Error::Io(error) if error.kind() == ErrorKind::TimedOut => UnknownReason::TimedOut,
        _ if is_untrusted(error) => UnknownReason::Tls,
        Error::TooManyRedirects | Error::RedirectFailed | Error::RequireHttpsOnly(_) => {
            UnknownReason::Redirect
        }
        Error::BodyExceedsLimit(_) => UnknownReason::TooLong,
        Error::Http(_) | Error::BadUri(_) | Error::Protocol(_) | Error::LargeResponseHeader(..) => {
            UnknownReason::Malformed
        }
        _ => UnknownReason::NoConnection,
    }
}

/// Capital digits: that is how the public API writes them, and how files of a downloaded copy are named.
fn hex(sha1: &[u8; 20]) -> Zeroizing<String> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut digits = Zeroizing::new(String::with_capacity(40));
    for byte in sha1 {
        digits.push(char::from(DIGITS[usize::from(byte >> 4)]));
        digits.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    digits
}

/// Looks for `suffix` in lines of `SUFFIX:count`. Lines of another form are passed over, but an answer in
/// which no line has that form says nothing about the password.
fn find(body: &[u8], suffix: &str) -> Breach {
    let mut verdict = Breach::Unknown(UnknownReason::Malformed);
    for line in body.split(|byte| *byte == b'\n') {
        let Some((digits, times)) = suffix_and_times(line) else { continue };
        // Padding consists of made-up lines with a count of zero.
        if times > 0 && digits.eq_ignore_ascii_case(suffix.as_bytes()) {
            return Breach::Found { times: Some(times) };
        }
        verdict = Breach::NotFound;
    }
    verdict
}

fn suffix_and_times(line: &[u8]) -> Option<(&[u8], u64)> {
    let (digits, rest) = line.trim_ascii().split_at_checked(40 - PREFIX_DIGITS)?;
    let count = std::str::from_utf8(rest.strip_prefix(b":")?).ok()?.trim();
    if !digits.iter().all(u8::is_ascii_hexdigit) || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits, count.parse().ok()?))
}

#[cfg(test)]
mod tests;

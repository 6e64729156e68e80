//! Asks a server for the value of a setting, as the file of `--confvars` says. Happens at the start only, on the
//! thread that starts the server, and within a total time. Redirects are not followed, for what is sent is meant for
//! one server. Nothing that is sent or answered, and of the URL only the host, is ever part of an error.

use super::environment::EXTRA_ROOTS_VARIABLE;
use super::values;
use crate::guard::secret::Secret;
use crate::outbound::names;
use crate::outbound::web::{WebClient, is_untrusted};
use crate::problem;
use crate::problem::{Problem, operator_name};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue, StatusCode, Uri};
use ureq::tls::TlsConfig;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// How a server is asked.
pub(super) struct WebRequest {
    /// Whether by POST, with the data as a form, or by GET, with the data in the query.
    pub(super) is_post: bool,
    pub(super) headers: Vec<(HeaderName, Template)>,
    pub(super) data: Vec<(String, Template)>,
    /// For everything together.
    pub(super) timeout: Duration,
}

impl WebRequest {
    /// The variables whose values are sent.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values().flat_map(Template::names)
    }

    /// Whether the network could read something of the operator's, sent there or answered from there.
    pub(super) fn is_overheard(&self, url: &str, answer_is_secret: bool) -> bool {
        is_in_clear(url) && (answer_is_secret || self.values().next().is_some())
    }

    /// Whether a value stands in the file itself that may be a secret.
    pub(super) fn spells_out_a_value(&self) -> bool {
        let harmless = |name: &HeaderName| ["accept", "content-type", "user-agent"].contains(&name.as_str());
        let headers = self.headers.iter().filter(|(name, _)| !harmless(name)).map(|(_, value)| value);
        headers.chain(self.data.iter().map(|(_, value)| value)).any(|value| value.names().next().is_none())
    }

    fn values(&self) -> impl Iterator<Item = &Template> {
        self.headers.iter().map(|(_, value)| value).chain(self.data.iter().map(|(_, value)| value))
    }
}

/// A text in which `[[NAME]]` stands for a variable. Other square brackets stand for themselves.
pub(super) struct Template(Secret<String>);

impl Template {
    pub(super) const fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        pieces(self.0.expose()).filter_map(Result::err)
    }

    fn filled(&self, variable: &Variable<'_>) -> Result<Secret<String>, Problem> {
        let mut filled = String::new();
        for piece in pieces(self.0.expose()) {
            match piece {
                Ok(text) => filled.push_str(text),
                Err(name) => filled.push_str(&variable(name)?.unwrap_or_default()),
            }
        }
        Ok(Secret::new(filled))
    }
}

/// Looks a variable up.
pub(super) type Variable<'a> = dyn Fn(&str) -> Result<Option<String>, Problem> + 'a;

/// Literal text, or else the name of a variable, one after the other.
fn pieces(text: &str) -> impl Iterator<Item = Result<&str, &str>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some((name, after)) = variable_at(rest) {
            rest = after;
            return Some(Err(name));
        }
        let next = rest.char_indices().map(|(at, _)| at).find(|&at| variable_at(&rest[at..]).is_some());
        let (piece, after) = rest.split_at(next.unwrap_or(rest.len()));
        rest = after;
        Some(Ok(piece))
    })
}

/// The name in `[[NAME]]` at the head of the text, and what follows.
fn variable_at(text: &str) -> Option<(&str, &str)> {
    let (name, after) = text.strip_prefix("[[")?.split_once("]]")?;
    let is_name = !name.is_empty()
        && !name.starts_with(|character: char| character.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, after))
}

/// Whether a text is a URL that is to be asked.
pub(super) fn is_asked_for(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("http://") || text.starts_with("https://")
}

/// The part of a URL that may be shown.
pub(super) fn place(url: &str) -> Problem {
    let uri = url.parse::<Uri>().ok().filter(|_| values::is_web_url(url));
    let parts = uri.as_ref().and_then(|uri| Some((uri.scheme_str()?, uri.host()?, uri.port_u16())));
    match parts {
        Some((scheme, host, None)) => problem!("{}://{}", operator_name(scheme), operator_name(host)),
        Some((scheme, host, Some(port))) => {
            problem!("{}://{}:{}", operator_name(scheme), operator_name(host), port)
        }
        None => "a URL".into(),
    }
}

/// Whether a text is a URL with a name or password in it.
pub(super) fn has_password(text: &str) -> bool {
    let uri = text.trim().parse::<Uri>().ok().filter(|_| is_asked_for(text));
    uri.is_some_and(|uri| uri.authority().is_some_and(|authority| authority.as_str().contains('@')))
}

/// Whether what is sent can be read on its way.
fn is_in_clear(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http") && !is_this_machine(&uri))
}

fn is_this_machine(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Asks, and gives the body of a good answer.
///
/// # Errors
/// What went wrong, in words that show nothing of what was sent or answered.
pub(super) fn fetch(
    url: &str,
    request: &WebRequest,
    variable: &Variable<'_>,
    extra_roots: Option<&Path>,
) -> Result<Vec<u8>, Problem> {
    let uri: Uri = url
        .parse()
        .ok()
        .filter(|_| values::is_web_url(url))
        .ok_or("it begins like a URL but is none that can be asked")?;
    let headers = filled_headers(request, variable)?;
    let mut data = Vec::new();
    for (name, value) in &request.data {
        data.push((name.as_str(), value.filled(variable)?));
    }
    let extra_roots = extra_roots.filter(|_| uri.scheme_str() == Some("https"));
    let client = WebClient::new(extra_roots, |tls| agent(request.timeout, is_this_machine(&uri), tls))
        .map_err(|error| problem!("{}: {}", EXTRA_ROOTS_VARIABLE, error))?;
    let (status, body) = client
        .ask(|agent| ask(agent, &uri, request.is_post, &headers, &data), is_untrusted)
        .map_err(|error| reason(&error, request.timeout))?;
    match status.as_u16() {
        200..=299 => Ok(body),
        300..=399 => {
            Err(problem!("it answered {}, which leads elsewhere, and is not followed", status.as_u16()))
        }
        _ => Err(problem!("it answered {}", status.as_u16())),
    }
}

fn filled_headers(
    request: &WebRequest,
    variable: &Variable<'_>,
) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
    let mut headers = Vec::new();
    for (name, value) in &request.headers {
        let mut value =
            HeaderValue::from_bytes(value.filled(variable)?.expose().as_bytes()).map_err(|_| {
                problem!(
                    "the header {} cannot be sent: there is a line end or the like in it",
                    operator_name(name.as_str())
                )
            })?;
        value.set_sensitive(true);
        headers.push((name.clone(), value));
    }
    Ok(headers)
}

/// No proxy leads to a server on this very machine.
fn agent(timeout: Duration, is_here: bool, tls: TlsConfig) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(if is_here { None } else { ureq::Proxy::try_from_env() })
        .tls_config(tls)
        .user_agent("authnzerver")
        .timeout_global(Some(timeout))
        .build();
    names::agent(config)
}

fn ask(
    agent: &ureq::Agent,
    uri: &Uri,
    is_post: bool,
    headers: &[(HeaderName, HeaderValue)],
    data: &[(&str, Secret<String>)],
) -> Result<(StatusCode, Vec<u8>), ureq::Error> {
    let data = data.iter().map(|(name, value)| (*name, value.expose().as_str()));
    let answer = if is_post {
        let request = agent.post(uri);
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).send_form(data)
    } else {
        let request = data.fold(agent.get(uri), |request, (name, value)| request.query(name, value));
        headers.iter().fold(request, |request, (name, value)| request.header(name, value)).call()
    }?;
    let status = answer.status();
    Ok((status, answer.into_body().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?))
}

/// Why no answer came. The error's own text may hold the URL.
fn reason(error: &ureq::Error, timeout: Duration) -> Problem {
    use std::io::ErrorKind;
    use ureq::Error;
    match error {
        Error::Timeout(_) => too_late(timeout),
        Error::Io(error) if error.kind() == ErrorKind::TimedOut => too_late(timeout),
        _ if is_untrusted(error) => "there is no trusted TLS connection to it".into(),
        Error::HostNotFound => "no such host is known".into(),
        Error::BodyExceedsLimit(limit) => problem!("the answer is longer than {} bytes", limit),
        Error::Http(_) | Error::BadUri(_) => "it is no URL that can be asked".into(),
        Error::Protocol(_) | Error::LargeResponseHeader(..) => "the answer is not HTTP".into(),
        _ => "it cannot be reached, or the connection broke".into(),
    }
}

fn too_late(timeout: Duration) -> Problem {
    problem!("no whole answer came within {} s", timeout.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let variable = |name: &str| Ok((name == "A_1").then(|| "[[A_1]]x".to_owned()));
        Template::new(text.into()).filled(&variable).expect("all variables are text").expose().clone()
    }

    #[test]
    fn names_in_brackets_are_replaced_once_and_other_brackets_stay() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("[[A_1]]", "[[A_1]]x"),
            ("a[[A_1]]b[[NONE]]c", "a[[A_1]]xbc"),
            ("[[[A_1]]]", "[[[A_1]]x]"),
            ("[[1]] [[]] [[a b]] [[A_1", "[[1]] [[]] [[a b]] [[A_1"),
            ("[[x [[A_1]]", "[[x [[A_1]]x"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn the_network_overhears_secrets_and_whatever_is_sent() {
        let timeout = Duration::from_secs(1);
        let silent = || WebRequest { is_post: false, headers: Vec::new(), data: Vec::new(), timeout };
        let with_data =
            WebRequest { data: vec![("q".to_owned(), Template::new("a".to_owned()))], ..silent() };
        let name = HeaderName::from_static("x-vault-token");
        let with_header = WebRequest { headers: vec![(name, Template::new("[[A]]".to_owned()))], ..silent() };
        let (far, sealed) = ("http://vault.example.org/", "https://vault.example.org/");
        assert!(!silent().is_overheard(far, false));
        assert!(silent().is_overheard(far, true));
        assert!(with_data.is_overheard(far, false));
        assert!(with_header.is_overheard(far, false));
        assert!(!with_data.is_overheard(sealed, true));
    }

    #[test]
    fn of_a_url_only_the_host_is_shown_and_clear_text_is_noticed() {
        for (url, shown, in_clear) in [
            ("http://me:hidden@vault.example.org:82/hidden?hidden", "http://vault.example.org:82", true),
            ("https://vault.example.org/", "https://vault.example.org", false),
            ("http://LOCALHOST/", "http://LOCALHOST", false),
            ("http://127.9.9.9:1/", "http://127.9.9.9:1", false),
            ("http://[::1]:1/", "http://[::1]:1", false),
            ("http://[::2]/", "http://[::2]", true),
            ("http://localhost.example.org/", "http://localhost.example.org", true),
            ("http://", "a URL", false),
            ("http://a b", "a URL", false),
        ] {
            assert_eq!((place(url).as_str(), is_in_clear(url)), (shown, in_clear), "{url}");
        }
    }
}

//! Where a site is, what it signs with, and what it remembers of sessions.

use crate::errors::Error;
use crate::keys::KeyRing;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

const HINTS_MAX: usize = 4096;

/// Where a site is, and what it signs with.
#[derive(Debug)]
pub struct Site {
    pub(super) origins: Vec<String>,
    /// Whether it is reached over HTTPS; if not, it is on one's own machine.
    pub(super) is_secure: bool,
    proxies: Vec<IpAddr>,
    /// How many days after the last visit the sessions of those end who want to be remembered; 0 is as the server says.
    keep_days: u32,
    pub(super) csrf_keys: CsrfKeys,
    /// Who a session belonged to when it was last seen: what can be asked together with who it belongs to now.
    hints: Mutex<HashMap<[u8; 32], Hint>>,
}

pub(super) struct CsrfKeys(pub(super) Vec<[u8; 32]>);

impl std::fmt::Debug for CsrfKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} keys", self.0.len())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hint {
    pub(super) user_id: i64,
    pub(super) user_role: String,
}

/// What a browser sent. A header that came more than once is its values with `", "` between them, cookies with `"; "`.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// `Cookie`.
    pub cookie: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub sec_fetch_site: Option<&'a str>,
    /// `X-CSRF-Token`.
    pub csrf_token: Option<&'a str>,
    /// `Authorization`.
    pub authorization: Option<&'a str>,
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The others are cookies and keys.
        write!(formatter, "{} {}", self.method, self.path)
    }
}

impl Site {
    /// A site at these addresses as browsers see them, such as `https://example.org`. Over `http` a site can only be on
    /// one's own machine; its cookies are then called `insecure-…`.
    ///
    /// # Errors
    /// There is none, or one is more than scheme, host and port.
    pub fn new(origins: &[&str], keys: &KeyRing) -> Result<Self, Error> {
        let origins: Vec<String> =
            origins.iter().map(|origin| origin.trim_end_matches('/').to_owned()).collect();
        let is_secure =
            origins.iter().all(|origin| origin.strip_prefix("https://").is_some_and(is_authority));
        let is_local = origins.iter().all(|origin| origin.strip_prefix("http://").is_some_and(is_loopback));
        if origins.is_empty() || !(is_secure || is_local) {
            let why = "a site is at https://HOST or https://HOST:PORT, or at http:// on this very machine"
                .to_owned();
            return Err(Error::Misconfigured { why });
        }
        let csrf_keys = CsrfKeys(keys.derived("csrf"));
        Ok(Self { origins, is_secure, proxies: Vec::new(), keep_days: 0, csrf_keys, hints: Mutex::default() })
    }

    /// The addresses of proxies in front of the site; from these alone `X-Real-IP` is taken.
    #[must_use]
    pub fn with_proxies(mut self, proxies: &[IpAddr]) -> Self {
        self.proxies = proxies.to_vec();
        self
    }

    /// Has sessions of those who want to be remembered last so many days from the last visit.
    #[must_use]
    pub fn with_keep_days(mut self, days: u32) -> Self {
        self.keep_days = days;
        self
    }

    /// For how many days a login holds; `None` is as the server says.
    pub(super) fn login_days(&self, remember: bool) -> Option<i64> {
        Some(i64::from(self.keep_days)).filter(|days| remember && *days > 0)
    }

    /// The address of a page of the site, for an email.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.origins[0])
    }

    /// The end user's address.
    pub fn client_address(&self, peer: IpAddr, x_real_ip: Option<&str>) -> String {
        let peer = peer.to_canonical();
        let said =
            x_real_ip.filter(|_| self.proxies.contains(&peer)).and_then(|said| said.parse::<IpAddr>().ok());
        said.unwrap_or(peer).to_string()
    }

    fn hints(&self) -> MutexGuard<'_, HashMap<[u8; 32], Hint>> {
        // Whoever panicked left whole entries.
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hint(&self, token: &str) -> Option<Hint> {
        self.hints().get(&digest(token)).cloned()
    }

    pub(super) fn keep_hint(&self, token: &str, hint: Hint) {
        let mut hints = self.hints();
        while hints.len() >= HINTS_MAX {
            let Some(oldest) = hints.keys().next().copied() else { break };
            hints.remove(&oldest);
        }
        hints.insert(digest(token), hint);
    }

    pub(super) fn forget_hint(&self, token: &str) {
        self.hints().remove(&digest(token));
    }
}

fn is_authority(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '?', '#', '@'])
}

fn is_loopback(text: &str) -> bool {
    let is_port = |port: &str| port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    let rest = ["127.0.0.1", "localhost", "[::1]"].iter().find_map(|host| text.strip_prefix(host));
    rest.is_some_and(|rest| rest.is_empty() || is_port(rest))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A path of this site, for what a visitor brought along; the front page for anything else.
pub fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/') && !path.starts_with("//");
    let is_plain = |letter: u8| letter.is_ascii_graphic() && letter != b'\\';
    if is_own && path.bytes().all(is_plain) { path } else { "/" }
}

#[cfg(test)]
impl Site {
    pub(crate) fn plant_hint(&self, token: &str, user_id: i64, user_role: &str) {
        self.keep_hint(token, Hint { user_id, user_role: user_role.to_owned() });
    }

    pub(crate) fn hints_kept(&self) -> usize {
        self.hints().len()
    }
}

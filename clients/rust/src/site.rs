//! What a site needs around its own pages, whatever it is built with: the session's cookie, guards, and protection
//! against forged forms. It takes the values of headers, and gives the values of headers.

mod visit;

pub use visit::Visit;

use crate::batch::{Answers, Batch, Part};
use crate::client::Caller;
use crate::errors::Error;
use crate::keys::KeyRing;
use crate::requests::{ApikeyCheckParams, SessionInfoParams, UserCheckAccessParams};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

const HINTS_MAX: usize = 4096;

/// Where a site is, and what it signs with.
#[derive(Debug)]
pub struct Site {
    origins: Vec<String>,
    /// Whether it is reached over HTTPS; if not, it is on one's own machine.
    is_secure: bool,
    proxies: Vec<IpAddr>,
    csrf_keys: CsrfKeys,
    /// Who a session belonged to when it was last seen: what can be asked together with who it belongs to now.
    hints: Mutex<HashMap<[u8; 32], Hint>>,
}

struct CsrfKeys(Vec<[u8; 32]>);

impl std::fmt::Debug for CsrfKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} keys", self.0.len())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Hint {
    user_id: i64,
    user_role: String,
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

/// What is asked for before a page is shown.
#[derive(Clone, Copy, Debug)]
pub enum Guard<'a> {
    /// Somebody is logged in.
    Login,
    /// Somebody with one of these roles is logged in.
    Roles(&'a [&'a str]),
    /// The policy permits whoever is logged in an action on a kind of item of their own.
    May(&'a str, &'a str),
    /// Instead of a login: an API key that is good for an action on a kind of item.
    Key(&'a str, &'a str),
}

/// What to answer.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The page.
    Allowed,
    /// A redirection (303) to this path, where somebody can log in.
    ToLogin(String),
    /// 403.
    Forbidden,
    /// 401 with `WWW-Authenticate: Bearer`: the API key is missing, or is none.
    NoKey,
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
        Ok(Self { origins, is_secure, proxies: Vec::new(), csrf_keys, hints: Mutex::default() })
    }

    /// The addresses of proxies in front of the site; from these alone `X-Real-IP` is taken.
    #[must_use]
    pub fn with_proxies(mut self, proxies: &[IpAddr]) -> Self {
        self.proxies = proxies.to_vec();
        self
    }

    /// The end user's address.
    pub fn client_address(&self, peer: IpAddr, x_real_ip: Option<&str>) -> String {
        let peer = peer.to_canonical();
        let said =
            x_real_ip.filter(|_| self.proxies.contains(&peer)).and_then(|said| said.parse::<IpAddr>().ok());
        said.unwrap_or(peer).to_string()
    }

    /// What is known of a request before anything is asked.
    pub fn visit<'a>(&'a self, came: Headers<'a>) -> Visit<'a> {
        Visit::new(self, came)
    }

    fn hints(&self) -> MutexGuard<'_, HashMap<[u8; 32], Hint>> {
        // Whoever panicked left whole entries.
        self.hints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hint(&self, token: &str) -> Option<Hint> {
        self.hints().get(&digest(token)).cloned()
    }

    fn keep_hint(&self, token: &str, hint: Hint) {
        let mut hints = self.hints();
        while hints.len() >= HINTS_MAX {
            let Some(oldest) = hints.keys().next().copied() else { break };
            hints.remove(&oldest);
        }
        hints.insert(digest(token), hint);
    }

    fn forget_hint(&self, token: &str) {
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

type Accesses<'a> = Vec<Part<UserCheckAccessParams<'a>>>;

impl Visit<'_> {
    /// Sees whose session it is, and whether all guards let them in. Without a guard nobody is kept out. The session and
    /// what the policy says come in one round trip once the session has been seen here.
    ///
    /// # Errors
    /// The server could not be asked: answer 503.
    pub fn check(&mut self, caller: &Caller<'_>, guards: &[Guard<'_>]) -> Result<Verdict, Error> {
        let by_key = guards.iter().filter(|guard| matches!(guard, Guard::Key(..))).count();
        if by_key > 0 && by_key < guards.len() {
            // A key is nobody who is logged in, so it does not pass a guard that wants somebody.
            return Ok(Verdict::Forbidden);
        } else if by_key > 0 {
            return self.check_key(caller, guards);
        }
        let Some(token) = self.token.clone() else { return Ok(self.without_login(guards)) };
        let hint = self.site.hint(&token);
        let mut batch = Batch::new();
        let who = batch.add(SessionInfoParams { session_token: &token });
        let mut accesses =
            hint.as_ref().map(|hint| add_accesses(&mut batch, hint, guards)).unwrap_or_default();
        let mut answers = caller.together(&batch)?;
        self.session = match answers.take(who) {
            Ok(answer) => Some(answer.session_info),
            Err(Error::Refused(_)) => {
                self.site.forget_hint(&token);
                self.forget();
                return Ok(self.without_login(guards));
            }
            Err(error) => return Err(error),
        };
        let Some(session) = self.session.as_ref().filter(|_| self.is_logged_in()) else {
            return Ok(self.without_login(guards));
        };
        let roles = guards
            .iter()
            .filter_map(|guard| if let Guard::Roles(roles) = guard { Some(roles) } else { None });
        if !roles.into_iter().all(|roles| self.has_role(roles)) {
            return Ok(Verdict::Forbidden);
        }
        let now = Hint { user_id: session.user_id, user_role: session.user_role.clone() };
        let mut again = Batch::new();
        if hint.as_ref() != Some(&now) && guards.iter().any(|guard| matches!(guard, Guard::May(..))) {
            // The first time, or the role has changed since: what was asked along was about somebody else.
            self.site.keep_hint(&token, now.clone());
            accesses = add_accesses(&mut again, &now, guards);
            answers = caller.together(&again)?;
        }
        permitted(&mut answers, accesses)
    }

    fn without_login(&self, guards: &[Guard<'_>]) -> Verdict {
        if guards.is_empty() { Verdict::Allowed } else { Verdict::ToLogin(self.login_path()) }
    }

    /// What comes with a key is done for its owner, and for no cookie.
    fn check_key(&mut self, caller: &Caller<'_>, guards: &[Guard<'_>]) -> Result<Verdict, Error> {
        self.token = None;
        let (scheme, key) = self.came.authorization.unwrap_or_default().split_once(' ').unwrap_or_default();
        let key = key.trim();
        if !scheme.eq_ignore_ascii_case("bearer") || key.is_empty() {
            return Ok(Verdict::NoKey);
        }
        let mut batch = Batch::new();
        let mut parts = Vec::new();
        for guard in guards {
            let Guard::Key(action, item) = guard else { continue };
            let asked = ApikeyCheckParams {
                apikey: key,
                action: Some(action),
                target_name: Some(item),
                ..Default::default()
            };
            parts.push(batch.add(asked));
        }
        let mut answers = caller.together(&batch)?;
        for part in parts {
            match answers.take(part) {
                Ok(answer) => self.key_owner = Some(answer.user_id),
                Err(Error::Refused(refused)) => {
                    self.key_owner = None;
                    let reason = refused.reason.as_deref();
                    let known = ["action not within the API key's scopes", "action not permitted"];
                    let is_known = reason.is_some_and(|reason| known.contains(&reason));
                    return Ok(if is_known { Verdict::Forbidden } else { Verdict::NoKey });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Verdict::Allowed)
    }
}

fn add_accesses<'a>(batch: &mut Batch<'a>, who: &'a Hint, guards: &[Guard<'a>]) -> Accesses<'a> {
    let mut parts = Vec::new();
    for guard in guards {
        let Guard::May(action, item) = guard else { continue };
        parts.push(batch.add(UserCheckAccessParams {
            user_id: who.user_id,
            user_role: &who.user_role,
            action,
            target_name: item,
            target_owner: who.user_id,
            target_visibility: "private",
            target_sharedwith: None,
        }));
    }
    parts
}

fn permitted(answers: &mut Answers, accesses: Accesses<'_>) -> Result<Verdict, Error> {
    for access in accesses {
        match answers.take(access) {
            Ok(_) => {}
            Err(Error::Refused(_)) => return Ok(Verdict::Forbidden),
            Err(error) => return Err(error),
        }
    }
    Ok(Verdict::Allowed)
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

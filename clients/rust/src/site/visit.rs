//! One request to a site: who asks, which cookies go back, and whether a form was sent by a page of the site.

use super::html::unescape;
use super::place::{Headers, Site, own_path};
use super::texts::SECOND_FACTOR;
use crate::client::Caller;
use crate::errors::{Error, Refused};
use crate::fernet::hmac_of;
use crate::requests::{
    InternalSessionEditParams, LoginLinkFinishParams, LoginParams, SessionDeleteParams, SessionNewParams,
    SessionTouchParams,
};
use crate::types::{LoginAnswer, LoginLinkFinishAnswer, SessionAndOwner};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::time::{Duration, SystemTime};

pub(super) const ANONYMOUS: i64 = 2;
/// What is noted about the session of somebody who wants to be remembered.
const REMEMBERED: &str = "remember";

/// What the site knows about the request that it answers.
pub struct Visit<'a> {
    /// The live session and its owner, once [`Visit::check`] has looked; `None` without one.
    pub session: Option<SessionAndOwner>,
    /// Whose API key it was, where a guard asks for one.
    pub key_owner: Option<i64>,
    pub(super) site: &'a Site,
    pub(super) came: Headers<'a>,
    pub(crate) token: Option<String>,
    visitor: Option<String>,
    set_cookies: Vec<String>,
}

impl std::fmt::Debug for Visit<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} of user {:?}", self.came, self.user_id())
    }
}

impl Site {
    /// What is known of a request before anything is asked.
    pub fn visit<'a>(&'a self, came: Headers<'a>) -> Visit<'a> {
        Visit::new(self, came)
    }

    /// Browsers keep these for HTTPS and this host. Over HTTP they do not all take them; and there, the programs of all
    /// ports share theirs.
    fn cookie_name(&self, name: &str) -> String {
        format!("{}{name}", if self.is_secure { "__Host-" } else { "insecure-" })
    }

    /// A cookie that scripts and other sites do not get to see.
    fn cookie(&self, name: &str, value: &str) -> String {
        let secure = if self.is_secure { " Secure;" } else { "" };
        format!("{}={value}; Path=/;{secure} HttpOnly; SameSite=Lax", self.cookie_name(name))
    }
}

impl<'a> Visit<'a> {
    fn new(site: &'a Site, came: Headers<'a>) -> Self {
        let cookie = |name| cookie(came.cookie, &site.cookie_name(name));
        let (token, visitor) = (cookie("session"), cookie("visitor"));
        Self { session: None, key_owner: None, site, came, token, visitor, set_cookies: Vec::new() }
    }

    /// Whether somebody is logged in.
    pub fn is_logged_in(&self) -> bool {
        self.user_id().is_some()
    }

    /// Who is logged in.
    pub fn user_id(&self) -> Option<i64> {
        self.session.as_ref().map(|session| session.user_id).filter(|user_id| *user_id != ANONYMOUS)
    }

    /// The role of whoever asks.
    pub fn role(&self) -> &str {
        let session = self.session.as_ref().filter(|_| self.is_logged_in());
        session.map_or("anonymous", |session| &session.user_role)
    }

    /// What to call whoever is logged in, as plain text.
    pub fn name(&self) -> String {
        let session = self.session.as_ref().filter(|_| self.is_logged_in());
        let named = |session: &SessionAndOwner| match session.full_name.as_deref() {
            Some(name) if !name.is_empty() => unescape(name),
            _ => session.email.clone(),
        };
        session.map(named).unwrap_or_default()
    }

    /// Whether somebody with one of these roles is logged in.
    pub fn has_role(&self, roles: &[&str]) -> bool {
        let session = self.session.as_ref().filter(|_| self.is_logged_in());
        session.is_some_and(|session| roles.contains(&session.user_role.as_str()))
    }

    /// The session's token, for requests of the site's own.
    pub fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The values of `Set-Cookie`, one header each.
    pub fn set_cookies(&self) -> &[String] {
        &self.set_cookies
    }

    /// Where somebody logs in and is led back from.
    pub fn login_path(&self) -> String {
        let onward = if self.came.method == "GET" { own_path(self.came.path) } else { "/" };
        let mut path = "/login?next=".to_owned();
        for letter in onward.bytes() {
            if letter.is_ascii_alphanumeric() || b"-._~/".contains(&letter) {
                path.push(char::from(letter));
            } else {
                // Writing to a text cannot fail.
                let _ = write!(path, "%{letter:02X}");
            }
        }
        path
    }

    /// Logs somebody in, with another session than before. What was noted about the visitor is taken over if
    /// [`Visit::check`] has looked.
    ///
    /// # Errors
    /// It was refused; or the server could not be asked. Where a second proof is due, which no page here asks for, the new
    /// session is ended, and that is a refusal too.
    pub fn log_in(
        &mut self,
        caller: &Caller<'_>,
        email: &str,
        password: &str,
        remember: bool,
    ) -> Result<LoginAnswer, Error> {
        let token = self.token.clone();
        let params = LoginParams {
            email,
            password,
            session_token: token.as_deref(),
            remember: Some(remember),
            days: self.site.login_days(remember),
            extra_info_json: Some(self.notes_of_login(remember)),
            ..Default::default()
        };
        let answer = self.entered(caller.login(&params))?;
        let is_due = answer.second_factor_due;
        self.enter(caller, "login", &answer.session_token, answer.expires, remember, is_due)?;
        Ok(answer)
    }

    /// Logs somebody in by the code of an email. `email` is for a code that was typed, and only then; otherwise it is as
    /// [`Visit::log_in`].
    ///
    /// # Errors
    /// As there.
    pub fn log_in_by_code(
        &mut self,
        caller: &Caller<'_>,
        code: &str,
        email: Option<&str>,
        remember: bool,
    ) -> Result<LoginLinkFinishAnswer, Error> {
        let token = self.token.clone();
        let params = LoginLinkFinishParams {
            code,
            email,
            session_token: token.as_deref(),
            remember: Some(remember),
            days: self.site.login_days(remember),
            extra_info_json: Some(self.notes_of_login(remember)),
            ..Default::default()
        };
        let answer = self.entered(caller.login_link_finish(&params))?;
        let is_due = answer.second_factor_due;
        self.enter(caller, "login-link-finish", &answer.session_token, answer.expires, remember, is_due)?;
        Ok(answer)
    }

    /// What was noted about the visitor, but not from one user to another; and whether the login is to be remembered.
    fn notes_of_login(&self, remember: bool) -> Map<String, Value> {
        let session = self.session.as_ref().filter(|_| !self.is_logged_in());
        let notes = session.and_then(|session| session.extra_info_json.as_object().cloned());
        let mut notes = notes.unwrap_or_default();
        notes.insert(REMEMBERED.to_owned(), Value::Bool(remember));
        notes
    }

    fn entered<T>(&mut self, came: Result<T, Error>) -> Result<T, Error> {
        // The visitor's session may have ended: one that is kept would be asked about each time.
        if self.token.is_some() && came.as_ref().err().is_some_and(|error| error.refused().is_some()) {
            self.forget();
        }
        came
    }

    /// Takes the session of a login. One that does not count before a second proof is ended.
    pub(crate) fn enter(
        &mut self,
        caller: &Caller<'_>,
        request: &'static str,
        token: &str,
        expires: SystemTime,
        remember: bool,
        is_second_factor_due: bool,
    ) -> Result<(), Error> {
        if is_second_factor_due {
            end(caller, token)?;
            self.forget();
            return Err(Error::Refused(Box::new(Refused {
                request,
                reason: Some("a second factor is due".to_owned()),
                messages: vec![SECOND_FACTOR.to_owned()],
                response: Map::new(),
                retry_after: None,
            })));
        }
        self.forget_visitor();
        self.start(token, expires, remember);
        Ok(())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// The server could not be asked.
    pub fn log_out(&mut self, caller: &Caller<'_>) -> Result<(), Error> {
        if let Some(token) = self.token.take() {
            self.site.forget_hint(&token);
            if let Err(error) = end(caller, &token) {
                self.token = Some(token);
                return Err(error);
            }
        }
        self.forget();
        Ok(())
    }

    /// Notes values about the session. A visitor gets a session of so many days by that, and has none before.
    ///
    /// # Errors
    /// It was refused; or the server could not be asked.
    pub fn store(&mut self, caller: &Caller<'_>, values: Map<String, Value>, days: i64) -> Result<(), Error> {
        if let Some(token) = &self.token {
            let edit = InternalSessionEditParams { target_session_token: token, update_dict: values };
            return caller.internal_session_edit(&edit).map(|_| ());
        }
        let new =
            SessionNewParams { expires: days.into(), extra_info_json: Some(values), ..Default::default() };
        let made = caller.session_new(&new)?;
        self.start(&made.session_token, made.expires, false);
        Ok(())
    }

    /// What was noted about the session when [`Visit::check`] looked.
    pub fn stored(&self, key: &str) -> Option<&Value> {
        self.session.as_ref()?.extra_info_json.get(key)
    }

    /// Has another session from here on. Without `remember` its cookie ends with the browser.
    pub fn start(&mut self, token: &str, expires: SystemTime, remember: bool) {
        self.token = Some(token.to_owned());
        self.session = None;
        if remember {
            self.keep(expires);
        } else {
            self.set_cookies.push(self.site.cookie("session", token));
        }
    }

    /// Has the cookie last as long as the session.
    fn keep(&mut self, expires: SystemTime) {
        let seconds = expires.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs());
        let cookie = self.site.cookie("session", self.token.as_deref().unwrap_or_default());
        self.set_cookies.push(format!("{cookie}; Max-Age={seconds}"));
    }

    /// Has the session of somebody who wants to be remembered last from now on, once an hour.
    ///
    /// # Errors
    /// The server could not be asked.
    pub(super) fn prolong(&mut self, caller: &Caller<'_>) -> Result<(), Error> {
        let (Some(session), Some(token), Some(days)) =
            (self.session.as_ref().filter(|_| self.is_logged_in()), &self.token, self.site.login_days(true))
        else {
            return Ok(());
        };
        let left = session.expires.duration_since(SystemTime::now()).unwrap_or_default();
        let is_remembered = session.extra_info_json.get(REMEMBERED) == Some(&Value::Bool(true));
        if !is_remembered || !is_an_hour_old(left, days) {
            return Ok(());
        }
        match caller.session_touch(&SessionTouchParams { session_token: token, days, days_max: None }) {
            // The operator may allow no more; then there is nothing to tell the browser either.
            Ok(answer) if answer.expires > session.expires => self.keep(answer.expires),
            Ok(_) | Err(Error::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Has no session any more.
    pub fn forget(&mut self) {
        self.token = None;
        self.session = None;
        self.set_cookies.push(format!("{}; Max-Age=0", self.site.cookie("session", "")));
    }

    /// For the hidden field `csrf` of a form, or the header `X-CSRF-Token`. It is bound to the session, or to a cookie
    /// where there is none, which is set then.
    ///
    /// # Errors
    /// The operating system gives no random numbers.
    pub fn csrf_token(&mut self) -> Result<String, Error> {
        if self.bound().is_empty() {
            let visitor = random::<24>()?;
            self.set_cookies.push(self.site.cookie("visitor", &visitor));
            self.visitor = Some(visitor);
        }
        let nonce = random::<12>()?;
        let signature =
            signature(&self.site.csrf_keys.0[0], &nonce, &self.bound()[0]).finalize().into_bytes();
        let mut token = format!("{nonce}.");
        for byte in signature {
            // Writing to a text cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        Ok(token)
    }

    /// Whether what changes something was not sent by a page of the site. `field` is the field `csrf` of the form that
    /// came. Requests with an API key need not be asked about: no browser sends one by itself.
    pub fn is_forged(&self, field: Option<&str>) -> bool {
        if matches!(self.came.method, "GET" | "HEAD" | "OPTIONS" | "TRACE") {
            return false;
        }
        if !self.is_of_our_origin() {
            return true;
        }
        let token = self.came.csrf_token.filter(|token| !token.is_empty()).or(field).unwrap_or_default();
        let (nonce, given) = token.split_once('.').unwrap_or_default();
        let Some(given) = unhex(given) else { return true };
        // Compared in constant time.
        let is_of = |key, bound: &String| signature(key, nonce, bound).verify_slice(&given).is_ok();
        !self.bound().iter().any(|bound| self.site.csrf_keys.0.iter().any(|key| is_of(key, bound)))
    }

    /// Whether the headers say that a page of the site asks; also for a WebSocket, with which no token can come.
    pub fn is_of_our_origin(&self) -> bool {
        let is_ours = |origin: &str| self.site.origins.iter().any(|ours| ours == origin);
        self.came.sec_fetch_site.is_none_or(|from| from == "same-origin")
            && self.came.origin.is_none_or(is_ours)
    }

    /// What forms are bound to: the session or, where there is none, a cookie. The form of a visitor outlives that they get
    /// a session, and that a session has ended meanwhile.
    fn bound(&self) -> Vec<String> {
        let session = self.token.iter().map(|token| format!("session {token}"));
        session.chain(self.visitor.iter().map(|visitor| format!("visitor {visitor}"))).collect()
    }

    /// Has the forms of before a login be good for nothing.
    fn forget_visitor(&mut self) {
        if self.visitor.take().is_some() {
            self.set_cookies.push(format!("{}; Max-Age=0", self.site.cookie("visitor", "")));
        }
    }
}

/// Whether a session of so many days, of which so much is left, was last prolonged an hour ago or before.
fn is_an_hour_old(left: Duration, days: i64) -> bool {
    let whole = Duration::from_secs(u64::try_from(days).unwrap_or(0) * 24 * 60 * 60);
    left <= whole.saturating_sub(Duration::from_secs(60 * 60))
}

fn end(caller: &Caller<'_>, token: &str) -> Result<(), Error> {
    match caller.session_delete(&SessionDeleteParams { session_token: token }) {
        // One that is refused had ended already.
        Ok(_) | Err(Error::Refused(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn signature(key: &[u8; 32], nonce: &str, bound: &str) -> hmac::Hmac<sha2::Sha256> {
    hmac_of(key).chain_update(format!("{nonce} {bound}"))
}

/// The cookie of this name. One that is there twice was not set by us.
fn cookie(header: Option<&str>, name: &str) -> Option<String> {
    let pairs = header.unwrap_or_default().split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, value)| value);
    let first = found.next().filter(|value| !value.is_empty())?;
    if found.next().is_some() { None } else { Some(first.to_owned()) }
}

fn random<const BYTES: usize>() -> Result<String, Error> {
    let mut bytes = [0; BYTES];
    let fail = |_| Error::Misconfigured { why: "the operating system gives no random numbers".to_owned() };
    getrandom::fill(&mut bytes).map_err(fail)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_hex = text.bytes().all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit));
    if !is_hex || text.len() != 64 {
        return None;
    }
    (0..32).map(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_prolonged_once_an_hour() {
        let two_days = 2 * 24 * 60;
        for (minutes_left, is_due) in [
            (two_days, false),
            (two_days - 59, false),
            (two_days - 60, true),
            (0, true),
            (9 * two_days, false),
        ] {
            assert_eq!(is_an_hour_old(Duration::from_secs(60 * minutes_left), 2), is_due, "{minutes_left}");
        }
    }
}

//! Who may see a page.

use super::place::Hint;
use super::visit::Visit;
use crate::batch::{Answers, Batch, Part};
use crate::client::Caller;
use crate::errors::Error;
use crate::requests::{ApikeyCheckParams, SessionInfoParams, UserCheckAccessParams};

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
        self.prolong(caller)?;
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

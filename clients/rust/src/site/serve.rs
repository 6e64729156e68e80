//! What becomes of a request: a page of accounts, a refusal, or whatever the program has for it.

use super::accounts::{Accounts, Visitor};
use super::guard::{Guard, Verdict};
use super::own::{OLD_ADDRESS, OWN};
use super::routes::{ROUTES, Route};
use super::texts::{FORBIDDEN, FORGED, METHODS, TOO_LONG};
use super::web::{WebRequest, WebResponse, decoded, flat, readings};
use crate::errors::Error;

/// Who answers a request.
#[must_use]
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It is answered already.
    Answered(WebResponse),
    /// The program answers; what it makes goes through [`Visitor::finish`].
    Yours(Box<Visitor<'a>>),
}

impl Accounts {
    /// Answers what is a page of accounts, and keeps out who may not see what lies behind a guard.
    pub fn answer<'a>(&'a self, request: &'a WebRequest) -> Outcome<'a> {
        if !request.has_path() {
            return Outcome::Answered(WebResponse::text(400, "this is no path\n"));
        }
        let mut visitor = self.visitor(request);
        let response = match self.answered(&mut visitor) {
            Ok(None) => return Outcome::Yours(Box::new(visitor)),
            Ok(Some(response)) => response,
            Err(error) => visitor.failed(&error),
        };
        Outcome::Answered(visitor.finish(response))
    }

    fn answered(&self, visitor: &mut Visitor<'_>) -> Result<Option<WebResponse>, Error> {
        let request = visitor.request;
        let ways = readings(request.path());
        let is_read = matches!(request.method(), "GET" | "HEAD");
        if is_read && ways.iter().all(|way| self.is_static(way)) {
            return Ok(None);
        }
        let path = decoded(request.path().as_bytes(), false);
        let find = |routes: &[(&str, Route)]| {
            routes.iter().find(|(known, _)| *known == path).map(|(_, route)| *route)
        };
        let (open, own) = (find(ROUTES).or_else(|| find(&[OLD_ADDRESS])), find(OWN));
        // Whoever is to log in has to see the page for that, also where the whole site is guarded.
        let guards = if open.is_some() { Vec::new() } else { self.guards_of(&ways) };
        let by_key = guards.iter().filter(|guard| matches!(guard, Guard::Key(..))).count();
        let Some(form) = request.form() else { return Ok(Some(visitor.say(413, TOO_LONG))) };
        visitor.form = form;
        // No token can come with a WebSocket, but an origin does. No browser sends a key by itself.
        let is_foreign_upgrade = request.header("upgrade").is_some() && !visitor.is_of_our_origin();
        if by_key == 0 && (is_foreign_upgrade || visitor.is_forged(visitor.form.get("csrf"))) {
            return Ok(Some(visitor.say(403, FORGED)));
        }
        match visitor.ask(|visit, caller| visit.check(caller, &guards))? {
            Verdict::Allowed => {}
            Verdict::ToLogin(path) => return Ok(Some(WebResponse::to(&path))),
            // A key is nobody who is logged in, so it does not pass a guard that wants somebody.
            Verdict::Forbidden if by_key > 0 && by_key == guards.len() => {
                return Ok(Some(WebResponse::text(403, "the API key is not good for this\n")));
            }
            Verdict::Forbidden => return Ok(Some(visitor.say(403, FORBIDDEN))),
            Verdict::NoKey => {
                let mut response = WebResponse::text(401, "an API key that is good is missing\n");
                response.add_header("WWW-Authenticate", "Bearer");
                return Ok(Some(response));
            }
        }
        let Some(route) = open.or(own) else { return Ok(None) };
        if !is_read && request.method() != "POST" {
            return Ok(Some(visitor.say(405, METHODS)));
        }
        route(visitor).map(Some)
    }

    fn is_static(&self, way: &str) -> bool {
        let folders = self.options.static_paths.iter();
        folders
            .map(|folder| flat(&format!("{}/", folder.trim_end_matches('/'))))
            .any(|folder| way.starts_with(&folder))
    }

    /// Those that cover a path, however it is read; and what only somebody who is logged in can see.
    fn guards_of(&self, ways: &[String]) -> Vec<Guard<'static>> {
        let covers = |own: &str| {
            ways.iter()
                .any(|way| way.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        };
        let ours = OWN.iter().filter(|(path, _)| covers(path)).map(|_| Guard::Login);
        ours.chain(self.guards.iter().filter(|(path, _)| covers(path)).map(|(_, guard)| *guard)).collect()
    }
}

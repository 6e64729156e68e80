//! A site's accounts, and whoever visits it.

use super::guard::Guard;
use super::html::escape;
use super::language::preferred;
use super::pages::{Page, Text};
use super::place::{Headers, Site};
use super::texts::{FORBIDDEN, PASSWORD_HINT, SAID, UNAVAILABLE, UNKNOWN_ERROR, WAIT};
use super::visit::{ANONYMOUS, Visit};
use super::web::{Fields, WebRequest, WebResponse, flat};
use crate::client::{Caller, Client};
use crate::errors::Error;
use crate::requests::UserCheckAccessParams;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

const VISITOR_DAYS: i64 = 7;

/// Draws a page as the site looks.
pub type Render = Box<dyn Fn(&Page) -> String + Send + Sync>;

/// What a site may be told about its accounts.
pub struct Options {
    /// What the site is called.
    pub name: String,
    /// The addresses of the site as browsers see them, such as `https://example.org`; emails link to the first.
    pub origins: Vec<String>,
    /// The addresses of proxies in front of the site; from these alone `X-Real-IP` is taken.
    pub proxies: Vec<IpAddr>,
    /// Draws a page.
    pub render: Render,
    /// The language of visitors who ask for none of `texts`.
    pub language: String,
    /// By language, what the English texts are in it.
    pub texts: BTreeMap<String, BTreeMap<String, String>>,
    /// What a good password is.
    pub password_hint: String,
    /// What stands in the form for API keys.
    pub scopes: String,
    /// Whether there is the page with which one logs in by email. The server needs `AUTHNZERVER_LOGINLINK`.
    pub login_link: bool,
    /// How many days after the last visit the sessions of those end who want to be remembered; 0 is as the server says.
    pub keep_days: u32,
    /// The paths below which nobody is looked up: style sheets and images.
    pub static_paths: Vec<String>,
    /// Hears of errors that a person has to look at.
    pub log: fn(&Error),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: String::new(),
            origins: Vec::new(),
            proxies: Vec::new(),
            render: Box::new(Page::draw),
            language: "en".to_owned(),
            texts: BTreeMap::new(),
            password_hint: PASSWORD_HINT.to_owned(),
            scopes: String::new(),
            login_link: false,
            keep_days: 0,
            static_paths: Vec::new(),
            log: |error| eprintln!("authnzerver: {error}"),
        }
    }
}

/// A site's accounts: pages from sign-up to API keys, sessions in a cookie, guards, and protection against forged forms.
/// Ask [`Accounts::answer`] about each request.
pub struct Accounts {
    pub(super) site: Site,
    pub(super) client: Client,
    pub(super) options: Options,
    pub(super) guards: Vec<(String, Guard<'static>)>,
    languages: Vec<String>,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the accounts of {}", self.options.name)
    }
}

impl Accounts {
    /// The accounts of a site, asked for through this client.
    ///
    /// # Errors
    /// The site has no address, or one over `http` that is not on one's own machine.
    pub fn new(client: Client, options: Options) -> Result<Self, Error> {
        let origins: Vec<&str> = options.origins.iter().map(String::as_str).collect();
        let site = Site::new(&origins, client.keys())?;
        let site = site.with_proxies(&options.proxies).with_keep_days(options.keep_days);
        let others = options.texts.keys().filter(|language| **language != options.language);
        let languages = std::iter::once(&options.language).chain(others).cloned().collect();
        Ok(Self { site, client, options, guards: Vec::new(), languages })
    }

    /// Shows what lies at a path, and below it, only to those whom the guard lets in. All guards of a path hold.
    pub fn guard(&mut self, path: &str, guard: Guard<'static>) {
        self.guards.push((flat(path.trim_end_matches('/')), guard));
    }

    pub(super) fn visitor<'a>(&'a self, request: &'a WebRequest) -> Visitor<'a> {
        let visit = self.site.visit(Headers {
            method: &request.method,
            path: &request.target,
            cookie: request.header("cookie"),
            origin: request.header("origin"),
            sec_fetch_site: request.header("sec-fetch-site"),
            csrf_token: request.header("x-csrf-token"),
            authorization: request.header("authorization"),
        });
        Visitor {
            visit,
            accounts: self,
            request,
            address: self.site.client_address(request.peer, request.header("x-real-ip")),
            language: preferred(request.header("accept-language").unwrap_or_default(), &self.languages),
            query: request.query(),
            form: Fields::default(),
        }
    }
}

/// Who visits a page, and what they ask. It is the [`Visit`] too.
pub struct Visitor<'a> {
    pub(super) visit: Visit<'a>,
    pub(super) accounts: &'a Accounts,
    pub(super) request: &'a WebRequest,
    pub(super) query: Fields,
    pub(super) form: Fields,
    address: String,
    language: &'a str,
}

impl fmt::Debug for Visitor<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visit.fmt(formatter)
    }
}

impl<'a> Deref for Visitor<'a> {
    type Target = Visit<'a>;
    fn deref(&self) -> &Visit<'a> {
        &self.visit
    }
}

impl DerefMut for Visitor<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.visit
    }
}

/// What a site asks the policy about.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// What kind of item it is.
    pub kind: &'a str,
    /// Whose it is.
    pub owner: i64,
    /// Who is to see it: `private`, `shared` or `public`.
    pub visibility: &'a str,
    /// The users whom it is shared with.
    pub shared_with: &'a [i64],
}

impl<'a> Visitor<'a> {
    /// Asks on behalf of whoever visits.
    pub fn caller(&self) -> Caller<'_> {
        self.accounts.client.at(&self.address, self.request.header("user-agent").unwrap_or_default())
    }

    /// Does something with the visit that needs to ask.
    pub(super) fn ask<T>(&mut self, what: impl FnOnce(&mut Visit<'a>, &Caller<'_>) -> T) -> T {
        let user_agent = self.request.header("user-agent").unwrap_or_default();
        what(&mut self.visit, &self.accounts.client.at(&self.address, user_agent))
    }

    /// A field of the form that came; nothing where it is not there.
    pub fn field(&self, name: &str) -> &str {
        self.form.get(name).unwrap_or_default()
    }

    /// A field of the query; nothing where it is not there.
    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).unwrap_or_default()
    }

    /// The language of this visitor, of those that the site has.
    pub fn language(&self) -> &'a str {
        self.language
    }

    /// An English text in the language of this visitor; the text itself, where nobody has said what it is in that.
    pub fn text(&self, text: &str) -> String {
        self.translated(text).unwrap_or_else(|| text.to_owned())
    }

    fn translated(&self, text: &str) -> Option<String> {
        self.accounts.options.texts.get(self.language)?.get(text).cloned()
    }

    /// Whether the policy lets this visitor do something with an item.
    ///
    /// # Errors
    /// There is no verdict: show [`Visitor::failed`].
    pub fn may(&self, action: &str, item: Item<'_>) -> Result<bool, Error> {
        let shared: Vec<String> = item.shared_with.iter().map(i64::to_string).collect();
        let shared = shared.join(",");
        let asked = UserCheckAccessParams {
            user_id: self.user_id().unwrap_or(ANONYMOUS),
            user_role: self.role(),
            action,
            target_name: item.kind,
            target_owner: item.owner,
            target_visibility: item.visibility,
            target_sharedwith: Some(shared.as_str()).filter(|shared| !shared.is_empty()),
        };
        match self.caller().user_check_access(&asked) {
            Ok(_) => Ok(true),
            Err(Error::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Notes values about the session. A visitor gets a session by that, and has none before; a login takes them over.
    ///
    /// # Errors
    /// It was refused; or the server could not be asked.
    pub fn note(&mut self, values: Map<String, Value>) -> Result<(), Error> {
        self.ask(|visit, caller| visit.store(caller, values, VISITOR_DAYS))
    }

    /// What to answer if nobody is logged in, and otherwise nothing.
    pub fn refused_without_login(&mut self) -> Option<WebResponse> {
        if self.is_logged_in() { None } else { Some(WebResponse::to(&self.login_path())) }
    }

    /// What to answer if nobody with one of these roles is logged in, and otherwise nothing.
    pub fn refused_without_role(&mut self, roles: &[&str]) -> Option<WebResponse> {
        let refused = self.refused_without_login();
        if refused.is_some() || self.has_role(roles) { refused } else { Some(self.say(403, FORBIDDEN)) }
    }

    /// A page with its token, in the visitor's language.
    pub fn show(&mut self, status: u16, mut page: Page) -> WebResponse {
        if self.request.method == "GET" {
            let said = SAID.iter().find(|(name, _)| *name == self.query("said"));
            page.messages.splice(0..0, said.map(|(_, text)| Text::Borrowed(*text)));
        }
        page.translate(|text| self.translated(text));
        match self.csrf_token() {
            Ok(token) => page.csrf = token,
            Err(error) => return self.without_page(&error),
        }
        page.language = self.language.to_owned();
        page.visitor = self.name();
        WebResponse::html(status, (self.accounts.options.render)(&page))
    }

    /// A page that says something, most likely no.
    pub fn say(&mut self, status: u16, message: impl Into<Text>) -> WebResponse {
        let mut page = Page::new("message", self.accounts.options.name.clone()).with_message(message);
        page.is_error = status >= 400;
        self.show(status, page)
    }

    /// What an end user is to see of an error.
    pub fn failed(&mut self, error: &Error) -> WebResponse {
        match error {
            Error::Refused(refused) => self.say(403, refused.messages.join(" ")),
            Error::OverLimit { retry_after } => later(self.say(429, WAIT), *retry_after),
            Error::Unavailable { .. } | Error::BadAnswer { .. } => {
                (self.accounts.options.log)(error);
                let wait =
                    if let Error::Unavailable { retry_after, .. } = error { *retry_after } else { None };
                later(self.say(503, UNAVAILABLE), wait.unwrap_or_default())
            }
            _ => {
                (self.accounts.options.log)(error);
                self.say(500, UNKNOWN_ERROR)
            }
        }
    }

    fn without_page(&self, error: &Error) -> WebResponse {
        (self.accounts.options.log)(error);
        WebResponse::html(500, escape(UNKNOWN_ERROR))
    }

    /// An answer with the cookies of this visit: the last thing that is done with it.
    pub fn finish(&self, mut response: WebResponse) -> WebResponse {
        for cookie in self.set_cookies() {
            response.add_header("Set-Cookie", cookie);
        }
        if self.request.method == "HEAD" {
            response.body.clear();
        }
        response
    }
}

fn later(mut response: WebResponse, wait: Duration) -> WebResponse {
    response.add_header("Retry-After", &wait.as_secs().max(1).to_string());
    response
}

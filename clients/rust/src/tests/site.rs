//! A site, from sign-up to keys, as a browser sees it; and a browser that means no good.

use super::browser::keep;
use super::live::PASSWORD;
use super::real::{Real, real};
use super::strangers::ELSEWHERE;
use super::vectors::{key, visitor};
use super::{client, once, ring};
use crate::site::{Guard, Headers, Site, Verdict, Visit, own_path};
use crate::*;
use serde_json::json;
use std::collections::BTreeMap;

const ORIGIN: &str = "https://site.example";
const OTHER_PASSWORD: &str = "seven-harbours-and-1-bridge";

/// Keeps cookies as a browser does, and sends what a browser sends.
struct Browser<'a> {
    site: &'a Site,
    caller: Caller<'a>,
    cookies: BTreeMap<String, String>,
    set: Vec<String>,
}

impl<'a> Browser<'a> {
    fn new(site: &'a Site, caller: Caller<'a>) -> Self {
        Self { site, caller, cookies: BTreeMap::new(), set: Vec::new() }
    }

    /// One request, and what the site does about it.
    fn ask<T>(&mut self, came: Headers<'_>, answer: impl FnOnce(&mut Visit<'_>, &Caller<'a>) -> T) -> T {
        let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = pairs.join("; ");
        let mut visit = self.site.visit(Headers { cookie: came.cookie.or(Some(&cookies)), ..came });
        let answered = answer(&mut visit, &self.caller);
        self.set = visit.set_cookies().to_vec();
        keep(&mut self.cookies, &self.set);
        answered
    }

    fn page(&mut self, path: &str, guards: &[Guard<'_>]) -> (Verdict, String) {
        self.ask(Headers { method: "GET", path, ..Default::default() }, |visit, caller| {
            let verdict = visit.check(caller, guards).unwrap();
            (verdict, visit.csrf_token().unwrap())
        })
    }

    /// Whether a form would be taken for forged.
    fn is_forged(&mut self, csrf: &str) -> bool {
        self.ask(posted(), |visit, _| visit.is_forged(Some(csrf)))
    }

    fn log_in(&mut self, email: &str, password: &str, remember: bool) -> Result<LoginAnswer, Error> {
        let (_, csrf) = self.page("/login", &[]);
        self.ask(posted(), |visit, caller| {
            assert!(!visit.is_forged(Some(&csrf)));
            visit.log_in(caller, email, password, remember)
        })
    }

    fn log_out(&mut self) {
        self.ask(posted(), |visit, caller| visit.log_out(caller)).unwrap();
    }

    fn session(&self) -> Option<&String> {
        self.cookies.get("__Host-session")
    }
}

fn posted() -> Headers<'static> {
    Headers {
        method: "POST",
        path: "/",
        origin: Some(ORIGIN),
        sec_fetch_site: Some("same-origin"),
        ..Default::default()
    }
}

fn a_site(keys: &str) -> Site {
    Site::new(&[ORIGIN], &ring(keys)).unwrap()
}

fn sign_up(real: &Real, caller: &Caller<'_>, email: &str) {
    let params = SignupStartParams {
        full_name: "Al & Co",
        email,
        password: PASSWORD,
        link: "https://site.example/verify",
        site_name: "A site",
        ..Default::default()
    };
    caller.signup_start(&params).unwrap();
    caller.signup_finish(&SignupFinishParams { code: &real.code(email), ..Default::default() }).unwrap();
}

#[test]
fn from_sign_up_to_keys() {
    let real = real();
    let (site, client) = (a_site(&real.key), client(&real.url, &real.key, once()));
    let caller = client.at("198.51.100.1", "Browser/1.0");
    sign_up(&real, &caller, "journey@example.org");
    let mut one = Browser::new(&site, caller);
    let to_login = Verdict::ToLogin("/login?next=/sessions%3Fa%3Db".to_owned());
    assert_eq!(one.page("/sessions?a=b", &[Guard::Login]).0, to_login);
    assert_eq!(one.session(), None, "a visitor has a session");
    let before = one.page("/login", &[]).1;
    assert!(!one.is_forged(&before));
    one.log_in("journey@example.org", PASSWORD, true).unwrap();
    // The token of before the login is bound to no session.
    assert!(one.is_forged(&before));
    assert_eq!(one.page("/sessions", &[Guard::Login]).0, Verdict::Allowed);

    let token = one.session().unwrap().clone();
    let issue = ApikeyIssueParams {
        session_token: &token,
        name: "mine",
        scopes: vec!["view:dataset".into()],
        expires_days: None,
    };
    let bearer = format!("Bearer {}", caller.apikey_issue(&issue).unwrap().apikey);
    let mut with_key = |authorization: Option<&str>, guards: &[Guard<'_>]| {
        let came = Headers { method: "POST", path: "/api", authorization, ..Default::default() };
        one.ask(came, |visit, caller| {
            let verdict = visit.check(caller, guards).unwrap();
            assert_eq!(visit.key_owner.is_some(), verdict == Verdict::Allowed);
            assert_eq!(visit.session_token(), None, "the cookie still counts");
            verdict
        })
    };
    assert_eq!(with_key(None, &[Guard::Key("view", "dataset")]), Verdict::NoKey);
    assert_eq!(with_key(Some("Bearer azk_no_key"), &[Guard::Key("view", "dataset")]), Verdict::NoKey);
    assert_eq!(with_key(Some(&bearer), &[Guard::Key("view", "dataset")]), Verdict::Allowed);
    assert_eq!(with_key(Some(&bearer), &[Guard::Key("delete", "dataset")]), Verdict::Forbidden);
    let both = [Guard::Key("view", "dataset"), Guard::Key("delete", "dataset")];
    assert_eq!(with_key(Some(&bearer), &both), Verdict::Forbidden);

    one.log_out();
    assert_eq!(one.session(), None);
    one.cookies.insert("__Host-session".to_owned(), token);
    assert!(matches!(one.page("/sessions", &[Guard::Login]).0, Verdict::ToLogin(_)));
}

#[test]
fn a_forgotten_password_ends_sessions() {
    let real = real();
    let (site, client) = (a_site(&real.key), client(&real.url, &real.key, once()));
    let caller = client.at("198.51.100.2", "Browser/1.0");
    let email = "forgot@example.org";
    sign_up(&real, &caller, email);
    let mut thief = Browser::new(&site, caller);
    thief.log_in(email, PASSWORD, false).unwrap();
    let start = ResetStartParams {
        email,
        link: "https://site.example/reset",
        site_name: "A site",
        ..Default::default()
    };
    caller.reset_start(&start).unwrap();
    let code = real.code(email);
    let finish =
        |new_password| caller.reset_finish(&ResetFinishParams { code: &code, new_password, email: None });
    assert!(finish("short").unwrap_err().refused().is_some());
    finish(OTHER_PASSWORD).unwrap();
    assert!(matches!(thief.page("/sessions", &[Guard::Login]).0, Verdict::ToLogin(_)));
    thief.log_in(email, OTHER_PASSWORD, false).unwrap();
    let token = thief.session().unwrap().clone();
    let change = UserChangepassParams {
        user_id: thief
            .caller
            .session_info(&SessionInfoParams { session_token: &token })
            .unwrap()
            .session_info
            .user_id,
        session_token: &token,
        full_name: "Al & Co",
        email,
        current_password: OTHER_PASSWORD,
        new_password: PASSWORD,
    };
    caller.user_changepass(&change).unwrap();
}

#[test]
fn guards_let_in_only_who_may() {
    let real = real();
    let (site, client) = (a_site(&real.key), client(&real.url, &real.key, once()));
    let caller = client.at("198.51.100.3", "Browser/1.0");
    sign_up(&real, &caller, "guards@example.org");
    let (mut user, mut stranger, mut admin) =
        (Browser::new(&site, caller), Browser::new(&site, caller), Browser::new(&site, caller));
    user.log_in("guards@example.org", PASSWORD, false).unwrap();
    admin.log_in(&real.admin.0, &real.admin.1, false).unwrap();
    let (staff, new, users) = (
        Guard::Roles(&["staff", "superuser"]),
        Guard::May("create", "dataset"),
        Guard::May("create", "user"),
    );
    for guard in [Guard::Login, staff, new, users] {
        assert!(matches!(stranger.page("/x", &[guard]).0, Verdict::ToLogin(_)));
    }
    for _ in 0..2 {
        // First with what is asked after the session, then in one message with it.
        assert_eq!(user.page("/x", &[staff]).0, Verdict::Forbidden);
        assert_eq!(user.page("/x", &[new]).0, Verdict::Allowed);
        assert_eq!(user.page("/x", &[new, users]).0, Verdict::Forbidden);
        assert_eq!(user.page("/x", &[new, staff]).0, Verdict::Forbidden);
        assert_eq!(admin.page("/x", &[new, staff]).0, Verdict::Allowed);
    }
    // What was known of somebody else does not count.
    let token = user.session().unwrap().clone();
    for (user_id, user_role) in [(1, "locked"), (2, "anonymous")] {
        site.plant_hint(&token, user_id, user_role);
        assert_eq!(user.page("/x", &[new]).0, Verdict::Allowed);
    }
    // A visitor for whom something was stored is nobody still.
    let values = || json!({ "basket": "pear" }).as_object().cloned().unwrap();
    stranger.ask(posted(), |visit, caller| visit.store(caller, values(), 1)).unwrap();
    let first = stranger.session().unwrap().clone();
    for guard in [Guard::Login, Guard::Roles(&["anonymous"]), new] {
        assert!(matches!(stranger.page("/x", &[guard]).0, Verdict::ToLogin(_)));
    }
    stranger.ask(posted(), |visit, caller| visit.store(caller, values(), 1)).unwrap();
    assert_eq!(stranger.session(), Some(&first));
    stranger.ask(Headers { method: "GET", path: "/", ..Default::default() }, |visit, caller| {
        assert_eq!(visit.check(caller, &[]).unwrap(), Verdict::Allowed);
        assert_eq!(visit.stored("basket"), Some(&json!("pear")));
        // A login takes it over.
        visit.log_in(caller, &real.admin.0, &real.admin.1, false).unwrap();
        assert_eq!(visit.check(caller, &[Guard::Login]).unwrap(), Verdict::Allowed);
        assert_eq!(visit.stored("basket"), Some(&json!("pear")));
        // But not from one user to another.
        visit.log_in(caller, "guards@example.org", PASSWORD, false).unwrap();
        assert_eq!(visit.check(caller, &[Guard::Login]).unwrap(), Verdict::Allowed);
        assert_eq!(visit.stored("basket"), None);
    });
    // A key is nobody who is logged in.
    let with_key =
        Headers { authorization: Some("Bearer azk_x_y"), method: "GET", path: "/", ..Default::default() };
    let mixed = [Guard::Key("view", "dataset"), Guard::Login];
    assert_eq!(admin.ask(with_key, |visit, caller| visit.check(caller, &mixed)).unwrap(), Verdict::Forbidden);
}

#[test]
fn a_login_gives_another_session() {
    let real = real();
    let (site, client) = (a_site(&real.key), client(&real.url, &real.key, once()));
    let caller = client.at("198.51.100.4", "Browser/1.0");
    let planted = client.itself().session_new(&visitor()).unwrap().session_token;
    let mut one = Browser::new(&site, caller);
    one.cookies.insert("__Host-session".to_owned(), planted.clone());
    one.log_in("nobody@example.org", "wrong", false).unwrap_err();
    assert_eq!(one.session(), None, "the visitor's session has ended");
    let planted = client.itself().session_new(&visitor()).unwrap().session_token;
    let other = client.at("198.51.100.5", "Browser/1.0");
    sign_up(&real, &other, "fixed@example.org");
    let mut one = Browser::new(&site, other);
    one.cookies.insert("__Host-session".to_owned(), planted.clone());
    one.log_in("fixed@example.org", PASSWORD, false).unwrap();
    assert_ne!(one.session(), Some(&planted));
    assert!(
        caller
            .session_exists(&SessionExistsParams { session_token: &planted })
            .unwrap_err()
            .refused()
            .is_some()
    );
    // Of two cookies, one was planted: neither counts.
    let own = one.session().unwrap().clone();
    for (first, second) in [(&planted, &own), (&own, &planted)] {
        let both = format!("__Host-session={first}; __Host-session={second}");
        let came = Headers { method: "GET", path: "/x", cookie: Some(&both), ..Default::default() };
        let verdict = one.ask(came, |visit, caller| visit.check(caller, &[Guard::Login]).unwrap());
        assert!(matches!(verdict, Verdict::ToLogin(_)));
    }
}

#[test]
fn nobody_is_let_in_while_the_server_is_gone() {
    let mut real = real();
    let (site, client) = (a_site(&real.key), client(&real.url, &real.key, once()));
    let mut one = Browser::new(&site, client.at("198.51.100.6", "Browser/1.0"));
    sign_up(&real, &one.caller, "gone@example.org");
    one.log_in("gone@example.org", PASSWORD, false).unwrap();
    real.tell("stop");
    let came =
        Headers { method: "GET", path: "/", authorization: Some("Bearer azk_x_y"), ..Default::default() };
    for guards in
        [&[Guard::Login][..], &[Guard::May("create", "dataset")], &[Guard::Key("view", "dataset")], &[]]
    {
        assert!(one.ask(came, |visit, caller| visit.check(caller, guards)).unwrap_err().is_unavailable());
        assert!(one.session().is_some());
    }
    real.tell("start");
    assert_eq!(one.page("/x", &[Guard::Login]).0, Verdict::Allowed);
}

#[test]
fn cookies_are_only_for_the_site() {
    let real = real();
    let (site, client) = (a_site(&real.key), client(&real.url, &real.key, once()));
    let mut one = Browser::new(&site, client.at("198.51.100.7", "Browser/1.0"));
    sign_up(&real, &one.caller, "cookies@example.org");
    let _ = one.page("/login", &[]);
    let mut set = one.set.clone();
    for remember in [false, true] {
        one.log_in("cookies@example.org", PASSWORD, remember).unwrap();
        assert_eq!(one.set.last().unwrap().contains("; Max-Age="), remember, "{:?}", one.set);
        set.extend(one.set.clone());
    }
    one.log_out();
    set.extend(one.set.clone());
    assert_eq!(set.len(), 5);
    for cookie in set {
        for part in ["__Host-", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Lax"] {
            assert!(cookie.contains(part), "{cookie} lacks {part}");
        }
        assert!(!cookie.contains("Domain"), "{cookie}");
    }
}

#[test]
fn forged_forms_are_refused() {
    let site = a_site(key(0));
    let never = client("http://127.0.0.1:1", key(0), once());
    let mut one = Browser::new(&site, never.itself());
    let mut stranger = Browser::new(&site, never.itself());
    let (csrf, theirs) = (
        one.ask(posted(), |visit, _| visit.csrf_token()).unwrap(),
        stranger.ask(posted(), |visit, _| visit.csrf_token()).unwrap(),
    );
    assert!(!one.is_forged(&csrf));
    let cut = &csrf[..csrf.len() - 1];
    for token in
        ["", ".", "x.y", "x", &format!("{csrf}0"), cut, &format!("{cut}ü"), &csrf.to_uppercase(), &theirs]
    {
        assert!(one.is_forged(token), "{token}");
    }
    let mut forged = |came: Headers<'_>| one.ask(came, |visit, _| visit.is_forged(Some(&csrf)));
    for origin in [
        "https://elsewhere.example",
        "null",
        "https://site.example.elsewhere.example",
        "http://site.example",
        "",
        "https://site.example, https://site.example",
    ] {
        assert!(forged(Headers { origin: Some(origin), ..posted() }), "{origin}");
    }
    for from in ["cross-site", "same-site", "none", ""] {
        assert!(forged(Headers { sec_fetch_site: Some(from), ..posted() }), "{from}");
    }
    assert!(forged(Headers { cookie: Some(""), ..posted() }), "neither session nor visitor");
    assert!(forged(Headers { csrf_token: Some("x.y"), ..posted() }), "the header counts first");
    // Old browsers say neither; the token remains.
    assert!(!forged(Headers { origin: None, sec_fetch_site: None, ..posted() }));
    let of_no_form = |method| Headers { method, ..posted() };
    for method in ["PUT", "PATCH", "DELETE", "PROPFIND", "post", ""] {
        assert!(one.ask(of_no_form(method), |visit, _| visit.is_forged(None)), "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        assert!(!one.ask(of_no_form(method), |visit, _| visit.is_forged(None)), "{method}");
    }
    assert!(!one.ask(Headers { csrf_token: Some(&csrf), ..posted() }, |visit, _| visit.is_forged(None)));
    // The form of a visitor is good still when they get a session, but what comes from then on is bound to that.
    one.cookies.insert("__Host-session".to_owned(), "of-somebody".to_owned());
    assert!(!one.is_forged(&csrf));
    let bound = one.ask(posted(), |visit, _| visit.csrf_token()).unwrap();
    assert!(!one.is_forged(&bound));
    one.cookies.insert("__Host-session".to_owned(), "of-another".to_owned());
    assert!(one.is_forged(&bound));
}

#[test]
fn tokens_of_forms_outlive_a_change_of_key() {
    let (old, new) = (a_site(key(0)), a_site(&format!("{},{}", key(1), key(0))));
    let never = client("http://127.0.0.1:1", key(0), once());
    let mut one = Browser::new(&old, never.itself());
    let csrf = one.ask(posted(), |visit, _| visit.csrf_token()).unwrap();
    one.site = &new;
    assert!(!one.is_forged(&csrf));
    let stranger = a_site(key(1));
    one.site = &stranger;
    assert!(one.is_forged(&csrf));
}

#[test]
fn a_login_leads_nowhere_else() {
    for path in ["/", "/a", "/a?b=c&d#e", "/a//b", "/%2F/x"] {
        assert_eq!(own_path(path), path);
    }
    for path in ELSEWHERE {
        assert_eq!(own_path(path), "/", "{path:?}");
    }
    let site = a_site(key(0));
    for (method, path, login) in [
        ("GET", "/keys", "/login?next=/keys"),
        ("POST", "/keys", "/login?next=/"),
        ("GET", "//elsewhere.example", "/login?next=/"),
        ("GET", "/a?b=c&next=//x", "/login?next=/a%3Fb%3Dc%26next%3D//x"),
    ] {
        assert_eq!(site.visit(Headers { method, path, ..Default::default() }).login_path(), login);
    }
}

#[test]
fn only_a_proxy_says_whose_request_it_is() {
    let proxies = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let site = a_site(key(0)).with_proxies(&proxies);
    for (peer, said, seen) in [
        ("192.0.2.1", Some("203.0.113.5"), "203.0.113.5"),
        ("::ffff:192.0.2.1", Some("203.0.113.5"), "203.0.113.5"),
        ("2001:db8::1", Some("2001:db8::5"), "2001:db8::5"),
        ("192.0.2.2", Some("203.0.113.5"), "192.0.2.2"),
        ("192.0.2.1", Some("<script>"), "192.0.2.1"),
        ("192.0.2.1", None, "192.0.2.1"),
    ] {
        assert_eq!(site.client_address(peer.parse().unwrap(), said), seen);
    }
}

#[test]
fn a_site_has_an_address() {
    for origins in [
        &[][..],
        &[""],
        &["https://"],
        &["site.example"],
        &["https://site.example/path"],
        &["https://u@site.example"],
        &["http://site.example"],
        &["http://127.0.0.1.example"],
        &["http://127.0.0.1:x"],
        &["https://site.example", "http://127.0.0.1"],
    ] {
        assert!(Site::new(origins, &ring(key(0))).is_err(), "{origins:?}");
    }
    for origins in
        [&["https://site.example/", "https://site.example:8443"], &["http://127.0.0.1:8080", "http://[::1]"]]
    {
        assert!(Site::new(origins, &ring(key(0))).is_ok(), "{origins:?}");
    }
}

#[test]
fn a_site_on_ones_own_machine_has_cookies_of_its_own() {
    let site = Site::new(&["http://127.0.0.1:8080"], &ring(key(0))).unwrap();
    let cookie = Some("insecure-session=t; __Host-session=u");
    let mut visit = site.visit(Headers { method: "GET", path: "/", cookie, ..Default::default() });
    assert_eq!(visit.session_token(), Some("t"));
    visit.start("another", std::time::SystemTime::now(), false);
    assert_eq!(visit.set_cookies(), ["insecure-session=another; Path=/; HttpOnly; SameSite=Lax"]);
}

#[test]
fn what_is_remembered_is_bounded() {
    let site = a_site(key(0));
    for number in 0..5000 {
        site.plant_hint(&number.to_string(), number, "authenticated");
    }
    assert_eq!(site.hints_kept(), 4096);
}

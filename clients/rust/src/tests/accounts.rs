//! The accounts of a site, from sign-up to keys, as a browser sees them.

use super::browser::{Browser, SESSION, accounts, encoded};
use super::live::PASSWORD;
use super::programs::{guarded, program, whole};
use super::real::{Real, real};
use crate::site::{Options, Page, SECURITY_HEADERS};
use crate::{SessionInfoParams, SessionNewParams};
use serde_json::json;
use std::ffi::OsStr;

const OTHER_PASSWORD: &str = "seven-harbours-and-1-bridge";

#[test]
fn pages_from_sign_up_to_keys() {
    let real = real();
    let site = guarded(&real);
    let mut one = Browser::new(&site, program, "198.51.110.1");
    one.signs_up(&real, "pages@example.org");
    assert!(!one.cookies.contains_key(SESSION), "a visitor has a session");
    assert_eq!(one.get("/sessions?a=b"), 303);
    assert_eq!(one.location, "/login?next=/sessions%3Fa%3Db");
    let location = one.location.clone();
    assert_eq!(one.get(&location), 200);
    one.shows(&["name=\"next\" value=\"/sessions?a=b\"", " required"]);
    let before = one.csrf.clone();
    let given =
        [("email", "pages@example.org"), ("password", PASSWORD), ("next", "/sessions"), ("remember", "1")];
    assert_eq!(one.post("/login", &given), 303);
    assert_eq!(one.location, "/sessions");
    for part in ["__Host-session=", "Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(one.set.last().unwrap().contains(part), "{:?}", one.set);
    }
    // The token of before the login is bound to no session.
    assert_eq!(one.post_as_is("/logout", &[("csrf", &before)], &[]), 403);

    one.get("/sessions");
    one.shows(&["<strong>Browser/1.0 (this device)</strong> <span class=\"detail\">198.51.110.1</span>"]);
    one.misses("End all others");
    let mut second = Browser::new(&site, program, "198.51.110.1");
    second.logs_in("pages@example.org", PASSWORD);
    one.get("/sessions");
    one.shows(&["End all others"]);
    assert_eq!(one.post("/sessions", &[("others", "1")]), 303);
    assert_eq!(second.get("/sessions"), 303);
    one.get("/password");
    assert_eq!(one.post("/password", &[("password", "wrong"), ("new_password", OTHER_PASSWORD)]), 422);
    one.misses("wrong");
    let key = issues_and_revokes_a_key(&mut one);
    let mut api = Browser::new(&site, program, "198.51.110.1");
    assert_eq!(api.get_with("/api", &[("Authorization", &key)]), 401, "it is revoked");

    one.get("/logout");
    let token = one.cookies[SESSION].clone();
    one.logs_out();
    assert!(!one.cookies.contains_key(SESSION));
    one.cookies.insert(SESSION.to_owned(), token);
    assert_eq!(one.get("/sessions"), 303);
}

fn issues_and_revokes_a_key(one: &mut Browser<'_>) -> String {
    one.get("/keys");
    assert_eq!(one.post("/keys", &[("name", "<mine>"), ("scopes", "view:dataset")]), 200, "{}", one.text);
    let detail = "<strong>&lt;mine&gt;</strong> <span class=\"detail\">view:dataset</span>";
    one.shows(&[detail, "aria-label=\"Revoke: &lt;mine&gt;\"", "<code>azk_", "until 20"]);
    let key = one.text.split("<code>").nth(1).unwrap().split('<').next().unwrap();
    let (bearer, cookies) = (format!("bearer {key}"), std::mem::take(&mut one.cookies));
    assert_eq!(one.get("/api"), 401);
    assert!(one.headers.iter().any(|(name, _)| name == "WWW-Authenticate"));
    assert_eq!(one.get_with("/api", &[("Authorization", "Bearer azk_no_key")]), 401);
    assert_eq!(one.get_with("/api/x", &[("Authorization", &bearer)]), 200);
    assert_eq!(one.get_with("/api/staff", &[("Authorization", &bearer)]), 403, "a key is nobody");
    // No browser sends a key by itself, so nobody forges it.
    assert_eq!(one.post_as_is("/api", &[], &[("Authorization", &bearer), ("Origin", "")]), 200);
    one.cookies = cookies;
    one.get("/keys");
    one.misses("azk_");
    assert_eq!(one.post("/keys", &[("name", "x"), ("scopes", "no scope")]), 422);
    one.shows(&["role=\"alert\""]);
    let id = one.text.split("name=\"key_id\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(one.post("/keys", &[("key_id", &id)]), 303);
    assert_eq!(one.location, "/keys?said=revoked");
    bearer
}

#[test]
fn passwords_are_reset_and_changed() {
    let real = real();
    let site = guarded(&real);
    let email = "resets@example.org";
    let mut thief = Browser::new(&site, program, "198.51.110.2");
    thief.signs_up(&real, email);
    thief.logs_in(email, PASSWORD);
    let mut owner = Browser::new(&site, program, "198.51.110.2");
    owner.get("/forgot");
    assert_eq!(owner.post("/forgot", &[("email", email)]), 200);
    let code = real.code(email);
    owner.get(&format!("/reset?code={code}"));
    assert_eq!(owner.post("/reset", &[("code", &code), ("new_password", "short")]), 422);
    assert_eq!(owner.post("/reset", &[("code", &code), ("new_password", OTHER_PASSWORD)]), 303);
    assert_eq!(owner.location, "/login?said=reset");
    assert_eq!(thief.get("/sessions"), 303);
    owner.logs_in(email, OTHER_PASSWORD);
    owner.get("/password");
    let form = [("password", OTHER_PASSWORD), ("new_password", PASSWORD)];
    assert_eq!(owner.post("/password", &form), 303, "{}", owner.text);
    assert_eq!(owner.location, "/sessions?said=password");
    owner.logs_in(email, PASSWORD);
}

#[test]
fn what_a_visitor_noted_outlives_their_login() {
    let real = real();
    let site = guarded(&real);
    let mut one = Browser::new(&site, program, "198.51.110.6");
    one.signs_up(&real, "notes@example.org");
    one.get("/");
    let before = one.csrf.clone();
    assert_eq!(one.post("/basket", &[("item", "pear")]), 200);
    let anonymous = one.cookies[SESSION].clone();
    assert!(!one.set.last().unwrap().contains("Max-Age"));
    // In another window, the form of before they had a session.
    assert_eq!(one.post_as_is("/basket", &[("csrf", &before), ("item", "apple")], &[]), 200);
    one.get("/basket");
    one.shows(&["<apple>"]);
    assert_eq!(one.get("/keys"), 303, "a visitor is nobody");
    one.logs_in("notes@example.org", PASSWORD);
    assert_ne!(one.cookies[SESSION], anonymous);
    one.get("/basket");
    one.shows(&["<apple>"]);
    // But not from one user to another.
    let admin = real.admin.clone();
    one.logs_in(&admin.0, &admin.1);
    one.get("/basket");
    one.shows(&["<>"]);
    let mut stale = Browser::new(&site, program, "198.51.110.6");
    stale.cookies.insert(SESSION.to_owned(), anonymous);
    stale.get("/basket");
    stale.shows(&["<>"]);
    assert!(!stale.cookies.contains_key(SESSION), "the visitor's session has ended");
}

#[test]
fn pages_say_what_was_done_in_the_visitors_language() {
    let real = real();
    let site = whole(&real);
    let mut one = Browser::new(&site, program, "198.51.110.8");
    for said in ["verified", "mixed", "reset", "password", "email", "undone", "ended", "revoked"] {
        one.get(&format!("/forgot?said={said}"));
        one.shows(&["<p class=\"message\" role=\"status\">"]);
    }
    for said in ["", "no-such", "<b>x</b>", "Verified"] {
        one.get(&format!("/forgot?said={}", encoded(said)));
        one.misses("role=");
        one.misses("<b>");
    }
    assert_eq!(one.post("/login?said=reset", &[("email", "a@example.org"), ("password", "wrong")]), 422);
    one.shows(&["role=\"alert\"", "value=\"a@example.org\""]);
    one.misses("Your new password is set");
    one.misses("value=\"wrong\"");
    one.get_with("/login?said=verified", &[("Accept-Language", "fr, de-CH;q=0.8, en;q=0.5")]);
    one.shows(&[
        "<html lang=\"de\">",
        "<title>Anmelden</title>",
        "E-Mail-Adresse</label>",
        "ist bestätigt",
        "Password</label>",
    ]);
    for (header, language) in [
        ("", "en"),
        ("de", "de"),
        ("DE-ch", "de"),
        ("de;q=0.5, en", "en"),
        ("de;q=0, en;q=0.1", "en"),
        ("de;q=x, fr", "en"),
        ("*", "en"),
        (",;,;q=1", "en"),
        (&format!("{}de", "fr,".repeat(32)), "en"),
    ] {
        one.get_with("/login", &[("Accept-Language", header)]);
        one.shows(&[&format!("<html lang=\"{language}\">")]);
    }
    let admin = real.admin.clone();
    one.logs_in(&admin.0, &admin.1);
    one.get_with("/sessions", &[("Accept-Language", "de")]);
    one.shows(&["<span class=\"detail\">seit 20"]);
    assert_eq!(one.get_with("/staff-room", &[("Accept-Language", "de")]), 403);
    one.shows(&["Das ist nichts für Sie."]);
    for (name, value) in SECURITY_HEADERS {
        assert!(one.headers.contains(&((*name).to_owned(), (*value).to_owned())), "{name}");
    }
    for trick in ["/login?next=javascript:alert(1)", "/verify?code=%22%3E%3Cb%3Ex%3C/b%3E"] {
        one.get(trick);
        one.misses("<b>x");
        one.misses("javascript:");
    }
    assert_eq!(one.ask("HEAD", "/login", None, &[]), 200);
    assert_eq!(one.text, "");
}

#[test]
fn emails_log_in_and_addresses_change() {
    let real = real();
    let (site, bare) = (whole(&real), guarded(&real));
    let (email, other) = ("address@example.org", "address-2@example.org");
    let mut one = Browser::new(&site, program, "198.51.110.9");
    one.signs_up(&real, email);
    one.get("/login");
    one.shows(&["href=\"/login-link\""]);
    one.get("/login-link");
    assert_eq!(one.post("/login-link", &[("email", email)]), 200);
    let code = real.code(email);
    assert_eq!(one.get(&format!("/login-link?code={code}")), 200);
    assert!(!one.cookies.contains_key(SESSION), "something happens by looking");
    assert_eq!(one.post("/login-link", &[("code", "wrong")]), 422);
    assert_eq!(one.post("/login-link", &[("code", &code), ("next", "//elsewhere.example")]), 303);
    assert_eq!(one.location, "/");
    let mut without = Browser::new(&bare, program, "198.51.110.9");
    without.get("/login");
    without.misses("login-link");
    assert_eq!(without.get("/login-link?code=x"), 404);
    assert_eq!(without.post("/login-link", &[("email", email)]), 404);

    assert_eq!(one.get("/email"), 200);
    one.shows(&["<strong>address@example.org</strong>"]);
    assert_eq!(one.post("/email", &[("email", email)]), 422);
    assert_eq!(one.post("/email", &[("email", other)]), 200);
    let (code, undo) = (real.code(other), real.code(email));
    assert_eq!(one.get(&format!("/new-address?code={code}")), 200);
    let mut stranger = Browser::new(&site, program, "198.51.110.9");
    assert_eq!(stranger.get(&format!("/new-address?code={code}")), 303);
    assert_eq!(stranger.location, format!("/login?next=/new-address%3Fcode%3D{code}"));
    assert_eq!(one.post("/new-address", &[("code", &code)]), 303);
    assert_eq!(one.location, "/sessions?said=email");
    one.get("/email");
    one.shows(&[&format!("<strong>{other}</strong>")]);
    stranger.get(&format!("/old-address?code={undo}"));
    assert_eq!(stranger.post("/old-address", &[("code", "wrong")]), 422);
    assert_eq!(stranger.post("/old-address", &[("code", &undo)]), 303);
    assert_eq!(stranger.location, "/forgot?said=undone");
    assert_eq!(one.get("/email"), 303, "all sessions have ended");
}

#[test]
fn codes_may_be_typed() {
    let real = Real::start(&[("CODES", OsStr::new("typed"))]);
    let site = whole(&real);
    let (email, other) = ("types@example.org", "types-2@example.org");
    let types = |one: &mut Browser<'_>, path: &str, email: &str, more: &[(&str, &str)]| {
        let address = format!("name=\"email\" value=\"{email}\"");
        one.shows(&[&format!("action=\"{path}\""), &address, "one-time-code"]);
        let code = real.code(email).to_lowercase();
        let form = [&[("email", email), ("code", code.as_str())], more].concat();
        assert_eq!(one.post(path, &form), 303, "{}", one.text);
    };
    let mut one = Browser::new(&site, program, "198.51.110.10");
    one.get("/signup");
    one.post("/signup", &[("full_name", "Al"), ("email", email), ("new_password", PASSWORD)]);
    types(&mut one, "/verify", email, &[]);
    one.get("/login-link");
    one.post("/login-link", &[("email", email)]);
    types(&mut one, "/login-link", email, &[]);
    one.get("/email");
    one.post("/email", &[("email", other)]);
    types(&mut one, "/new-address", other, &[]);
    let mut forgetful = Browser::new(&site, program, "198.51.110.10");
    forgetful.get("/forgot");
    forgetful.post("/forgot", &[("email", other)]);
    types(&mut forgetful, "/reset", other, &[("new_password", OTHER_PASSWORD)]);
    assert_eq!(one.get("/sessions"), 303);
    assert_eq!(forgetful.post("/verify", &[("email", email), ("code", "0000-0000")]), 422);
    forgetful.shows(&["name=\"email\" value=\"types@example.org\"", "one-time-code"]);
    forgetful.misses("0000-0000");
}

#[test]
fn remembered_sessions_last_from_the_last_visit() {
    let real = real();
    let site = whole(&real);
    let client = super::client(&real.url, &real.key, super::once());
    let caller = client.at("192.0.2.9", "");
    let mut one = Browser::new(&site, program, "198.51.110.11");
    let admin = real.admin.clone();
    for remember in [true, false] {
        one.get("/login");
        let form = [("email", admin.0.as_str()), ("password", &admin.1), ("remember", "1")];
        assert_eq!(one.post("/login", if remember { &form } else { &form[..2] }), 303);
        one.get("/");
        assert_eq!(one.set.len(), 0, "it has just begun");
        // As it is some days later.
        let user = caller.session_info(&SessionInfoParams { session_token: &one.cookies[SESSION] }).unwrap();
        let old = SessionNewParams {
            user_id: Some(user.session_info.user_id),
            expires: 10.into(),
            extra_info_json: json!({ "remember": remember }).as_object().cloned(),
            ..Default::default()
        };
        let old = caller.session_new(&old).unwrap().session_token;
        one.cookies.insert(SESSION.to_owned(), old.clone());
        one.get("/");
        assert_eq!(one.set.len(), usize::from(remember), "{:?}", one.set);
        if remember {
            let age: u64 = one.set[0].split("Max-Age=").nth(1).unwrap().parse().unwrap();
            assert!(age > 19 * 86_400 && one.cookies[SESSION] == old, "{:?}", one.set);
        }
    }
}

#[test]
fn sites_draw_pages_themselves() {
    let real = real();
    let render = Box::new(|page: &Page| format!("{}|{}|{}", page.name, page.visitor, page.content()));
    let site = accounts(
        &real,
        Options { render, proxies: vec!["192.0.2.1".parse().unwrap()], ..Options::default() },
    );
    let mut one = Browser::new(&site, program, "192.0.2.1");
    one.get("/login");
    one.shows(&["login||<h1>Log in</h1>"]);
    let admin = real.admin.clone();
    one.logs_in(&admin.0, &admin.1);
    one.get_with("/sessions", &[("X-Real-IP", "203.0.113.5")]);
    one.shows(&["sessions|", "|<h1>Your sessions</h1>", "<span class=\"detail\">192.0.2.1</span>"]);
}

//! The accounts of a site before somebody who may not, or means no good.

use super::browser::{Browser, ORIGIN, SESSION, encoded};
use super::live::PASSWORD;
use super::programs::{guarded, program, whole};
use super::real::real;
use crate::site::{Guard, Headers, Site};
use crate::{LoginParams, SessionExistsParams};
use std::time::SystemTime;

/// Where no login leads, however it is spelt.
pub(super) const ELSEWHERE: [&str; 13] = [
    "",
    "//elsewhere.example",
    "https://elsewhere.example",
    "/\\elsewhere.example",
    "\\\\elsewhere.example",
    "/a\r\nX: y",
    "/\t/elsewhere.example",
    " //elsewhere.example",
    "javascript:alert(1)",
    "///x",
    "/ünïcödé",
    "/\u{1}",
    "/\u{7f}",
];

#[test]
fn guards_cover_paths_as_routers_read_them() {
    let real = real();
    let site = guarded(&real);
    let mut stranger = Browser::new(&site, program, "198.51.110.3");
    for path in [
        "/admin",
        "/admin/",
        "//admin",
        "/./admin",
        "/x/../admin/y",
        "/x//../admin",
        "/Admin",
        "/%61dmin",
        "/%2561dmin",
        "\\admin",
        "/\\admin",
        "/x\\..\\admin",
        "/x/%2e%2e/ADMIN/y",
        "/x/%252e%252e/admin",
        "/admin?x",
        "/new",
        "/users",
        "/keys",
        "/KEYS/x",
        "/mine",
        "/staff",
    ] {
        let status = stranger.get(path);
        assert!(status == 303 || status == 400 && path.starts_with('\\'), "{path}: {status}");
    }
    for path in ["/administrators", "/x/admin", "/", "/100%", "/%", "/ü", "/x?/admin"] {
        assert_eq!(stranger.get(path), 200, "{path}");
    }
    for path in ["", "admin", "*", "http://site.example/admin", "/x#/../admin", "/a b", "/a\r\nX: y"] {
        assert_eq!(stranger.get(path), 400, "{path}");
    }
    let mut user = Browser::new(&site, program, "198.51.110.3");
    user.signs_up(&real, "guarded@example.org");
    user.logs_in("guarded@example.org", PASSWORD);
    for _ in 0..2 {
        for (path, status) in
            [("/admin", 403), ("/new", 200), ("/users", 403), ("/mine", 200), ("/staff", 403)]
        {
            assert_eq!(user.get(path), status, "{path}");
        }
    }
    let mut admin = Browser::new(&site, program, "198.51.110.3");
    admin.logs_in(&real.admin.0, &real.admin.1);
    for path in ["/admin", "/staff", "/mine"] {
        assert_eq!(admin.get(path), 200, "{path}");
    }
    // A cookie means nothing behind a guard for keys.
    assert_eq!(admin.get("/api"), 401);
}

#[test]
fn a_site_that_is_guarded_as_a_whole_shows_its_login() {
    let real = real();
    let mut site = whole(&real);
    site.guard("/", Guard::Login);
    let mut one = Browser::new(&site, program, "198.51.110.4");
    assert_eq!(one.get("/anything"), 303);
    assert_eq!(one.location, "/login?next=/anything");
    for path in [
        "/login",
        "/signup",
        "/verify",
        "/forgot",
        "/reset",
        "/logout",
        "/login-link",
        "/old-address",
        "/%6cogin",
    ] {
        assert_eq!(one.get(path), 200, "{path}");
    }
    assert_eq!(one.get("/static/style.css"), 200);
    for path in [
        "/static/../keys",
        "/static/%2e%2e/keys",
        "/static/%252e%252e/keys",
        "/static\\..\\keys",
        "/static",
        "/Login",
    ] {
        assert_eq!(one.get(path), 303, "{path}");
    }
    assert_eq!(one.post_as_is("/static/x", &[], &[]), 403);
    one.logs_in(&real.admin.0, &real.admin.1);
    assert_eq!(one.get("/anything"), 200);
}

#[test]
fn forged_forms_get_to_no_page() {
    let real = real();
    let site = guarded(&real);
    let (mut one, mut stranger) =
        (Browser::new(&site, program, "198.51.110.5"), Browser::new(&site, program, "198.51.110.5"));
    stranger.get("/login");
    // Nobody has somebody log in as somebody else.
    let (theirs, admin) = (stranger.csrf.clone(), real.admin.clone());
    one.get("/login");
    let form = [("csrf", theirs.as_str()), ("email", &admin.0), ("password", &admin.1)];
    assert_eq!(one.post_as_is("/login", &form, &[]), 403);
    one.logs_in(&admin.0, &admin.1);
    one.get("/logout");
    for path in ["/logout", "/of-the-program"] {
        for token in ["", ".", "x.y", &theirs, &format!("{}0", one.csrf)] {
            assert_eq!(one.post_as_is(path, &[("csrf", token)], &[]), 403, "{token}");
        }
        for (name, value) in [
            ("Origin", "https://elsewhere.example"),
            ("Origin", "null"),
            ("Origin", "http://site.example"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
            ("Content-Type", "text/plain"),
        ] {
            assert_eq!(one.post_with(path, &[], &[(name, value)]), 403, "{name}: {value}");
        }
        let mut twice = [("Origin", ORIGIN), ("Origin", "https://elsewhere.example")];
        assert_eq!(one.post_with(path, &[], &twice), 403);
        twice.reverse();
        assert_eq!(one.post_with(path, &[], &twice), 403);
        for method in ["PUT", "PATCH", "DELETE", "PROPFIND", "get"] {
            assert_eq!(one.ask(method, path, None, &[]), 403, "{method}");
        }
    }
    let upgrade = |origin| [("Upgrade", "websocket"), ("Origin", origin)];
    assert_eq!(one.get_with("/", &upgrade("https://elsewhere.example")), 403);
    assert_eq!(one.get_with("/", &upgrade(ORIGIN)), 200);
    assert_eq!(one.post("/x", &[("long", &"x".repeat(1 << 20))]), 413);
    let many: Vec<(&str, &str)> = vec![("a", "b"); 201];
    assert_eq!(one.post("/x", &many), 403);
    assert_eq!(one.post("/x", &[("a", "b")]), 200);
    let csrf = one.csrf.clone();
    let header = [("X-CSRF-Token", csrf.as_str()), ("Content-Type", "application/json")];
    assert_eq!(one.post_as_is("/x", &[], &header), 200);
    assert_eq!(one.ask("PUT", "/login", None, &[("X-CSRF-Token", &csrf)]), 405);
}

#[test]
fn the_way_on_from_a_login_is_within_the_site() {
    let real = real();
    let site = guarded(&real);
    let mut one = Browser::new(&site, program, "198.51.110.7");
    one.signs_up(&real, "onward@example.org");
    for (number, onward) in ELSEWHERE.iter().enumerate() {
        // Each login from another address, for there are few a minute.
        one.address = format!("198.51.111.{number}");
        one.get(&format!("/login?next={}", encoded(onward)));
        one.shows(&["name=\"next\" value=\"/\""]);
        let form = [("email", "onward@example.org"), ("password", PASSWORD), ("next", onward)];
        assert_eq!(one.post("/login", &form), 303);
        assert_eq!(one.location, "/", "{onward:?}");
        one.logs_out();
    }
    for (target, location) in [
        ("/keys?a=b&next=//x", "/login?next=/keys%3Fa%3Db%26next%3D//x"),
        ("//keys", "/login?next=/"),
        ("/\\keys", "/login?next=/"),
        ("/keys/ü", "/login?next=/"),
        ("/keys?x=%0d%0aX:y", "/login?next=/keys%3Fx%3D%250d%250aX%3Ay"),
    ] {
        assert_eq!(one.get(target), 303, "{target}");
        assert_eq!(one.location, location);
    }
}

#[test]
fn a_session_that_does_not_count_yet_is_ended() {
    let real = real();
    let client = super::client(&real.url, &real.key, super::once());
    let caller = client.at("198.51.110.12", "");
    let site = Site::new(&[ORIGIN], client.keys()).unwrap();
    let login = LoginParams { email: &real.admin.0, password: &real.admin.1, ..Default::default() };
    let token = caller.login(&login).unwrap().session_token;
    let came = Headers { method: "POST", path: "/login", ..Default::default() };
    let mut visit = site.visit(came);
    let error = visit.enter(&caller, "login", &token, SystemTime::now(), true, true).unwrap_err();
    assert!(error.refused().unwrap().messages[0].contains("second proof"));
    assert!(!visit.set_cookies().concat().contains(&token), "{:?}", visit.set_cookies());
    assert!(
        caller
            .session_exists(&SessionExistsParams { session_token: &token })
            .unwrap_err()
            .refused()
            .is_some()
    );
    let token = caller.login(&login).unwrap().session_token;
    visit.enter(&caller, "login", &token, SystemTime::now(), false, false).unwrap();
    assert!(visit.set_cookies().concat().contains(&token));
}

#[test]
fn the_policy_is_asked_about_items() {
    let mut real = real();
    let site = guarded(&real);
    let mut one = Browser::new(&site, program, "198.51.110.13");
    one.get("/may");
    assert_eq!(one.text, " [true, false, false, false, false] anonymous");
    one.signs_up(&real, "may@example.org");
    one.logs_in("may@example.org", PASSWORD);
    one.get("/may");
    assert_eq!(one.text, "Al & Co [true, false, true, false, true] authenticated");
    one.get("/logout");
    let mut visitor = Browser::new(&site, program, "198.51.110.13");
    visitor.get("/");
    real.tell("stop");
    for path in ["/sessions", "/new", "/mine", "/api"] {
        assert_eq!(one.get_with(path, &[("Authorization", "Bearer azk_x_y")]), 503, "{path}");
        assert!(one.headers.contains(&("Retry-After".to_owned(), "1".to_owned())), "{:?}", one.headers);
        assert!(one.cookies.contains_key(SESSION));
    }
    assert_eq!(visitor.get("/may"), 503, "what the program asks");
    assert_eq!(visitor.post("/basket", &[("item", "pear")]), 503, "what cannot be noted is not said to be");
    assert_eq!(visitor.get("/"), 200);
    real.tell("start");
    assert_eq!(one.get("/sessions"), 200);
}

//! A conversation with a real server.

use super::real::real;
use super::vectors::{VECTORS, key, visitor};
use super::{client, once, ring};
use crate::connection::Connection;
use crate::http::Address;
use crate::*;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

pub(super) const PASSWORD: &str = "quiet-lanterns-over-9-hills";

fn refused<T: std::fmt::Debug>(came: Result<T, Error>) -> Refused {
    came.unwrap_err().refused().expect("it is refused").clone()
}

/// What the compiler keeps everybody else from asking.
struct Mistyped;

impl Request for Mistyped {
    const NAME: &'static str = "session-exists";
    const ONLY_READS: bool = true;
    type Answer = SessionExistsAnswer;

    fn body(&self, _: &About<'_>) -> serde_json::Map<String, Value> {
        serde_json::Map::from_iter([("session_token".to_owned(), Value::from(5))])
    }
}

#[test]
fn conversation() {
    let real = real();
    let client = client(&real.url, &real.key, once());
    let site = client.at("192.0.2.1", "Browser/1.0");
    let address = "conversation@example.org";
    let started = site.signup_start(&SignupStartParams {
        full_name: "Alice",
        email: address,
        password: PASSWORD,
        link: "https://site.example/verify",
        site_name: "A site",
        ..Default::default()
    });
    assert_eq!(started.unwrap().next, "link");
    let code = real.code(address);
    let verified = site.signup_finish(&SignupFinishParams { code: &code, ..Default::default() }).unwrap();
    assert_eq!((verified.next.as_str(), verified.user.email.as_str()), ("login", address));
    assert_eq!(verified.session_token, None);

    let seen = json!({ "seen": 1 }).as_object().cloned();
    let anonymous =
        site.session_new(&SessionNewParams { extra_info_json: seen, ..visitor() }).unwrap().session_token;
    let given = LoginParams {
        email: address,
        password: PASSWORD,
        session_token: Some(&anonymous),
        ..Default::default()
    };
    let login = site.login(&given).unwrap();
    assert!(login.expires > SystemTime::now());
    refused(site.session_exists(&SessionExistsParams { session_token: &anonymous }));

    let who = SessionInfoParams { session_token: &login.session_token };
    let may = UserCheckAccessParams {
        user_id: login.user.user_id,
        user_role: &login.user.user_role,
        action: "delete",
        target_name: "user",
        target_owner: 1,
        target_visibility: "private",
        ..Default::default()
    };
    let mut batch = Batch::new();
    let (info, access) = (batch.add(who.clone()), batch.add(may.clone()));
    let mut both = site.together(&batch).unwrap();
    assert_eq!(both.take(info).unwrap().session_info.user_role, "authenticated");
    refused(both.take(access));
    let mut batch = Batch::new().until_failure();
    let (_, last) = (batch.add(may), batch.add(who));
    let error = site.together(&batch).unwrap().take(last).unwrap_err();
    assert!(error.is_unavailable() && !error.maybe_done(), "{error:?}");

    let scopes = vec!["view:dataset".into()];
    let issue =
        ApikeyIssueParams { session_token: &login.session_token, name: "mine", scopes, expires_days: None };
    let issued = site.apikey_issue(&issue).unwrap();
    let check = ApikeyCheckParams {
        apikey: &issued.apikey,
        action: Some("view"),
        target_name: Some("dataset"),
        ..Default::default()
    };
    let checked = site.apikey_check(&check).unwrap();
    assert_eq!((checked.user_id, checked.permitted), (login.user.user_id, Some(true)));
    refused(site.apikey_check(&ApikeyCheckParams { action: Some("delete"), ..check }));
    let listed = site.apikey_list(&ApikeyListParams { session_token: &login.session_token }).unwrap();
    assert_eq!(listed.apikeys[0].name.as_deref(), Some("mine"));

    let wrong = refused(site.login(&LoginParams { email: address, password: "wrong", ..Default::default() }));
    assert_eq!(wrong.reason.as_deref(), Some("user does not exist or password doesn't match"));
    assert!(wrong.retry_after > Some(Duration::ZERO));
    assert!(refused(site.ask(&Mistyped)).is_invalid());

    let reset = ResetStartParams {
        email: "nobody@example.org",
        link: "https://site.example/reset",
        site_name: "A site",
        ..Default::default()
    };
    let limited = (0..20).find_map(|_| site.reset_start(&reset).err());
    assert!(
        matches!(limited, Some(Error::OverLimit { retry_after }) if !retry_after.is_zero()),
        "{limited:?}"
    );
}

#[test]
fn what_the_server_lets_be_noted_can_be_read_again() {
    let real = real();
    let client = client(&real.url, &real.key, once());
    let site = client.at("192.0.2.20", "Browser/1.0");
    // As deep as a request may be, around which stand the request, its body and the notes.
    let deep = (0..124).fold(json!(1), |inner, _| json!([inner]));
    let notes = json!({ "deep": deep }).as_object().cloned();
    let token = site
        .session_new(&SessionNewParams { extra_info_json: notes.clone(), ..visitor() })
        .unwrap()
        .session_token;
    let mut batch = Batch::new();
    let who = batch.add(SessionInfoParams { session_token: &token });
    let info = site.together(&batch).unwrap().take(who).unwrap();
    assert_eq!(info.session_info.extra_info_json.as_object(), notes.as_ref());
}

#[test]
fn many_ask_at_once() {
    let real = real();
    let client = client(&real.url, &real.key, Policy { connections_max: 4, ..Policy::default() });
    std::thread::scope(|scope| {
        for asker in 100..116 {
            let client = &client;
            scope.spawn(move || {
                let address = format!("192.0.2.{asker}");
                let site = client.at(&address, "Browser/1.0");
                for _ in 0..5 {
                    let token = site.session_new(&visitor()).unwrap().session_token;
                    let info =
                        site.session_info(&SessionInfoParams { session_token: &token }).unwrap().session_info;
                    assert_eq!((info.session_token, &info.ip_address), (token, &address));
                }
            });
        }
    });
}

#[test]
fn a_vector_is_opened_by_the_server() {
    let real = real();
    let address = Address::parse(&real.url).unwrap();
    let mut connection = Connection::open(&address, None, Duration::from_secs(5)).unwrap();
    let sealed = VECTORS["sealing"].as_array().unwrap().last().unwrap()["sealed"].as_str().unwrap();
    let reply = connection.exchange(&address.request(sealed), Duration::from_secs(30), 1 << 20).unwrap();
    let answer: Value = serde_json::from_slice(&ring(key(0)).open(&reply.body).unwrap()).unwrap();
    assert_eq!((&answer["success"], &answer["reqid"]), (&Value::Bool(false), &VECTORS["reqid"]));
}

#[test]
fn a_key_is_changed_without_a_pause() {
    let mut real = real();
    let (old_key, new_key) = (real.key.clone(), key(1));
    let rings = [old_key.clone(), format!("{new_key},{old_key}"), new_key.to_owned()];
    let clients = rings.map(|keys| client(&real.url, &keys, Policy::default()));
    let answered = || {
        clients.each_ref().map(|client| match client.itself().session_new(&visitor()) {
            Ok(_) => true,
            Err(Error::BadKey) => false,
            Err(error) => panic!("{error:?}"),
        })
    };
    assert_eq!(answered(), [true, true, false]);
    real.tell(&format!("add {new_key}"));
    assert_eq!(answered(), [true, true, true]);
    real.tell(&format!("only {new_key}"));
    assert_eq!(answered(), [false, true, true]);
    real.tell(&format!("only {old_key}"));
}

#[test]
fn a_stopped_server_is_unavailable_and_comes_back() {
    let mut real = real();
    let client = client(&real.url, &real.key, Policy::default());
    let site = client.at("192.0.2.10", "Browser/1.0");
    let token = site.session_new(&visitor()).unwrap().session_token;
    let exists = SessionExistsParams { session_token: &token };
    real.tell("stop");
    let error = site.session_exists(&exists).unwrap_err();
    assert!(error.is_unavailable() && !error.maybe_done(), "{error:?}");
    real.tell("start");
    // The kept connection has died meanwhile; nobody notices.
    site.session_new(&visitor()).unwrap();
    assert_eq!(site.session_exists(&exists).unwrap().session_info.user_id, 2);
}

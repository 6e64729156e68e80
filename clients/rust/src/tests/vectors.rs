//! The vectors that all clients pass.

use super::scripted::{Scripted, Written};
use super::{client, clients, once, ring};
use crate::site::{Form, Input, Page, Row};
use crate::types::StringOrInt;
use crate::{Error, KeyRing, Policy, SessionExistsParams, SessionNewParams, fernet};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

pub(super) static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_slice(&std::fs::read(clients().join("vectors.json")).unwrap()).unwrap()
});

pub(super) fn key(place: usize) -> &'static str {
    VECTORS["keys"][place].as_str().unwrap()
}

pub(super) fn visitor() -> SessionNewParams<'static> {
    SessionNewParams { expires: StringOrInt::Int(1), ..Default::default() }
}

fn raw(key: &str) -> [u8; 32] {
    base64::engine::general_purpose::URL_SAFE.decode(key).unwrap().try_into().unwrap()
}

fn list(name: &str) -> &'static [Value] {
    VECTORS[name].as_array().unwrap()
}

fn hex(text: &Value) -> [u8; 16] {
    let text = text.as_str().unwrap();
    std::array::from_fn(|place| u8::from_str_radix(&text[2 * place..2 * place + 2], 16).unwrap())
}

#[test]
fn keys_are_read_as_the_server_reads_them() {
    for case in VECTORS["written_keys"]["good"].as_array().unwrap() {
        let read = ring(case["text"].as_str().unwrap());
        assert_eq!(Some(read.len() as u64), case["keys"].as_u64(), "{case}");
    }
    for text in VECTORS["written_keys"]["bad"].as_array().unwrap() {
        assert!(KeyRing::parse(text.as_str().unwrap()).is_err(), "{text}");
    }
    assert_eq!(format!("{:?}", ring(key(0))), "a ring of 1 keys");
}

#[test]
fn messages_are_sealed_and_opened() {
    for case in list("sealing") {
        let (plain, key) = (case["plain"].as_str().unwrap(), case["key"].as_str().unwrap());
        let token =
            fernet::seal(&raw(key), plain.as_bytes(), hex(&case["iv"]), case["time"].as_u64().unwrap());
        assert_eq!(STANDARD.encode(token), case["sealed"].as_str().unwrap());
        let ring = ring(key);
        for sealed in [case["sealed"].as_str().unwrap(), &ring.seal(plain.as_bytes(), 0).unwrap()] {
            assert_eq!(ring.open(sealed.as_bytes()).as_deref(), Some(plain.as_bytes()));
        }
    }
}

#[test]
fn tokens_are_those_of_the_specification() {
    let vectors = &VECTORS["fernet"];
    let (key, valid) = (raw(vectors["key"].as_str().unwrap()), &vectors["valid"]);
    let (token, plain) = (valid["token"].as_str().unwrap(), valid["plain"].as_str().unwrap());
    assert_eq!(
        fernet::seal(&key, plain.as_bytes(), hex(&valid["iv"]), valid["time"].as_u64().unwrap()),
        token
    );
    assert_eq!(fernet::open(&key, token.as_bytes()).as_deref(), Some(plain.as_bytes()));
    for case in vectors["invalid"].as_array().unwrap() {
        assert_eq!(fernet::open(&key, case["token"].as_str().unwrap().as_bytes()), None, "{}", case["name"]);
    }
    assert_eq!(fernet::open(&key, token.replacen("AAA", "AAA\n", 1).as_bytes()), None);
    assert_eq!(fernet::open(&key, b""), None);
}

#[test]
fn each_reply_means_what_stands_beside_it() {
    let answer_bytes_max = VECTORS["answer_bytes_max"].as_u64().unwrap() as usize;
    for case in list("replies") {
        let server = Scripted::new([Written::of_vector(&case["reply"])]);
        let both = format!("{},{}", key(0), key(1));
        let mut client = client(&server.url, &both, Policy { answer_bytes_max, ..once() });
        client.fixed_id = VECTORS["reqid"].as_str().map(str::to_owned);
        let came = client.at("192.0.2.7", "Browser/1.0").session_new(&visitor());
        let expected = &case["expected"];
        let messages =
            |messages: &[String]| assert_eq!(Value::from(messages), expected["messages"], "{case}");
        match came {
            Ok(answer) => {
                assert_eq!(answer.session_token, expected["answer"]["session_token"], "{case}");
                assert_eq!(answer.expires, SystemTime::UNIX_EPOCH + Duration::from_millis(1_801_396_800_500));
                messages(&answer.messages);
            }
            Err(error) => assert_means(expected, &error),
        }
    }
}

fn assert_means(expected: &Value, error: &Error) {
    let (name, wait) = match error {
        Error::Refused(refused) => {
            assert_eq!(expected["reason"].as_str(), refused.reason.as_deref());
            assert_eq!(Value::from(refused.messages.as_slice()), expected["messages"]);
            ("refused", refused.retry_after)
        }
        Error::OverLimit { retry_after } => ("over limit", Some(*retry_after)),
        Error::Unavailable { retry_after, .. } => ("unavailable", *retry_after),
        Error::BadAnswer { .. } => ("bad answer", None),
        Error::BadKey => ("bad key", None),
        Error::NotAllowed { .. } => ("not allowed", None),
        Error::Misconfigured { .. } => ("misconfigured", None),
    };
    assert_eq!(expected["error"], name, "{error:?}");
    assert_eq!(expected["retry_after"].as_u64(), wait.map(|wait| wait.as_secs()), "{error:?}");
    assert_eq!(expected["maybe_done"].as_bool().unwrap_or(false), error.maybe_done(), "{error:?}");
}

#[test]
fn only_what_may_be_is_asked_again() {
    for case in list("retries") {
        let server = Scripted::new([Written::of_vector(&case["first"]), Written::status(500, "", "")]);
        let client =
            client(&server.url, &format!("{},{}", key(0), key(1)), Policy { tries: 2, ..Policy::default() });
        let caller = client.at("192.0.2.7", "Browser/1.0");
        let failed = if case["request"] == "read" {
            caller.session_exists(&SessionExistsParams { session_token: "t" }).is_err()
        } else {
            caller.session_new(&visitor()).is_err()
        };
        assert!(failed, "{case}");
        assert_eq!(Some(server.asked().len() > 1), case["again"].as_bool(), "{case}");
    }
}

#[test]
fn pages_are_drawn_as_in_other_languages() {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let each = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let input = |one: &Value| Input {
        name: text(&one["name"]).into(),
        label: text(&one["label"]).into(),
        kind: one["kind"].as_str().unwrap_or("text").to_owned().into(),
        value: text(&one["value"]).into(),
        autocomplete: one["autocomplete"].as_str().unwrap_or("off").to_owned().into(),
        hint: text(&one["hint"]).into(),
        required: one["required"] == true,
    };
    let form = |one: &Value| Form {
        button: text(&one["button"]).into(),
        inputs: each(&one["inputs"]).iter().map(input).collect(),
        action: text(&one["action"]).into(),
    };
    for case in list("pages") {
        let page = &case["page"];
        let row = |one: &Value| Row {
            title: text(&one["title"]),
            details: each(&one["details"]).iter().map(text).collect(),
            form: one.get("form").map(form),
        };
        let link = |one: &'static Value| (one["path"].as_str().unwrap(), text(&one["text"]).into());
        let mut drawn = Page::new("of-the-vectors", text(&page["title"]));
        drawn.messages = each(&page["messages"]).iter().map(|message| text(message).into()).collect();
        drawn.is_error = page["isError"] == true;
        drawn.forms = each(&page["forms"]).iter().map(form).collect();
        drawn.rows = each(&page["rows"]).iter().map(row).collect();
        drawn.links = page["links"].as_array().into_iter().flatten().map(link).collect();
        drawn.secret = page["secret"].as_str().map(str::to_owned);
        drawn.csrf = text(&page["csrf"]);
        assert_eq!(drawn.content(), case["html"].as_str().unwrap());
    }
}

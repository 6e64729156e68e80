//! Envelopes: what opens, what stays shut, and that no bytes make trouble.

use super::*;
use crate::rng::SeededRng;
use base64::engine::general_purpose::STANDARD;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "HxAREhMUFRYXGBkaGxwdHh8AAQIDBAUGBwgJCgsMDQ4=";
const PLAINTEXT: &str = r#"{"request": "session-exists", "body": {"session_token": "x"}, "reqid": 5, "client_ipaddr": "9.9.9.9"}"#;
/// `PLAINTEXT` as the original server's client seals it with `KEY` at second 1600000000, IV 00 to 0f.
const BODY: &str = "Z0FBQUFBQmZYaEFBQUFFQ0F3UUZCZ2NJQ1FvTERBME9EXzRRLU1Qd2pJdlI2RHN0RXFmN2otblQzS3E1ZnhScVROaDlrY3BycDlXUTJNQlplSkJCYVRkVDMzaURuUVlTaU1XbHQzWjN6dWg4UXBySUNITGF4SWNjOW1VUlpHM3FGZ05ldW5USkI2NTZERGNsVDNHSmloVm0xSnhXMEFZY3VpS1NOazZRSEZvcXpLMEU0a19BREhwanAyTHBJZ2k0QXJueUF5WEwwdWt5Y2MxMWxJS0lqZlI3WHJ0UDRKOV9aUT09";

fn ring(text: &str) -> Keyring {
    Keyring::parse(text).unwrap_or_else(|error| panic!("a good ring of keys: {error}"))
}

fn moment(unix_seconds: i64) -> Timestamp {
    Timestamp::from_micros(unix_seconds * 1_000_000).expect("a time that can be written")
}

/// What the envelope opens to, as text.
fn opened(keys: &Keyring, body: &[u8]) -> Option<String> {
    let opened = keys.open(body)?;
    Some(String::from_utf8(opened.plaintext.expose().clone()).expect("the tests seal text"))
}

fn refusal(text: &str) -> KeyError {
    match Keyring::parse(text) {
        Ok(_) => panic!("a ring was made of {text:?}"),
        Err(error) => error,
    }
}

#[test]
fn opens_what_the_original_sealed() {
    assert_eq!(opened(&ring(KEY), BODY.as_bytes()).as_deref(), Some(PLAINTEXT));
    assert_eq!(opened(&ring(OTHER_KEY), BODY.as_bytes()), None);
}

#[test]
fn opens_what_it_sealed_at_any_time() {
    let keys = ring(KEY);
    for now in [Timestamp::MIN, moment(0), moment(1_600_000_000), Timestamp::MAX] {
        let body = keys.first().seal(PLAINTEXT.as_bytes(), now);
        assert_eq!(opened(&keys, &body).as_deref(), Some(PLAINTEXT), "sealed at {}", now.wire());
    }
}

#[test]
fn carries_the_time_of_sealing() {
    let body = ring(KEY).first().seal(b"", moment(1_600_000_000));
    let token = STANDARD.decode(body).expect("the outer base64");
    let raw = URL_SAFE.decode(token).expect("the inner base64");
    assert_eq!(raw[0], 0x80);
    assert_eq!(raw[1..9], 1_600_000_000_u64.to_be_bytes());
}

#[test]
fn answers_under_the_key_that_the_request_came_with() {
    let keys = ring(&format!("{KEY},{OTHER_KEY}"));
    let request = ring(OTHER_KEY).first().seal(b"ping", moment(0));
    let opened_request = keys.open(&request).expect("the second key opens it");
    let answer = opened_request.key.seal(b"pong", moment(0));
    assert_eq!(opened(&ring(OTHER_KEY), &answer).as_deref(), Some("pong"));
    assert_eq!(opened(&ring(KEY), &answer), None);
}

#[test]
fn seals_any_length() {
    let keys = ring(KEY);
    for length in (0..=64).chain([4096, 1 << 20]) {
        let text = "x".repeat(length);
        let body = keys.first().seal(text.as_bytes(), moment(0));
        assert_eq!(opened(&keys, &body).as_deref(), Some(text.as_str()), "{length} bytes");
    }
}

#[test]
fn skips_stray_characters_outside() {
    let keys = ring(KEY);
    let stray = [b"\n".as_slice(), b"\r\n", b" ", b"!", b"-_", b"\xff\x00", "é".as_bytes()];
    for (step, noise) in stray.into_iter().enumerate() {
        let mut body = noise.to_vec();
        for chunk in BODY.as_bytes().chunks(7 + step) {
            body.extend_from_slice(chunk);
            body.extend_from_slice(noise);
        }
        assert_eq!(opened(&keys, &body).as_deref(), Some(PLAINTEXT), "noise number {step}");
    }
}

#[test]
fn skips_stray_characters_inside() {
    let keys = ring(KEY);
    let token = STANDARD.decode(BODY).expect("the outer base64");
    for noise in [b"\n".as_slice(), b"\r\n", b" ", b"\t", b"!", b"\xff\x00", "é".as_bytes(), b"."] {
        for step in [1, 7, 64] {
            let mut noisy = noise.to_vec();
            for chunk in token.chunks(step) {
                noisy.extend_from_slice(chunk);
                noisy.extend_from_slice(noise);
            }
            let body = STANDARD.encode(noisy);
            assert_eq!(opened(&keys, body.as_bytes()).as_deref(), Some(PLAINTEXT), "{noise:?} each {step}");
        }
    }
    let standard: Vec<u8> = token
        .iter()
        .map(|byte| match byte {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        })
        .collect();
    assert_ne!(standard, token);
    assert_eq!(opened(&keys, STANDARD.encode(standard).as_bytes()).as_deref(), Some(PLAINTEXT));
    let followed = [&token[..], b"AAAA"].concat();
    assert!(token.ends_with(b"=="), "what comes after complete padding is nothing");
    assert_eq!(opened(&keys, STANDARD.encode(followed).as_bytes()).as_deref(), Some(PLAINTEXT));
    let unpadded = &token[..token.len() - 1];
    assert_eq!(opened(&keys, STANDARD.encode(unpadded).as_bytes()), None);
}

/// What Python 3.11's `b64decode` and `urlsafe_b64decode` give, in hexadecimal; `None` where they raise an error.
#[test]
fn base64_is_read_as_python_reads_it() {
    for (written, standard, url_safe) in [
        ("", Some(""), Some("")),
        ("!", Some(""), Some("")),
        ("=", Some(""), Some("")),
        ("====", Some(""), Some("")),
        ("QQ==", Some("41"), Some("41")),
        ("QR==", Some("41"), Some("41")),
        ("QQ=", None, None),
        ("QQ", None, None),
        ("QQ=A=", Some("4100"), Some("4100")),
        ("QQ=A", None, None),
        ("Q=Q==", Some("41"), Some("41")),
        ("=QQ==", Some("41"), Some("41")),
        ("QQ==QUFB", Some("41"), Some("41")),
        ("QUE=", Some("4141"), Some("4141")),
        ("QUE=\n", Some("4141"), Some("4141")),
        ("QU\r\nE =", Some("4141"), Some("4141")),
        ("QUF=", Some("4141"), Some("4141")),
        ("QUFB", Some("414141"), Some("414141")),
        ("QUFB=", Some("414141"), Some("414141")),
        ("QUFBQ", None, None),
        ("-_-_", Some(""), Some("fbffbf")),
        ("+/+/", Some("fbffbf"), Some("fbffbf")),
        ("Q-Q_==", Some("41"), Some("43e43f")),
    ] {
        for (alphabet, expected) in [(Alphabet::Standard, standard), (Alphabet::UrlSafe, url_safe)] {
            let read = python_base64(written.as_bytes(), alphabet);
            let shown =
                read.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat());
            assert_eq!(shown.as_deref(), expected, "{written:?}");
        }
    }
}

#[test]
fn refuses_every_truncation() {
    let keys = ring(KEY);
    // Of three lengths in a row one ends each layer with no, one and two padding characters.
    for length in 14..=62 {
        let body = keys.first().seal(&vec![b'x'; length], moment(0));
        for cut in 0..body.len() {
            assert!(keys.open(&body[..cut]).is_none(), "{length} bytes, cut to {cut}");
            assert!(keys.open(&body[body.len() - cut..]).is_none(), "{length} bytes, the last {cut}");
        }
    }
}

/// What an envelope is beneath both layers of base64.
fn raw(body: &[u8]) -> Option<Vec<u8>> {
    python_base64(&python_base64(body, Alphabet::Standard)?, Alphabet::UrlSafe)
}

/// Bits that base64 does not read are not part of what is signed.
#[test]
fn refuses_every_flipped_bit() {
    let keys = ring(KEY);
    for bit in 0..BODY.len() * 8 {
        let mut body = BODY.as_bytes().to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            keys.open(&body).is_some(),
            raw(&body) == raw(BODY.as_bytes()),
            "bit {bit} of the outer text"
        );
    }
    let token = STANDARD.decode(BODY).expect("the outer base64");
    for bit in 0..token.len() * 8 {
        let mut flipped = token.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let body = STANDARD.encode(flipped);
        let is_same = raw(body.as_bytes()) == raw(BODY.as_bytes());
        assert_eq!(keys.open(body.as_bytes()).is_some(), is_same, "bit {bit} of the token");
    }
    let raw = URL_SAFE.decode(&token).expect("the inner base64");
    for bit in 0..raw.len() * 8 {
        let mut flipped = raw.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let body = STANDARD.encode(URL_SAFE.encode(flipped));
        assert!(keys.open(body.as_bytes()).is_none(), "bit {bit} of the content");
    }
}

#[test]
fn refuses_a_token_without_the_outer_layer_or_with_one_too_many() {
    let keys = ring(KEY);
    let token = STANDARD.decode(BODY).expect("the outer base64");
    assert!(keys.open(&token).is_none());
    assert!(keys.open(STANDARD.encode(BODY).as_bytes()).is_none());
}

#[test]
fn noise_opens_nothing_and_breaks_nothing() {
    let keys = ring(&format!("{KEY} {OTHER_KEY}"));
    let mut random = fastrand::Rng::with_seed(20_261);
    for round in 0..4000 {
        let length = random.usize(0..200);
        let mut noise: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
        if let Some(version) = noise.first_mut().filter(|_| round % 2 == 0) {
            *version = 0x80;
        }
        assert!(keys.open(&noise).is_none());
        assert!(keys.open(STANDARD.encode(&noise).as_bytes()).is_none());
        assert!(keys.open(STANDARD.encode(URL_SAFE.encode(&noise)).as_bytes()).is_none());
    }
}

#[test]
fn reads_keys_however_they_are_written() {
    let raw: Vec<u8> = (0..32).map(|i| 0xff_u8.wrapping_sub(i * 5)).collect();
    let (url_safe, standard) = (URL_SAFE.encode(&raw), STANDARD.encode(&raw));
    assert_ne!(url_safe, standard);
    let body = ring(&url_safe).first().seal(b"ping", moment(0));
    for written in [
        standard.clone(),
        format!("\"{url_safe}\"\n"),
        format!("'{standard}'"),
        format!("  {url_safe} ,"),
        url_safe.trim_end_matches('=').to_owned(),
        format!("{url_safe}=="),
        format!("{KEY},{url_safe}"),
        format!("\"{KEY}\", \"{url_safe}\""),
        format!("{KEY}\n{url_safe}\n"),
    ] {
        assert_eq!(opened(&ring(&written), &body).as_deref(), Some("ping"), "{written}");
    }
}

#[test]
fn refuses_bad_keys_and_names_the_place() {
    assert_eq!(refusal(""), KeyError::Missing);
    assert_eq!(refusal(" \"\" ,\n"), KeyError::Missing);
    assert_eq!(refusal("c2hvcnQ="), KeyError::WrongLength { position: 1, bytes: 5 });
    assert_eq!(refusal(&format!("{KEY},{KEY}")), KeyError::Repeated { position: 2 });
    assert_eq!(refusal(&format!("{KEY} {}", KEY.trim_end_matches('='))), KeyError::Repeated { position: 2 });
    assert_eq!(refusal(&format!("{KEY},AA=AA")), KeyError::NotBase64 { position: 2 });
    assert_eq!(refusal("/etc/authnzerver/secret-key1"), KeyError::WrongLength { position: 1, bytes: 21 });
    let many: Vec<String> =
        (0..=u8::try_from(KEYS_MAX).expect("few")).map(|i| STANDARD.encode([i; KEY_BYTES])).collect();
    assert_eq!(refusal(&many.join(",")), KeyError::TooMany);
    assert_eq!(ring(&many[1..].join(",")).0.len(), KEYS_MAX);
}

#[test]
fn a_refusal_shows_no_part_of_the_key() {
    let written = "c2VjcmV0LXNlY3JldC1zZWNyZXQ=";
    let shown = refusal(written).to_string();
    assert!(shown.contains("key 1") && !shown.contains("c2Vj") && !shown.contains("secret-"), "{shown}");
}

#[test]
fn a_made_key_works_and_differs_from_the_next() {
    let rng = SeededRng::new(3);
    let (one, other) = (generate_key(&rng), generate_key(&rng));
    assert_eq!(one.expose().len(), 44);
    assert!(!one.matches(other.expose().as_bytes()));
    let body = ring(one.expose()).first().seal(b"ping", moment(0));
    assert_eq!(opened(&ring(one.expose()), &body).as_deref(), Some("ping"));
}

#[test]
fn a_key_has_a_name_and_a_limit_behind_a_mark() {
    let text = format!(
        "{KEY}  # web2 requests=session-info,batch\n# requests=none of a key\n{OTHER_KEY} # all of it\n"
    );
    let keys = ring(&text);
    let [first, second] = &keys.0[..] else { panic!("two keys") };
    assert_eq!((first.name(), second.name()), (Some("web2"), Some("all of it")));
    assert!(first.may_ask("session-info") && first.may_ask("batch"));
    assert!(!first.may_ask("session") && !first.may_ask("user-login") && !first.may_ask(""));
    assert!(second.may_ask("user-login"));
    let again = ring(keys.written().expose());
    assert_eq!(again.0[0].requests(), first.requests());
    assert_eq!((again.0[0].name(), again.0[1].requests()), (Some("web2"), None));
    let unnamed = ring(&format!("{KEY} # requests=batch"));
    assert_eq!((unnamed.first().name(), unnamed.first().may_ask("user-login")), (None, false));
    assert_eq!(ring(&format!("{KEY},{OTHER_KEY}")).written().expose(), &format!("{KEY},{OTHER_KEY}"));
    assert_eq!(
        keys.check_requests(|name| name == "batch"),
        Err(KeyError::NoSuchRequest { position: 1, request: "session-info".to_owned() })
    );
    assert_eq!(keys.check_requests(|_| true), Ok(()));
}

#[test]
fn no_key_is_made_of_a_limit_that_cannot_be_read() {
    for remark in [
        "web requests=",
        "web requests=a,",
        "web requests=a, b",
        "web requests=a b",
        "web requests=a;b",
        "web requests=A",
        "requests=a requests=b",
        "web Requests=a",
        "web request=a",
        "web requests =a",
        "web requests: a",
        "web=requests=a",
    ] {
        assert_eq!(refusal(&format!("{KEY} # {remark}")), KeyError::Limit { position: 1 }, "{remark}");
        assert!(!refusal(&format!("{KEY} # {remark}")).to_string().contains("web"));
    }
    for remark in ["web", "requests", "made on request: 2026", "asks few requests", "a=b"] {
        assert!(ring(&format!("{KEY} # {remark}")).first().may_ask("user-login"), "{remark}");
    }
}

/// The fast decoder of the outer base64 takes what the careful one takes, and nothing else.
#[test]
fn the_outer_base64_is_read_alike_by_both_decoders() {
    let mut random = fastrand::Rng::with_seed(14);
    let letters: Vec<u8> =
        (0..64).map(|bits| STANDARD.encode([bits << 2])).map(|text| text.as_bytes()[0]).collect();
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut text: Vec<u8> =
            (0..random.usize(..150)).map(|_| *random.choice(&letters).expect("some")).collect();
        text.extend_from_slice(&b"===="[..random.usize(..4)]);
        for _ in 0..random.usize(..3) {
            let at = random.usize(..=text.len());
            text.insert(at, random.u8(..));
        }
        let careful = STANDARD.decode(&text).ok();
        taken += u32::from(careful.is_some());
        assert_eq!(OUTER.decode_to_vec(&text).ok(), careful, "{}", text.escape_ascii());
    }
    assert!(taken > 100, "{taken}");
}

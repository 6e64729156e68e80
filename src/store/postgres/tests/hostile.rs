//! Servers that say what no PostgreSQL says, or nothing: what is read is sound or refused, within a time, and no person and no
//! secret gets into a text.

use super::super::pool::Pool;
use super::super::session::{Kind, Session};
use super::super::target::Target;
use super::fake::{Asked, Listening, Peer, done, error, prepared, ready, row, says};
use crate::clock::SystemClock;
use crate::clock::Timestamp;
use crate::rng::SeededRng;
use crate::store::db::{Db, Engine};
use crate::store::error::StoreError;
use crate::store::row::column;
use std::sync::Arc;

fn pool(url: &str) -> Pool {
    let target = Target::parse(url).unwrap_or_else(|problem| panic!("{problem}"));
    Pool::new(target, Arc::new(SystemClock::new()), Arc::new(SeededRng::new(7))).expect("starts")
}

fn log_in(url: &str) -> Result<(), String> {
    pool(url).lend().map(drop).map_err(|error| error.to_string())
}

/// Reads the texts in a column by the statement `SELECT 1`.
fn read(pool: &Pool) -> Result<Vec<String>, StoreError> {
    let session = Session::new(pool, Kind::Read);
    let db = Db::new(Engine::Postgres(&session), Timestamp::MIN);
    db.all("SELECT 1", &[], |row| column(row, "email"))
}

/// Answers with a statement of one text column, whose run yields `said`.
fn reading(said: Vec<u8>) -> Listening {
    Listening::answering(move |asked| match asked.kinds.first() {
        Some(b'P') => prepared(0, &["email"]),
        _ => said.clone(),
    })
}

#[test]
fn what_comes_at_any_time_is_passed_over() {
    let remark = [
        says(b'N', b"SNOTICE\0Malice@example.org\0\0"),
        says(b'S', b"TimeZone\0UTC\0"),
        says(b'A', b"\0\0\0\x07channel\0payload\0"),
    ]
    .concat();
    let said = [
        &remark[..],
        &says(b'2', b""),
        &remark,
        &row(&[Some(b"a")]),
        &remark,
        &done("SELECT 1"),
        &remark,
        &ready(),
        &remark[..20],
    ];
    let server = reading(said.concat());
    assert_eq!(read(&pool(&server.url())).expect("reads"), ["a"]);
}

#[test]
fn an_answer_that_is_none_is_no_empty_one() {
    let huge = |kind: u8| [&[kind][..], &i32::MAX.to_be_bytes(), &[0; 64]].concat();
    let cases: [(&str, Vec<u8>); 14] = [
        ("ready, without an end", ready()),
        ("bound, without an end", [says(b'2', b""), ready()].concat()),
        ("a row, without an end", [says(b'2', b""), row(&[Some(b"a")]), ready()].concat()),
        ("suspended", [says(b'2', b""), row(&[Some(b"a")]), says(b's', b""), ready()].concat()),
        ("nothing was asked", [says(b'2', b""), says(b'I', b""), ready()].concat()),
        ("two columns", [says(b'2', b""), row(&[None, None]), done("SELECT 1"), ready()].concat()),
        ("no column", [says(b'2', b""), row(&[]), done("SELECT 1"), ready()].concat()),
        ("a huge row", huge(b'D')),
        ("a huge remark", huge(b'N')),
        ("a kind that there is not", [says(b'?', b""), ready()].concat()),
        ("a copy", [says(b'G', &[0, 0, 0]), done("COPY 0"), ready()].concat()),
        ("an empty readiness", [done("SELECT 0"), says(b'Z', b"")].concat()),
        ("a length below that of a length", vec![b'D', 0, 0, 0, 3, 0, 0]),
        ("another protocol", b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec()),
    ];
    for (what, said) in cases {
        let server = reading(said);
        let pool = pool(&server.url());
        let got = read(&pool);
        assert!(matches!(&got, Err(StoreError::Postgres(error)) if error.is_lost()), "{what}: {got:?}");
        // The connection is of no more use, for what comes next may belong to what was asked before.
        let (before, again) = (server.connections(), read(&pool));
        assert!(again.is_err() && server.connections() > before, "{what}: goes on");
    }
}

#[test]
fn a_value_that_cannot_be_is_not_guessed_at() {
    for value in [None, Some(&b"\xff"[..])] {
        let server = reading([says(b'2', b""), row(&[value]), done("SELECT 1"), ready()].concat());
        let got = read(&pool(&server.url()));
        assert!(matches!(got, Err(StoreError::Corrupt("email"))), "{got:?}");
    }
}

#[test]
fn no_text_of_an_error_tells_of_a_person() {
    let details = "Key (email)=(alice@example.org) already exists.";
    let fields = [
        (b'M', "alice@example.org\u{1b}[2J"),
        (b'D', details),
        (b'n', "alice"),
        (b't', "users"),
        (b'W', "alice"),
    ];
    for code in ["23505", "23514", "XX000", "22P02", "alice", "ALICE@EXAMPLE.ORG", "a\u{1b}[\n"] {
        let server = reading([error(code, &fields), ready()].concat());
        let got = read(&pool(&server.url())).expect_err("fails");
        let texts = format!("{got} {got:?}");
        assert!(!texts.to_lowercase().contains("alice@") && !texts.contains("Alice"), "{texts}");
        assert!(!texts.contains("already exists") && !texts.chars().any(char::is_control), "{texts}");
        let login = Listening::serve(move |_, mut peer| {
            peer.startup()?;
            peer.say(&error(code, &fields))
        });
        let told = log_in(&login.url()).expect_err("is refused");
        assert!(!told.contains('@') && !told.chars().any(char::is_control), "{told}");
    }
}

/// The server's side of a login, after its start.
fn at_login(step: impl Fn(&mut Peer) -> Option<()> + Send + Sync + 'static) -> Result<(), String> {
    let server = Listening::serve(move |_, mut peer| {
        peer.startup()?;
        step(&mut peer)?;
        // It is let in, if it takes that.
        peer.say(&[says(b'R', &[0; 4]), ready()].concat())?;
        peer.answer_each(&|_: &Asked| ready())
    });
    log_in(&server.url().replace("tests@", "tests:hidden-secret@"))
}

fn asks(method: i32, more: &[u8]) -> Vec<u8> {
    says(b'R', &[&method.to_be_bytes(), more].concat())
}

/// Goes as far as to the client's first words; its nonce.
fn begins(peer: &mut Peer) -> Option<String> {
    peer.say(&asks(10, b"SCRAM-SHA-256\0\0"))?;
    let (_, first) = peer.message()?;
    let first = String::from_utf8(first).ok()?;
    Some(first.split("r=").nth(1)?.to_owned())
}

#[test]
fn a_server_that_does_not_prove_itself_is_told_nothing() {
    let salt = "s=W22ZaJ0SNY7soEsUEjb6gQ==";
    let refused = |what: &str, got: Result<(), String>| {
        let told = got.expect_err(what);
        assert!(told.contains("does not log us in"), "{what}: {told}");
        assert!(!told.contains("hidden-secret"), "{what}: {told}");
    };
    refused("takes everybody", at_login(|_| Some(())));
    for (what, method) in
        [("plaintext", 3), ("md5", 5), ("Kerberos", 2), ("GSSAPI", 7), ("SSPI", 9), ("?", 99)]
    {
        refused(what, at_login(move |peer| peer.say(&asks(method, &[1; 4]))));
    }
    refused("other methods", at_login(|peer| peer.say(&asks(10, b"PLAIN\0SCRAM-SHA-1\0\0"))));
    refused("no method", at_login(|peer| peer.say(&asks(10, b"\0"))));
    refused("out of turn", at_login(|peer| peer.say(&asks(11, b"r=a,s=b,i=4096"))));
    refused("proves at once", at_login(|peer| peer.say(&asks(12, b"v=AAAA"))));
    refused("ends early", at_login(|peer| begins(peer).map(drop)));
    for (what, iterations) in [("few", 1), ("none", 0), ("many", 100_000_000), ("most", u32::MAX)] {
        refused(
            what,
            at_login(move |peer| {
                let nonce = begins(peer)?;
                peer.say(&asks(11, format!("r={nonce}x,{salt},i={iterations}").as_bytes()))
            }),
        );
    }
    refused(
        "another's nonce",
        at_login(move |peer| {
            begins(peer)?;
            peer.say(&asks(11, format!("r=another,{salt},i=4096").as_bytes()))
        }),
    );
    refused(
        "the wrong proof",
        at_login(move |peer| {
            let nonce = begins(peer)?;
            peer.say(&asks(11, format!("r={nonce}x,{salt},i=4096").as_bytes()))?;
            peer.message()?;
            peer.say(&asks(12, format!("v={}", "A".repeat(43) + "=").as_bytes()))
        }),
    );
    refused(
        "asks twice for our proof",
        at_login(move |peer| {
            let nonce = begins(peer)?;
            for salt in [salt, "s=AAAA"] {
                peer.say(&asks(11, format!("r={nonce}x,{salt},i=4096").as_bytes()))?;
                peer.message()?;
            }
            // It is let in nowhere without a proof, but may not have two of ours.
            peer.ignore()
        }),
    );
}

//! Everything that reads what a server, a certificate or a URL says, given what is nearly right: it is read or refused.

use super::super::pool::Pool;
use super::super::scram::{NONCE_BYTES, Scram, certificate_binding};
use super::super::session::{Kind, Session};
use super::super::target::Target;
use super::fake::{Listening, done, prepared, ready, row, says};
use crate::clock::{SystemClock, Timestamp};
use crate::guard::secret::Secret;
use crate::rng::SeededRng;
use crate::store::db::{Db, Engine};
use crate::store::row::column;
use std::sync::{Arc, Mutex};

/// The same with a few bytes changed, taken out, put in, or cut off.
fn damaged(random: &mut fastrand::Rng, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(..=bytes.len().saturating_sub(1));
        match random.u8(..8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.u8(..)),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => bytes.extend_from_within(at..),
            _ if at < bytes.len() => bytes[at] = random.u8(..),
            _ => {}
        }
    }
    bytes
}

#[test]
fn a_whole_conversation_that_is_damaged_anywhere_ends() {
    const ROUNDS: usize = 400;
    let random = Mutex::new(fastrand::Rng::with_seed(11));
    let server = Listening::serve(move |number, mut peer| {
        let read = [says(b'2', b""), row(&[Some(b"alice@example.org")]), done("SELECT 1"), ready()].concat();
        let mut answers = [
            [says(b'R', &[0; 4]), says(b'S', b"a\0b\0"), says(b'K', &[0; 8]), ready()].concat(),
            [done("SET"), done("SET"), ready()].concat(),
            [row(&[Some(b"false")]), done("SELECT 1"), ready()].concat(),
            prepared(0, &["email"]),
            read,
        ];
        let damage = number % answers.len();
        answers[damage] = damaged(&mut random.lock().expect("no panic"), &answers[damage]);
        peer.startup()?;
        for (index, answer) in answers.iter().enumerate() {
            // What comes after the damage never comes.
            peer.say(answer)?;
            if index == damage {
                return peer.0.shutdown(std::net::Shutdown::Write).ok().and_then(|()| peer.ignore());
            }
            while !matches!(peer.message()?.0, b'Q' | b'S') {}
        }
        None
    });
    let target = Target::parse(&server.url()).unwrap_or_else(|problem| panic!("{problem}"));
    let pool = Pool::new(target, Arc::new(SystemClock::new()), Arc::new(SeededRng::new(7))).expect("starts");
    for _ in 0..ROUNDS {
        let session = Session::new(&pool, Kind::Read);
        let db = Db::new(Engine::Postgres(&session), Timestamp::MIN);
        let read = db.all("SELECT 1", &[], |row| column::<String>(row, "email"));
        let is_sound = read.as_ref().is_ok_and(|rows| rows.len() <= 2);
        assert!(
            is_sound || read.as_ref().is_err_and(|error| !format!("{error:?}").contains("alice")),
            "{read:?}"
        );
        drop(session);
        pool.forget_idle();
    }
    assert_eq!(pool.taken_and_waiting(), (0, 0));
}

#[test]
fn what_a_server_says_of_a_password_is_read_or_refused() {
    let mut random = fastrand::Rng::with_seed(12);
    let nonce = "AAAAAAAAAAAAAAAAAAAAAAAA";
    let first = format!("r={nonce}xyz,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    for _ in 0..3000 {
        let begun = Scram::new(&["SCRAM-SHA-256"], Secret::new("pencil".into()), None, [0; NONCE_BYTES]);
        let (_, mut scram) = begun.expect("is offered");
        let said = damaged(&mut random, first.as_bytes());
        if let Ok(proof) = scram.answer(&said) {
            assert!(proof.contains(&format!("r={nonce}")), "our nonce is not in it: {proof}");
        }
        assert!(
            scram.finish(&damaged(&mut random, b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")).is_err()
        );
    }
}

#[test]
fn a_certificate_is_bound_to_or_not() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let whole = made.cert.der().to_vec();
    assert!(certificate_binding(&whole).is_some());
    let mut random = fastrand::Rng::with_seed(13);
    for length in 0..whole.len() {
        let _ = certificate_binding(&whole[..length]);
        let _ = certificate_binding(&damaged(&mut random, &whole));
    }
    for lengths in [[0x80, 0, 0, 0], [0x84, 0xff, 0xff, 0xff], [0x83, 0xff, 0xff, 0xff], [0xff; 4]] {
        assert!(certificate_binding(&[&[0x30][..], &lengths, &[0xff; 9]].concat()).is_none());
    }
}

#[test]
fn a_url_is_read_or_refused_and_its_password_never_shown() {
    let url = "postgresql://me:qzjxw@db1,db2:6432,[2001:db8::1]:7/my%20db?sslmode=verify-full&search_path=a&max_connections=4";
    let mut random = fastrand::Rng::with_seed(14);
    for _ in 0..20_000 {
        let Ok(text) = String::from_utf8(damaged(&mut random, url.as_bytes())) else { continue };
        if let Err(problem) = Target::parse(&text).map(drop) {
            assert!(!problem.to_string().contains("qzjxw"), "{text}: {problem}");
        }
    }
}

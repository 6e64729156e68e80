//! What goes wrong between a real server and us: each write is done once or not at all, and is never said to be what it is not.

use super::super::engine::Postgres;
use super::super::target::Target;
use super::fake::{Fate, Listening, done, error, prepared, ready, relay, says};
use super::{ANSWER_LIMIT, SERVER_VARIABLE, engine, open, open_at, own_schema};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::rng::{Rng, SeededRng};
use crate::store::job::{self, Purpose};
use crate::store::row::only;
use crate::store::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A database of a test's own, behind a relay that does this to the messages of each kind and text, and the same one without.
fn relayed(
    fate: impl Fn(usize, u8, &str) -> Fate + Send + Sync + 'static,
) -> Option<(Store, Store, Listening)> {
    let url = std::env::var(SERVER_VARIABLE).ok()?;
    let (server, options) = url.split_once("?host=").expect("names a socket");
    let (socket, options) = options.split_once('&').expect("has options");
    let relay = relay(socket.to_owned(), fate);
    let server = server.replace("@/", &format!("@127.0.0.1:{}/", relay.port));
    let schema = own_schema();
    let (direct, _) = open_at(&url, &schema);
    let (behind, _) = open_at(&format!("{server}?{options}"), &schema);
    Some((behind, direct, relay))
}

/// Counts, and says yes the first so many times.
struct Times(AtomicUsize, usize);

impl Times {
    const fn first(times: usize) -> Self {
        Self(AtomicUsize::new(0), times)
    }

    fn again(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst) < self.1
    }
}

fn roles_of(store: &Store) -> Vec<String> {
    store.read(roles::list).expect("reads").into_iter().map(|role| role.name).collect()
}

#[test]
fn what_is_cut_before_its_commit_was_sent_is_done_by_running_it_again() {
    // Before its beginning, its statement, and its end.
    for cut in ["BEGIN ISOLATION LEVEL SERIALIZABLE", "INSERT INTO roles", ""] {
        let times = Times::first(2);
        let relayed = relayed(move |_, kind, text| {
            let is_it = if cut.is_empty() { kind == b'E' } else { text.contains(cut) };
            if is_it && times.again() { Fate::CutBefore } else { Fate::Passes }
        });
        let Some((behind, direct, _)) = relayed else { return };
        assert!(behind.write(|tx| roles::insert(tx, "editor")).expect("writes at last"), "{cut}");
        assert_eq!(roles_of(&direct), ["editor"]);
    }
}

#[test]
fn nobody_says_what_became_of_a_write_whose_commit_got_no_answer() {
    for (fate, is_done) in [(Fate::CutAfter, true), (Fate::Silence, true), (Fate::CutBefore, false)] {
        let times = Times::first(1);
        let relayed =
            relayed(
                move |_, kind, text| {
                    if kind == b'Q' && text == "COMMIT" && times.again() { fate } else { Fate::Passes }
                },
            );
        let Some((behind, direct, _)) = relayed else { return };
        let written = behind.write(|tx| roles::insert(tx, "editor"));
        assert!(matches!(written, Err(StoreError::Unknown)), "{written:?}");
        assert!(written.is_err_and(|error| error.is_unreachable()), "it is no verdict");
        // Whoever asks again gets what is true then.
        let again = behind.write(|tx| roles::insert(tx, "editor")).expect("writes");
        assert_eq!(again, !is_done);
        assert_eq!(roles_of(&direct), ["editor"]);
    }
}

/// Has the server do this on a connection that is idle then.
fn on_idle_connection(store: &Store, statements: &str) {
    let session = engine(store).reader();
    session.text(statements).expect("is done");
}

#[test]
fn what_was_prepared_and_is_no_more_is_prepared_again() {
    let Some((store, _)) = open() else { return };
    let Some((other, _)) = open() else { return };
    let schema = engine(&store).reader().text("SELECT current_schema()").expect("reads").expect("has a name");
    let add =
        |store: &Store, name: &'static str| store.write(move |tx| roles::insert(tx, name)).expect("writes");
    assert!(add(&store, "a") && roles_of(&store) == ["a"]);
    // As a pooler does between two who share a connection.
    for statement in ["DISCARD ALL", "DEALLOCATE ALL"] {
        on_idle_connection(&store, statement);
        assert_eq!(roles_of(&store), ["a"]);
        on_idle_connection(&store, statement);
        assert!(!add(&store, "a"));
    }
    // As an upgrade by another process does.
    for kind in ["VARCHAR(500)", "TEXT"] {
        let alter =
            format!("BEGIN READ WRITE; ALTER TABLE {schema}.roles ALTER COLUMN \"desc\" TYPE {kind}; COMMIT");
        engine(&other).reader().text(&alter).expect("is altered");
        assert_eq!(roles_of(&store), ["a"], "{kind}");
        assert!(!add(&store, "a"));
    }
    // As a server does that was asked to take no writes.
    on_idle_connection(&store, "SET default_transaction_read_only = on");
    assert!(add(&store, "b"));
}

#[test]
fn a_transaction_that_the_server_ends_while_it_is_idle_is_run_again() {
    let Some((store, _)) = open() else { return };
    let Some((other, _)) = open() else { return };
    let watcher = engine(&other).reader();
    let runs = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&runs);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (ended, has_ended) = std::sync::mpsc::channel();
    let writes = std::thread::spawn(move || {
        let has_ended = std::sync::Mutex::new(has_ended);
        store.write(move |tx| {
            let is_new = roles::insert(tx, "a")?;
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                let pid = tx.one("SELECT pg_backend_pid()::text", &[], only::<String>)?;
                tx.execute("SET LOCAL idle_in_transaction_session_timeout = '1ms'", &[])?;
                begun.send(pid.expect("has a number")).expect("somebody listens");
                has_ended.lock().expect("no panic").recv().expect("is told");
            }
            roles::insert(tx, "b")?;
            Ok::<_, StoreError>(is_new)
        })
    });
    let pid = has_begun.recv().expect("begins");
    let is_there = format!("SELECT count(*)::text FROM pg_stat_activity WHERE pid = {pid}");
    while watcher.text(&is_there).expect("reads").as_deref() == Some("1") {
        std::thread::yield_now();
    }
    let _ = ended.send(());
    assert!(writes.join().expect("no panic").expect("is run again"), "a first half was kept");
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn a_statement_that_takes_too_long_fails_its_write_alone() {
    let Some((store, _)) = open() else { return };
    let Some((other, _)) = open() else { return };
    let schema = engine(&store).reader().text("SELECT current_schema()").expect("reads").expect("has a name");
    on_idle_connection(&store, "SET statement_timeout = '50ms'");
    let (mut locks, _) = engine(&other).pool.lend().expect("connects");
    locks.simple(&format!("BEGIN READ WRITE; LOCK TABLE {schema}.roles")).expect("locks");
    let late = store.write(|tx| roles::insert(tx, "a"));
    let is_no_verdict = |error: &StoreError| error.is_unreachable() && error.to_string().contains("57014");
    assert!(late.as_ref().is_err_and(is_no_verdict), "{late:?}");
    locks.simple("ROLLBACK").expect("lets go");
    assert!(store.write(|tx| roles::insert(tx, "a")).expect("writes"));
}

#[test]
fn of_several_first_starts_at_once_one_makes_the_tables() {
    let Ok(url) = std::env::var(SERVER_VARIABLE) else { return };
    let schema = own_schema();
    let origins: Vec<_> = std::thread::scope(|scope| {
        let starts: Vec<_> = (0..6).map(|_| scope.spawn(|| open_at(&url, &schema).1)).collect();
        starts.into_iter().map(|start| start.join().expect("starts")).collect()
    });
    assert_eq!(origins.iter().filter(|origin| **origin == Origin::Made).count(), 1, "{origins:?}");
    assert_eq!(origins.iter().filter(|origin| **origin == Origin::Found).count(), 5, "{origins:?}");
}

#[test]
fn a_start_waits_for_one_that_takes_long() {
    let Ok(url) = std::env::var(SERVER_VARIABLE) else { return };
    let Some((other, _)) = open() else { return };
    let schema = own_schema();
    let (mut first, _) = engine(&other).pool.lend().expect("connects");
    first
        .simple(&format!("BEGIN READ WRITE; SELECT pg_advisory_xact_lock(1098152530, hashtext('{schema}'))"))
        .expect("locks");
    let second = std::thread::spawn(move || open_at(&url, &schema).1);
    // Longer than any statement of a request may wait, or run.
    let waits = "SELECT count(*)::text FROM pg_sleep(0.2), pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted \
                 AND locktype = 'advisory' AND clock_timestamp() - query_start > '11 s'";
    while engine(&other).reader().text(waits).expect("reads").as_deref() == Some("0") && !second.is_finished()
    {
        std::thread::yield_now();
    }
    first.simple("COMMIT").expect("lets go");
    assert_eq!(second.join().expect("starts"), Origin::Made);
}

#[test]
fn a_server_without_a_connection_for_us_is_told_of_and_asked_again() {
    let Ok(url) = std::env::var(SERVER_VARIABLE) else { return };
    let Some((store, _)) = open() else { return };
    let schema = own_schema();
    let few = format!("few_{schema}");
    engine(&store)
        .reader()
        .text(&format!("BEGIN READ WRITE; CREATE ROLE {few} LOGIN CONNECTION LIMIT 1; GRANT CREATE ON DATABASE postgres TO {few}; COMMIT"))
        .expect("makes a user");
    let (limited, _) = open_at(&url.replace("tests@", &format!("{few}@")), &schema);
    let (lent, _) = engine(&limited).pool.lend().expect("has one");
    let refused = limited.read(roles::list).expect_err("there is one alone");
    assert!(
        refused.is_unreachable() && refused.to_string().contains("53300 (it has no connection free)"),
        "{refused}"
    );
    engine(&limited).pool.take_back(lent);
    assert_eq!(roles_of(&limited).len(), 0);
    drop(limited);
    let gone = format!("BEGIN READ WRITE; DROP OWNED BY {few} CASCADE; DROP ROLE {few}; COMMIT");
    engine(&store).reader().text(&gone).expect("removes the user");
}

#[test]
fn what_is_answered_to_a_commit_and_is_no_commit_is_not_taken_for_one() {
    type Is = fn(&Result<usize, StoreError>) -> bool;
    let unknown: Is = |got| matches!(got, Err(StoreError::Unknown));
    let cases: [(&str, Vec<u8>, Is); 5] = [
        ("nothing", ready(), unknown),
        ("something else", [done("SELECT 1"), ready()].concat(), unknown),
        ("a rollback", [done("ROLLBACK"), ready()].concat(), |got| matches!(got, Err(StoreError::Aborted))),
        ("a full disk", [error("53100", &[]), ready()].concat(), |got| {
            matches!(got, Err(StoreError::Postgres(_)))
        }),
        ("an end", error("57P01", &[]), unknown),
    ];
    for (what, said, is_right) in cases {
        let server = Listening::answering(move |asked| match asked.kinds.first() {
            Some(b'P') => prepared(0, &["n"]),
            _ if asked.text == "COMMIT" => said.clone(),
            Some(b'Q') => [done("BEGIN"), ready()].concat(),
            _ => [says(b'2', b""), done("INSERT 0 1"), ready()].concat(),
        });
        let url = server.url();
        let target = Target::parse(&url).unwrap_or_else(|problem| panic!("{problem}"));
        let target = Target { answer_limit: ANSWER_LIMIT, ..target };
        let clock = ManualClock::at(Timestamp::MIN);
        let parts: (Arc<dyn Clock>, Arc<dyn Rng>) = (Arc::new(clock), Arc::new(SeededRng::new(1)));
        let postgres =
            Postgres::around(&target, parts, &Arc::default()).unwrap_or_else(|error| panic!("{error}"));
        let written = job::write(
            Purpose::Request,
            |tx: &Tx<'_>| tx.execute("SELECT 1", &[]),
            |job| {
                postgres.submit(job);
                Ok(())
            },
        );
        assert!(is_right(&written), "{what}: {written:?}");
    }
}

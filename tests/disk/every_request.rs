//! Every request of the registry on a failing disk: one that writes is done for good or broken without a trace, and one
//! that only reads answers as ever.

use crate::contents::{self, Part};
use crate::failures::disk;
use crate::reading::READING;
use crate::vfs::{self, Operation};
use crate::writing::{Asked, Outcome, Prepare, SETTINGS, WRITING};
use authnzerver::api::{REQUESTS_BY_NAME, requests};
use authnzerver::outcome::Refusal;
use authnzerver::request::Repeat;
use authnzerver::server::health::HealthCheck;
use serde_json::Value;
use std::time::Duration;
use support::{Reply, TestServer};

/// A request takes fewer calls of one kind.
const CALLS_MAX: u64 = 256;
/// How writing fails.
const FAILING: [Operation; 3] = [Operation::Write, Operation::Sync, Operation::Grow];

#[test]
fn each_request_either_writes_or_reads_and_is_tried() {
    let writes = |name| WRITING.iter().any(|(writing, _)| *writing == name);
    let reads = |name| READING.iter().any(|(reading, _)| *reading == name);
    for request in requests() {
        assert!(writes(request.name) != reads(request.name), "{}: in one of both tables", request.name);
    }
    for name in WRITING.iter().map(|(name, _)| name).chain(READING.iter().map(|(name, _)| name)) {
        assert!(REQUESTS_BY_NAME.contains_key(name), "{name} is no request");
    }
}

#[test]
fn what_only_reads_is_declared_as_such() {
    for request in requests() {
        // A batch is like its requests.
        let reads = READING.iter().any(|(reading, _)| *reading == request.name && *reading != "batch");
        assert_eq!(request.repeat == Repeat::Reads, reads, "{}", request.name);
    }
}

#[test]
fn what_does_no_more_when_it_is_asked_once_more_leaves_everything_as_it_is() {
    let _turn = disk();
    for (request, prepare) in WRITING {
        if REQUESTS_BY_NAME[request].repeat != Repeat::Same {
            continue;
        }
        let server = TestServer::start_with(SETTINGS);
        let asked = prepare(&server, "p");
        assert!(!asked.outcome.takes_a_password(), "{request}: asking once more is one more guess");
        let left = || {
            // It counts how often everything was ended, also where nothing was left to end.
            server.changes("UPDATE users SET revocations = 0");
            contents::of(&server, Part::WithoutAttempts)
        };
        let _ = server.ask(request, asked.body.clone());
        let (before, _) = (left(), server.outbox.take());
        let _ = server.ask(request, asked.body);
        let after = left();
        assert!(after == before, "{request} does more: {:?}", news(&before, &after));
        assert!(server.outbox.take().is_empty(), "{request} sends an email once more");
    }
}

/// What the server says when it could not do something: neither that it did nor that it will not.
#[track_caller]
fn is_broken(request: &str, reply: &Reply, what: &str) {
    match reply {
        Reply::Rejected(503, Some(_)) => {}
        Reply::Answered(answer) if request == "batch" && answer["success"] == true => {
            let answers = answer["response"]["answers"].as_array().expect("a list");
            let is_broken = |answer: &Value| {
                let request = answer["request"].as_str().expect("a name");
                let broken = REQUESTS_BY_NAME[request].broken.and_then(Refusal::reason);
                answer["status"] == 503 || broken == answer["failure_reason"].as_str()
            };
            assert!(answers.iter().any(is_broken), "{what}: a verdict: {answer}");
        }
        Reply::Answered(answer) => {
            let broken = REQUESTS_BY_NAME[request].broken.and_then(Refusal::reason);
            assert!(broken.is_some(), "{what}: a verdict: {answer}");
            assert_eq!(answer["failure_reason"].as_str(), broken, "{what}: a verdict");
        }
        other @ Reply::Rejected(..) => panic!("{what}: {other:?}"),
    }
}

/// Whether it came out as it does when nothing fails.
fn is_as_ever(request: &str, reply: &Reply, outcome: Outcome) -> bool {
    let broken = REQUESTS_BY_NAME[request].broken.and_then(Refusal::reason);
    match reply {
        Reply::Rejected(..) => false,
        Reply::Answered(answer) if answer["success"] == true => outcome.is_done(),
        Reply::Answered(answer) => {
            !outcome.is_done() && answer["failure_reason"].as_str() != broken.or(Some(""))
        }
    }
}

/// That what was answered is in the files, and would be there after a power cut.
#[track_caller]
fn is_durable(server: &TestServer, before: &str, what: &str) {
    assert_eq!(vfs::unsynced(), 0, "{what}: answered before it was on the disk");
    let after = contents::of(server, Part::Everything);
    assert!(after != before, "{what}: it is done, and nothing has changed");
    assert!(contents::after_a_crash(server, Part::Everything) == after, "{what}: a crash would lose it");
}

/// What has changed, for a message.
fn news(before: &str, after: &str) -> Vec<String> {
    after.lines().filter(|line| !before.lines().any(|known| known == *line)).map(str::to_owned).collect()
}

/// Has the server read from the disk again: its connections drop the pages they know when others have written.
fn forget_what_was_read(server: &TestServer) {
    server.changes("INSERT OR REPLACE INTO server_state VALUES ('elsewhere', random())");
}

/// All guesses that are written down.
fn failures(server: &TestServer) -> i64 {
    let sum = server.stored("SELECT CAST(coalesce(sum(failures), 0) AS TEXT) FROM attempts");
    sum.and_then(|sum| sum.parse().ok()).expect("a number")
}

/// What came of a request while a call failed.
enum Came {
    /// It needs no more calls than went well, and is done.
    Through,
    /// It is done all the same.
    ToBeDone,
    /// It is broken, and nothing has changed.
    ToNothing,
}

/// One request on one server, while one kind of call fails.
struct Trial<'t> {
    server: &'t TestServer,
    request: &'static str,
    operation: Operation,
}

impl Trial<'_> {
    /// Asks while all calls after so many good ones fail.
    fn asks(&self, asked: &Asked, good: u64) -> Came {
        let Asked { body, outcome } = asked;
        let (server, request, operation) = (self.server, self.request, self.operation);
        let what = format!("{request}, {outcome:?}, {operation:?} fails after {good}");
        forget_what_was_read(server);
        let part = if outcome.takes_a_password() { Part::WithoutAttempts } else { Part::Everything };
        let (before, part_before) = (contents::of(server, Part::Everything), contents::of(server, part));
        let _ = server.outbox.take();
        // A read that fails alone shows what a request makes of just that one.
        let fail = if operation == Operation::Read { vfs::fail_once } else { vfs::fail };
        fail(operation, good);
        let reply = server.ask(request, body.clone());
        let failed = vfs::heal();
        if failed == 0 {
            assert!(is_as_ever(request, &reply, *outcome), "{what}: nothing failed, but {reply:?}");
            assert!(good > 0, "{what}: it takes none");
        }
        if is_as_ever(request, &reply, *outcome) {
            is_durable(server, &before, &what);
            return if failed == 0 { Came::Through } else { Came::ToBeDone };
        }
        is_broken(request, &reply, &what);
        let after = contents::of(server, part);
        assert!(after == part_before, "{what}: something stayed: {:?}", news(&part_before, &after));
        if operation != Operation::Sync {
            // What was written and not synced may be there after a crash: of that, nobody can tell anything.
            let found = contents::after_a_crash(server, part);
            let news = news(&part_before, &found);
            assert!(found == part_before, "{what}: something appears after a crash: {news:?}");
        }
        assert!(server.outbox.take().is_empty(), "{what}: an email was sent all the same");
        Came::ToNothing
    }

    /// Has the request fail at its first call, at its second, and so on, until it needs no more calls. Where it was
    /// broken, the same question stands: in the end it is done.
    fn runs(&self, prepare: Prepare) {
        let mut standing: Option<Asked> = None;
        for good in 0..CALLS_MAX {
            let name = format!("p{}-{good}", self.operation as usize);
            let asked = standing.take().unwrap_or_else(|| prepare(self.server, &name));
            let (failures_before, hashes_before) =
                (failures(self.server), self.server.app.hasher.hash_operations());
            match self.asks(&asked, good) {
                Came::Through => return,
                Came::ToBeDone => {}
                Came::ToNothing if asked.outcome.takes_a_password() => {
                    // What is noted about attempts has changed, so this question ends here.
                    let again = self.server.ask(self.request, asked.body);
                    let what = format!("{}, asked again after {:?} {good}", self.request, self.operation);
                    assert!(is_as_ever(self.request, &again, asked.outcome), "{what}: {again:?}");
                    let guesses = self.server.app.hasher.hash_operations() - hashes_before;
                    let counted = (failures(self.server) - failures_before).cast_unsigned();
                    assert!(
                        asked.outcome.is_done() || counted == guesses,
                        "{what}: of {guesses}, {counted} count"
                    );
                }
                Came::ToNothing => standing = Some(asked),
            }
            self.server.later(Duration::from_secs(1));
        }
        panic!("{} never ends", self.request);
    }
}

/// Tries a request in every way in which the disk fails.
fn tries(request: &'static str, prepare: Prepare, settings: &[(&str, &str)]) {
    let server = TestServer::start_with(settings);
    for operation in FAILING.into_iter().chain([Operation::Read]) {
        Trial { server: &server, request, operation }.runs(prepare);
    }
    assert!(HealthCheck::default().check(&server.app).ok, "the last write worked");
}

#[test]
fn no_request_is_acknowledged_or_half_done_while_the_disk_fails() {
    let _turn = disk();
    for (request, prepare) in WRITING {
        tries(request, *prepare, SETTINGS);
    }
}

#[test]
fn nor_is_a_login_where_failures_are_counted_per_network() {
    let _turn = disk();
    for (request, prepare) in WRITING.iter().filter(|(request, _)| *request == "user-login") {
        tries(request, *prepare, &[("LOCKMODE", "account-and-client")]);
    }
}

#[test]
fn a_request_that_only_reads_writes_nothing_and_answers_as_ever_while_writing_fails() {
    let _turn = disk();
    for (request, prepare) in READING {
        let server = TestServer::start();
        let bodies = prepare(&server);
        let before = contents::of(&server, Part::Everything);
        let writes_before = vfs::writes();
        let healthy: Vec<_> =
            bodies.iter().map(|body| format!("{:?}", server.ask(request, body.clone()))).collect();
        assert!(server.ask(request, bodies[0].clone()).succeeded(), "{request}: {}", healthy[0]);
        assert_eq!(vfs::writes(), writes_before, "{request} writes");
        assert!(contents::of(&server, Part::Everything) == before, "{request} has changed something");
        for operation in FAILING {
            vfs::fail(operation, 0);
        }
        for (body, healthy) in bodies.iter().zip(&healthy) {
            let reply = server.ask(request, body.clone());
            assert_eq!(&format!("{reply:?}"), healthy, "{request} while writing fails");
        }
        assert_eq!(vfs::heal(), 0, "{request} writes");
    }
}

#[test]
fn a_request_that_cannot_read_is_no_verdict() {
    let _turn = disk();
    for (request, prepare) in READING {
        let server = TestServer::start();
        for body in prepare(&server) {
            let healthy = format!("{:?}", server.ask(request, body.clone()));
            for good in 0..CALLS_MAX {
                forget_what_was_read(&server);
                vfs::fail_once(Operation::Read, good);
                let reply = server.ask(request, body.clone());
                let failed = vfs::heal();
                if format!("{reply:?}") != healthy {
                    is_broken(request, &reply, &format!("{request}, reading fails after {good}"));
                }
                if failed == 0 {
                    break;
                }
            }
        }
    }
}

//! Hashing: known hashes, hostile ones, what each costs, and that the threads survive everything.

mod foreign;
mod queue;
mod spelling;

use super::*;
use crate::client_address::ClientAddress;
use crate::clock::{ManualClock, Timestamp};
use crate::presence::{Peer, Presence};
use crate::rng::SeededRng;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";
/// Hashes of `PASSWORD` that the original's library made.
const CURRENT: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$eCHylzm26QlNNtZNOWh80w$M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8";
const OLD_COST: &str = "$argon2id$v=19$m=102400,t=2,p=8$veAgwxMYCRYM2f2fV8tqbg$pQGuSoy8MmEPQ9lo93fCtQ";
const OTHER_VARIANT: &str =
    "$argon2i$v=19$m=65536,t=3,p=4$CcbG8leoSi3buZ1oF7aKdg$eodlt/UrZZW4EHJsNw2N0qJgUF3MOpI114iEkIPri6E";

const DIFFERS: Verification = Verification::Differs { hash_error: None };
const MATCHES: Verification = Verification::Matches { needs_rehash: false };

fn settings() -> HasherSettings {
    HasherSettings {
        cost: Argon2Cost::parse("m=32,t=1,p=2", true).expect("a weak cost"),
        form: PasswordForm::AsTyped,
        ceilings: HashLimits::default(),
        threads: 2,
        places: Some(64),
        memory_free: || u64::MAX,
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::MIN))
}

fn started(settings: HasherSettings) -> Hasher {
    Hasher::start(&settings, Arc::new(SeededRng::new(1)), clock()).expect("threads for the test")
}

/// Somebody who takes nobody's share.
const ANYBODY: &Asker = &Asker::server();

fn hasher() -> Hasher {
    started(settings())
}

/// What a verification says, and how many computations it took.
fn verified(hasher: &Hasher, password: &str, stored: &str) -> (Verification, u64) {
    let before = hasher.hash_operations();
    let verification = hasher.verify(ANYBODY, &password.into(), Some(stored)).expect("room in the queue");
    (verification, hasher.hash_operations() - before)
}

#[test]
fn a_new_hash_has_the_usual_form_and_matches_its_password_only() {
    let hasher = hasher();
    let hash = hasher.hash(ANYBODY, &PASSWORD.into()).expect("room in the queue");
    let fields: Vec<&str> = hash.as_str().split('$').collect();
    assert_eq!(fields[..4], ["", "argon2id", "v=19", "m=32,t=1,p=2"]);
    assert_eq!((fields[4].len(), fields[5].len(), fields.len()), (22, 43, 6));
    assert_eq!(verified(&hasher, PASSWORD, hash.as_str()), (MATCHES, 1));
    for wrong in ["", "aROwQin9L8nNtPTEMLXD", "aROwQin9L8nNtPTEMLXd ", "aROwQin9L8nNtPTEMLXd\0"] {
        assert_eq!(verified(&hasher, wrong, hash.as_str()), (DIFFERS, 1), "{wrong}");
    }
}

/// How nice the thread that asks is to others: proc(5).
fn nice() -> i32 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("Linux tells");
    // The name, in brackets, may have spaces. The sixteenth after it is the one.
    let after_name = stat.rsplit_once(") ").expect("a name").1;
    after_name.split(' ').nth(16).and_then(|nice| nice.parse().ok()).expect("a number")
}

#[test]
fn hashing_threads_leave_the_processor_to_those_that_serve() {
    let (before, hasher) = (nice(), hasher());
    assert_eq!(hasher.run(ANYBODY, false, |_| nice()).expect("room in the queue"), (before + 10).min(19));
    assert_eq!(nice(), before, "no other thread of this process does");
}

#[test]
fn equal_passwords_get_different_hashes() {
    let hasher = hasher();
    let (one, other) = (hasher.hash(ANYBODY, &PASSWORD.into()), hasher.hash(ANYBODY, &PASSWORD.into()));
    assert_ne!(one.expect("room in the queue").as_str(), other.expect("room in the queue").as_str());
}

#[test]
fn verifies_what_the_original_stored() {
    let hasher = started(HasherSettings { cost: Argon2Cost::default(), ..settings() });
    for (stored, needs_rehash) in [(CURRENT, false), (OLD_COST, true), (OTHER_VARIANT, true)] {
        assert_eq!(
            verified(&hasher, PASSWORD, stored),
            (Verification::Matches { needs_rehash }, 1),
            "{stored}"
        );
        assert_eq!(verified(&hasher, "another password", stored), (DIFFERS, 1), "{stored}");
    }
}

#[test]
fn verifies_all_variants_and_versions() {
    // The password is "password", the salt "somesalt".
    let table = [
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2d$v=19$m=256,t=2,p=16$c29tZXNhbHQ$doW5kZ/0cTwqwbYTwr9JD0wNwy3tMyJMMk9ojGsC8bk",
    ];
    let hasher = hasher();
    for stored in table {
        let matches = Verification::Matches { needs_rehash: true };
        assert_eq!(verified(&hasher, "password", stored), (matches, 1), "{stored}");
        assert_eq!(verified(&hasher, "passwort", stored), (DIFFERS, 1), "{stored}");
    }
}

#[test]
fn a_broken_hash_costs_the_same_and_matches_nothing() {
    let hasher = hasher();
    for (stored, error) in [
        ("", HashError::Malformed),
        ("password", HashError::Malformed),
        ("$2b$12$abcdefghijklmnopqrstuv", HashError::Malformed),
        ("$argon2id$v=19$m=65536,t=3,p=4$$", HashError::Malformed),
        ("$argon2id$v=19$m=65536,t=3,p=4$eCHylzm26QlNNtZNOWh80w$", HashError::Malformed),
        ("$argon2id$v=19$m=65536,t=3,p=4$ünï$cödé", HashError::Malformed),
    ] {
        for password in ["", "password", stored] {
            let differs = Verification::Differs { hash_error: Some(error) };
            assert_eq!(verified(&hasher, password, stored), (differs, 1), "{stored}");
        }
    }
    let missing = Verification::Differs { hash_error: Some(HashError::Missing) };
    assert_eq!(hasher.verify(ANYBODY, &PASSWORD.into(), None), Ok(missing));
}

#[test]
fn a_hash_over_the_ceilings_is_never_computed() {
    let hasher = hasher();
    let right = hasher.hash(ANYBODY, &PASSWORD.into()).expect("room in the queue");
    for cost in [
        "m=4294967295,t=3,p=4",
        "m=524289,t=1,p=1",
        "m=1024,t=4294967295,p=1",
        "m=1024,t=17,p=1",
        "m=1024,t=1,p=65",
    ] {
        let stored = right.as_str().replace("m=32,t=1,p=2", cost);
        let differs = Verification::Differs { hash_error: Some(HashError::OverCeiling) };
        assert_eq!(verified(&hasher, PASSWORD, &stored), (differs, 1), "{cost}");
    }
    let tight = HashLimits { memory_kib: 31, ..HashLimits::default() };
    let refused = Hasher::start(
        &HasherSettings { ceilings: tight, ..settings() },
        Arc::new(SeededRng::new(1)),
        clock(),
    );
    assert!(matches!(refused, Err(HasherStartError::CostOverCeilings)));
}

#[test]
fn a_dummy_costs_the_same_as_a_user() {
    let hasher = hasher();
    hasher.verify_dummy(ANYBODY, &PASSWORD.into()).expect("room in the queue");
    assert_eq!(hasher.hash_operations(), 1);
    drop(hasher.hash(ANYBODY, &PASSWORD.into()).expect("room in the queue"));
    assert_eq!(hasher.hash_operations(), 2);
}

#[test]
fn not_even_the_password_of_the_dummy_gets_anybody_in() {
    let known = hasher().hash(ANYBODY, &PASSWORD.into()).expect("room in the queue");
    let mut bench = HashContext::new(&settings(), &SeededRng::new(1), clock());
    let mut arena = Arena::reserve(&bench.cost).expect("a little memory");
    bench.dummy = StoredHash::read(known.as_str()).expect("our own form");
    for error in [HashError::Missing, HashError::Malformed, HashError::OverCeiling] {
        let verification = bench.verify(&mut arena, PASSWORD.as_bytes(), Err(&error));
        assert_eq!(verification, Ok(Verification::Differs { hash_error: Some(error) }));
    }
}

#[test]
fn no_password_is_the_one_of_an_account_without() {
    let hasher = hasher();
    let none = hasher.no_password();
    assert_eq!(none.as_str(), hasher.no_password().as_str(), "always the same text");
    assert_eq!(
        none.as_str().len(),
        hasher.hash(ANYBODY, &"".into()).expect("hashes").as_str().len(),
        "like any other"
    );
    for password in ["", "\0", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", none.as_str(), "a password"] {
        let (verification, cost) = verified(&hasher, password, none.as_str());
        assert_eq!((verification, cost), (Verification::Differs { hash_error: None }, 1), "and a sound one");
    }
}

#[test]
fn starting_costs_no_computation() {
    assert_eq!(hasher().hash_operations(), 0);
}

#[test]
fn a_password_counts_up_to_256_code_points() {
    let hasher = hasher();
    for character in ["a", "é", "パ", "😀", "e\u{301}"] {
        let points = character.chars().count();
        let counted = character.repeat(256 / points);
        let hash = hasher.hash(ANYBODY, &Password::new(format!("{counted}tail"))).expect("room in the queue");
        assert_eq!(verified(&hasher, &counted, hash.as_str()), (MATCHES, 1), "{character}");
        assert_eq!(verified(&hasher, &format!("{counted}other"), hash.as_str()), (MATCHES, 1), "{character}");
        let shorter = character.repeat(256 / points - 1);
        assert_eq!(verified(&hasher, &shorter, hash.as_str()), (DIFFERS, 1), "{character}");
    }
}

#[test]
fn a_refresh_token_counts_as_a_whole() {
    let hasher = hasher();
    let hash = hasher.hash(ANYBODY, &Password::new("x".repeat(256))).expect("room in the queue");
    let verify = |length| hasher.verify_text(ANYBODY, &"x".repeat(length), Some(hash.as_str()));
    assert_eq!(verify(256), Ok(MATCHES));
    assert_eq!(verify(257), Ok(DIFFERS));
    assert_eq!(verify(1 << 20), Ok(DIFFERS));
}

/// A client that hangs up when told to.
#[derive(Default)]
struct Client(AtomicBool);

impl Client {
    fn leave(&self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Peer for Client {
    fn is_gone(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Somebody at this address who asks about this account.
fn asker(client: &str, account: &str) -> Asker {
    Asker {
        network: Some(ClientAddress::from_frontend(client).customer_network()),
        account: Some(account.to_owned()),
        presence: Presence::always(),
    }
}

/// Keeps a thread busy until this is dropped.
struct Busy(#[expect(dead_code, reason = "dropping it ends the work")] mpsc::Sender<()>);

/// Keeps all threads busy.
fn keep_busy(hasher: &Hasher, threads: usize) -> Vec<Busy> {
    (0..threads).map(|_| keep_one_busy(hasher, false)).collect()
}

fn keep_one_busy(hasher: &Hasher, is_large: bool) -> Busy {
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let work = Box::new(move |_: &mut Arena| {
        begun.send(()).expect("the test is waiting");
        let _ = released.recv();
    });
    let ticket = Ticket { asker: Asker::server(), is_large, since: Duration::ZERO, work };
    assert!(hasher.shared.queue.push(ticket).is_ok(), "there is room");
    has_begun.recv().expect("the work began");
    Busy(release)
}

/// Queues work that does nothing but tell that it was done; says whether there was a place.
fn queues(hasher: &Hasher, asker: &Asker) -> (bool, mpsc::Receiver<()>) {
    let (done, is_done) = mpsc::channel();
    let work = Box::new(move |_: &mut Arena| {
        let _ = done.send(());
    });
    (
        hasher
            .shared
            .queue
            .push(Ticket { asker: asker.clone(), is_large: false, since: Duration::ZERO, work })
            .is_ok(),
        is_done,
    )
}

#[test]
fn a_hash_over_the_threads_memory_is_computed_if_there_is_as_much() {
    let stored = {
        let cost = Argon2Cost::parse("m=512,t=1,p=2", true).expect("a cost");
        let richer = started(HasherSettings { cost, ..settings() });
        richer.hash(ANYBODY, &PASSWORD.into()).expect("room in the queue").as_str().to_owned()
    };
    let matches = Verification::Matches { needs_rehash: true };
    assert_eq!(verified(&hasher(), PASSWORD, &stored), (matches, 1));
    assert_eq!(verified(&hasher(), "wrong", &stored), (DIFFERS, 1));

    let poor = started(HasherSettings { memory_free: || 512 * 1024, ..settings() });
    assert_eq!(poor.verify(ANYBODY, &PASSWORD.into(), Some(&stored)), Err(HasherBusy::Memory));
    assert_eq!(poor.hash_operations(), 0);
    poor.verify_dummy(ANYBODY, &PASSWORD.into()).expect("what was reserved suffices for all others");

    let huge = stored.replace("m=512,", "m=4294967295,");
    let ceilings = HashLimits { memory_kib: u32::MAX, ..HashLimits::default() };
    let hasher = started(HasherSettings { ceilings, ..settings() });
    let outcomes = [(); 40].map(|()| hasher.shared.own_arena(&StoredHash::read(&huge).expect("a hash").cost));
    assert!(outcomes.iter().any(Result::is_err), "what the system does not give ends nothing");
}

#[test]
fn a_large_hash_leaves_the_memory_that_resting_arenas_may_need() {
    let stored = {
        let cost = Argon2Cost::parse("m=512,t=1,p=2", true).expect("a cost");
        let richer = started(HasherSettings { cost, ..settings() });
        richer.hash(ANYBODY, &PASSWORD.into()).expect("room in the queue").as_str().to_owned()
    };
    // 16 MiB must stay free, and the one arena takes 32 KiB.
    let memory_free = || (16 * 1024 + 512 + 31) * 1024;
    let hasher = started(HasherSettings { threads: 1, memory_free, ..settings() });
    assert_eq!(hasher.verify(ANYBODY, &PASSWORD.into(), Some(&stored)), Err(HasherBusy::Memory));
    hasher.verify_dummy(ANYBODY, &PASSWORD.into()).expect("its arena has room");
    // What it takes now is no longer counted as free.
    assert_eq!(verified(&hasher, PASSWORD, &stored), (Verification::Matches { needs_rehash: true }, 1));
}

#[test]
fn one_hash_over_the_threads_memory_is_computed_at_a_time() {
    let hasher = started(HasherSettings { threads: 2, ..settings() });
    let large = keep_one_busy(&hasher, true);
    let (begun, has_begun) = mpsc::channel();
    let work = Box::new(move |_: &mut Arena| begun.send(()).expect("the test is waiting"));
    let second = Ticket { asker: Asker::server(), is_large: true, since: Duration::ZERO, work };
    assert!(hasher.shared.queue.push(second).is_ok());
    // The other thread passes it over, and goes on with those behind it.
    hasher.verify_dummy(ANYBODY, &PASSWORD.into()).expect("room in the queue");
    assert!(has_begun.try_recv().is_err());
    drop(large);
    has_begun.recv().expect("now it is computed");
}

#[test]
fn a_panic_ends_one_job_and_no_thread() {
    let hasher = started(HasherSettings { threads: 1, ..settings() });
    for is_large in [false, true, true] {
        let lost: Result<(), _> =
            hasher.run(ANYBODY, is_large, |_| std::panic::resume_unwind(Box::new("a fault")));
        assert_eq!(lost, Err(HasherBusy::Queue));
    }
    hasher.verify_dummy(ANYBODY, &PASSWORD.into()).expect("the thread lives");
}

#[test]
fn many_callers_share_few_threads() {
    let hasher = hasher();
    let hash = hasher.hash(ANYBODY, &PASSWORD.into()).expect("room in the queue");
    thread::scope(|scope| {
        for caller in 0..32 {
            let (hasher, hash) = (&hasher, &hash);
            scope.spawn(move || {
                let (password, expected) =
                    if caller % 2 == 0 { (PASSWORD, MATCHES) } else { ("wrong", DIFFERS) };
                assert_eq!(hasher.verify(ANYBODY, &password.into(), Some(hash.as_str())), Ok(expected));
            });
        }
    });
    assert_eq!(hasher.hash_operations(), 33);
}

#[test]
fn dropping_finishes_what_is_queued_and_ends_the_threads() {
    let hasher = hasher();
    let bench = Arc::downgrade(&hasher.shared);
    let queued: Vec<_> = (0..10).map(|_| queues(&hasher, ANYBODY).1).collect();
    drop(hasher);
    assert!(queued.iter().all(|done| done.recv().is_ok()));
    assert!(bench.upgrade().is_none());
}

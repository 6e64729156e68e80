//! Hashing: known hashes, hostile ones, what each costs, and that the threads survive everything.

use super::*;
use crate::chance::SeededChance;
use std::sync::mpsc;
use std::thread;

const PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";
/// Hashes of `PASSWORD` that the original's library made.
const CURRENT: &str =
    "$argon2id$v=19$m=65536,t=3,p=4$eCHylzm26QlNNtZNOWh80w$M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8";
const OLD_COST: &str = "$argon2id$v=19$m=102400,t=2,p=8$veAgwxMYCRYM2f2fV8tqbg$pQGuSoy8MmEPQ9lo93fCtQ";
const OTHER_VARIANT: &str =
    "$argon2i$v=19$m=65536,t=3,p=4$CcbG8leoSi3buZ1oF7aKdg$eodlt/UrZZW4EHJsNw2N0qJgUF3MOpI114iEkIPri6E";

const DIFFERS: Verification = Verification::Differs { stored_fault: None };
const MATCHES: Verification = Verification::Matches { needs_rehash: false };

fn settings() -> HasherSettings {
    HasherSettings {
        cost: Argon2Cost::parse("m=32,t=1,p=2", true).expect("a weak cost"),
        ceilings: HashCeilings::default(),
        threads: 2,
        queue_length: 16,
    }
}

fn started(settings: HasherSettings) -> Hasher {
    Hasher::start(&settings, Arc::new(SeededChance::new(1))).expect("threads for the test")
}

fn hasher() -> Hasher {
    started(settings())
}

/// What a verification says, and how many computations it took.
fn verified(hasher: &Hasher, password: &str, stored: &str) -> (Verification, u64) {
    let before = hasher.hash_operations();
    let verification = hasher.verify(password, Some(stored)).expect("room in the queue");
    (verification, hasher.hash_operations() - before)
}

#[test]
fn a_new_hash_has_the_usual_form_and_matches_its_password_only() {
    let hasher = hasher();
    let hash = hasher.hash(PASSWORD).expect("room in the queue");
    let fields: Vec<&str> = hash.as_str().split('$').collect();
    assert_eq!(fields[..4], ["", "argon2id", "v=19", "m=32,t=1,p=2"]);
    assert_eq!((fields[4].len(), fields[5].len(), fields.len()), (22, 43, 6));
    assert_eq!(verified(&hasher, PASSWORD, hash.as_str()), (MATCHES, 1));
    for wrong in ["", "aROwQin9L8nNtPTEMLXD", "aROwQin9L8nNtPTEMLXd ", "aROwQin9L8nNtPTEMLXd\0"] {
        assert_eq!(verified(&hasher, wrong, hash.as_str()), (DIFFERS, 1), "{wrong}");
    }
}

#[test]
fn equal_passwords_get_different_hashes() {
    let hasher = hasher();
    let (one, other) = (hasher.hash(PASSWORD), hasher.hash(PASSWORD));
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
    for (stored, fault) in [
        ("", StoredFault::Malformed),
        ("password", StoredFault::Malformed),
        ("$2b$12$abcdefghijklmnopqrstuv", StoredFault::Malformed),
        ("$argon2id$v=19$m=65536,t=3,p=4$$", StoredFault::Malformed),
        ("$argon2id$v=19$m=65536,t=3,p=4$eCHylzm26QlNNtZNOWh80w$", StoredFault::Malformed),
        ("$argon2id$v=19$m=65536,t=3,p=4$ünï$cödé", StoredFault::Malformed),
    ] {
        for password in ["", "password", stored] {
            let differs = Verification::Differs { stored_fault: Some(fault) };
            assert_eq!(verified(&hasher, password, stored), (differs, 1), "{stored}");
        }
    }
    let missing = Verification::Differs { stored_fault: Some(StoredFault::Missing) };
    assert_eq!(hasher.verify(PASSWORD, None), Ok(missing));
}

#[test]
fn a_hash_over_the_ceilings_is_never_computed() {
    let hasher = hasher();
    let right = hasher.hash(PASSWORD).expect("room in the queue");
    for cost in [
        "m=4294967295,t=3,p=4",
        "m=524289,t=1,p=1",
        "m=1024,t=4294967295,p=1",
        "m=1024,t=17,p=1",
        "m=1024,t=1,p=65",
    ] {
        let stored = right.as_str().replace("m=32,t=1,p=2", cost);
        let differs = Verification::Differs { stored_fault: Some(StoredFault::OverCeiling) };
        assert_eq!(verified(&hasher, PASSWORD, &stored), (differs, 1), "{cost}");
    }
    let tight = HashCeilings { memory_kib: 31, ..HashCeilings::default() };
    let refused =
        Hasher::start(&HasherSettings { ceilings: tight, ..settings() }, Arc::new(SeededChance::new(1)));
    assert!(matches!(refused, Err(HasherStartError::CostOverCeilings)));
}

#[test]
fn a_dummy_costs_the_same_as_a_user() {
    let hasher = hasher();
    hasher.verify_dummy(PASSWORD).expect("room in the queue");
    assert_eq!(hasher.hash_operations(), 1);
    drop(hasher.hash(PASSWORD).expect("room in the queue"));
    assert_eq!(hasher.hash_operations(), 2);
}

#[test]
fn not_even_the_password_of_the_dummy_gets_anybody_in() {
    let known = hasher().hash(PASSWORD).expect("room in the queue");
    let mut bench = Bench::new(&settings(), &SeededChance::new(1));
    bench.dummy = StoredHash::read(known.as_str()).expect("our own form");
    for fault in [StoredFault::Missing, StoredFault::Malformed, StoredFault::OverCeiling] {
        let verification = bench.verify(PASSWORD.as_bytes(), Err(&fault));
        assert_eq!(verification, Verification::Differs { stored_fault: Some(fault) });
    }
}

#[test]
fn no_password_is_the_one_of_an_account_without() {
    let hasher = hasher();
    let none = hasher.no_password();
    assert_eq!(none.as_str(), hasher.no_password().as_str(), "always the same text");
    assert_eq!(none.as_str().len(), hasher.hash("").expect("hashes").as_str().len(), "like any other");
    for password in ["", "\0", "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", none.as_str(), "a password"] {
        let (verification, cost) = verified(&hasher, password, none.as_str());
        assert_eq!(
            (verification, cost),
            (Verification::Differs { stored_fault: None }, 1),
            "and a sound one"
        );
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
        let hash = hasher.hash(&format!("{counted}tail")).expect("room in the queue");
        assert_eq!(verified(&hasher, &counted, hash.as_str()), (MATCHES, 1), "{character}");
        assert_eq!(verified(&hasher, &format!("{counted}other"), hash.as_str()), (MATCHES, 1), "{character}");
        let shorter = character.repeat(256 / points - 1);
        assert_eq!(verified(&hasher, &shorter, hash.as_str()), (DIFFERS, 1), "{character}");
    }
}

#[test]
fn a_refresh_token_counts_as_a_whole() {
    let hasher = hasher();
    let hash = hasher.hash(&"x".repeat(256)).expect("room in the queue");
    let verify = |length| hasher.verify_untruncated(&"x".repeat(length), Some(hash.as_str()));
    assert_eq!(verify(256), Ok(MATCHES));
    assert_eq!(verify(257), Ok(DIFFERS));
    assert_eq!(verify(1 << 20), Ok(DIFFERS));
}

#[test]
fn spelling_counts_byte_by_byte() {
    let hasher = hasher();
    let composed = hasher.hash("caf\u{e9}").expect("room in the queue");
    assert_eq!(verified(&hasher, "cafe\u{301}", composed.as_str()), (DIFFERS, 1));
}

#[test]
fn a_full_queue_says_so_at_once() {
    let hasher = started(HasherSettings { threads: 1, queue_length: 1, ..settings() });
    let (begun, has_begun) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let hold = move || {
        begun.send(()).expect("the test is waiting");
        let _ = released.recv();
    };
    hasher.pool.submit(hold).expect("an idle thread");
    has_begun.recv().expect("the job began");
    let (done, is_done) = mpsc::channel();
    hasher.pool.submit(move || done.send(()).expect("the test is waiting")).expect("room for one");

    assert_eq!(hasher.hash(PASSWORD).err(), Some(HasherBusy));
    assert_eq!(hasher.verify(PASSWORD, None), Err(HasherBusy));
    assert_eq!(hasher.verify_dummy(PASSWORD), Err(HasherBusy));
    assert_eq!(hasher.hash_operations(), 0);

    release.send(()).expect("the job is waiting");
    is_done.recv().expect("the queued job was done");
    hasher.verify_dummy(PASSWORD).expect("there is room again");
}

#[test]
fn a_panic_ends_one_job_and_no_thread() {
    let hasher = started(HasherSettings { threads: 1, ..settings() });
    for _ in 0..3 {
        let lost: Option<()> = hasher.pool.run(|| std::panic::resume_unwind(Box::new("a fault")));
        assert_eq!(lost, None);
    }
    hasher.verify_dummy(PASSWORD).expect("the thread lives");
}

#[test]
fn many_callers_share_few_threads() {
    let hasher = started(HasherSettings { queue_length: 64, ..settings() });
    let hash = hasher.hash(PASSWORD).expect("room in the queue");
    thread::scope(|scope| {
        for caller in 0..32 {
            let (hasher, hash) = (&hasher, &hash);
            scope.spawn(move || {
                let (password, expected) =
                    if caller % 2 == 0 { (PASSWORD, MATCHES) } else { ("wrong", DIFFERS) };
                assert_eq!(hasher.verify(password, Some(hash.as_str())), Ok(expected));
            });
        }
    });
    assert_eq!(hasher.hash_operations(), 33);
}

#[test]
fn dropping_finishes_what_is_queued_and_ends_the_threads() {
    let hasher = hasher();
    let bench = Arc::downgrade(&hasher.bench);
    let (done, is_done) = mpsc::channel();
    for number in 0..10 {
        let done = done.clone();
        hasher.pool.submit(move || done.send(number).expect("the test is waiting")).expect("room");
    }
    drop((hasher, done));
    assert_eq!(is_done.iter().count(), 10);
    assert!(bench.upgrade().is_none());
}

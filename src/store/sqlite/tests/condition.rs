//! What counts as a database that works, to the last failed write and the last second.

use super::*;
use crate::store::sqlite::condition::{Condition, Writing};
use rusqlite::ffi;
use std::time::Duration;

/// What is known about the files of a database that is open.
fn known(scratch: &Scratch) -> (Store, Condition) {
    let (store, _) = open(&scratch.database()).expect("opens");
    let files = OpenFiles::find(&scratch.database()).expect("they are there");
    (store, Condition::new(files, false))
}

#[test]
fn the_third_failed_write_breaks_it_and_ten_quiet_seconds_ask_for_a_probe() {
    let scratch = Scratch::new("failed-writes");
    let (_store, condition) = known(&scratch);
    let seconds = Duration::from_secs;
    let just_before = seconds(20).saturating_sub(Duration::from_nanos(1));
    condition.writes_failed(2, seconds(1));
    assert_eq!(condition.writing(seconds(100)), Writing::Works);
    condition.writes_failed(1, seconds(10));
    // Writes of which none failed keep nobody waiting.
    condition.writes_failed(0, seconds(15));
    assert_eq!(condition.writing(seconds(10)), Writing::Fails(3));
    assert_eq!(condition.writing(just_before), Writing::Fails(3));
    assert_eq!(condition.writing(seconds(20)), Writing::FailedBefore(3));
    condition.write_worked();
    assert_eq!(condition.writing(seconds(11)), Writing::Works);
    condition.writes_failed(2, seconds(12));
    assert_eq!(condition.writing(seconds(12)), Writing::Works, "one after another, not in all");
}

#[test]
fn what_a_statement_came_upon_is_forgotten_only_by_a_check_that_began_later() {
    let scratch = Scratch::new("suspicion");
    let (_store, condition) = known(&scratch);
    let corrupt =
        StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), None));
    let full = StoreError::from(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None));
    let is_sound = || condition.check_damage().is_ok();
    condition.note(&full);
    assert!(is_sound() && !condition.is_unchecked());
    condition.note(&corrupt);
    assert!(!is_sound() && condition.is_unchecked());
    condition.check_begins();
    condition.note(&corrupt);
    condition.checked(None);
    assert!(!is_sound() && condition.is_unchecked(), "it came upon it during the check");
    condition.check_begins();
    condition.check_was_broken_off();
    assert!(!is_sound() && condition.is_unchecked());
    condition.check_begins();
    condition.checked(Some("row 5 is missing".to_owned()));
    assert!(condition.check_damage().is_err_and(|error| error.to_string().contains("row 5 is missing")));
    condition.check_begins();
    condition.checked(None);
    assert!(is_sound() && !condition.is_unchecked());
}

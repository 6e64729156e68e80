//! What counts as a database that works, to the last failed write and the last second.

use super::*;
use crate::store::sqlite::condition::Condition;
use rusqlite::ffi;

/// What is known about the files of a database that is open.
fn known(scratch: &Scratch) -> (Store, Condition) {
    let (store, _) = open(&scratch.database()).expect("opens");
    let files = OpenFiles::find(&scratch.database()).expect("they are there");
    (store, Condition::new(files, false))
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

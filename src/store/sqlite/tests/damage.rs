//! Damage in a file that is too large to be checked as a whole before the first request.

use super::*;
use std::os::unix::fs::FileExt;

/// Makes a database of more than 16 MiB and closes it.
fn large(scratch: &Scratch) -> u64 {
    let (store, _) = open(&scratch.database()).expect("opens");
    let ballast = "x".repeat(1 << 20);
    for number in 0..20 {
        let name = format!("{number:02}{ballast}");
        store.write(move |tx| roles::insert(tx, &name)).expect("writes");
    }
    store.close();
    std::fs::metadata(scratch.database()).expect("is there").len()
}

fn overwrite(path: &Path, at: u64, bytes: usize) {
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("opens");
    file.write_all_at(&vec![0x5a; bytes], at).expect("writes");
}

fn look(store: &Store) {
    assert!(store.may_be_damaged());
    store.look_for_damage(&Arc::default()).expect("is checked");
}

#[test]
fn a_large_sound_file_is_checked_while_it_is_served() {
    let scratch = Scratch::new("large-sound");
    assert!(large(&scratch) > 16 << 20);
    let (store, _) = open(&scratch.database()).expect("opens");
    store.check().expect("is served meanwhile");
    look(&store);
    assert!(!store.may_be_damaged(), "once is enough");
    store.check().expect("is sound");
}

#[test]
fn damage_in_a_large_file_is_found_while_it_is_served() {
    let scratch = Scratch::new("large-damaged");
    let bytes = large(&scratch);
    overwrite(&scratch.database(), bytes / 2, 16 * 1024);
    let (store, _) = open(&scratch.database()).expect("opens, for what is quick finds nothing");
    look(&store);
    assert!(matches!(store.check(), Err(StoreError::Damaged(_))));
    assert!(!store.may_be_damaged(), "it is known now");
}

#[test]
fn a_large_file_that_is_cut_off_or_cannot_be_entered_is_refused() {
    let scratch = Scratch::new("large-cut");
    let bytes = large(&scratch);
    let path = scratch.database();
    let whole = std::fs::read(&path).expect("reads");
    std::fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(bytes - 8192))
        .expect("cuts");
    assert!(refusal(&path).contains("is damaged"));
    std::fs::write(&path, whole).expect("writes");
    overwrite(&path, 4096, 8 * 4096);
    assert!(refusal(&path).contains("is damaged"));
}

#[test]
fn damage_that_a_statement_comes_upon_counts_until_a_check_finds_none() {
    let scratch = Scratch::new("come-upon");
    let (store, _) = open(&scratch.database()).expect("opens");
    for number in 0..200 {
        store.write(move |tx| roles::insert(tx, &format!("{number:03}{}", "x".repeat(200)))).expect("writes");
    }
    store.close();
    drop(store);
    let (store, _) = open(&scratch.database()).expect("opens again");
    let whole = std::fs::read(scratch.database()).expect("reads");
    overwrite(&scratch.database(), 25 * 4096, whole.len() - 25 * 4096);
    assert!(store.read(roles::list).is_err(), "the damage is where it is read");
    assert!(matches!(store.check(), Err(StoreError::Damaged(_))));
    look(&store);
    assert!(matches!(store.check(), Err(StoreError::Damaged(_))));
}

#[test]
fn a_file_whose_list_of_tables_is_gone_is_found_damaged() {
    let scratch = Scratch::new("large-no-tables");
    large(&scratch);
    let (store, _) = open(&scratch.database()).expect("opens");
    // Behind the file's head, so that it still says what it is.
    overwrite(&scratch.database(), 100, 3996);
    look(&store);
    assert!(matches!(store.check(), Err(StoreError::Damaged(_))));
}

#[test]
fn a_check_stops_when_it_is_told_to() {
    let scratch = Scratch::new("check-stops");
    large(&scratch);
    let (store, _) = open(&scratch.database()).expect("opens");
    store.look_for_damage(&Arc::new(AtomicBool::new(true))).expect("stops");
    assert!(store.may_be_damaged(), "it was not finished");
}

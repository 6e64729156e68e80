//! What is known about how the database is doing: whether its files are in their places, and whether writes work.

use super::identity::OpenFiles;
use crate::log;
use crate::store::error::StoreError;
use crate::store::failures::Failures;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Shared by everybody who uses one open database.
pub(crate) struct Condition {
    files: OpenFiles,
    files_are_gone: AtomicBool,
    /// Once true, what is read from the file means nothing any more.
    is_overwritten: AtomicBool,
    pub(super) failures: Failures,
    /// Whether the file is to be checked for damage.
    unchecked: AtomicBool,
    /// Whether SQLite has come upon damage since the last check.
    suspect: AtomicBool,
    /// What the last check found.
    damage: Mutex<Option<String>>,
}

impl Condition {
    /// `unchecked`: whether the files have not been checked for damage yet.
    pub(crate) fn new(files: OpenFiles, unchecked: bool) -> Self {
        Self {
            files,
            files_are_gone: AtomicBool::new(false),
            is_overwritten: AtomicBool::new(false),
            failures: Failures::default(),
            unchecked: AtomicBool::new(unchecked),
            suspect: AtomicBool::new(false),
            damage: Mutex::new(None),
        }
    }

    /// Looks at an error that SQLite reported.
    pub(crate) fn note(&self, error: &StoreError) {
        if error.is_damage() {
            self.suspect.store(true, Ordering::Relaxed);
            self.unchecked.store(true, Ordering::Relaxed);
        }
    }

    /// Whether the file is to be checked for damage.
    pub(crate) fn is_unchecked(&self) -> bool {
        self.unchecked.load(Ordering::Relaxed)
    }

    /// Notes that a check begins: what is come upon from now on asks for another one.
    pub(crate) fn check_begins(&self) {
        self.unchecked.store(false, Ordering::Relaxed);
    }

    /// Notes that a check was broken off.
    pub(crate) fn check_was_broken_off(&self) {
        self.unchecked.store(true, Ordering::Relaxed);
    }

    /// Notes what a check has found.
    pub(crate) fn checked(&self, damage: Option<String>) {
        if damage.is_none() && !self.is_unchecked() {
            self.suspect.store(false, Ordering::Relaxed);
        }
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = damage;
    }

    /// Whether the file is sound, as far as is known.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`].
    pub(crate) fn check_damage(&self) -> Result<(), StoreError> {
        if let Some(what) = &*self.damage.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(StoreError::Damaged(what.clone()));
        }
        if self.suspect.load(Ordering::Relaxed) {
            return Err(StoreError::Damaged("a statement came upon it".to_owned()));
        }
        Ok(())
    }

    /// Whether what is written now can be found again. Logs when that changes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Replaced`], [`StoreError::Overwritten`].
    pub(crate) fn check_files(&self) -> Result<(), StoreError> {
        let checked = self.files.check();
        let were_gone = self.files_are_gone.swap(checked.is_err(), Ordering::Relaxed);
        if matches!(checked, Err(StoreError::Overwritten(_))) {
            self.is_overwritten.store(true, Ordering::Relaxed);
        }
        match &checked {
            Err(error) if !were_gone => {
                log::error("nothing is written any more", &[("cause", log::cause(error))]);
            }
            Ok(()) if were_gone => log::info("the database is in its place again", &[]),
            _ => {}
        }
        checked
    }

    /// Whether what is read now can be believed. Cheap: whoever writes and whoever asks for the health looks closer.
    ///
    /// # Errors
    ///
    /// [`StoreError::Overwritten`].
    pub(crate) fn check_content(&self) -> Result<(), StoreError> {
        if self.is_overwritten.load(Ordering::Relaxed) { self.files.check() } else { Ok(()) }
    }
}

//! Rows of a file that are kept, and the commit that they are of. What another process commits makes all of them void. What
//! this one commits is told by triggers on the connection that writes, and voids what it changed.

use super::wal_index::{Commit, WalIndex};
use crate::store::error::StoreError;
use crate::store::query::query;
use crate::store::row_cache::{Cacheable, Changed, RowCache, RowKey};
use crate::user_id::UserId;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::Wal;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const FILE: &str = include_str!("../../../sql/sqlite/cache.sql");
const TRIGGERS: &str = query(FILE, "triggers");

/// Kept rows, for all who read the file.
pub(crate) struct Cache(Mutex<State>);

struct State {
    rows: RowCache,
    /// What the rows are of; nothing if that is not known.
    commit: Option<Commit>,
    /// Whether a transaction of this process is under way, at whose end what it changed is taken out.
    is_writing: bool,
}

impl State {
    /// Whether the rows are those of this commit. When it is another process's, they are given up.
    fn is_of(&mut self, commit: Commit) -> bool {
        if self.commit != Some(commit) && !self.is_writing {
            self.begin_anew(Some(commit));
        }
        self.commit == Some(commit)
    }

    fn begin_anew(&mut self, commit: Option<Commit>) {
        self.rows.clear();
        self.commit = commit;
    }
}

impl Cache {
    /// An empty one, for so many bytes.
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self(Mutex::new(State { rows: RowCache::new(bytes_max), commit: None, is_writing: false }))
    }

    /// The row of this key: one that is kept, if it is what `read` would find now and `is_valid` as times go, or else what
    /// `read` finds.
    pub(super) fn read<T: Cacheable>(
        &self,
        index: &WalIndex,
        key: RowKey,
        is_valid: impl FnOnce(&T) -> bool,
        read: impl FnOnce() -> Result<Option<T>, StoreError>,
    ) -> Result<Option<Arc<T>>, StoreError> {
        let (found, commit) = self.find(index, &key);
        if let Some(row) = found.filter(|row| is_valid(row)) {
            return Ok(Some(row));
        }
        let Some(row) = read()?.map(Arc::new) else { return Ok(None) };
        if let Some(commit) = commit {
            let mut state = self.lock();
            // Once a later one has been taken notice of, this may be a row that it changed. One that is newer than the rest does no
            // harm: nobody finds any of them before that later one has been taken notice of.
            if state.commit == Some(commit) {
                state.rows.keep(key, Arc::clone(&row));
            }
        }
        Ok(Some(row))
    }

    /// A kept row, and the commit to which what is read from now on may belong.
    fn find<T: Cacheable>(&self, index: &WalIndex, key: &RowKey) -> (Option<Arc<T>>, Option<Commit>) {
        let mut state = self.lock();
        // Looked up within the lock, so that it is never older than what the rows are of.
        match index.commit() {
            Some(commit) if state.is_of(commit) => (state.rows.find(key), Some(commit)),
            _ => (None, None),
        }
    }

    /// Called once a transaction has begun and no other can.
    pub(super) fn write_begins(&self) {
        self.lock().is_writing = true;
    }

    /// Called once the transaction has ended, whichever way, before anybody hears of it.
    pub(super) fn write_ended(&self, index: &WalIndex, written: &Written) {
        let mut state = self.lock();
        state.is_writing = false;
        let (before, now) = (state.commit, index.commit());
        match (before, now) {
            _ if before == now => {}
            // It is the one that was written, and nobody else's came after it.
            (Some(before), Some(now)) if written.is_committed && now.is_next_after(&before) => {
                state.rows.forget(&written.changed);
                state.commit = Some(now);
            }
            _ => state.begin_anew(now),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was written on a connection.
#[derive(Default)]
pub(super) struct Written {
    changed: Changed,
    /// Whether any of it went into the log. A transaction that changed nothing does not.
    is_committed: bool,
}

/// Learns what is written on a connection.
#[derive(Clone, Default)]
pub(super) struct Watch(Arc<Mutex<Written>>);

impl Watch {
    /// Watches what is written on this connection.
    pub(super) fn over(connection: &mut Connection) -> Result<Self, StoreError> {
        let watch = Self::default();
        let (tokens, users, commits) = (watch.clone(), watch.clone(), watch.clone());
        let flags = FunctionFlags::SQLITE_UTF8;
        connection.create_scalar_function("token_changed", 1, flags, move |arguments| {
            tokens.lock().changed.token(arguments.get(0)?);
            Ok(None::<bool>)
        })?;
        connection.create_scalar_function("user_changed", 1, flags, move |arguments| {
            users.lock().changed.user(UserId::new(arguments.get(0)?));
            Ok(None::<bool>)
        })?;
        connection.execute_batch(TRIGGERS)?;
        connection.wal_hook(Some(move |_: &mut Wal, _| {
            commits.lock().is_committed = true;
            Ok(())
        }))?;
        Ok(watch)
    }

    /// What was written since this was last asked.
    pub(super) fn take(&self) -> Written {
        mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::session::Statements;

    struct Kept;

    impl Cacheable for Kept {
        fn owner(&self) -> UserId {
            UserId::new(1)
        }

        fn heap_bytes(&self) -> usize {
            0
        }
    }

    fn is_read(cache: &Cache, index: &WalIndex) -> bool {
        let mut is_read = false;
        let read = || {
            is_read = true;
            Ok(Some(Kept))
        };
        cache.read(index, RowKey::Session([1; 32]), |_| true, read).expect("reads");
        is_read
    }

    #[test]
    fn what_another_process_commits_just_after_ours_is_not_taken_for_ours() {
        let directory = tempfile::tempdir().expect("a directory");
        let open = || {
            let connection = Connection::open(directory.path().join("database")).expect("opens");
            connection.pragma_update(None, "journal_mode", "wal").expect("turns the log on");
            connection
        };
        let theirs = open();
        theirs.execute_batch("CREATE TABLE numbers (number)").expect("runs");
        let ours = Statements::with_wal_index(open());
        let (index, cache) = (ours.wal_index().expect("a log"), Cache::new(1 << 20));
        for written in [Written::default(), Written { is_committed: true, ..Written::default() }] {
            assert!(is_read(&cache, index) && !is_read(&cache, index));
            cache.write_begins();
            assert!(!is_read(&cache, index), "until it ends nothing has changed");
            let committed = u32::from(written.is_committed) + 1;
            (0..committed)
                .for_each(|_| theirs.execute_batch("INSERT INTO numbers VALUES (1)").expect("runs"));
            assert!(is_read(&cache, index), "nobody has told yet what it changed");
            assert!(is_read(&cache, index), "and those who read meanwhile keep nothing");
            cache.write_ended(index, &written);
        }
        assert!(is_read(&cache, index) && !is_read(&cache, index));
    }

    #[test]
    fn a_connection_without_a_log_tells_no_commits() {
        let memory = Connection::open_in_memory().expect("opens");
        assert!(Statements::with_wal_index(memory).wal_index().is_none());
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("database");
        let connection = Connection::open(&path).expect("opens");
        connection.execute_batch("CREATE TABLE numbers (number)").expect("runs");
        assert!(Statements::with_wal_index(connection).wal_index().is_none());
        assert!(!directory.path().join("database-shm").exists());
    }
}

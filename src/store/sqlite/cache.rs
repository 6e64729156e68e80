//! Rows of a file that are kept, and the commit that they are of. What another process commits makes all of them void. What
//! this one commits is told by triggers on the connection that writes, and voids what it changed.

use super::wal_index::{Commit, WalIndex};
use crate::store::error::StoreError;
use crate::store::row_cache::{Cacheable, Changed, RowCache, RowKey};
use crate::user_id::UserId;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::Wal;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const TRIGGERS: &str = include_str!("../../../sql/sqlite/cache.sql");

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
    /// Makes the rows those of this commit, unless one of ours is under way, at whose end it is told what has changed. Hands
    /// over what it gives up.
    fn look_at(&mut self, commit: Commit) -> Option<RowCache> {
        (self.commit != Some(commit) && !self.is_writing).then(|| self.begin_anew(Some(commit)))
    }

    #[must_use]
    fn begin_anew(&mut self, commit: Option<Commit>) -> RowCache {
        self.commit = commit;
        self.rows.empty()
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
        let Some(commit) = index.commit() else { return (None, None) };
        let given_up = state.look_at(commit);
        let is_of_it = state.commit == Some(commit);
        let found = if is_of_it { (state.rows.find(key), Some(commit)) } else { (None, None) };
        // Others need not wait until everything is dropped.
        drop(state);
        drop(given_up);
        found
    }

    /// Called once a transaction has begun and no other can.
    pub(super) fn write_begins(&self, index: &WalIndex) {
        let mut state = self.lock();
        let commit = index.commit();
        let given_up = (state.commit != commit).then(|| state.begin_anew(commit));
        state.is_writing = true;
        drop(state);
        drop(given_up);
    }

    /// Called once the transaction has ended, whichever way, before anybody hears of it.
    pub(super) fn write_ended(&self, index: &WalIndex, written: &Written) {
        let mut state = self.lock();
        state.is_writing = false;
        let now = index.commit();
        let is_ours = match (state.commit, now, written.frames) {
            (Some(before), Some(now), Some(frames)) => now.is_next_after(&before, frames),
            _ => false,
        };
        let given_up = if state.commit == now {
            None
        } else if is_ours && !written.changed.is_everything() {
            state.rows.forget(&written.changed);
            state.commit = now;
            None
        } else {
            Some(state.begin_anew(now))
        };
        drop(state);
        drop(given_up);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was written on a connection.
#[derive(Default)]
pub(super) struct Written {
    changed: Changed,
    /// How many frames the log had once it was committed; nothing if nothing was, as where nothing was changed.
    frames: Option<u32>,
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
        connection.wal_hook(Some(move |_: &mut Wal, frames| {
            commits.lock().frames = u32::try_from(frames).ok();
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
    use std::os::unix::fs::FileExt as _;

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

    /// How many frames the log has.
    fn theirs_frames(connection: &Connection) -> u32 {
        let frames = connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1));
        frames.expect("a number")
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
        for is_committed in [false, true] {
            assert!(is_read(&cache, index) && !is_read(&cache, index));
            cache.write_begins(index);
            assert!(!is_read(&cache, index), "until it ends nothing has changed");
            // What ours would have been, if there is one.
            let (insert, frames) = ("INSERT INTO numbers VALUES (1)", theirs_frames(&theirs));
            (0..=u32::from(is_committed)).for_each(|_| theirs.execute_batch(insert).expect("runs"));
            assert!(is_read(&cache, index), "nobody has told yet what it changed");
            assert!(is_read(&cache, index), "and those who read meanwhile keep nothing");
            cache.write_ended(
                index,
                &Written { frames: is_committed.then_some(frames + 1), ..Written::default() },
            );
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

    /// As it happens after a process was killed while it noted a commit, once somebody has put that right.
    #[test]
    fn commits_that_are_counted_from_zero_again_are_not_taken_for_ours() {
        let directory = tempfile::tempdir().expect("a directory");
        let connection = Connection::open(directory.path().join("database")).expect("opens");
        connection.pragma_update(None, "journal_mode", "wal").expect("turns the log on");
        connection.execute_batch("CREATE TABLE numbers (number); DELETE FROM numbers").expect("runs");
        let statements = Statements::with_wal_index(connection);
        let (index, cache) = (statements.wal_index().expect("a log"), Cache::new(1 << 20));
        let file =
            std::fs::File::options().read(true).write(true).open(directory.path().join("database-shm"));
        let file = file.expect("opens");
        // The third and the fifth word of a header count transactions and frames; the second header is a copy.
        let set = |at: u64, number: u32| {
            for copy in [0, 48] {
                file.write_all_at(&number.to_ne_bytes(), copy + at).expect("writes");
            }
        };
        let mut transactions = [0; 4];
        file.read_exact_at(&mut transactions, 8).expect("reads");
        assert!(is_read(&cache, index) && !is_read(&cache, index));
        set(8, 0);
        cache.write_begins(index);
        set(8, u32::from_ne_bytes(transactions) + 1);
        set(16, 77);
        let written = Written { frames: Some(77), ..Written::default() };
        cache.write_ended(index, &written);
        assert!(is_read(&cache, index) && !is_read(&cache, index));
        // Just after ours, so that the count is right by chance, but the log has more frames than ours left.
        cache.write_begins(index);
        set(8, u32::from_ne_bytes(transactions) + 2);
        set(16, 78);
        cache.write_ended(index, &written);
        assert!(is_read(&cache, index) && !is_read(&cache, index));
    }
}

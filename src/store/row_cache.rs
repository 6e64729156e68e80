//! Rows that were read not long ago, for those who read the same ones over and over. Whether they are still what a read would
//! find is for an engine to know.

use crate::user_id::UserId;
use lru::LruCache;
use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

/// Longer rows are not kept: a few of them would take the place of all others.
const ROW_BYTES_MAX: usize = 4 * 1024;
/// What each row takes beside itself: its places in the tables, and what allocating it costs.
const ENTRY_BYTES: usize = mem::size_of::<(RowKey, Entry)>() + 2 * mem::size_of::<RowKey>() + 128;

/// A row that may be kept.
pub(super) trait Cacheable: Any + Send + Sync {
    /// Whose row it is. It goes when anything of this user's changes.
    fn owner(&self) -> UserId;
    /// Bytes that it takes beside the struct itself, also once answers were made of it.
    fn heap_bytes(&self) -> usize;
}

/// How long a text may become in JSON that is all ASCII.
pub(super) fn escaped_bytes(text: &str) -> usize {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\'));
    if is_plain { text.len() } else { 6 * text.len() }
}

/// What a row is found by.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum RowKey {
    /// A session and its owner, by the hash of its token.
    Session([u8; 32]),
    /// What a user is.
    Standing(UserId),
    /// An API key without a session, by the hash of its token.
    ApiKey([u8; 32]),
}

struct Entry {
    row: Arc<dyn Any + Send + Sync>,
    owner: UserId,
    bytes: usize,
}

/// Rows up to so many bytes; the one that was longest not asked for makes room.
pub(super) struct RowCache {
    rows: LruCache<RowKey, Entry>,
    /// Whose they are.
    of_users: HashMap<UserId, HashSet<RowKey>>,
    bytes: usize,
    bytes_max: usize,
}

impl RowCache {
    /// An empty one.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { rows: LruCache::unbounded(), of_users: HashMap::new(), bytes: 0, bytes_max }
    }

    /// The row of this key, if it is kept.
    pub(super) fn find<T: Cacheable>(&mut self, key: &RowKey) -> Option<Arc<T>> {
        Arc::clone(&self.rows.get(key)?.row).downcast().ok()
    }

    /// Keeps a row, unless it is too long.
    pub(super) fn keep<T: Cacheable>(&mut self, key: RowKey, row: Arc<T>) {
        let bytes = mem::size_of::<T>() + row.heap_bytes() + ENTRY_BYTES;
        if bytes > ROW_BYTES_MAX {
            return;
        }
        let owner = row.owner();
        self.drop_one(&key);
        self.bytes += bytes;
        self.rows.put(key, Entry { row, owner, bytes });
        self.of_users.entry(owner).or_default().insert(key);
        while self.bytes > self.bytes_max
            && let Some((oldest, entry)) = self.rows.pop_lru()
        {
            self.dropped(&oldest, &entry);
        }
    }

    /// Forgets what is kept of these, if that is not everything.
    pub(super) fn forget(&mut self, changed: &Changed) {
        for token_hash in &changed.token_hashes {
            self.drop_one(&RowKey::Session(*token_hash));
            self.drop_one(&RowKey::ApiKey(*token_hash));
        }
        for user in &changed.users {
            for key in self.of_users.remove(user).unwrap_or_default() {
                self.drop_one(&key);
            }
        }
    }

    /// Forgets everything, and hands it over, for it may take long to drop.
    #[must_use]
    pub(super) fn empty(&mut self) -> Self {
        mem::replace(self, Self::new(self.bytes_max))
    }

    fn drop_one(&mut self, key: &RowKey) {
        if let Some(entry) = self.rows.pop(key) {
            self.dropped(key, &entry);
        }
    }

    fn dropped(&mut self, key: &RowKey, entry: &Entry) {
        self.bytes -= entry.bytes;
        if let Some(theirs) = self.of_users.get_mut(&entry.owner) {
            theirs.remove(key);
            if theirs.is_empty() {
                self.of_users.remove(&entry.owner);
            }
        }
    }
}

/// Beyond so many, everything counts as changed.
const CHANGED_TOKENS_MAX: usize = 1024;
const CHANGED_USERS_MAX: usize = 32;

/// What a transaction changed, as far as rows that may be kept were read from it.
#[derive(Default)]
pub(super) struct Changed {
    token_hashes: Vec<[u8; 32]>,
    users: Vec<UserId>,
    is_everything: bool,
}

impl Changed {
    /// Whether more was changed than is told one by one.
    pub(super) const fn is_everything(&self) -> bool {
        self.is_everything
    }

    /// The session or API key with this hash was changed, or is gone.
    pub(super) fn token(&mut self, token_hash: [u8; 32]) {
        if self.token_hashes.len() < CHANGED_TOKENS_MAX {
            self.token_hashes.push(token_hash);
        } else {
            self.is_everything = true;
        }
    }

    /// A user was changed, or is gone.
    pub(super) fn user(&mut self, user_id: UserId) {
        if self.users.contains(&user_id) {
            return;
        }
        if self.users.len() < CHANGED_USERS_MAX {
            self.users.push(user_id);
        } else {
            self.is_everything = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(usize);

    impl Cacheable for Row {
        fn owner(&self) -> UserId {
            UserId::new(1)
        }

        fn heap_bytes(&self) -> usize {
            self.0
        }
    }

    fn key(number: u8) -> RowKey {
        RowKey::Session([number; 32])
    }

    #[test]
    fn the_one_that_was_longest_not_asked_for_makes_room() {
        let each = ENTRY_BYTES + mem::size_of::<Row>() + 1000;
        let mut cache = RowCache::new(3 * each);
        for number in 0..3 {
            cache.keep(key(number), Arc::new(Row(1000)));
        }
        assert!(cache.find::<Row>(&key(0)).is_some());
        cache.keep(key(3), Arc::new(Row(1000)));
        let kept =
            |cache: &mut RowCache| [0, 1, 2, 3].map(|number| cache.find::<Row>(&key(number)).is_some());
        assert_eq!(kept(&mut cache), [true, false, true, true]);
        // In place of one that is there already, and one that is too long.
        cache.keep(key(3), Arc::new(Row(1000)));
        cache.keep(key(4), Arc::new(Row(ROW_BYTES_MAX)));
        assert_eq!(kept(&mut cache), [true, false, true, true]);
        assert!(cache.find::<Row>(&key(4)).is_none());
        cache.forget(&Changed { users: vec![UserId::new(2)], ..Changed::default() });
        assert_eq!(kept(&mut cache), [true, false, true, true]);
        cache.forget(&Changed { users: vec![UserId::new(1)], ..Changed::default() });
        assert_eq!((kept(&mut cache), cache.bytes, cache.of_users.len()), ([false; 4], 0, 0));
        cache.keep(key(0), Arc::new(Row(1000)));
        let before = cache.empty();
        assert_eq!((before.bytes, cache.bytes, kept(&mut cache)), (each, 0, [false; 4]));
    }

    #[test]
    fn beyond_some_changes_everything_has_changed() {
        assert!(!Changed::default().is_everything());
        for (tokens, users) in [(CHANGED_TOKENS_MAX + 1, 0), (0, CHANGED_USERS_MAX + 1)] {
            let mut changed = Changed::default();
            (0..tokens).for_each(|_| changed.token([9; 32]));
            (2..).take(users).for_each(|number| changed.user(UserId::new(number)));
            assert!(changed.is_everything(), "{tokens} tokens, {users} users");
        }
    }
}

//! The memory that large bodies may take together. Without this bound, every connection could hold a body of the
//! largest size. Room is taken for what has arrived, never for what a client only announces.

use super::limits::HttpLimits;
use crate::wait::pause;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// How often to look whether there is room, and how often at most: for three seconds.
const PAUSE: Duration = Duration::from_millis(25);
const PAUSES_MAX: u32 = 120;
/// A body that needs more room takes so many times what it has.
const STEP: usize = 4;

/// For how much a body gets room next that is complete at `whole_bytes` and of which so much is there.
pub(super) fn next_size(bytes: usize, whole_bytes: usize) -> usize {
    whole_bytes.min(bytes.saturating_mul(STEP).max(HttpLimits::SMALL_BODY_BYTES_MAX))
}

/// All the room there is.
pub(super) struct BodyRoom {
    bytes_max: usize,
    taken_bytes: AtomicUsize,
    waiting: AtomicUsize,
}

impl BodyRoom {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, taken_bytes: AtomicUsize::new(0), waiting: AtomicUsize::new(0) }
    }

    /// Whether a body waits for room, so that those which do not come on must make some.
    pub(super) fn is_short(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    fn try_take(&self, bytes: usize, bytes_max: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(bytes).filter(|total| *total <= bytes_max);
        self.taken_bytes.fetch_update(Ordering::AcqRel, Ordering::Acquire, fits).is_ok()
    }
}

/// The room of one body, given back when dropped. A small body needs none.
pub(super) struct BodyPermit<'a> {
    room: &'a BodyRoom,
    bytes: usize,
}

impl<'a> BodyPermit<'a> {
    pub(super) const fn none(room: &'a BodyRoom) -> Self {
        Self { room, bytes: 0 }
    }

    /// Makes this the room for so many bytes; false if there is none.
    pub(super) fn try_grow(&mut self, bytes: usize) -> bool {
        if bytes <= HttpLimits::SMALL_BODY_BYTES_MAX {
            return true;
        }
        // The last quarter is for those who have some already, so that they come to an end.
        let bytes_max = if self.bytes == 0 { self.room.bytes_max / 4 * 3 } else { self.room.bytes_max };
        let grown = self.room.try_take(bytes - self.bytes, bytes_max);
        if grown {
            self.bytes = bytes;
        }
        grown
    }

    /// The same, but waits a while until there is room.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        self.room.waiting.fetch_add(1, Ordering::AcqRel);
        let grown = (0..PAUSES_MAX).any(|_| {
            pause(PAUSE);
            self.try_grow(bytes)
        });
        self.room.waiting.fetch_sub(1, Ordering::AcqRel);
        grown
    }
}

impl Drop for BodyPermit<'_> {
    fn drop(&mut self) {
        self.room.taken_bytes.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_grows_in_steps_and_its_room_comes_back() {
        let steps: Vec<_> =
            std::iter::successors(Some(0), |bytes| Some(next_size(*bytes, 300_000))).take(6).collect();
        assert_eq!(steps, [0, 16_384, 65_536, 262_144, 300_000, 300_000]);
        assert_eq!(next_size(0, 5), 5);
        let room = BodyRoom::new(1_000_000);
        let mut share = BodyPermit::none(&room);
        for bytes in steps {
            assert!(share.try_grow(bytes));
        }
        assert_eq!(room.taken_bytes.load(Ordering::Acquire), 300_000);
        drop(share);
        assert_eq!(room.taken_bytes.load(Ordering::Acquire), 0);
    }

    #[test]
    fn the_last_quarter_is_for_those_who_have_some() {
        let room = BodyRoom::new(400_000);
        let (mut first, mut second) = (BodyPermit::none(&room), BodyPermit::none(&room));
        assert!(first.try_grow(200_000));
        assert!(!second.try_grow(200_000));
        assert!(second.try_grow(100_000));
        assert!(second.try_grow(200_000));
        assert!(!first.try_grow(200_001));
        assert!(BodyPermit::none(&room).try_grow(HttpLimits::SMALL_BODY_BYTES_MAX));
    }
}

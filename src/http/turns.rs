//! Lets whoever else waits for a processor have it. The threads that serve have something to do as long as requests come, and on a
//! small machine those who send them run beside them: left to itself, the system changes from one to the other at its clock's
//! next tick only, some milliseconds later, and a few requests wait for that.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

/// How long a thread serves before others have their turn. With half of it, as with twice as much, the slowest hundredth of the
/// requests waits for longer.
const TURN: Duration = Duration::from_micros(500);
/// A thread that took up nothing for so long has waited, and others had their turn meanwhile. A request takes a fraction of it.
const PAUSE: Duration = Duration::from_micros(200);

thread_local! {
    /// When this thread's turn began, and when it last took a request up.
    static TURNS: Cell<(Duration, Duration)> = const { Cell::new((Duration::ZERO, Duration::ZERO)) };
}

/// Gives the processor to whoever waits for it, if this thread has served for a turn without a pause. Called as a request is taken
/// up, at the time `now` of a clock that never goes back; tells whether it did. If nobody waits, that takes a call of the system,
/// and nothing else. A thread that has little to do never gives way: its request would wait for whoever computes for long.
pub(super) fn give_way(now: Duration) -> bool {
    let (begun, last) = TURNS.get();
    let has_waited = now.saturating_sub(last) >= PAUSE;
    let is_over = !has_waited && now.saturating_sub(begun) >= TURN;
    TURNS.set((if has_waited || is_over { now } else { begun }, now));
    if is_over {
        thread::yield_now();
    }
    is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gave_way(micros: impl IntoIterator<Item = u64>) -> Vec<u64> {
        micros.into_iter().filter(|micros| give_way(Duration::from_micros(*micros))).collect()
    }

    #[test]
    fn a_busy_thread_gives_way_once_a_turn() {
        assert_eq!(gave_way((5_000..6_500).step_by(100)), [5_500, 6_000]);
        let other = thread::spawn(|| gave_way([6_450, 6_500])).join().expect("ends");
        assert_eq!(other, [0; 0], "each thread has its own turns");
    }

    #[test]
    fn a_thread_that_has_pauses_gives_way_only_after_a_turn_without_any() {
        assert_eq!(gave_way((5_000..9_000).step_by(200)), [0; 0]);
        assert_eq!(gave_way((9_150..9_800).step_by(150)), [9_750]);
    }
}

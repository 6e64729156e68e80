//! Lets whoever else waits for a processor have it. The threads that serve have something to do as long as requests come, and on a
//! small machine those who send them run beside them: left to itself, the system changes from one to the other at its clock's
//! next tick only, some milliseconds later, and a few requests wait for that.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

/// How long a thread serves before others have their turn. Much shorter, and a thread is soon behind all others, and waits for
/// longer itself.
const TURN: Duration = Duration::from_millis(1);

thread_local! {
    /// When this thread had its last turn begun, as the clock goes that never goes back.
    static BEGUN: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Gives the processor to whoever waits for it, if this thread's turn is over. If nobody waits, that takes a call of the system, and
/// nothing else. Tells whether it did.
pub(super) fn give_way(now: Duration) -> bool {
    let is_over = now.saturating_sub(BEGUN.get()) >= TURN;
    if is_over {
        BEGUN.set(now);
        thread::yield_now();
    }
    is_over
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gives_way_once_a_turn() {
        let at = |micros| give_way(Duration::from_micros(micros));
        let gave_way = [5_000, 5_999, 6_000, 6_001, 6_999, 9_000].map(at);
        assert_eq!(gave_way, [true, false, true, false, false, true]);
        assert!(thread::spawn(move || at(5_500)).join().expect("ends"), "each thread has its own turns");
    }
}

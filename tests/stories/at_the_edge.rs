//! What shows only where requests come over a socket and are handled on coroutines.

use crate::support::{GOOD_PASSWORD, HOLDS_FASTER, TestServer};
use authnzerver::clock::{Clock, SystemClock};
use authnzerver::wait::{Delay, pause};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const NO_MATCH: &str = "user does not exist or password doesn't match";
/// More than there are threads for coroutines.
const HELD: usize = 24;

/// Says that it is enough when the story ends, however it ends.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn an_answer_is_held_back_for_as_long_as_it_should_be() {
    let server = TestServer::start();
    let (alice, _) = server.member("alice");
    let clock = SystemClock::new();
    for seconds in [1.0, 1.5, 2.25, 3.375] {
        let begun = clock.monotonic();
        alice.tries("wrong").refused(NO_MATCH);
        let took = clock.monotonic() - begun;
        assert_eq!(server.delays(), [seconds]);
        assert!(took >= Duration::from_secs_f64(seconds) / HOLDS_FASTER, "{took:?} for {seconds} s");
    }
    alice.logs_in().done();
    assert!(server.delays().is_empty());
}

#[test]
fn answers_that_are_held_back_hold_up_nobody_else() {
    let mut server = TestServer::start();
    let (enough, waiting) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (until, count) = (Arc::clone(&enough), Arc::clone(&waiting));
    server.app_mut().delay = Delay::Staged(Arc::new(move |_| {
        count.fetch_add(1, Ordering::AcqRel);
        while !until.load(Ordering::Acquire) {
            pause(Duration::from_millis(10));
        }
    }));
    let (alice, _) = server.member("alice");
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let _enough = Enough(&enough);
        for number in 0..HELD {
            let (server, answered) = (&server, &answered);
            scope.spawn(move || {
                let body = json!({ "email": format!("{number}@example.org"), "password": GOOD_PASSWORD });
                server.ask("user-passcheck-nosession", body).refused(NO_MATCH);
                answered.fetch_add(1, Ordering::AcqRel);
            });
        }
        while waiting.load(Ordering::Acquire) < HELD {
            pause(Duration::from_millis(5));
        }
        alice.logs_in().done();
        assert_eq!(answered.load(Ordering::Acquire), 0, "they are still held back");
    });
    assert_eq!(answered.load(Ordering::Acquire), HELD, "each is answered in the end");
}

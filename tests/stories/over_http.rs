//! The stories again, over HTTP: on coroutines with the stack of production, where delays take time. And what shows
//! only there.
//!
//! All tests of a process share one set of coroutine workers, since that is set once for a process.

use authnzerver::clock::{Clock, SystemClock};
use authnzerver::wait::{Delay, pause};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use support::{DELAYS_SHORTENED, GOOD_PASSWORD, TestServer, second_run};

const NO_MATCH: &str = "user does not exist or password doesn't match";
/// More than there are threads for coroutines.
const DELAYED: usize = 24;

/// Says that it is enough when the story ends, however it ends.
struct Enough<'a>(&'a AtomicBool);

impl Drop for Enough<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[test]
fn every_story_holds_over_http_too() {
    second_run::every_test_holds_over("http", "over_http::");
}

#[test]
fn a_response_is_delayed_for_as_long_as_it_should_be() {
    let server = TestServer::start_over_http();
    let (alice, _) = server.member("alice");
    let clock = SystemClock::new();
    for seconds in [1.0, 1.5, 2.25, 3.375] {
        let begun = clock.monotonic();
        alice.tries("wrong").refused(NO_MATCH);
        let took = clock.monotonic().saturating_sub(begun);
        assert_eq!(server.delays(), [seconds]);
        assert!(took >= Duration::from_secs_f64(seconds) / DELAYS_SHORTENED, "{took:?} for {seconds} s");
    }
    alice.logs_in().done();
    assert!(server.delays().is_empty());
}

#[test]
fn delayed_responses_hold_up_nobody_else() {
    let mut server = TestServer::start_over_http();
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
        for number in 0..DELAYED {
            let (server, answered) = (&server, &answered);
            scope.spawn(move || {
                let body = json!({ "email": format!("{number}@example.org"), "password": GOOD_PASSWORD });
                server.ask("user-passcheck-nosession", body).refused(NO_MATCH);
                answered.fetch_add(1, Ordering::AcqRel);
            });
        }
        while waiting.load(Ordering::Acquire) < DELAYED {
            pause(Duration::from_millis(5));
        }
        alice.logs_in().done();
        assert_eq!(answered.load(Ordering::Acquire), 0, "they are still delayed");
    });
    assert_eq!(answered.load(Ordering::Acquire), DELAYED, "each is answered in the end");
}

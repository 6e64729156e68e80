//! What the server does, told as stories through its door: sealed request in, sealed answer out. Each story is told
//! twice: its requests go straight into the pipeline, and, in the second run that `over_http` starts, over HTTP.

#![allow(clippy::needless_pass_by_value, reason = "what is asked is written where it is asked")]

mod access;
mod administrators;
mod adopted;
mod apikeys;
mod apikeys_nosession;
mod batch;
mod breached_passwords;
mod busy;
mod email_change;
mod email_texts;
mod events;
mod failures;
mod foreign_notes;
mod forgotten;
mod guesses;
mod health;
mod history;
mod hostile_values;
mod journeys;
mod limited_keys;
mod login;
mod login_history;
mod login_links;
mod mail;
mod message_keys;
mod moved_addresses;
mod notes;
mod operators;
mod over_http;
mod own;
mod passwords;
mod races;
mod scoped_keys;
mod sessions;
mod sign_up;
mod sign_up_journey;
mod spelling;
mod timed_locks;
mod two_processes;
mod typed_codes;
mod upgraded;
mod user_delete;
mod user_edit;
mod user_lock;
mod user_lookup;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::TestServer;

#[test]
fn requests_come_by_the_way_that_this_run_is_for() {
    let mut server = TestServer::start();
    let on_coroutine = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&on_coroutine);
    let note = move || seen.store(may::coroutine::is_coroutine(), Ordering::Release);
    server.app_mut().before_write = Some(Arc::new(note));
    server.new_session(None);
    assert_eq!(on_coroutine.load(Ordering::Acquire), std::env::var("TESTS_OVER") == Ok("http".to_owned()));
}

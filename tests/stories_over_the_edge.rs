//! The stories of `stories.rs` again, told over a socket: through the edge, on coroutines with the stack of production,
//! where answers are really held back. And what shows only there.
//!
//! All stories of this file share one set of coroutine workers, since that is set once for a process.

mod support;

#[path = "stories/access.rs"]
mod access;
#[path = "stories/administrators.rs"]
mod administrators;
#[path = "stories/adopted.rs"]
mod adopted;
#[path = "stories/apikeys.rs"]
mod apikeys;
#[path = "stories/apikeys_nosession.rs"]
mod apikeys_nosession;
#[path = "stories/at_the_edge.rs"]
mod at_the_edge;
#[path = "stories/busy.rs"]
mod busy;
#[path = "stories/faults.rs"]
mod faults;
#[path = "stories/foreign_notes.rs"]
mod foreign_notes;
#[path = "stories/guesses.rs"]
mod guesses;
#[path = "stories/health.rs"]
mod health;
#[path = "stories/leaks.rs"]
mod leaks;
#[path = "stories/login.rs"]
mod login;
#[path = "stories/mail.rs"]
mod mail;
#[path = "stories/moved_addresses.rs"]
mod moved_addresses;
#[path = "stories/notes.rs"]
mod notes;
#[path = "stories/passwords.rs"]
mod passwords;
#[path = "stories/races.rs"]
mod races;
#[path = "stories/sessions.rs"]
mod sessions;
#[path = "stories/sign_up.rs"]
mod sign_up;
#[path = "stories/spelling.rs"]
mod spelling;
#[path = "stories/timed_locks.rs"]
mod timed_locks;
#[path = "stories/user_delete.rs"]
mod user_delete;
#[path = "stories/user_edit.rs"]
mod user_edit;
#[path = "stories/user_lock.rs"]
mod user_lock;
#[path = "stories/user_lookup.rs"]
mod user_lookup;

/// Requests come over a socket.
const OVER_THE_EDGE: bool = true;

#[test]
fn no_story_is_left_out() {
    let told = include_str!("stories_over_the_edge.rs");
    for story in include_str!("stories.rs").lines().filter(|line| line.starts_with("#[path")) {
        assert!(told.contains(story), "{story}");
    }
}

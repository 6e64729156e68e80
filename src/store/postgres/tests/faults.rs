//! What goes wrong between a real server and us: each write is done once or not at all, and is never said to be what it is not.

use super::fake::{Fate, Listening, relay};
use super::{SERVER_VARIABLE, open_at, own_schema};
use crate::store::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A database of a test's own, behind a relay that does this to the messages of each kind and text, and the same one without.
fn relayed(
    fate: impl Fn(usize, u8, &str) -> Fate + Send + Sync + 'static,
) -> Option<(Store, Store, Listening)> {
    let url = std::env::var(SERVER_VARIABLE).ok()?;
    let (server, options) = url.split_once("?host=").expect("names a socket");
    let (socket, options) = options.split_once('&').expect("has options");
    let relay = relay(socket.to_owned(), fate);
    let server = server.replace("@/", &format!("@127.0.0.1:{}/", relay.port));
    let schema = own_schema();
    let (direct, _) = open_at(&url, &schema);
    let (behind, _) = open_at(&format!("{server}?{options}"), &schema);
    Some((behind, direct, relay))
}

/// Counts, and says yes the first so many times.
struct Times(AtomicUsize, usize);

impl Times {
    const fn first(times: usize) -> Self {
        Self(AtomicUsize::new(0), times)
    }

    fn again(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst) < self.1
    }
}

fn roles_of(store: &Store) -> Vec<String> {
    store.read(roles::list).expect("reads").into_iter().map(|role| role.name).collect()
}

#[test]
fn what_is_cut_before_its_commit_was_sent_is_done_by_running_it_again() {
    // Before its beginning, its statement, and its end.
    for cut in ["BEGIN ISOLATION LEVEL SERIALIZABLE", "INSERT INTO roles", ""] {
        let times = Times::first(2);
        let relayed = relayed(move |_, kind, text| {
            let is_it = if cut.is_empty() { kind == b'E' } else { text.contains(cut) };
            if is_it && times.again() { Fate::CutBefore } else { Fate::Passes }
        });
        let Some((behind, direct, _)) = relayed else { return };
        assert!(behind.write(|tx| roles::insert(tx, "editor")).expect("writes at last"), "{cut}");
        assert_eq!(roles_of(&direct), ["editor"]);
    }
}

#[test]
fn nobody_says_what_became_of_a_write_whose_commit_got_no_answer() {
    for (fate, is_done) in [(Fate::CutAfter, true), (Fate::Silence, true), (Fate::CutBefore, false)] {
        let times = Times::first(1);
        let relayed =
            relayed(
                move |_, kind, text| {
                    if kind == b'Q' && text == "COMMIT" && times.again() { fate } else { Fate::Passes }
                },
            );
        let Some((behind, direct, _)) = relayed else { return };
        let written = behind.write(|tx| roles::insert(tx, "editor"));
        assert!(matches!(written, Err(StoreError::Unknown)), "{written:?}");
        assert!(written.is_err_and(|error| error.is_unreachable()), "it is no verdict");
        // Whoever asks again gets what is true then.
        let again = behind.write(|tx| roles::insert(tx, "editor")).expect("writes");
        assert_eq!(again, !is_done);
        assert_eq!(roles_of(&direct), ["editor"]);
    }
}

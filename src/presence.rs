//! Whether anybody still waits for the answer to a request. Whatever makes requests wait in a line asks this, so that
//! clients that have hung up do not hold places in it.

use std::sync::Arc;

/// Knows whether the client behind a request is still there.
pub trait Peer: Send + Sync {
    /// Whether the client has hung up, so that no answer can reach it. Cheap enough to be asked in a loop.
    fn is_gone(&self) -> bool;
}

/// The client of one request, seen from anywhere: it may be cloned, sent to another thread and kept for as long as
/// one likes.
#[derive(Clone)]
pub struct Presence(Option<Arc<dyn Peer>>);

impl Presence {
    /// The presence of this peer.
    #[must_use]
    pub fn of(peer: Arc<dyn Peer>) -> Self {
        Self(Some(peer))
    }

    /// Somebody who never goes, for callers without a network between.
    #[must_use]
    pub const fn always() -> Self {
        Self(None)
    }

    /// Whether the client has hung up. A client that only has nothing more to send is still there.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.as_ref().is_some_and(|peer| peer.is_gone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    struct Switch(AtomicBool);

    impl Peer for Switch {
        fn is_gone(&self) -> bool {
            self.0.load(Ordering::Acquire)
        }
    }

    #[test]
    fn all_copies_see_the_same_client_go() {
        let switch = Arc::new(Switch(AtomicBool::new(false)));
        let presence = Presence::of(switch.clone());
        let copy = presence.clone();
        assert!(!presence.is_gone() && !copy.is_gone());
        switch.0.store(true, Ordering::Release);
        assert!(presence.is_gone() && copy.is_gone());
        assert!(!Presence::always().is_gone());
    }
}

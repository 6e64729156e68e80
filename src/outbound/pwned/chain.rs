//! Which source is asked about a password first, and which one after it.

use super::filter::PwnedFilter;
use super::range_api::RangeClient;
use super::{Breach, BreachLookup};

/// Asks the file before the network, or the only one that there is; `None` if there is neither.
#[must_use]
pub fn file_then_network(
    file: Option<PwnedFilter>,
    network: Option<RangeClient>,
) -> Option<Box<dyn BreachLookup>> {
    match (file, network) {
        (Some(file), Some(network)) => Some(Box::new(Fallback { first: file, second: network })),
        (Some(file), None) => Some(Box::new(file)),
        (None, Some(network)) => Some(Box::new(network)),
        (None, None) => None,
    }
}

/// Asks the second source whatever the first does not find, or cannot tell.
struct Fallback<First, Second> {
    first: First,
    second: Second,
}

impl<First: BreachLookup, Second: BreachLookup> BreachLookup for Fallback<First, Second> {
    fn leaked(&self, password_sha1: &[u8; 20]) -> Breach {
        match self.first.leaked(password_sha1) {
            found @ Breach::Found { .. } => found,
            Breach::NotFound | Breach::Unknown(_) => self.second.leaked(password_sha1),
        }
    }

    fn leaked_here(&self, password_sha1: &[u8; 20]) -> Option<Breach> {
        self.first.leaked_here(password_sha1).filter(|leak| matches!(leak, Breach::Found { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbound::pwned::UnknownReason;
    use std::io::ErrorKind;
    use std::sync::Mutex;

    /// Gives one answer, and counts how often it was asked.
    struct Fixed<'a>(Breach, &'a Mutex<u32>);

    impl BreachLookup for Fixed<'_> {
        fn leaked(&self, _: &[u8; 20]) -> Breach {
            *self.1.lock().expect("a counter") += 1;
            self.0
        }
    }

    #[test]
    fn the_network_is_asked_only_what_the_file_does_not_find() {
        let in_file = Breach::Found { times: None };
        let in_network = Breach::Found { times: Some(30) };
        let timed_out = Breach::Unknown(UnknownReason::TimedOut);
        let unreadable = Breach::Unknown(UnknownReason::FilterUnreadable(ErrorKind::UnexpectedEof));
        for (file, network, expected, asked) in [
            (in_file, Breach::NotFound, in_file, 0),
            (Breach::NotFound, in_network, in_network, 1),
            (Breach::NotFound, Breach::NotFound, Breach::NotFound, 1),
            (Breach::NotFound, timed_out, timed_out, 1),
            (unreadable, Breach::NotFound, Breach::NotFound, 1),
            (unreadable, timed_out, timed_out, 1),
        ] {
            let (first_asked, second_asked) = (Mutex::new(0), Mutex::new(0));
            let both = Fallback { first: Fixed(file, &first_asked), second: Fixed(network, &second_asked) };
            assert_eq!(both.leaked(&[0; 20]), expected);
            assert_eq!(*second_asked.lock().expect("a counter"), asked, "{file:?}, {network:?}");
        }
        assert!(file_then_network(None, None).is_none());
    }
}

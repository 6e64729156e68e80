//! How many answers are being delayed.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Answers that may be delayed at once after failed password checks.
pub const DELAYED_RESPONSES_MAX: usize = 2048;

/// How many answers are being delayed.
#[derive(Default)]
pub struct DelayedResponses(AtomicUsize);

/// An answer that is being delayed until this goes.
#[must_use]
pub struct DelayedResponse<'h>(&'h DelayedResponses);

impl DelayedResponses {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Holds one more back, unless there are [`DELAYED_RESPONSES_MAX`] already.
    pub fn one_more(&self) -> Option<DelayedResponse<'_>> {
        // The place is given back by the drop, also when there was none.
        let place = DelayedResponse(self);
        (self.0.fetch_add(1, Ordering::Relaxed) < DELAYED_RESPONSES_MAX).then_some(place)
    }
}

impl Drop for DelayedResponse<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

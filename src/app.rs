//! What a request may use: [`App`], built once, and [`Context`], one piece of work's view of it.

mod context;
mod delayed;
mod key_uses;
mod measured;
mod no_lock_ends;
mod remembered;
mod state;

pub use context::{Context, LEASE_SECONDS};
pub use delayed::{DELAYED_RESPONSES_MAX, DelayedResponses};
pub use measured::{Metrics, Outcome};
pub use remembered::Remembered;
pub use state::App;

/// What a request's action works with.
pub type Call<'a> = Context<'a>;

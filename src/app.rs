//! What a request may use: [`App`], built once, and [`Context`], one piece of work's view of it.

mod context;
mod parts;

pub use context::Context;
pub use parts::{App, DELAYED_RESPONSES_MAX, DelayedResponse, DelayedResponses, WriteHook};

/// What a request's action works with.
pub type Call<'a> = Context<'a>;

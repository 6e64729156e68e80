//! Everything that talks to the outside, or might: it runs on threads of its own, with time-outs at each step.

mod delivery;
pub mod email_texts;
pub mod mail;
pub(crate) mod mailbox;
mod message;
pub(crate) mod names;
pub(crate) mod notices;
pub mod pwned;
pub(crate) mod recent;
mod smtp;
pub mod templates;
pub(crate) mod web;

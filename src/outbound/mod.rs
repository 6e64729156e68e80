//! Everything that talks to the outside, or might: it runs on threads of its own, with time-outs at each step.

mod delivery;
pub mod mail;
pub mod mailbox;
mod message;
pub mod pwned;
pub mod recent;
mod smtp;
pub mod templates;
pub mod web;

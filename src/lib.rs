//! authnzerver: signs people up, logs them in and out, and decides who may do what.

pub mod actions;
pub mod chance;
pub mod clock;
pub mod commands;
pub mod edge;
pub mod guard;
pub mod outbound;
pub mod policy;
pub mod store;
pub mod wait;

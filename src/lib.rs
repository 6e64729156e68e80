//! authnzerver: signs people up, logs them in and out, and decides who may do what.

pub mod actions;
pub mod app;
pub mod chance;
pub mod clock;
pub mod commands;
pub mod config;
pub mod edge;
pub mod files;
pub mod guard;
pub mod health;
pub mod initialise;
pub mod log;
pub mod outbound;
pub mod outcome;
pub mod pipeline;
pub mod policy;
pub mod pool;
pub mod request;
pub mod server;
pub mod store;
pub mod wait;
pub mod wire;

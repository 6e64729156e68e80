//! authnzerver: signs people up, logs them in and out, and decides who may do what.
//!
//! # How a request travels
//!
//! Bytes come in at the [`http`], which frames HTTP and refuses what is malformed, too long or too slow. The router in
//! [`server`] looks at the host and the path. [`pipeline`] is the request's whole life on one screen: it opens the
//! envelope, admits the request, has its parameters taken and its action run, holds the answer back after a failed
//! password check, and seals it. [`request`] is how a request is declared; [`api`] has all of them, [`accounts`]
//! what can be done with an account, and [`app`] what both may use. They ask [`policy`], which decides without touching
//! anything, and [`store`], which is told everything it says to SQLite by the files in `sql/`. [`guard`] has what
//! stands in between, each piece by itself: envelopes, password hashing, tokens, rate limits, and what may be shown in
//! a log. [`outbound`] talks to the outside.
//! [`cli`] runs what the command line asks for.
//!
//! # What always holds
//!
//! - An answer leaves after its write is on the disk, never before.
//! - A request runs on a coroutine. It never hashes there and never waits for the network there; it waits in [`wait`]
//!   for a thread that does.
//! - What is read straight down is what happens: no callbacks, no hidden state. Time comes from [`clock`], chance from
//!   [`rng`].
//! - An action is done, refused or broken ([`outcome`]). A failing database is never a verdict.
//! - Untrusted bytes are bounded before they are looked at, and reach a log only escaped and cut ([`log`]).
//! - Everything has a limit, and the limit has a name.

pub mod accounts;
pub mod api;
pub mod app;
pub mod cli;
pub(crate) mod client_address;
pub mod clock;
pub mod config;
pub(crate) mod files;
pub mod guard;
pub mod http;
pub use json;
pub mod log;
pub(crate) mod metrics;
pub(crate) mod os;
pub mod outbound;
pub mod outcome;
pub mod pipeline;
pub mod policy;
pub mod pool;
pub mod presence;
pub mod problem;
pub mod request;
pub mod rng;
pub mod server;
pub mod shape;
pub mod store;
pub mod user_id;
pub mod wait;
pub mod wire;

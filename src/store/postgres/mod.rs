//! The engine that is a server, or several: PostgreSQL, which many processes read and write at a time. Everything that is known
//! of it is here, and its protocol is spoken by code of our own: a crate for it (`postgres-protocol`) brings 19 others along, a
//! second family of hashes among them, for what costs a tenth of their size here.
//!
//! Work waits for the server where it runs, on its coroutine. Connections are made on threads.

mod adopt;
mod connection;
pub(super) mod copy;
pub(super) mod engine;
pub(super) mod error;
pub(super) mod events;
pub(super) mod leases;
mod line;
mod message;
mod migrate;
mod numbering;
mod pool;
mod report;
mod schema;
mod scram;
pub(super) mod session;
mod statement;
mod stream;
pub(crate) mod target;
#[cfg(test)]
mod tests;
pub(super) mod users;
pub(super) mod value;

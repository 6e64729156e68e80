//! The engine that is a file: SQLite, read by whoever needs it and written by one thread.

mod access;
mod adopt;
pub(crate) mod backup;
mod cache;
mod checkpoint;
pub(crate) mod checksum;
pub(crate) mod companions;
mod condition;
mod connection;
pub(super) mod copy;
mod copying;
mod damage;
pub(super) mod engine;
pub(super) mod error;
pub(super) mod events;
mod identity;
mod in_use;
pub mod inspect;
mod look;
mod migrate;
mod open;
mod overwritten;
mod report;
pub(crate) mod restore;
mod schema;
pub(super) mod session;
mod tables;
#[cfg(test)]
pub(crate) mod testing;
mod upgrade;
pub(super) mod value;
mod wal_index;
pub(super) mod writer;

pub use connection::Readers;
pub(super) use migrate::newest_version;
pub use open::Origin;
pub use upgrade::Upgrade;

#[cfg(test)]
mod tests;

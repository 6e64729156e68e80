//! The engine that is a file: SQLite, read by whoever needs it and written by one thread.

mod access;
mod adopt;
pub(crate) mod backup;
pub(crate) mod checksum;
pub(crate) mod companions;
pub(super) mod condition;
pub(super) mod connection;
mod copying;
pub(super) mod damage;
pub(super) mod identity;
pub(super) mod in_use;
pub mod inspect;
mod look;
mod migrate;
pub(super) mod open;
mod overwritten;
pub(crate) mod restore;
mod schema;
#[cfg(test)]
pub(crate) mod testing;
mod upgrade;
pub(super) mod writer;

pub use open::Origin;
pub use upgrade::Upgrade;

#[cfg(test)]
mod tests;

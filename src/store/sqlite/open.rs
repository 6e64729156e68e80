//! Opens the file and makes it ready: makes it, brings it up to date or takes it over.

use super::access;
use super::connection::prepare;
use super::identity::FileId;
use super::in_use::{InUse, create_private};
use super::look::{Found, IS_EMPTY, Kind, MADE_BY_PYTHON, look, look_shared};
use super::migrate;
use super::upgrade::{Upgrade, upgrade};
use super::{adopt, damage};
use crate::clock::Clock;
use crate::files::{give_to, owner_of};
use crate::store::error::OpenError;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

/// Where the open database came from.
#[derive(Debug, PartialEq, Eq)]
pub enum Origin {
    /// It was made just now and has no users yet.
    Made,
    /// There was an empty file, which has become a database without users.
    Filled,
    /// It was ours already, of the newest schema.
    Found,
    /// It was ours, of an older schema, and was brought up to date.
    Upgraded(Upgrade),
    /// The Python authnzerver had made it; a copy of what it was lies here.
    Adopted {
        /// The copy made before anything was changed.
        copy: PathBuf,
        /// Whether others could read the file before.
        mode_tightened: bool,
    },
}

/// Opens the file for writing and brings it to today's schema.
pub(crate) fn open(path: &Path, clock: &dyn Clock) -> Result<(First, Origin), OpenError> {
    access::check(path)?;
    let in_use = InUse::share(path)?;
    let made = make_if_missing(path)?;
    let Found { connection, id, kind, open_to_others } = look(path)?;
    let origin = match kind {
        Kind::Python => {
            damage::check_before_serving(&connection, path)?;
            let copy = adopt::adopt(&connection, path, clock)?;
            Origin::Adopted { copy, mode_tightened: open_to_others }
        }
        Kind::Empty | Kind::Unknown => {
            prepare(&connection, path)?;
            make_tables(&connection)?;
            if made { Origin::Made } else { Origin::Filled }
        }
        Kind::Ours(version) => {
            damage::check_before_serving(&connection, path)?;
            prepare(&connection, path)?;
            if version == migrate::newest_version() {
                Origin::Found
            } else {
                upgrade(&connection, path, clock.now())?.map_or(Origin::Found, Origin::Upgraded)
            }
        }
    };
    prepare(&connection, path)?;
    Ok((First { connection, id, in_use }, origin))
}

/// The first connection to a database, the file that it leads to, and that it is in use.
pub(crate) struct First {
    pub(crate) connection: Connection,
    pub(crate) id: FileId,
    pub(crate) in_use: Option<InUse>,
}

/// Opens a file that a server has made ready. It is not made, brought up to date or taken over: a server may be using it.
pub(crate) fn open_prepared(path: &Path) -> Result<First, OpenError> {
    let (Found { connection, id, kind, .. }, in_use) = look_shared(path)?;
    let lacks = match kind {
        Kind::Ours(version) if version == migrate::newest_version() => {
            damage::check_before_serving(&connection, path)?;
            prepare(&connection, path)?;
            return Ok(First { connection, id, in_use });
        }
        Kind::Ours(_) => "has an older schema",
        Kind::Python => MADE_BY_PYTHON,
        Kind::Empty | Kind::Unknown => IS_EMPTY,
    };
    Err(OpenError::NotPrepared(path.to_owned(), lacks))
}

/// Makes an empty file for its owner alone; tells whether there was none.
fn make_if_missing(path: &Path) -> Result<bool, OpenError> {
    let owner = owner_of(path);
    match create_private(path) {
        Ok(file) => {
            // Where the system does not let it, it stays root's.
            let _ = give_to(&file, owner);
            Ok(true)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(OpenError::File(path.to_owned(), error)),
    }
}

fn make_tables(connection: &Connection) -> Result<(), OpenError> {
    let transaction = connection.unchecked_transaction()?;
    migrate::migrate_from(&transaction, 0)?;
    transaction.commit()?;
    Ok(())
}

//! What is in a backup that an operator should know of.

use crate::clock::Timestamp;
use crate::store::db::{Db, Engine};
use crate::store::error::StoreError;
use crate::store::events::follow::{Followed, Origins, follow};
use crate::store::events::removed;
use crate::store::sqlite::condition::Condition;
use crate::store::sqlite::identity::OpenFiles;
use crate::store::sqlite::session::{Session, Statements};
use crate::store::users::somebody_administers;
use rusqlite::Connection;
use std::path::Path;

/// Events that are read at once.
const EVENTS_AT_ONCE: i64 = 1000;

/// What is told of a backup that is put in place all the same: there may be no other.
pub(super) struct Findings {
    pub(super) altered_event: Option<i64>,
    pub(super) is_administered: bool,
}

/// Looks at what makes a backup no use, or makes one wonder.
pub(super) fn look_into(source: Connection, backup: &Path, now: Timestamp) -> Result<Findings, StoreError> {
    let files = OpenFiles::alone(backup).map_err(|_| StoreError::Replaced(backup.to_owned()))?;
    let condition = Condition::new(files, false);
    let source = Statements::new(source);
    let db = Db::new(Engine::Sqlite(Session::new(&source, &condition)), now);
    let mut from = removed(&db)?;
    let altered_event = loop {
        match follow(&db, from, EVENTS_AT_ONCE, &mut Origins::default())? {
            Followed::Through(link) => from = link,
            Followed::End(_) => break None,
            Followed::Altered(seq) | Followed::OriginAltered(seq) | Followed::Missing(seq) => {
                break Some(seq);
            }
        }
    };
    Ok(Findings { altered_event, is_administered: somebody_administers(&db)? })
}

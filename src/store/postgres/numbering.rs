//! When events get their numbers: before somebody reads them, or they are removed.

use super::engine::Postgres;
use super::events::{ANY_QUEUED, LAST_QUEUED};
use super::session::Kind;
use crate::store::db::{Db, Engine};
use crate::store::error::StoreError;
use crate::store::events::numbering::{NUMBERED_MAX, number_queued};
use crate::store::job::{self, Purpose};
use crate::store::row::only;
use crate::store::value::{Params, params};
use crate::wait::pause;
use std::time::Duration;

/// How often to look whether events have got their numbers, and how often at most: a transaction that was begun before theirs may
/// go on for a while.
const NUMBERS_PAUSE: Duration = Duration::from_millis(10);
const NUMBERS_PAUSES_MAX: u32 = 100;

impl Postgres {
    /// Gives the events that are committed by now their numbers. What a transaction holds up that has been going on for long is left.
    pub(crate) fn number_events(&self) -> Result<(), StoreError> {
        // No connection is kept while another one is asked for.
        let read = |statement, params: Params<'_>| {
            let session = self.reader();
            let db = Db::new(Engine::Postgres(&session), self.clock.now());
            db.one(statement, params, only::<Option<i64>>).map(Option::flatten)
        };
        let Some(last) = read(LAST_QUEUED, &[])? else { return Ok(()) };
        for _ in 0..NUMBERS_PAUSES_MAX {
            while job::write(Purpose::Probe, number_queued, |job| {
                self.submit_as(Kind::Locked, job);
                Ok(())
            })? == NUMBERED_MAX
            {}
            if read(ANY_QUEUED, params! { ":last": last })? != Some(1) {
                break;
            }
            pause(NUMBERS_PAUSE);
        }
        Ok(())
    }
}

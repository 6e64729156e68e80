//! What SQLite alone knows of events.

use crate::store::query::query;

const FILE: &str = include_str!("../../../sql/sqlite/events.sql");
/// The highest number that an event ever had.
pub(crate) const HIGHEST: &str = query(FILE, "highest");

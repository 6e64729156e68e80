//! The statements by which events get their numbers where many write at a time: each write leaves them in a queue, without a number,
//! and one transaction after another gives those numbers that have nothing to wait for any more.

use crate::store::query::query;

const FILE: &str = include_str!("../../../sql/postgres/events.sql");
/// The highest number that an event ever had.
pub(crate) const HIGHEST: &str = query(FILE, "highest");
/// Notes the highest number.
pub(crate) const SET_HIGHEST: &str = query(FILE, "set_highest");
/// Leaves an event in the queue.
pub(crate) const QUEUE: &str = query(FILE, "queue");
/// Leaves what is personal about an event in the queue.
pub(crate) const QUEUE_ORIGIN: &str = query(FILE, "queue_origin");
/// The last event in the queue.
pub(super) const LAST_QUEUED: &str = query(FILE, "last_queued");
/// Whether there are events up to this one.
pub(super) const ANY_QUEUED: &str = query(FILE, "any_queued");
/// Waits for whoever gives numbers.
pub(crate) const LOCK: &str = query(FILE, "lock");
/// The events that can get their numbers now.
pub(crate) const QUEUED: &str = query(FILE, "queued");
/// Has events that came here by a dump get their numbers, too.
pub(crate) const REQUEUE: &str = query(FILE, "requeue");
/// Moves what is personal about an event out of the queue.
pub(crate) const TAKE_ORIGIN: &str = query(FILE, "take_origin");
/// Takes an event out of the queue.
pub(crate) const UNQUEUE: &str = query(FILE, "unqueue");

//! Users: signing up, looking up, editing and locking.

pub mod create;

//! Users: signing up, looking up, editing and locking.

pub mod create;
pub mod delete;
pub mod edit;
pub mod lock;
pub mod lookup;

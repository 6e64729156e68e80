//! Users: signing up, looking up, editing and locking.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod lock;
pub(crate) mod lookup;

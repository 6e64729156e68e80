//! Pure decisions: no settings, no clock, no database. What is decided here depends on the arguments alone.

pub mod access;
mod document;
pub mod email;
pub(crate) mod full_name;
mod limits;
mod lists;
pub mod model;
pub(crate) mod passwords;
pub(crate) mod roles;
pub(crate) mod scopes;
pub(crate) mod similarity;
pub(crate) mod text;

//! Pure decisions: no settings, no clock, no database. What is decided here depends on the arguments alone.

pub mod access;
mod document;
pub mod email;
pub mod full_name;
mod limits;
mod lists;
pub mod model;
pub mod passwords;
pub mod roles;
pub mod similarity;
pub mod text;

//! Pure decisions: no settings, no clock, no database. What is decided here depends on the arguments alone.

pub mod access;
pub mod email;
pub mod fullname;
pub mod limits;
pub mod model;
pub mod passwords;
mod reading;
pub mod similarity;
pub mod text;

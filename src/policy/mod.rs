//! Pure decisions.
pub mod email;
pub mod fullname;
pub mod model;
pub mod passwords;

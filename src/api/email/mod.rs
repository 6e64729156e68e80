//! E-mail: letters that the server sends, and what calling servers report about letters and addresses.

pub mod mark;
pub mod send;

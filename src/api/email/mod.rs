//! Emails that the server sends, and what calling servers report about emails and addresses.

pub mod mark;
pub mod send;

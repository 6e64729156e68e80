//! Emails that the server sends, and what calling servers report about emails and addresses.

pub(crate) mod change;
pub(crate) mod mark;
pub(crate) mod send;

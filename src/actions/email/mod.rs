//! E-mail: what calling servers report about letters and addresses.

pub mod mark;

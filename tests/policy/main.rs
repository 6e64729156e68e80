//! The permissions policy: what it permits, what it refuses to read, and what its page promises.

mod decisions;
mod limits;
mod page;
mod random;
mod sharing;
mod validation;

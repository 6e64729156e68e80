//! What a site needs around its own pages, whatever it is built with: the session's cookie, guards, and protection
//! against forged forms. It takes the values of headers, and gives the values of headers.

mod guard;
mod place;
mod visit;

pub use guard::{Guard, Verdict};
pub use place::{Headers, Site, own_path};
pub use visit::Visit;

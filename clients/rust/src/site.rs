//! A site's accounts, whatever the site is built with.
//!
//! [`Accounts`] are all of them: pages from sign-up to API keys, sessions in a cookie, guards, and protection against
//! forged forms. They take a [`WebRequest`] and give a [`WebResponse`]. [`Site`] and [`Visit`] are what is below them, over
//! the values of headers, for a site whose pages are its own.

mod accounts;
mod guard;
mod html;
mod language;
mod own;
mod pages;
mod place;
mod routes;
mod serve;
#[rustfmt::skip]
mod texts;
mod visit;
mod web;

pub use accounts::{Accounts, Item, Options, Render, Visitor};
pub use guard::{Guard, Verdict};
pub use html::escape;
pub use pages::{Form, Input, Page, Row, Text};
pub use place::{Headers, Site, own_path};
pub use serve::Outcome;
pub use visit::Visit;
pub use web::{SECURITY_HEADERS, WebRequest, WebResponse};

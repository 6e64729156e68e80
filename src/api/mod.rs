//! The requests of the API. Each file declares its requests, calls the operation in `accounts` that does the work, and
//! turns what comes of it into an answer; none imports another or touches the database.

#![expect(
    clippy::needless_pass_by_value,
    reason = "a request is handed to its handler, and a refusal to what words it"
)]

pub(crate) mod access;
pub(crate) mod apikey;
pub(crate) mod batch;
pub(crate) mod email;
pub(crate) mod events;
pub(crate) mod journey;
mod logged_in;
pub(crate) mod login;
pub(crate) mod login_link;
mod members;
pub(crate) mod operator;
pub(crate) mod own;
pub(crate) mod password;
mod refusals;
pub(crate) mod session;
pub(crate) mod signup;
pub(crate) mod user;

use crate::request::Request;
use std::collections::HashMap;
use std::sync::LazyLock;

/// The requests of all files, in the order of the documentation.
const FILES: &[&[Request]] = &[
    session::REQUESTS,
    own::REQUESTS,
    login::REQUESTS,
    journey::REQUESTS,
    login_link::REQUESTS,
    signup::REQUESTS,
    user::create::REQUESTS,
    user::lookup::REQUESTS,
    user::edit::REQUESTS,
    user::lock::REQUESTS,
    user::delete::REQUESTS,
    password::check::REQUESTS,
    password::change::REQUESTS,
    password::reset::REQUESTS,
    password::validate::REQUESTS,
    password::forgotten::REQUESTS,
    email::send::REQUESTS,
    email::mark::REQUESTS,
    email::change::REQUESTS,
    access::REQUESTS,
    operator::REQUESTS,
    events::REQUESTS,
    batch::REQUESTS,
    apikey::tied::REQUESTS,
    apikey::nosession::REQUESTS,
    apikey::scoped::REQUESTS,
];

/// Every request of the API.
pub fn requests() -> impl Iterator<Item = &'static Request> {
    FILES.iter().copied().flatten()
}

/// The registry: a request by its name.
pub static REQUESTS_BY_NAME: LazyLock<HashMap<&'static str, &'static Request>> =
    LazyLock::new(|| requests().map(|request| (request.name, request)).collect());

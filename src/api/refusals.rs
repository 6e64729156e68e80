//! Ways of saying no that several requests share.

use crate::accounts::error::OperationError;
use crate::accounts::keys::KeyRefused;
use crate::accounts::presented_code::CodeRefused;
use crate::outcome::{Failure, Refusal};

/// What is answered while an account takes no attempts; the same whether or not there is such an account.
pub(super) const LOCKED: Refusal = Refusal::without_reason(
    "locked after too many failed attempts",
    "This account is locked for now after too many failed attempts. Try again later, or ask an administrator.",
)
.nulls(&["user_id"]);
/// What is answered while somebody has to wait after a failed attempt; the same whether or not there is such an account.
pub(super) const TOO_SOON: Refusal =
    Refusal::new("too soon after a failed attempt", "Please wait a moment before you try again.");
/// The same of a request whose refusals have the account's number.
pub(super) const TOO_SOON_FOR_USER: Refusal = TOO_SOON.nulls(&["user_id"]);

/// The session that was shown is not that of somebody who is logged in.
pub(super) const NOT_LOGGED_IN: Refusal =
    Refusal::new("nobody is logged in with this session", "Please log in first.");

/// What the end user reads who has an email with a code sent, whoever has the address.
pub(super) const EMAILED_IF_KNOWN: &str = "If there is an account with this address, an email is on its way. If none comes, please check the address and try again in a minute.";

/// An email was to link to a page that none may link to.
pub(super) const BAD_PAGE: Refusal =
    Refusal::new("invalid request: no such link is allowed", "No email was sent.");
/// A code does nothing.
pub(super) const BAD_CODE: Refusal = Refusal::new(
    "the code is not valid, was used, or has expired",
    "This link or code does not work, or not any more. Please try again, or ask for a new email.",
);
/// A code was not looked at: it came too soon after a wrong one.
pub(super) const CODE_TOO_SOON: Refusal =
    Refusal::new("too soon after a wrong code", "Please wait a moment before you try again.");
/// No code is looked at for now.
pub(super) const CODE_LOCKED: Refusal = Refusal::new(
    "locked after too many wrong codes",
    "No code is taken for now after too many wrong ones. Please try again later.",
);

/// How it is answered that a code did nothing.
pub(super) fn code_refused(why: CodeRefused) -> Failure {
    match why {
        CodeRefused::Bad => BAD_CODE,
        CodeRefused::TooSoon => CODE_TOO_SOON,
        CodeRefused::Locked => CODE_LOCKED,
    }
    .to_failure()
}

/// The policy does not let somebody do this with an API key.
pub(super) const KEY_NOT_ALLOWED: Refusal = Refusal::new(
    "originating user is not allowed to operate on this API key",
    "You may not do this with this API key.",
);
/// An API key is not valid.
pub(super) const KEY_NOT_VALID: Refusal = Refusal::new(
    "key validation failed, provided key does not match stored key or has expired",
    "The API key is not valid.",
);
/// There was no API key to revoke.
pub(super) const KEY_NOT_REVOKED: Refusal =
    Refusal::without_reason("no such row", "No API key was revoked: there is none like this.");

/// How it is answered that nothing was done with an API key.
pub(super) fn key_refused(error: OperationError<KeyRefused>) -> Failure {
    error.map_refusal(|why| {
        match why {
            KeyRefused::NotAllowed => KEY_NOT_ALLOWED,
            KeyRefused::NotValid => KEY_NOT_VALID,
            KeyRefused::NotThere => KEY_NOT_REVOKED,
        }
        .to_failure()
    })
}

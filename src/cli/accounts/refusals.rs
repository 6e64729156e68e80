//! Why an operation on an account was not carried out, in words for an operator.

use crate::accounts::add_user::AddRefused;
use crate::accounts::delete::DeleteRefused;
use crate::accounts::edit::EditRefused;
use crate::accounts::lock::LockRefused;
use crate::accounts::set_password::ResetRefused;
use crate::cli::command::CommandError;
use crate::config::shown;
use std::borrow::Cow;

const SYSTEM_USER: &str = "this account belongs to the system";
const NOBODY_LEFT: &str = "no other active superuser would remain";
const NOT_PERMITTED: &str = "this is not permitted";
const BAD_EMAIL: &str = "the address is refused: it is none, it is reserved, or its mailbox is thrown away";
const BAD_NAME: &str = "the name is refused: it is too long, or looks like a link";
const GONE: &str = "there is no such user any more";
const OVERTAKEN: &str = "the account was changed by somebody else meanwhile; try again";

/// Refused, in one line.
fn no(why: &str) -> CommandError {
    CommandError::refused(why)
}

/// Refused by the rules for passwords, a line each.
fn bad_password(broken: &[Cow<'_, str>]) -> CommandError {
    let mut problems = Vec::new();
    for rule in broken {
        problems.push(format!("the password is refused: {rule}"));
    }
    CommandError::failed(problems)
}

pub(super) fn of_add(why: &AddRefused) -> CommandError {
    match why {
        AddRefused::BadEmail => no(BAD_EMAIL),
        AddRefused::BadName => no(BAD_NAME),
        AddRefused::BadPassword(broken) => bad_password(broken),
        AddRefused::NoSuchRole => no("the policy has no such role for an account"),
        AddRefused::Known => no("there is an account with this address already"),
    }
}

pub(super) fn of_lock(why: &LockRefused) -> CommandError {
    no(match why {
        LockRefused::SystemUser => SYSTEM_USER,
        LockRefused::NoSuchUser => GONE,
        LockRefused::LastAdministrator => NOBODY_LEFT,
        LockRefused::NotLocked => "the account waits for its verification, so there is no lock to undo",
        LockRefused::NotSuperuser | LockRefused::OwnAccount | LockRefused::NoSession => NOT_PERMITTED,
    })
}

pub(super) fn of_edit(why: &EditRefused) -> CommandError {
    match why {
        EditRefused::SystemUser => no(SYSTEM_USER),
        EditRefused::Keys(keys) => no(&format!("nobody may change {}", shown(&keys.join(", ")))),
        EditRefused::NoSuchRole => no("there is no such role"),
        EditRefused::Empty => CommandError::cannot_tell("there is nothing to change"),
        EditRefused::NoSuchUser => no(GONE),
        EditRefused::Conflict => no("the address belongs to another account"),
        EditRefused::LastAdministrator => no(NOBODY_LEFT),
        EditRefused::BadEmail => no(BAD_EMAIL),
        EditRefused::BadName => no(BAD_NAME),
        EditRefused::NotForPeople => {
            no("no account of a person has this role; `authnzerver user lock` locks an account")
        }
        EditRefused::Value => no("the notes cannot be set, or the account cannot be unlocked so"),
        EditRefused::NotesUnreadable => {
            no("what is noted about the user cannot be read, so it is left as it is")
        }
        EditRefused::NoSession
        | EditRefused::NoOwnSession
        | EditRefused::OwnKeys
        | EditRefused::ToBeProven => no(NOT_PERMITTED),
    }
}

pub(super) fn of_delete(why: &DeleteRefused) -> CommandError {
    no(match why {
        DeleteRefused::SystemUser => SYSTEM_USER,
        DeleteRefused::OwnsGroup => "the user owns a group, so they stay",
        DeleteRefused::LastAdministrator => NOBODY_LEFT,
        DeleteRefused::Overtaken => OVERTAKEN,
        DeleteRefused::Unknown
        | DeleteRefused::WrongPassword
        | DeleteRefused::Locked
        | DeleteRefused::TooSoon
        | DeleteRefused::Superuser => NOT_PERMITTED,
    })
}

pub(super) fn of_reset(why: &ResetRefused) -> CommandError {
    match why {
        ResetRefused::Insecure(broken) => bad_password(broken),
        ResetRefused::Unknown => no(SYSTEM_USER),
        ResetRefused::Overtaken | ResetRefused::NoSession => no(OVERTAKEN),
    }
}

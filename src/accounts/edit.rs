//! Changing what is known about an account: by its user, by an administrator, or by whoever runs the server.

mod note;

use super::actor::{Actor, Performer, Requester};
use super::codes::{end_all, end_all_with_undo, is_kept_for_another};
use super::error::OperationError;
use super::lock::{self, HISTORY_KEY, Unlocked};
use super::verify_email::settle_address;
use crate::app::Context;
use crate::guard::password::PasswordHash;
use crate::json::JsonText;
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::policy::full_name::FullName;
use crate::policy::model::Policy;
use crate::policy::roles::{Role, is_system_user};
use crate::store::locks::{self, Lock};
use crate::store::users::{self, EXTRA_INFO_BYTES_MAX, User};
use crate::store::{StoreError, Tx, attempts};
use crate::user_id::UserId;
use crate::wire::{FromWire, Object, merge};
use serde_json::Value;

/// What users change about themselves, what administrators change, and what only the server itself does.
const SELF_KEYS: [&str; 2] = ["full_name", "email"];
const SUPERUSER_KEYS: [&str; 5] = ["full_name", "email", "is_active", "user_role", "email_verified"];
const FORBIDDEN_KEYS: [&str; 11] = [
    "user_id",
    "system_id",
    "password",
    "emailverify_sent_datetime",
    "emailforgotpass_sent_datetime",
    "emailchangepass_sent_datetime",
    "last_login_success",
    "last_login_try",
    "failed_login_tries",
    "created_on",
    "last_updated",
];

/// Keys that decide who can log in, and in which role.
const STATE_KEYS: [&str; 3] = ["email", "is_active", "user_role"];

/// Why an account was not changed.
pub enum EditRefused {
    /// It is a system account.
    SystemUser,
    /// There is no valid session of who asks, in a role that changes accounts.
    NoSession,
    /// There is no valid session of the user, who wants to change something about themselves.
    NoOwnSession,
    /// A user may not change these keys of their own.
    OwnKeys,
    /// These keys cannot be changed in this way.
    Keys(Vec<String>),
    /// There is no such role.
    NoSuchRole,
    /// There is nothing to change.
    Empty,
    /// There is no such account.
    NoSuchUser,
    /// The name is too long, or looks like a link.
    BadName,
    /// No account can have the address.
    BadEmail,
    /// The role is one for no person.
    NotForPeople,
    /// Another value cannot be set.
    Value,
    /// Somebody else has this address, or there is no such role in the database.
    Conflict,
    /// No other active superuser would remain.
    LastAdministrator,
    /// What is noted about the user cannot be read, so it cannot be changed without losing something.
    NotesUnreadable,
    /// Users have to prove a new address.
    ToBeProven,
}

/// Changes an account; tells what it is then. Keys of `extra_info` are set one by one.
///
/// # Errors
///
/// Why not; a failing database.
pub fn edit(
    context: &Context<'_>,
    requester: Requester,
    user_id: UserId,
    update: Object,
) -> Result<User, OperationError<EditRefused>> {
    let edits = may_be_asked(&requester, user_id, &update).map_err(OperationError::Refused)?;
    let policy = context.app().policy.load_full();
    let no_password = context.no_password();
    let trail = context.trail();
    let proves = matches!(requester, Requester::User(_)) && context.config().email_change.takes_proof();
    let (by, user) = context.write(move |tx| {
        let refused = |why| Err(OperationError::Refused(why));
        let Some(by) = requester.authorize(tx)? else {
            return refused(if edits == Edits::Own {
                EditRefused::NoOwnSession
            } else {
                EditRefused::NoSession
            });
        };
        may_change(&by, user_id, &update, &policy).map_err(OperationError::Refused)?;
        let Some(user) = users::by_id(tx, user_id)? else { return refused(EditRefused::NoSuchUser) };
        if is_system_user(user_id) && STATE_KEYS.iter().any(|key| update.contains_key(*key)) {
            return refused(EditRefused::SystemUser);
        }
        let keys: Vec<String> = update.keys().cloned().collect();
        let (after, was_contested) = change(tx, &user, update.clone(), &no_password)?;
        if user.email != after.email {
            if proves {
                return refused(EditRefused::ToBeProven);
            }
            // Who moves an account away must not keep it there by moving another one to the address that it had.
            if edits == Edits::Own && is_kept_for_another(tx, user_id, &after.email)? {
                return refused(EditRefused::Conflict);
            }
            if edits == Edits::Anybodys {
                end_all_with_undo(tx, user_id)?;
            }
        }
        note::edited(tx, &trail, &by, &keys, (&user, &after), was_contested)?;
        Ok((by, after))
    })?;
    by.log(context, "account edited", user_id);
    Ok(user)
}

/// Whose account somebody edits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edits {
    /// Their own, as its user.
    Own,
    /// Anybody's, as an administrator.
    Anybodys,
}

impl Edits {
    /// What a user in this role edits here. Superusers, visitors and locked users do not edit as owners.
    fn of(actor_id: UserId, role: &str, user_id: UserId) -> Option<Self> {
        let is_mere_user =
            ![Role::SUPERUSER, Role::ANONYMOUS, Role::LOCKED].iter().any(|other| other == role);
        match () {
            () if actor_id == user_id && is_mere_user => Some(Self::Own),
            () if Role::SUPERUSER == *role => Some(Self::Anybodys),
            () => None,
        }
    }
}

/// Whether the requester may make such a change at all, if their claim holds.
fn may_be_asked(requester: &Requester, user_id: UserId, update: &Object) -> Result<Edits, EditRefused> {
    match requester {
        Requester::User(_) if is_system_user(user_id) => Err(EditRefused::SystemUser),
        Requester::User(claim) => {
            Edits::of(claim.user_id, &claim.role, user_id).ok_or(EditRefused::NoSession)
        }
        Requester::CallingServer | Requester::Operator(_) if update.is_empty() => Err(EditRefused::Empty),
        Requester::CallingServer | Requester::Operator(_) => {
            let forbidden = |key: &&String| FORBIDDEN_KEYS.contains(&key.as_str());
            let forbidden: Vec<String> = update.keys().filter(forbidden).cloned().collect();
            if forbidden.is_empty() { Ok(Edits::Anybodys) } else { Err(EditRefused::Keys(forbidden)) }
        }
    }
}

/// Whether these very keys may be changed. What the calling server and operators may not change was refused before.
fn may_change(by: &Performer, user_id: UserId, update: &Object, policy: &Policy) -> Result<(), EditRefused> {
    let only = |allowed: &[&str]| update.keys().all(|key| allowed.contains(&key.as_str()));
    match by {
        Performer::User(Actor { user_id: actor_id, role }) => {
            match Edits::of(*actor_id, role.as_str(), user_id).ok_or(EditRefused::NoSession)? {
                Edits::Own if !only(&SELF_KEYS) => return Err(EditRefused::OwnKeys),
                Edits::Anybodys if !only(&SUPERUSER_KEYS) => {
                    return Err(EditRefused::Keys(update.keys().cloned().collect()));
                }
                Edits::Own | Edits::Anybodys => {}
            }
        }
        Performer::Operator(_) => {
            let given = update.get("user_role").and_then(Value::as_str);
            if given.is_some_and(|role| !Role::is_for_people(role)) {
                return Err(EditRefused::NotForPeople);
            }
        }
        // The calling server may give roles that the database alone has.
        Performer::CallingServer | Performer::PasswordHolder(_) | Performer::CodeHolder(_) => return Ok(()),
    }
    let role = update.get("user_role");
    if role.is_some_and(|role| role.as_str().and_then(|role| policy.role(role)).is_none()) {
        return Err(EditRefused::NoSuchRole);
    }
    Ok(())
}

type Fault = OperationError<EditRefused>;

const BAD_VALUE: Fault = OperationError::Refused(EditRefused::Value);
const LAST: Fault = OperationError::Refused(EditRefused::LastAdministrator);

/// Makes the changes, with what follows from them, unless no other active superuser would remain. Returns the user as
/// they are then, and whether they have lost their password. A value that cannot be set is refused; so is one that conflicts with the database.
fn change(
    tx: &Tx<'_>,
    before: &User,
    update: Object,
    no_password: &PasswordHash,
) -> Result<(User, bool), Fault> {
    let changed = lock::keeping_an_administrator(tx, || LAST, || carry_out(tx, before, update, no_password));
    changed.map_err(|error| match error {
        OperationError::Broken(Error::Store(StoreError::Duplicate(_) | StoreError::ForeignKey)) => {
            OperationError::Refused(EditRefused::Conflict)
        }
        other => other,
    })
}

fn carry_out(
    tx: &Tx<'_>,
    before: &User,
    update: Object,
    no_password: &PasswordHash,
) -> Result<(User, bool), Fault> {
    let says_active = update.contains_key("is_active");
    let decides_state = ["is_active", "user_role"].iter().any(|key| update.contains_key(*key));
    let proves_address = update.get("email_verified").is_some_and(|proven| matches!(truth(proven), Ok(true)));
    let mut after = changed(before, update)?;
    let after_email = after.email.clone();
    let suspended = lock::is_suspended(tx, before.user_id)?;
    if suspended && !after.user_role.is_locked() && !says_active {
        // The account was only suspended: a new role ends that, as the lock's end would have.
        after.is_active = true;
    }
    let stays_locked = before.user_role.is_locked() && after.user_role.is_locked();
    let unlocks = stays_locked && after.is_active && !before.is_active;
    if !before.user_role.is_locked() && after.user_role.is_locked() {
        // The rest of the changes first, then the lock as everywhere.
        let rest = User { user_role: before.user_role.clone(), ..after };
        users::update(tx, &rest)?;
        lock::lock(tx, &rest, Lock::Manual)?;
    } else if suspended && decides_state && stays_locked && !unlocks {
        // A person wants to have locked what failed logins only suspended.
        users::update(tx, &after)?;
        lock::lock(tx, &after, Lock::Manual)?;
    } else if unlocks {
        users::update(tx, &after)?;
        if lock::unlock(tx, &after)? != Unlocked::Active {
            return Err(BAD_VALUE);
        }
    } else {
        users::update(tx, &after)?;
        let role_changed = before.user_role != after.user_role;
        if role_changed || before.is_active != after.is_active {
            // Whatever lock there was, a person has decided otherwise now.
            locks::delete(tx, before.user_id)?;
        }
        if suspended || (says_active && after.is_active) {
            // Also where guesses locked single networks out and the account itself stayed active.
            attempts::delete_by_account(tx, &before.email)?;
        }
        if role_changed || (before.is_active && !after.is_active) {
            lock::end_everything(tx, before.user_id)?;
        }
    }
    let mut was_contested = false;
    if before.email != after_email {
        end_all(tx, before.user_id)?;
        users::set_address_unproven(tx, before.user_id, !proves_address)?;
        if proves_address {
            users::end_contest(tx, &after_email)?;
        }
    } else if proves_address {
        was_contested = settle_address(tx, before, no_password)?;
    }
    Ok((users::by_id(tx, before.user_id)?.ok_or(BAD_VALUE)?, was_contested))
}

/// The user with the changes made, each checked as at sign-up.
fn changed(before: &User, update: Object) -> Result<User, Fault> {
    let mut user = before.clone();
    for (key, value) in update {
        match key.as_str() {
            "full_name" => user.full_name = full_name(value)?,
            "email" => user.email = email(&value, before)?,
            "email_verified" => user.email_verified = truth(&value)?,
            "is_active" => user.is_active = truth(&value)?,
            "user_role" => user.user_role = Role::known(String::from_wire(value).map_err(|_| BAD_VALUE)?),
            "extra_info" if value.is_null() => {}
            "extra_info" => user.extra_info = Some(notes(before, value)?),
            _ => return Err(BAD_VALUE),
        }
    }
    Ok(user)
}

fn full_name(value: Value) -> Result<Option<String>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) => {
            let name = FullName::accept(&name).map_err(|_| Fault::Refused(EditRefused::BadName))?;
            Ok(Some(name.as_str().to_owned()))
        }
        _ => Err(BAD_VALUE),
    }
}

/// An address that was accepted once may be given again, whatever the rules are now.
fn email(value: &Value, before: &User) -> Result<EmailAddress, Fault> {
    let text = value.as_str().ok_or(BAD_VALUE)?;
    if text == before.email.as_str() {
        return Ok(before.email.clone());
    }
    EmailAddress::accept_for_signup(text).map_err(|_| Fault::Refused(EditRefused::BadEmail))
}

/// True and false, or 1 and 0.
fn truth(value: &Value) -> Result<bool, Fault> {
    match (value.as_bool(), value.as_i64()) {
        (Some(truth), _) => Ok(truth),
        (None, Some(number @ (0 | 1))) => Ok(number == 1),
        _ => Err(BAD_VALUE),
    }
}

/// What is noted about the user, changed. The role history is the server's own.
fn notes(before: &User, value: Value) -> Result<JsonText, Fault> {
    let changes = Object::from_wire(value).map_err(|_| BAD_VALUE)?;
    if changes.contains_key(HISTORY_KEY) {
        return Err(BAD_VALUE);
    }
    let merged = merge(before.extra_info.as_ref(), changes)
        .map_err(|_| Fault::Refused(EditRefused::NotesUnreadable))?;
    if merged.len() > EXTRA_INFO_BYTES_MAX {
        return Err(BAD_VALUE);
    }
    Ok(JsonText::new(merged))
}

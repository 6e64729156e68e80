//! Locking and unlocking accounts: by an administrator, or by the calling server.

use crate::accounts::actor::actor;
use crate::accounts::lock::{self, Unlocked};
use crate::app::Call;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::roles::{Role, is_system_user};
use crate::requests;
use crate::store::Tx;
use crate::store::locks::Lock;
use crate::store::users::{self, User};

const NOT_SUPERUSER: Refusal = Refusal::new(
    "user role is not 'superuser', required to toggle locks",
    "Only administrators lock and unlock accounts.",
)
.nulls(&["user_info"]);
const SELF: Refusal =
    Refusal::new("can't toggle a lock state on self", "Nobody locks or unlocks their own account.")
        .nulls(&["user_info"]);
const BAD_ACTION: Refusal =
    Refusal::new("action must be one of 'lock', 'unlock'", "An account is locked or unlocked.")
        .nulls(&["user_info"]);
const SYSTEM_USER: Refusal = Refusal::new(
    "can't toggle lock state for system anonymous/locked accounts",
    "This account belongs to the system.",
)
.nulls(&["user_info"]);
const NO_SESSION: Refusal = Refusal::new(
    "invalid session for user attempting lock toggle",
    "There is no valid session of an administrator.",
)
.nulls(&["user_info"]);
const FAILED: &str = "The account could not be locked or unlocked.";
const BROKEN: Refusal =
    Refusal::new("exception when trying to toggle lock state", FAILED).nulls(&["user_info"]);
const INTERNAL_BAD_ACTION: Refusal =
    Refusal::new("action must be either 'lock' or 'unlock'", "An account is locked or unlocked.")
        .nulls(&["user_info"]);
const INTERNAL_SYSTEM_USER: Refusal =
    Refusal::new("can't edit anonymous/locked users", "This account belongs to the system.")
        .nulls(&["user_info"]);
const NOT_TOGGLED: Refusal =
    Refusal::new("exception encountered when trying lock toggle action", FAILED).nulls(&["user_info"]);

requests! {
    /// Locks or unlocks somebody else's account on behalf of an administrator.
    "user-lock" => user_lock(UserLock), broken BROKEN {
        /// Who asks.
        user_id: int,
        /// The role of who asks: superuser.
        user_role: str,
        /// A session of who asks.
        session_token: secret,
        /// Whose account it is.
        target_userid: int,
        /// lock or unlock.
        action: str,
    } answers Toggled {
        /// The user.
        user_info: User,
    } refuses [NOT_SUPERUSER, SELF, BAD_ACTION, SYSTEM_USER, NO_SESSION, NOT_TOGGLED]

    /// Locks or unlocks an account. A lock ends all sessions and API keys; an unlock gives the old role back.
    "internal-user-lock" => internal_user_lock(InternalUserLock), broken NOT_TOGGLED {
        /// Whose account it is.
        target_userid: int,
        /// lock or unlock.
        action: str,
    } answers Toggled refuses [INTERNAL_BAD_ACTION, INTERNAL_SYSTEM_USER, NOT_TOGGLED]
}

fn user_lock(call: &mut Call<'_>, ask: UserLock) -> Outcome<Toggled> {
    if Role::SUPERUSER != *ask.user_role {
        return Err(NOT_SUPERUSER.refuse());
    }
    if ask.target_userid == ask.user_id {
        return Err(SELF.refuse());
    }
    let locks = is_lock(&ask.action).ok_or_else(|| BAD_ACTION.refuse())?;
    if is_system_user(ask.target_userid) {
        return Err(SYSTEM_USER.refuse());
    }
    let user_info = call.write(move |tx| {
        let Some(_administrator) = actor(tx, &ask.session_token, ask.user_id, Role::SUPERUSER.as_str())?
        else {
            return Err(NO_SESSION.refuse());
        };
        toggle(tx, ask.target_userid, locks)
    })?;
    Ok(toggled(user_info, locks))
}

fn internal_user_lock(call: &mut Call<'_>, ask: InternalUserLock) -> Outcome<Toggled> {
    let locks = is_lock(&ask.action).ok_or_else(|| INTERNAL_BAD_ACTION.refuse())?;
    if is_system_user(ask.target_userid) {
        return Err(INTERNAL_SYSTEM_USER.refuse());
    }
    let user_info = call.write(move |tx| toggle(tx, ask.target_userid, locks))?;
    Ok(toggled(user_info, locks))
}

fn is_lock(action: &str) -> Option<bool> {
    match action {
        "lock" => Some(true),
        "unlock" => Some(false),
        _ => None,
    }
}

fn toggle(tx: &Tx<'_>, user_id: i64, locks: bool) -> Result<User, Failure> {
    let refuse = || -> Failure { NOT_TOGGLED.refuse() };
    let user = users::by_id(tx, user_id)?.ok_or_else(refuse)?;
    if locks {
        let lock = || -> Result<(), Failure> { Ok(lock::lock(tx, &user, Lock::ByPerson)?) };
        lock::keeping_an_administrator(tx, refuse, lock)?;
    } else if lock::unlock(tx, &user)? == Unlocked::NotLocked {
        // A sign-up that was never verified becomes active by its verification only.
        return Err(refuse());
    }
    users::by_id(tx, user_id)?.ok_or_else(refuse)
}

fn toggled(user_info: User, locks: bool) -> Done<Toggled> {
    let message = if locks { "The account is locked." } else { "The account is unlocked." };
    Done::new(Toggled { user_info }, message)
}

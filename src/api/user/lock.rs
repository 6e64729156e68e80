//! Locking and unlocking accounts: by an administrator, or by the calling server.

use crate::accounts::actor::{Requester, SessionClaim};
use crate::accounts::lock::{LockChange, LockRefused, may_be_asked, set_locked};
use crate::app::Call;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::requests;
use crate::store::users::User;

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
    "user-lock" => user_lock(UserLock), broken BROKEN, repeat same {
        /// The user who asks.
        user_id: UserId,
        /// That user's role: superuser.
        user_role: str,
        /// A session of that user.
        session_token: secret,
        /// Whose account it is.
        target_userid: UserId,
        /// lock or unlock.
        action: str,
    } answers Toggled {
        /// The user.
        user_info: User,
    } refuses [NOT_SUPERUSER, SELF, BAD_ACTION, SYSTEM_USER, NO_SESSION, NOT_TOGGLED]

    /// Locks or unlocks an account. A lock ends all sessions, API keys and codes; an unlock gives the old role back.
    "internal-user-lock" => internal_user_lock(InternalUserLock), broken NOT_TOGGLED, repeat same {
        /// Whose account it is.
        target_userid: UserId,
        /// lock or unlock.
        action: str,
    } answers Toggled refuses [INTERNAL_BAD_ACTION, INTERNAL_SYSTEM_USER, NOT_TOGGLED]
}

fn user_lock(call: &mut Call<'_>, ask: UserLock) -> Outcome<Toggled> {
    let requester = Requester::User(SessionClaim::new(&ask.session_token, ask.user_id, ask.user_role));
    // Who asks is checked before what is asked.
    may_be_asked(&requester, ask.target_userid).map_err(refused)?;
    let change = change_named(&ask.action).ok_or_else(|| BAD_ACTION.to_failure())?;
    let user_info = set_locked(call, requester, ask.target_userid, change);
    Ok(toggled(user_info.map_err(|error| error.map_refusal(refused))?, change))
}

fn refused(why: LockRefused) -> Failure {
    match why {
        LockRefused::NotSuperuser => NOT_SUPERUSER,
        LockRefused::OwnAccount => SELF,
        LockRefused::SystemUser => SYSTEM_USER,
        LockRefused::NoSession => NO_SESSION,
        LockRefused::NoSuchUser | LockRefused::LastAdministrator | LockRefused::NotLocked => NOT_TOGGLED,
    }
    .to_failure()
}

fn internal_user_lock(call: &mut Call<'_>, ask: InternalUserLock) -> Outcome<Toggled> {
    let change = change_named(&ask.action).ok_or_else(|| INTERNAL_BAD_ACTION.to_failure())?;
    let user_info = set_locked(call, Requester::CallingServer, ask.target_userid, change);
    let user_info = user_info.map_err(|error| {
        error.map_refusal(|why| match why {
            LockRefused::SystemUser => INTERNAL_SYSTEM_USER.to_failure(),
            other => refused(other),
        })
    })?;
    Ok(toggled(user_info, change))
}

fn change_named(action: &str) -> Option<LockChange> {
    match action {
        "lock" => Some(LockChange::Lock),
        "unlock" => Some(LockChange::Unlock),
        _ => None,
    }
}

fn toggled(user_info: User, change: LockChange) -> Done<Toggled> {
    let message = match change {
        LockChange::Lock => "The account is locked.",
        LockChange::Unlock => "The account is unlocked.",
    };
    Done::new(Toggled { user_info }, message)
}

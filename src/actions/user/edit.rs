//! Changing what is known about users: by themselves, by an administrator, or by the calling server.

use crate::accounts::actor::actor;
use crate::accounts::lock::{self, HISTORY_KEY, Unlocked};
use crate::app::Call;
use crate::guard::secret::Secret;
use crate::json::JsonText;
use crate::outcome::{Done, Failure, Outcome, Refusal, Refused};
use crate::policy::email::EmailAddress;
use crate::policy::fullname::FullName;
use crate::policy::roles::{Role, is_system_user};
use crate::requests;
use crate::store::locks::{self, Lock};
use crate::store::users::{self, EXTRA_INFO_BYTES_MAX, User};
use crate::store::{StoreError, Tx, attempts};
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

const FAILED: &str = "The changes were not made.";
const SYSTEM_USER: Refusal =
    Refusal::new("invalid request: can't edit anonymous/locked users", "This account belongs to the system.")
        .nulls(&["user_info"]);
const NO_SELF_SESSION: Refusal = Refusal::new(
    "no valid session found for originating user_id",
    "There is no valid session to make changes with.",
)
.nulls(&["user_info"]);
const SELF_OTHER_KEYS: Refusal =
    Refusal::new("role '{role}' can't edit anything other than 'full_name', 'email'", FAILED)
        .nulls(&["user_info"]);
const NO_SESSION: Refusal = Refusal::new(
    "invalid session for edit attempt",
    "There is no valid session of somebody who may make these changes.",
)
.nulls(&["user_info"]);
const OTHER_KEYS: Refusal =
    Refusal::new("role: '{role}' is not allowed to edit items: '[{keys}]'", FAILED).nulls(&["user_info"]);
const BAD_ROLE: Refusal =
    Refusal::new("role change requested is not valid", "There is no such role.").nulls(&["user_info"]);
const NOT_EDITED: Refusal =
    Refusal::new("exception when trying to update user", FAILED).nulls(&["user_info"]);
const NOTHING_TO_EDIT: Refusal =
    Refusal::new("invalid request: missing 'update_dict' in request", "There is nothing to change.");
const FORBIDDEN: Refusal = Refusal::new("invalid request: disallowed keys in update_dict: {{keys}}", FAILED);
const NO_SUCH_USER: Refusal = Refusal::new("no such user", FAILED);
const NOTES_UNREADABLE: Refusal = Refusal::new(
    "stored extra_info can't be read as an object",
    "What is noted about this user cannot be read. It was left as it is.",
);
const INTERNALLY_NOT_EDITED: Refusal = Refusal::new("DB error when updating user info", FAILED);

requests! {
    /// Changes a user's own name or address, or, for an administrator, anybody's.
    "user-edit" => user_edit(UserEdit), 10/min, broken NOT_EDITED {
        /// Who asks.
        user_id: int,
        /// The role of who asks.
        user_role: str,
        /// A session of who asks.
        session_token: secret,
        /// Whom to change.
        target_userid: int,
        /// What to change: full_name and email; administrators also is_active, user_role and email_verified.
        update_dict: dict,
    } answers Edited {
        /// The user.
        user_info: User,
    } refuses [
        SYSTEM_USER, NO_SESSION, NO_SELF_SESSION, SELF_OTHER_KEYS, OTHER_KEYS, BAD_ROLE, NOT_EDITED,
    ]

    /// Changes a user. Keys of extra_info are set one by one, or removed with "__delete__".
    "internal-user-edit" => internal_user_edit(InternalUserEdit), broken INTERNALLY_NOT_EDITED {
        /// Whom to change.
        target_userid: int,
        /// What to change: full_name, email, email_verified, is_active, user_role, extra_info.
        update_dict: dict,
    } answers Edited refuses [NOTHING_TO_EDIT, FORBIDDEN, NO_SUCH_USER, NOTES_UNREADABLE, INTERNALLY_NOT_EDITED]
}

fn user_edit(call: &mut Call<'_>, ask: UserEdit) -> Outcome<Edited> {
    let UserEdit { user_id, user_role, session_token, target_userid, update_dict } = ask;
    if is_system_user(target_userid) {
        return Err(SYSTEM_USER.refuse());
    }
    let edits_self = target_userid == user_id
        && ![Role::SUPERUSER, Role::ANONYMOUS, Role::LOCKED].iter().any(|role| *role == *user_role);
    if !edits_self && Role::SUPERUSER != *user_role {
        return Err(NO_SESSION.refuse());
    }
    let policy = call.app().policy.load_full();
    let no_password = Secret::new(call.app().hasher.no_password().as_str().to_owned());
    let user_info = call.write(move |tx| {
        let Some(_actor) = actor(tx, &session_token, user_id, &user_role)? else {
            return Err(if edits_self { NO_SELF_SESSION.refuse() } else { NO_SESSION.refuse() });
        };
        let allowed = if edits_self { &SELF_KEYS[..] } else { &SUPERUSER_KEYS[..] };
        if !update_dict.keys().all(|key| allowed.contains(&key.as_str())) {
            return Err(other_keys(edits_self, &user_role, &update_dict).into());
        }
        if let Some(role) = update_dict.get("user_role")
            && role.as_str().and_then(|role| policy.role(role)).is_none()
        {
            return Err(BAD_ROLE.refuse());
        }
        let user = users::by_id(tx, target_userid)?.ok_or_else(|| NOT_EDITED.refuse())?;
        change(tx, user, update_dict, &no_password).map_err(|fault| fault.or_refuse(NOT_EDITED))
    })?;
    Ok(Done::new(Edited { user_info }, "The changes were made."))
}

fn other_keys(edits_self: bool, role: &str, update: &Object) -> Refused {
    if edits_self {
        return SELF_OTHER_KEYS.made().naming(&[("role", role)]);
    }
    let keys: Vec<_> = update.keys().map(|key| format!("'{key}'")).collect();
    OTHER_KEYS.made().naming(&[("role", role), ("keys", &keys.join(", "))])
}

fn internal_user_edit(call: &mut Call<'_>, ask: InternalUserEdit) -> Outcome<Edited> {
    let InternalUserEdit { target_userid, update_dict } = ask;
    if update_dict.is_empty() {
        return Err(NOTHING_TO_EDIT.refuse());
    }
    let forbidden: Vec<_> = update_dict.keys().filter(|key| FORBIDDEN_KEYS.contains(&key.as_str())).collect();
    if !forbidden.is_empty() {
        let keys: Vec<_> = forbidden.iter().map(|key| format!("'{key}'")).collect();
        return Err(FORBIDDEN.made().naming(&[("keys", &keys.join(", "))]).into());
    }
    let no_password = Secret::new(call.app().hasher.no_password().as_str().to_owned());
    let user_info = call.write(move |tx| {
        let user = users::by_id(tx, target_userid)?.ok_or_else(|| NO_SUCH_USER.refuse())?;
        let touches_state =
            ["email", "is_active", "user_role"].iter().any(|key| update_dict.contains_key(*key));
        if is_system_user(target_userid) && touches_state {
            return Err(INTERNALLY_NOT_EDITED.refuse());
        }
        change(tx, user, update_dict, &no_password).map_err(|fault| fault.or_refuse(INTERNALLY_NOT_EDITED))
    })?;
    Ok(Done::new(Edited { user_info }, "The changes were made."))
}

/// Why changes were not made.
enum Fault {
    /// A value that cannot be set.
    Value,
    /// What is noted about the user cannot be read, so it cannot be changed without losing something.
    Notes,
    /// The database.
    Store(StoreError),
}

impl Fault {
    /// A value that cannot be set is refused; so is one that the database knows better about.
    fn or_refuse(self, refusal: Refusal) -> Failure {
        match self {
            Self::Value | Self::Store(StoreError::Duplicate(_) | StoreError::Dangling) => refusal.refuse(),
            Self::Notes => NOTES_UNREADABLE.refuse(),
            Self::Store(other) => other.into(),
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Makes the changes and ends what they end, unless nobody would be left to administer. Returns the user as they are
/// then.
fn change(tx: &Tx<'_>, before: User, update: Object, no_password: &Secret<String>) -> Result<User, Fault> {
    lock::keeping_an_administrator(tx, || Fault::Value, || carry_out(tx, before, update, no_password))
}

fn carry_out(tx: &Tx<'_>, before: User, update: Object, no_password: &Secret<String>) -> Result<User, Fault> {
    let says_active = update.contains_key("is_active");
    let decides_state = ["is_active", "user_role"].iter().any(|key| update.contains_key(*key));
    let proves_address = update.get("email_verified").is_some_and(|proven| matches!(truth(proven), Ok(true)));
    let mut after = changed(&before, update)?;
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
        let rest = User { user_role: before.user_role.clone(), is_active: before.is_active, ..after };
        users::update(tx, &rest)?;
        lock::lock(tx, &rest, Lock::ByPerson)?;
    } else if suspended && decides_state && stays_locked && !unlocks {
        // A person wants to have locked what failed log-ins only suspended.
        users::update(tx, &after)?;
        lock::lock(tx, &after, Lock::ByPerson)?;
    } else if unlocks {
        let rest = User { is_active: false, ..after };
        users::update(tx, &rest)?;
        if lock::unlock(tx, &rest)? != Unlocked::Active {
            return Err(Fault::Value);
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
            attempts::delete_of_account(tx, &before.email)?;
        }
        if role_changed || (before.is_active && !after.is_active) {
            lock::end_everything(tx, before.user_id)?;
        }
    }
    if before.email != after_email {
        users::set_address_unproven(tx, before.user_id, !proves_address)?;
        if proves_address {
            users::end_contest(tx, &after_email)?;
        }
    } else if proves_address {
        lock::settle_address(tx, &before, no_password)?;
    }
    users::by_id(tx, before.user_id)?.ok_or(Fault::Value)
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
            "user_role" => user.user_role = Role::known(String::from_wire(value).map_err(|_| Fault::Value)?),
            "extra_info" if value.is_null() => {}
            "extra_info" => user.extra_info = Some(notes(before, value)?),
            _ => return Err(Fault::Value),
        }
    }
    Ok(user)
}

fn full_name(value: Value) -> Result<Option<String>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(name) => {
            let name = FullName::accept(&name).map_err(|_| Fault::Value)?;
            Ok(Some(name.as_str().to_owned()))
        }
        _ => Err(Fault::Value),
    }
}

/// An address that was accepted once may be given again, whatever the rules are now.
fn email(value: &Value, before: &User) -> Result<EmailAddress, Fault> {
    let text = value.as_str().ok_or(Fault::Value)?;
    if text == before.email.as_str() {
        return Ok(before.email.clone());
    }
    EmailAddress::accept_for_signup(text).map_err(|_| Fault::Value)
}

/// True and false, or 1 and 0.
fn truth(value: &Value) -> Result<bool, Fault> {
    match (value.as_bool(), value.as_i64()) {
        (Some(truth), _) => Ok(truth),
        (None, Some(number @ (0 | 1))) => Ok(number == 1),
        _ => Err(Fault::Value),
    }
}

/// What is noted about the user, changed. The role history is the server's own.
fn notes(before: &User, value: Value) -> Result<JsonText, Fault> {
    let changes = Object::from_wire(value).map_err(|_| Fault::Value)?;
    if changes.contains_key(HISTORY_KEY) {
        return Err(Fault::Value);
    }
    let merged = merge(before.extra_info.as_ref(), changes).map_err(|_| Fault::Notes)?;
    if merged.len() > EXTRA_INFO_BYTES_MAX {
        return Err(Fault::Value);
    }
    Ok(JsonText::new(merged))
}

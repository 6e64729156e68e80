//! Changing what is known about users: by themselves, by an administrator, or by the calling server.

use crate::accounts::actor::{Requester, SessionClaim};
use crate::accounts::edit::{EditRefused, edit};
use crate::api::members::{ACCOUNT, PROFILE};
use crate::app::Call;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::requests;
use crate::store::users::User;

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

const TO_BE_PROVEN: Refusal = Refusal::new(
    "an address is changed with email-change-start, which has it proven",
    "Please change your e-mail address where you are sent an email to prove it.",
)
.nulls(&["user_info"]);

requests! {
    /// Changes a user's own name or address, or, for an administrator, anybody's.
    "user-edit" => user_edit(UserEdit), 10/min, broken NOT_EDITED, repeat same {
        /// The user who asks.
        user_id: UserId,
        /// That user's role.
        user_role: str,
        /// A session of that user.
        session_token: secret,
        /// Whom to change.
        target_userid: UserId,
        /// What to change.
        update_dict: dict of PROFILE,
    } answers Edited {
        /// The user.
        user_info: User,
    } refuses [
        SYSTEM_USER, NO_SESSION, NO_SELF_SESSION, SELF_OTHER_KEYS, OTHER_KEYS, BAD_ROLE, TO_BE_PROVEN, NOT_EDITED,
    ]

    /// Changes a user. Keys of `extra_info` are set one by one, or removed with "__delete__".
    "internal-user-edit" => internal_user_edit(InternalUserEdit), broken INTERNALLY_NOT_EDITED, repeat same {
        /// Whom to change.
        target_userid: UserId,
        /// What to change.
        update_dict: dict of ACCOUNT,
    } answers Edited refuses [NOTHING_TO_EDIT, FORBIDDEN, NO_SUCH_USER, NOTES_UNREADABLE, INTERNALLY_NOT_EDITED]
}

fn user_edit(call: &mut Call<'_>, ask: UserEdit) -> Outcome<Edited> {
    let role = ask.user_role.clone();
    let requester = Requester::User(SessionClaim::new(&ask.session_token, ask.user_id, ask.user_role));
    let edited = edit(call, requester, ask.target_userid, ask.update_dict);
    let user_info = edited.map_err(|error| error.map_refusal(|why| refused(why, &role)))?;
    Ok(Done::new(Edited { user_info }, "The changes were made."))
}

fn refused(why: EditRefused, role: &str) -> Failure {
    match why {
        EditRefused::SystemUser => SYSTEM_USER.to_failure(),
        EditRefused::NoSession => NO_SESSION.to_failure(),
        EditRefused::NoOwnSession => NO_SELF_SESSION.to_failure(),
        EditRefused::OwnKeys => SELF_OTHER_KEYS.to_refused().naming(&[("role", role)]).into(),
        EditRefused::Keys(keys) => {
            OTHER_KEYS.to_refused().naming(&[("role", role), ("keys", &quoted(&keys))]).into()
        }
        EditRefused::NoSuchRole => BAD_ROLE.to_failure(),
        EditRefused::NotesUnreadable => NOTES_UNREADABLE.to_failure(),
        EditRefused::ToBeProven => TO_BE_PROVEN.to_failure(),
        EditRefused::Empty
        | EditRefused::NoSuchUser
        | EditRefused::BadName
        | EditRefused::BadEmail
        | EditRefused::NotForPeople
        | EditRefused::Value
        | EditRefused::Conflict
        | EditRefused::LastAdministrator => NOT_EDITED.to_failure(),
    }
}

fn internal_user_edit(call: &mut Call<'_>, ask: InternalUserEdit) -> Outcome<Edited> {
    let edited = edit(call, Requester::CallingServer, ask.target_userid, ask.update_dict);
    let user_info = edited.map_err(|error| error.map_refusal(internally_refused))?;
    Ok(Done::new(Edited { user_info }, "The changes were made."))
}

fn internally_refused(why: EditRefused) -> Failure {
    match why {
        EditRefused::Empty => NOTHING_TO_EDIT.to_failure(),
        EditRefused::Keys(keys) => FORBIDDEN.to_refused().naming(&[("keys", &quoted(&keys))]).into(),
        EditRefused::NoSuchUser => NO_SUCH_USER.to_failure(),
        EditRefused::NotesUnreadable => NOTES_UNREADABLE.to_failure(),
        EditRefused::SystemUser
        | EditRefused::NoSession
        | EditRefused::NoOwnSession
        | EditRefused::OwnKeys
        | EditRefused::NoSuchRole
        | EditRefused::ToBeProven
        | EditRefused::BadName
        | EditRefused::BadEmail
        | EditRefused::NotForPeople
        | EditRefused::Value
        | EditRefused::Conflict
        | EditRefused::LastAdministrator => INTERNALLY_NOT_EDITED.to_failure(),
    }
}

/// Keys as a reason lists them.
fn quoted(keys: &[String]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| format!("'{key}'")).collect();
    keys.join(", ")
}

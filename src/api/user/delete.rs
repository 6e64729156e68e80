//! Deleting users: by themselves with their password, or by the calling server.

use crate::accounts::actor::Performer;
use crate::accounts::delete::{DeleteRefused, delete, delete_own};
use crate::api::refusals::{LOCKED, TOO_SOON_FOR_USER};
use crate::app::Call;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::user_id::UserId;

const UNPROVEN: &str = "The e-mail address or the password could not be confirmed.";
const UNKNOWN: Refusal = Refusal::new("invalid email", UNPROVEN);
const WRONG_PASSWORD: Refusal = Refusal::new("invalid password", UNPROVEN);
const IS_SUPERUSER: Refusal =
    Refusal::new("can't delete superusers", "Administrators' accounts cannot be deleted.");
const NOT_DELETED: Refusal = Refusal::new("user deletion failed in DB", "The account could not be deleted.");

requests! {
    /// Deletes the account of somebody who proves it with their password.
    "user-delete" => user_delete(UserDelete) {
        /// The address the user signed up with.
        email: str,
        /// The user's number.
        user_id: UserId,
        /// What the user typed.
        password: password,
    } answers Deleted {
        /// The user's number.
        user_id: UserId,
        /// The address that was given.
        email: String,
    } refuses [UNKNOWN, WRONG_PASSWORD, IS_SUPERUSER, NOT_DELETED, LOCKED, TOO_SOON_FOR_USER]

    /// Deletes an account. An unknown number is not an error.
    "internal-user-delete" => internal_user_delete(InternalUserDelete), broken NOT_DELETED, repeat same {
        /// Whom to delete.
        target_userid: UserId,
    } answers InternallyDeleted {
        /// The user's number.
        user_id: UserId,
    } refuses [NOT_DELETED]
}

fn user_delete(call: &mut Call<'_>, ask: UserDelete) -> Outcome<Deleted> {
    let UserDelete { email, user_id, password } = ask;
    let deleted = delete_own(call, user_id, EmailAddress::folded(&email), &password);
    deleted.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            refusal(why).to_refused().with("user_id", user_id).with("email", email.as_str()).into()
        })
    })?;
    Ok(Done::new(Deleted { user_id, email }, "The account was deleted."))
}

const fn refusal(why: DeleteRefused) -> Refusal {
    match why {
        DeleteRefused::Unknown => UNKNOWN,
        DeleteRefused::WrongPassword => WRONG_PASSWORD,
        DeleteRefused::Locked => LOCKED,
        DeleteRefused::TooSoon => TOO_SOON_FOR_USER,
        DeleteRefused::Superuser => IS_SUPERUSER,
        DeleteRefused::SystemUser
        | DeleteRefused::OwnsGroup
        | DeleteRefused::LastAdministrator
        | DeleteRefused::Overtaken => NOT_DELETED,
    }
}

fn internal_user_delete(call: &mut Call<'_>, ask: InternalUserDelete) -> Outcome<InternallyDeleted> {
    let user_id = ask.target_userid;
    let deleted = delete(call, &Performer::CallingServer, user_id);
    deleted.map_err(|error| error.map_refusal(|why| -> Failure { refusal(why).to_failure() }))?;
    Ok(Done::new(InternallyDeleted { user_id }, "The account was deleted."))
}

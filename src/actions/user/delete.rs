//! Deleting users: by themselves with their password, or by the calling server.

use crate::accounts::authenticate::{Claim, LOCKED, Proof, prove};
use crate::accounts::lock;
use crate::app::Call;
use crate::outcome::{Done, Failure, Outcome, Refusal, Refused};
use crate::policy::email::EmailAddress;
use crate::policy::roles::{Role, is_system_user};
use crate::requests;
use crate::store::{StoreError, Tx, attempts, users};

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
        user_id: int,
        /// What the user typed.
        password: password,
    } answers Deleted {
        /// The user's number.
        user_id: i64,
        /// The address that was given.
        email: String,
    } refuses [UNKNOWN, WRONG_PASSWORD, IS_SUPERUSER, NOT_DELETED, LOCKED]

    /// Deletes an account. A number that nobody has is fine.
    "internal-user-delete" => internal_user_delete(InternalUserDelete), broken NOT_DELETED {
        /// Whom to delete.
        target_userid: int,
    } answers InternallyDeleted {
        /// The user's number.
        user_id: i64,
    } refuses [NOT_DELETED]
}

fn user_delete(call: &mut Call<'_>, ask: UserDelete) -> Outcome<Deleted> {
    let UserDelete { email, user_id, password } = ask;
    let echo = |refused: Refused| -> Failure {
        refused.with("user_id", user_id).with("email", email.as_str()).into()
    };
    let address = EmailAddress::folded(&email);
    let known = call.read(|db| users::id_by_email(db, &address))? == Some(user_id);
    let claim = Claim::UserWithEmail(user_id, address);
    let proven = match prove(call, &claim, &password, |_| true)? {
        Proof::Right(proven) => proven.credentials,
        Proof::Barred(_) | Proof::Wrong if known => return Err(echo(WRONG_PASSWORD.made())),
        Proof::Barred(_) | Proof::Wrong => return Err(echo(UNKNOWN.made())),
        Proof::Locked => return Err(echo(LOCKED.made())),
    };
    if proven.user_role == Role::SUPERUSER {
        return Err(echo(IS_SUPERUSER.made()));
    }
    let echoed = email.clone();
    call.write(move |tx| {
        let refuse = || -> Failure {
            NOT_DELETED.made().with("user_id", user_id).with("email", echoed.as_str()).into()
        };
        // Only the account that the password was tested against, as it was then.
        let now = users::credentials_by_id(tx, user_id)?;
        let unchanged = now.is_some_and(|now| {
            now.user_role != Role::SUPERUSER
                && !is_system_user(user_id)
                && now.password.matches(proven.password.expose().as_bytes())
        });
        if unchanged { delete(tx, user_id, refuse) } else { Err(refuse()) }
    })?;
    Ok(Done::new(Deleted { user_id, email }, "The account was deleted."))
}

fn internal_user_delete(call: &mut Call<'_>, ask: InternalUserDelete) -> Outcome<InternallyDeleted> {
    let user_id = ask.target_userid;
    if is_system_user(user_id) {
        return Err(NOT_DELETED.refuse());
    }
    call.write(move |tx| delete(tx, user_id, || NOT_DELETED.refuse()))?;
    Ok(Done::new(InternallyDeleted { user_id }, "The account was deleted."))
}

/// Deletes a user with everything that is theirs, if there is one. One who owns a group stays, and so does the last who
/// can administer.
fn delete(tx: &Tx<'_>, user_id: i64, refuse: impl Fn() -> Failure) -> Result<(), Failure> {
    let Some(user) = users::credentials_by_id(tx, user_id)? else { return Ok(()) };
    lock::keeping_an_administrator(tx, &refuse, || {
        attempts::delete_of_account(tx, &user.email)?;
        match users::delete(tx, user_id) {
            Ok(_) => Ok(()),
            Err(StoreError::Dangling) => Err(refuse()),
            Err(other) => Err(other.into()),
        }
    })
}

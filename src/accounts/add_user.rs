//! Adding a user who need not sign up: whoever adds them vouches for the address, so that they can log in at once.

use super::actor::Performer;
use super::error::OperationError;
use super::new_password::check_new_password;
use crate::app::Context;
use crate::guard::secret::Password;
use crate::guard::token::uuid4;
use crate::policy::email::EmailAddress;
use crate::policy::full_name::FullName;
use crate::policy::roles::Role;
use crate::store::events::{EventKind, NewEvent};
use crate::store::users::NewUser;
use crate::store::{StoreError, users};
use crate::user_id::UserId;
use std::borrow::Cow;

/// What is noted about such a user.
const NOTES: &str = r#"{"provenance": "operator-created", "type": "normal-user"}"#;

/// A user to be added.
pub struct Addition<'a> {
    /// Their address, as it was typed.
    pub email: &'a str,
    /// Their name, as it was typed; may be empty.
    pub full_name: &'a str,
    /// Their password.
    pub password: &'a Password,
    /// Their role.
    pub role: &'a str,
}

/// A user that was added.
pub struct Added {
    /// Their number.
    pub user_id: UserId,
    /// Their public identifier.
    pub system_id: String,
    /// Their address.
    pub email: EmailAddress,
}

/// Why nobody was added.
pub enum AddRefused {
    /// No account can have the address.
    BadEmail,
    /// The name cannot be used.
    BadName,
    /// There is no such role, or it is one for no person.
    NoSuchRole,
    /// The password breaks these rules.
    BadPassword(Vec<Cow<'static, str>>),
    /// Somebody has the address already, verified or not.
    Known,
}

/// Adds a user who is verified and active.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub fn add_user(
    context: &mut Context<'_>,
    by: &Performer,
    addition: &Addition<'_>,
) -> Result<Added, OperationError<AddRefused>> {
    let refused = OperationError::Refused;
    let email = EmailAddress::accept_for_signup(addition.email).map_err(|_| refused(AddRefused::BadEmail))?;
    let full_name = FullName::accept(addition.full_name).map_err(|_| refused(AddRefused::BadName))?;
    if !Role::is_for_people(addition.role) || context.app().policy.load().role(addition.role).is_none() {
        return Err(refused(AddRefused::NoSuchRole));
    }
    if context.read(|db| users::id_by_email(db, &email))?.is_some() {
        return Err(refused(AddRefused::Known));
    }
    let broken = check_new_password(context, addition.password, email.as_str(), &[full_name.as_str()]);
    if !broken.is_empty() {
        return Err(refused(AddRefused::BadPassword(broken)));
    }
    context.concerns(email.as_str());
    let new = NewUser {
        system_id: uuid4(context.rng()),
        full_name: full_name.as_str().to_owned(),
        password: context.hash(addition.password)?,
        email,
        email_verified: true,
        is_active: true,
        emailverify_sent_datetime: None,
        extra_info: NOTES.to_owned(),
        user_role: Role::known(addition.role.to_owned()),
        verification_email_due: false,
    };
    let (trail, noted_by) = (context.trail(), by.clone());
    let added = context.write(move |tx| {
        let user_id = users::insert(tx, &new).map_err(|error| match error {
            StoreError::Duplicate(_) => refused(AddRefused::Known),
            StoreError::ForeignKey => refused(AddRefused::NoSuchRole),
            other => other.into(),
        })?;
        // The address is proven, whoever signed it up while it was another account's.
        users::end_contest(tx, &new.email)?;
        trail.note(tx, &noted_by, NewEvent::about(EventKind::AccountAdded, user_id))?;
        Ok::<_, OperationError<AddRefused>>(Added {
            user_id,
            system_id: new.system_id.clone(),
            email: new.email.clone(),
        })
    })?;
    by.log(context, "account added", added.user_id);
    Ok(added)
}

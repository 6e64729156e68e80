//! Whether the policy lets a user do something, with the user as the database knows them. Whoever writes asks inside the
//! write: a permission holds for the transaction that it was given in, and no longer.

use crate::policy::access::{Access, Decision, SharedWith};
use crate::policy::model::Policy;
use crate::policy::roles::Role;
use crate::store::users::{self, AuthUser};
use crate::store::{Db, StoreError};
use crate::user_id::UserId;

/// The kind of item that API keys are.
pub const APIKEY: &str = "apikey";

/// Leave to do one thing to the API keys of a user, for as long as the transaction lasts that it was given in.
#[must_use]
pub struct Permitted {
    owner_id: UserId,
}

impl Permitted {
    /// Whose keys it is about.
    pub(super) const fn owner_id(&self) -> UserId {
        self.owner_id
    }
}

/// Whether a user is active.
///
/// # Errors
///
/// A failing database.
pub fn is_active(db: &Db<'_>, user_id: UserId) -> Result<bool, StoreError> {
    Ok(users::credentials_by_id(db, user_id)?.is_some_and(|user| user.is_active))
}

/// Whether a user is active and has this role.
///
/// # Errors
///
/// A failing database.
pub fn is_active_in_role(db: &Db<'_>, user_id: UserId, role: &str) -> Result<bool, StoreError> {
    let fits = |user: AuthUser| user.is_active && user.user_role == *role;
    Ok(users::credentials_by_id(db, user_id)?.is_some_and(fits))
}

/// Whether the user of this number, active and in this role, may do this to the API keys of another, or of their own.
/// Superusers may even if the owner is not active any more, so that such keys can be taken away.
///
/// # Errors
///
/// A failing database.
pub fn over_apikeys(
    db: &Db<'_>,
    policy: &Policy,
    user_id: UserId,
    role: &str,
    action: &str,
    owner_id: UserId,
) -> Result<Option<Permitted>, StoreError> {
    let asks = is_active_in_role(db, user_id, role)?;
    let owner = users::credentials_by_id(db, owner_id)?;
    let owner_counts = owner.is_some_and(|owner| owner.is_active || Role::SUPERUSER == *role);
    let decision = policy.decide(&Access {
        user_id,
        role,
        action,
        item: APIKEY,
        owner_id,
        visibility: "private",
        shared_with: &SharedWith::nobody(),
    });
    Ok((asks && owner_counts && decision == Decision::Granted).then_some(Permitted { owner_id }))
}

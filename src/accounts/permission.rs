//! Whether the policy lets a user do something, with the user as the database knows them. Whoever writes asks inside the
//! write: a permission holds for the transaction that it was given in, and no longer.

use crate::policy::access::{Access, Decision, SharedWith};
use crate::policy::model::Policy;
use crate::policy::roles::Role;
use crate::store::users::{self, Credentials};
use crate::store::{Db, StoreError};

/// The kind of item that API keys are.
pub const APIKEY: &str = "apikey";

/// A user who may do something to API keys.
#[must_use]
pub struct Permitted;

/// Whether the user of this number, active and in this role, may do this to the API keys of another, or of their own.
/// Superusers may even if the owner is not active any more, so that such keys can be taken away.
///
/// # Errors
///
/// A failing database.
pub fn over_apikeys(
    db: &Db<'_>,
    policy: &Policy,
    user_id: i64,
    role: &str,
    action: &str,
    owner_id: i64,
) -> Result<Option<Permitted>, StoreError> {
    let asks = users::credentials_by_id(db, user_id)?;
    let asks = asks.is_some_and(|user: Credentials| user.is_active && user.user_role == *role);
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
    Ok((asks && owner_counts && decision == Decision::Granted).then_some(Permitted))
}

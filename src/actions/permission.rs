//! Whether the policy lets a user do something, with the user as the database knows them.

use crate::app::Call;
use crate::outcome::Failure;
use crate::policy::access::{Access, Decision, SharedWith};
use crate::store::users;

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
    call: &Call<'_>,
    user_id: i64,
    role: &str,
    action: &str,
    owner_id: i64,
) -> Result<Option<Permitted>, Failure> {
    let is_in_role = |user: &users::Credentials| user.is_active && user.user_role == role;
    let (asks, owns) = call
        .read(|db| Ok((users::credentials_by_id(db, user_id)?, users::credentials_by_id(db, owner_id)?)))?;
    let asks = asks.is_some_and(|user| is_in_role(&user));
    let owner_counts = owns.is_some_and(|owner| owner.is_active || role == "superuser");
    let decision = call.app().policy.load().decide(&Access {
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

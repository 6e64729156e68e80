//! The events that an edit leaves.

use crate::accounts::actor::Performer;
use crate::store::events::{EventKind, NewEvent, Trail};
use crate::store::users::User;
use crate::store::{StoreError, Tx};

/// Writes down what an edit of these keys has made of an account.
pub(super) fn edited(
    tx: &Tx<'_>,
    trail: &Trail,
    by: &Performer,
    keys: &[String],
    (before, after): (&User, &User),
    was_contested: bool,
) -> Result<(), StoreError> {
    let about = |kind| NewEvent::about(kind, before.user_id);
    trail.note(tx, by, about(EventKind::AccountEdited).detail(keys.join(", ")))?;
    if before.email != after.email {
        trail.note(tx, by, about(EventKind::EmailChanged))?;
    }
    match (before.user_role.is_locked(), after.user_role.is_locked()) {
        (false, true) => trail.note(tx, by, about(EventKind::AccountLocked))?,
        (true, false) => trail.note(tx, by, about(EventKind::AccountUnlocked))?,
        _ => {}
    }
    if before.user_role != after.user_role {
        let roles = format!("from {} to {}", before.user_role.as_str(), after.user_role.as_str());
        trail.note(tx, by, about(EventKind::RoleChanged).detail(roles))?;
    }
    if !before.email_verified && after.email_verified {
        trail.note(tx, by, about(EventKind::AccountVerified))?;
    }
    if was_contested {
        trail.note(tx, by, about(EventKind::PasswordRemoved))?;
    }
    Ok(())
}

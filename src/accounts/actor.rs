//! Who is asking: proves that a session is live and belongs to an active user in the role that was claimed. Whoever
//! writes on an actor's behalf asks inside the write, so that nobody acts in a role that was taken from them meanwhile.

use crate::guard::secret::Secret;
use crate::guard::token::StoredToken;
use crate::policy::roles::Role;
use crate::store::{Db, StoreError, sessions};

/// An active user, proven by a session of theirs, in the role they have now.
#[must_use]
pub struct Actor {
    /// The user's number.
    pub user_id: i64,
    /// The user's role.
    pub role: Role,
}

/// The one who asks, or nobody when the session is not live or belongs to somebody else or to another role.
///
/// # Errors
///
/// A failing database.
pub fn actor(
    db: &Db<'_>,
    session_token: &Secret<String>,
    user_id: i64,
    role: &str,
) -> Result<Option<Actor>, StoreError> {
    let session = sessions::live_by_token(db, &StoredToken::of(session_token.expose()))?;
    let fits = session.filter(|session| session.user_id == user_id && session.user_role == *role);
    Ok(fits.map(|session| Actor { user_id: session.user_id, role: session.user_role }))
}

//! What somebody may do with API keys that are there: verify and revoke them. `issue_keys.rs` issues them, and
//! `key_claims.rs` knows what they say.

use super::actor::Performer;
use super::error::OperationError;
use super::key_claims::Presented;
use super::permission::{Permitted, over_apikeys};
use super::revocation;
use super::sessions::PAGE_ROWS_MAX;
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::token::TokenId;
use crate::store::apikeys::ListedKey;
use crate::store::events::{By, EventKind, NewEvent};
use crate::store::{Db, StoreError, Tx, apikeys, apikeys_nosession, scoped_keys};
use crate::user_id::UserId;
use crate::wire::Object;

/// Where a key is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// With the session that it was issued in, and no longer than that.
    InSession,
    /// By itself.
    WithoutSession,
}

/// What kind a key in a list is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ListedKind {
    /// See [`KeyKind::InSession`].
    InSession,
    /// See [`KeyKind::WithoutSession`].
    WithoutSession,
    /// One text, with scopes: see `scoped_keys.rs`.
    Scoped,
}

impl ListedKind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::InSession, Self::WithoutSession, Self::Scoped];
}

/// Who wants something done with a key that is there.
pub struct KeyRequester {
    /// The user's number.
    pub user_id: UserId,
    /// The role in which they ask.
    pub user_role: String,
}

/// Why nothing was done with a key.
pub enum KeyRefused {
    /// The policy does not let them do this with this owner's keys.
    NotAllowed,
    /// The claims are not those of a valid key.
    NotValid,
    /// There is no such key to revoke.
    NotThere,
}

/// Verifies the key of these claims on behalf of its owner or of an administrator; tells when it ends.
///
/// # Errors
///
/// Why not; a failing database.
pub fn verify(
    context: &Context<'_>,
    kind: KeyKind,
    requester: &KeyRequester,
    claims: &Object,
) -> Result<Timestamp, OperationError<KeyRefused>> {
    let refused = OperationError::Refused;
    let key = Presented::of(claims).ok_or_else(|| refused(KeyRefused::NotValid))?;
    let policy = context.app().policy.load_full();
    let found = context.read(|db| {
        let KeyRequester { user_id, user_role } = requester;
        let permitted = over_apikeys(db, &policy, *user_id, user_role, "view", key.name.user_id)?;
        permitted.map(|permitted| permitted.expiry(db, kind, &key)).transpose()
    })?;
    found.ok_or_else(|| refused(KeyRefused::NotAllowed))?.ok_or_else(|| refused(KeyRefused::NotValid))
}

/// Revokes the key of these claims on behalf of its owner or of an administrator.
///
/// # Errors
///
/// Why not; a failing database.
pub fn revoke(
    context: &Context<'_>,
    kind: KeyKind,
    requester: KeyRequester,
    claims: &Object,
) -> Result<(), OperationError<KeyRefused>> {
    let refused = OperationError::Refused;
    let key = Presented::of(claims).ok_or_else(|| refused(KeyRefused::NotValid))?;
    let policy = context.app().policy.load_full();
    let trail = context.trail();
    context.write(move |tx| {
        let KeyRequester { user_id, ref user_role } = requester;
        let permitted = over_apikeys(tx, &policy, user_id, user_role, "delete", key.name.user_id)?;
        let permitted = permitted.ok_or_else(|| refused(KeyRefused::NotAllowed))?;
        if !permitted.revoke(tx, kind, &key)? {
            return Err(refused(KeyRefused::NotThere));
        }
        let event = NewEvent::about(EventKind::KeyRevoked, key.name.user_id).object(key.name.token.id());
        Ok(trail.note(tx, By::calling_server_for(user_id), event)?)
    })
}

/// Why the keys of a user were not revoked.
pub enum RevokeAllRefused {
    /// The policy does not let them do this with this owner's keys.
    NotAllowed,
    /// The claims are not those of a valid key, or the policy does not let them see it.
    NotValid,
}

/// Revokes all keys without a session of the owner of the key of these claims, which has to be valid. Tells how many.
///
/// # Errors
///
/// Why not; a failing database.
pub fn revoke_all(
    context: &Context<'_>,
    requester: KeyRequester,
    claims: &Object,
) -> Result<usize, OperationError<RevokeAllRefused>> {
    let refused = OperationError::Refused;
    let key = Presented::of(claims).ok_or_else(|| refused(RevokeAllRefused::NotValid))?;
    let policy = context.app().policy.load_full();
    let trail = context.trail();
    context.write(move |tx| {
        let KeyRequester { user_id, ref user_role } = requester;
        let may = |action: &str| over_apikeys(tx, &policy, user_id, user_role, action, key.name.user_id);
        let may_delete = may("delete")?.ok_or_else(|| refused(RevokeAllRefused::NotAllowed))?;
        let may_view = may("view")?.ok_or_else(|| refused(RevokeAllRefused::NotValid))?;
        if may_view.expiry(tx, KeyKind::WithoutSession, &key)?.is_none() {
            return Err(refused(RevokeAllRefused::NotValid));
        }
        trail.note(
            tx,
            By::calling_server_for(user_id),
            NewEvent::about(EventKind::KeysRevoked, key.name.user_id),
        )?;
        Ok(may_delete.revoke_all(tx)?)
    })
}

/// Keys of a user that can still be used or renewed, in the order of their identifiers: those after `after`, at most
/// `rows` and never more than [`PAGE_ROWS_MAX`].
///
/// # Errors
///
/// A failing database.
pub fn list(
    context: &Context<'_>,
    kind: ListedKind,
    user_id: UserId,
    after: Option<TokenId>,
    rows: i64,
) -> Result<Vec<ListedKey>, StoreError> {
    let mut listed = context.read(|db| page(db, kind, user_id, after, rows))?;
    add_unwritten_uses(context, &mut listed);
    Ok(listed)
}

/// Has each key with scopes tell of a use that is not written down yet.
pub(super) fn add_unwritten_uses(context: &Context<'_>, listed: &mut [ListedKey]) {
    for key in listed {
        if let Some(scoped) = &mut key.scoped {
            scoped.last_used = scoped.last_used.max(context.app().remembered.key_uses.last(key.id));
        }
    }
}

/// See [`list`].
pub(super) fn page(
    db: &Db<'_>,
    kind: ListedKind,
    user_id: UserId,
    after: Option<TokenId>,
    rows: i64,
) -> Result<Vec<ListedKey>, StoreError> {
    let rows = rows.clamp(0, PAGE_ROWS_MAX);
    match kind {
        ListedKind::InSession => apikeys::list(db, user_id, after, rows),
        ListedKind::WithoutSession => apikeys_nosession::list(db, user_id, after, rows),
        ListedKind::Scoped => scoped_keys::list(db, user_id, after, rows),
    }
}

/// Removes the key of this identifier, of whichever kind it is; tells whose it was. With an `owner`, it is left alone
/// unless it is theirs.
pub(super) fn delete_by_id(
    tx: &Tx<'_>,
    id: TokenId,
    owner: Option<UserId>,
) -> Result<Option<UserId>, StoreError> {
    for delete in [apikeys::delete_by_id, apikeys_nosession::delete_by_id, scoped_keys::delete_by_id] {
        if let Some(owner) = delete(tx, id, owner)? {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}

/// Revokes the key of this identifier, of whichever kind it is; tells whose it was.
///
/// # Errors
///
/// A failing database.
pub fn revoke_by_id(
    context: &Context<'_>,
    by: &Performer,
    id: TokenId,
) -> Result<Option<UserId>, StoreError> {
    let (trail, noted_by) = (context.trail(), by.clone());
    let owner = context.write(move |tx| {
        let owner = delete_by_id(tx, id, None)?;
        if let Some(owner) = owner {
            trail.note(tx, &noted_by, NewEvent::about(EventKind::KeyRevoked, owner).object(id))?;
        }
        Ok::<_, StoreError>(owner)
    })?;
    if let Some(user_id) = owner {
        by.log(context, "API key revoked", user_id);
    }
    Ok(owner)
}

/// Revokes all keys of a user, of all kinds, and keeps requests that are under way from issuing more. Tells how many.
///
/// # Errors
///
/// A failing database.
pub fn revoke_all_of(context: &Context<'_>, by: &Performer, user_id: UserId) -> Result<usize, StoreError> {
    let (trail, noted_by) = (context.trail(), by.clone());
    let revoked = context.write(move |tx| {
        let revoked = revocation::keys(tx, user_id)?;
        if revoked > 0 {
            trail.note(tx, &noted_by, NewEvent::about(EventKind::KeysRevoked, user_id))?;
        }
        Ok::<_, StoreError>(revoked)
    })?;
    if revoked > 0 {
        by.log(context, "all API keys revoked", user_id);
    }
    Ok(revoked)
}

impl Permitted {
    /// When a key ends, if it is valid and the owner's.
    ///
    /// # Errors
    ///
    /// A failing database.
    fn expiry(self, db: &Db<'_>, kind: KeyKind, key: &Presented) -> Result<Option<Timestamp>, StoreError> {
        if key.name.user_id != self.owner_id() {
            return Ok(None);
        }
        Ok(match kind {
            KeyKind::InSession => apikeys::valid(db, &key.name)?
                .filter(|known| key.is_unaltered(known.claims_hash.as_ref()))
                .map(|known| known.expires),
            KeyKind::WithoutSession => apikeys_nosession::valid(db, &key.name)?
                .filter(|known| key.is_unaltered(known.claims_hash.as_ref()))
                .map(|known| known.expires),
        })
    }

    /// Revokes a key of the owner's; tells whether there was one.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub(super) fn revoke(self, tx: &Tx<'_>, kind: KeyKind, key: &Presented) -> Result<bool, StoreError> {
        if key.name.user_id != self.owner_id() {
            return Ok(false);
        }
        match kind {
            KeyKind::InSession => apikeys::delete(tx, &key.name),
            KeyKind::WithoutSession => apikeys_nosession::delete(tx, &key.name),
        }
    }

    /// Revokes all keys without a session that the owner has; tells how many.
    ///
    /// # Errors
    ///
    /// A failing database.
    fn revoke_all(self, tx: &Tx<'_>) -> Result<usize, StoreError> {
        apikeys_nosession::delete_by_user(tx, self.owner_id())
    }
}

//! Whether the policy lets a user do something, with the user as the database knows them. A write asks inside its
//! transaction: a permission is valid only there.

use super::error::OperationError;
use crate::app::Context;
use crate::log;
use crate::policy::access::{Access, Decision, Denial, LimitDecision, SharedWith};
use crate::policy::model::Policy;
use crate::policy::roles::Role;
use crate::store::{Db, StoreError, standing};
use crate::user_id::UserId;
use serde_json::Value;

/// The kind of item that API keys are.
pub const APIKEY: &str = "apikey";

/// Permission to do one thing to the API keys of a user, valid in the transaction that granted it.
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

/// Why somebody may not do something to an item.
pub enum AccessRefused {
    /// The policy does not permit it, and why.
    Denied(Denial),
    /// The user is not active, or not in that role.
    NotActive,
    /// The user whose item it is is not active.
    OwnerNotActive,
}

/// Whether the policy permits something to users who are active.
///
/// # Errors
///
/// Why not; a failing database.
pub fn check_access(context: &Context<'_>, access: &Access<'_>) -> Result<(), OperationError<AccessRefused>> {
    let judged = context.app().policy.load().judge(access);
    if judged == Err(Denial::UnknownRole) {
        return Err(OperationError::Refused(AccessRefused::Denied(Denial::UnknownRole)));
    }
    let (asks, owns) = context.read(|db| {
        let asks = is_active_in_role(db, access.user_id, access.role)?;
        let owns = access.owner_id == access.user_id || is_active(db, access.owner_id)?;
        Ok((asks, owns))
    })?;
    decided(judged, asks, owns)
}

/// The same for a user who was found to be active and in that role just now: the database is asked only about another
/// owner.
///
/// # Errors
///
/// Why not; a failing database.
pub(super) fn check_access_of_active(
    context: &Context<'_>,
    access: &Access<'_>,
) -> Result<(), OperationError<AccessRefused>> {
    let judged = context.app().policy.load().judge(access);
    let owns = access.owner_id == access.user_id || context.read(|db| is_active(db, access.owner_id))?;
    decided(judged, true, owns)
}

fn decided(judged: Result<(), Denial>, asks: bool, owns: bool) -> Result<(), OperationError<AccessRefused>> {
    let refused = |why| Err(OperationError::Refused(why));
    match judged {
        _ if !asks => refused(AccessRefused::NotActive),
        _ if !owns => refused(AccessRefused::OwnerNotActive),
        Ok(()) => Ok(()),
        Err(denial) => refused(AccessRefused::Denied(denial)),
    }
}

/// Why a value is not within a limit.
pub enum LimitRefused {
    /// It is at the limit or beyond.
    Over,
    /// The user is not active, or not in that role.
    NotActive,
    /// The policy has no such role.
    UnknownRole,
}

/// Whether a value is within a limit that the policy sets for the role of an active user.
///
/// # Errors
///
/// Why not; a failing database.
pub fn check_limit(
    context: &Context<'_>,
    user_id: UserId,
    role: &str,
    limit: &str,
    value: &Value,
) -> Result<(), OperationError<LimitRefused>> {
    let refused = |why| Err(OperationError::Refused(why));
    let policy = context.app().policy.load();
    let decision = policy.check_limit(role, limit, value);
    if decision == LimitDecision::UnknownRole {
        return refused(LimitRefused::UnknownRole);
    }
    if !context.read(|db| is_active_in_role(db, user_id, role))? {
        return refused(LimitRefused::NotActive);
    }
    // A limit that no role has is never exceeded. Most likely its name is misspelt.
    if !policy.knows_limit(limit)
        && let Some(count) = context.app().unknown_limits.count(context.app().clock.monotonic())
    {
        log::warning("limits were checked that the policy gives to no role", &[("count", count.into())]);
    }
    match decision {
        LimitDecision::Within => Ok(()),
        _ => refused(LimitRefused::Over),
    }
}

/// Whether a user is active.
fn is_active(db: &Db<'_>, user_id: UserId) -> Result<bool, StoreError> {
    Ok(standing::by_id(db, user_id)?.is_some_and(|user| user.is_active))
}

/// Whether a user is active and has this role.
fn is_active_in_role(db: &Db<'_>, user_id: UserId, role: &str) -> Result<bool, StoreError> {
    Ok(standing::by_id(db, user_id)?.is_some_and(|user| user.is_active_in(role)))
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
    let user = standing::by_id(db, user_id)?;
    let asks = user.as_ref().is_some_and(|user| user.is_active_in(role));
    // Most ask about their own.
    let owner = if owner_id == user_id { user } else { standing::by_id(db, owner_id)? };
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

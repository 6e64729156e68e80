//! API keys that are one text and have scopes: issued, checked and given new secrets. `own.rs` lists and ends them.

use super::error::OperationError;
use super::own::owner;
use super::permission::{check_access_of_active, over_apikeys};
use super::sessions::DAY_SECONDS;
use crate::app::{App, Context};
use crate::clock::Timestamp;
use crate::guard::token::api_key::{NewKeyText, PresentedKey};
use crate::guard::token::{StoredToken, TokenId};
use crate::policy::access::{Access, SharedWith};
use crate::policy::model::Policy;
use crate::policy::scopes::Scopes;
use crate::store::events::{By, EventKind, NewEvent};
use crate::store::scoped_keys::{self, NewScopedKey, ValidScopedKey};
use crate::store::sessions::LiveSession;
use crate::store::{StoreError, Tx};
use crate::user_id::UserId;

/// Keys that one user can have.
const KEYS_MAX: i64 = 100;
/// The longest name of a key.
const NAME_CHARACTERS_MAX: usize = 100;
/// The longest time for which an old secret stays good.
const OVERLAP_SECONDS_MAX: i64 = 30 * DAY_SECONDS;
/// With this as the longest life of a key in days, there is no limit, and so a key may be one that never expires.
const NO_LIMIT_DAYS: u32 = 36_500;

/// A key that somebody wants.
pub struct Wanted {
    /// What they call it.
    pub name: String,
    /// What it is to be good for, as it is written.
    pub scopes: Vec<String>,
    /// In how many days it is to end, if ever.
    pub days: Option<i64>,
}

/// A key that was issued, or that has a new secret.
pub struct Issued {
    /// What it is called.
    pub id: TokenId,
    /// Its text.
    pub text: NewKeyText,
    /// When it ends, or when its old secret does.
    pub ends: Option<Timestamp>,
}

/// Why no key was issued.
#[derive(Clone, Copy)]
pub enum IssueRefused {
    /// Nobody is logged in with that session.
    NotLoggedIn,
    /// The policy does not let them have a key.
    NotAllowed,
    /// That is no name for a key.
    Name,
    /// That is nothing that a key can be good for.
    Scopes,
    /// A key cannot live that long.
    Days,
    /// They have as many as they can have.
    TooMany,
}

/// Issues a key to whoever shows this session.
///
/// # Errors
///
/// Why not; a failing database.
pub fn issue(
    context: &Context<'_>,
    session: StoredToken,
    wanted: Wanted,
) -> Result<Issued, OperationError<IssueRefused>> {
    let refused = OperationError::Refused;
    let policy = context.app().policy.load_full();
    let name = name_of(&wanted.name);
    let scopes = Scopes::new(wanted.scopes, &policy);
    let ends = end_of(context, wanted.days);
    let id = TokenId::random(context.rng());
    let text = NewKeyText::new(&context.config().api_key_prefix, id, context.rng());
    let trail = context.trail();
    context.write(move |tx| {
        let owner = owner(tx, &session)?.ok_or_else(|| refused(IssueRefused::NotLoggedIn))?;
        if !may(tx, &policy, &owner, "create")? {
            return Err(refused(IssueRefused::NotAllowed));
        }
        let name = name.clone().ok_or_else(|| refused(IssueRefused::Name))?;
        let scopes = scopes.clone().ok_or_else(|| refused(IssueRefused::Scopes))?;
        let ends = ends.as_ref().copied().map_err(|why| refused(*why))?;
        if scoped_keys::count(tx, owner.user_id)? >= KEYS_MAX {
            return Err(refused(IssueRefused::TooMany));
        }
        let (user_id, user_role) = (owner.user_id, owner.user_role.as_str().to_owned());
        let secret = text.stored();
        let key = NewScopedKey { id, secret, user_id, user_role, name, scopes, expires: ends };
        scoped_keys::insert(tx, &key)?;
        trail.note(tx, By::session(user_id), NewEvent::about(EventKind::KeyIssued, user_id).object(id))?;
        Ok(Issued { id, text: text.clone(), ends })
    })
}

fn name_of(written: &str) -> Option<String> {
    let name = written.trim();
    let fits = (1..=NAME_CHARACTERS_MAX).contains(&name.chars().take(NAME_CHARACTERS_MAX + 1).count())
        && !name.chars().any(char::is_control);
    fits.then(|| name.to_owned())
}

/// When a key ends that is to live for so many days, if the operator lets it.
fn end_of(context: &Context<'_>, days: Option<i64>) -> Result<Option<Timestamp>, IssueRefused> {
    let days_max = context.config().api_key_days_max;
    match days {
        None if days_max == NO_LIMIT_DAYS => Ok(None),
        Some(days) if (1..=i64::from(days_max)).contains(&days) => {
            context.now().plus_seconds(days * DAY_SECONDS).map(Some).ok_or(IssueRefused::Days)
        }
        _ => Err(IssueRefused::Days),
    }
}

/// Whether the policy lets somebody do this with keys of their own.
fn may(tx: &Tx<'_>, policy: &Policy, owner: &LiveSession, action: &str) -> Result<bool, StoreError> {
    let id = owner.user_id;
    Ok(over_apikeys(tx, policy, id, owner.user_role.as_str(), action, id)?.is_some())
}

/// What somebody wants to do by a key.
pub struct Use<'a> {
    /// What is to be done.
    pub action: &'a str,
    /// The kind of the item.
    pub item: &'a str,
    /// Whose item it is, if not the key's owner's.
    pub owner_id: Option<UserId>,
    /// Who can see it.
    pub visibility: &'a str,
    /// Whom it is shared with.
    pub shared_with: &'a SharedWith,
}

/// Why a key is not good for something.
pub enum CheckRefused {
    /// It is good for nothing: it is none, or it has ended, or its owner is not active in its role.
    NotValid,
    /// None of its scopes covers that.
    OutOfScope,
    /// Its owner may not do that.
    NotPermitted,
}

/// Checks a key, and whether it is good for this. One that is mistyped is refused before the database is asked, and
/// another costs one read; an item that is not its owner's costs one more.
///
/// # Errors
///
/// Why not; a failing database.
pub fn check(
    context: &Context<'_>,
    text: &str,
    wanted: Option<&Use<'_>>,
) -> Result<(TokenId, ValidScopedKey), OperationError<CheckRefused>> {
    let refused = OperationError::Refused;
    let presented = PresentedKey::parse(text).ok_or_else(|| refused(CheckRefused::NotValid))?;
    let key = context.read(|db| scoped_keys::valid(db, presented.id))?;
    let key = key.filter(|key| key.is_proven_by(&presented.secret));
    let key = key.ok_or_else(|| refused(CheckRefused::NotValid))?;
    context.app().remembered.key_uses.note(presented.id, context.now());
    let Some(wanted) = wanted else { return Ok((presented.id, key)) };
    if !key.scopes.cover(wanted.action, wanted.item) {
        return Err(refused(CheckRefused::OutOfScope));
    }
    let access = Access {
        user_id: key.user_id,
        role: &key.user_role,
        action: wanted.action,
        item: wanted.item,
        owner_id: wanted.owner_id.unwrap_or(key.user_id),
        visibility: wanted.visibility,
        shared_with: wanted.shared_with,
    };
    check_access_of_active(context, &access)
        .map_err(|error| error.map_refusal(|_| refused(CheckRefused::NotPermitted)))?;
    Ok((presented.id, key))
}

/// Why a key got no new secret.
pub enum RotateRefused {
    /// Nobody is logged in with that session.
    NotLoggedIn,
    /// The policy does not let them.
    NotAllowed,
    /// They have no such key.
    NotFound,
    /// The old secret cannot stay good for so long.
    Overlap,
    /// Two secrets are good already.
    Overlaps,
}

/// Gives a key of whoever shows this session a new secret. The old one stays good for so many seconds. While there are
/// two, only a rotation without an overlap is taken, which ends both: so no secret ends before its time unasked.
///
/// # Errors
///
/// Why not; a failing database.
pub fn rotate(
    context: &Context<'_>,
    session: StoredToken,
    id: TokenId,
    overlap_seconds: i64,
) -> Result<Issued, OperationError<RotateRefused>> {
    let refused = OperationError::Refused;
    let overlaps = overlap_seconds != 0;
    let fits = (0..=OVERLAP_SECONDS_MAX).contains(&overlap_seconds);
    let ends = context.now().plus_seconds(overlap_seconds).filter(|_| fits);
    let policy = context.app().policy.load_full();
    let text = NewKeyText::new(&context.config().api_key_prefix, id, context.rng());
    let trail = context.trail();
    context.write(move |tx| {
        let owner = owner(tx, &session)?.ok_or_else(|| refused(RotateRefused::NotLoggedIn))?;
        // It ends one secret and issues another.
        if !may(tx, &policy, &owner, "delete")? || !may(tx, &policy, &owner, "create")? {
            return Err(refused(RotateRefused::NotAllowed));
        }
        let found = scoped_keys::overlaps(tx, id, owner.user_id)?;
        let has_two = found.ok_or_else(|| refused(RotateRefused::NotFound))?;
        let ends = ends.ok_or_else(|| refused(RotateRefused::Overlap))?;
        if has_two && overlaps {
            return Err(refused(RotateRefused::Overlaps));
        }
        let ends = overlaps.then_some(ends);
        scoped_keys::rotate(tx, id, owner.user_id, &text.stored(), ends)?;
        let event = NewEvent::about(EventKind::KeyRotated, owner.user_id).object(id);
        let event = event.detail(format!("{overlap_seconds} s"));
        trail.note(tx, By::session(owner.user_id), event)?;
        Ok(Issued { id, text: text.clone(), ends })
    })
}

/// Writes down when keys were last used, as far as that is new. What could not be written is tried again next time.
///
/// # Errors
///
/// A failing database.
pub fn write_uses(app: &App) -> Result<(), StoreError> {
    app.remembered.key_uses.write_down(&mut |uses| {
        app.store
            .write(move |tx| uses.iter().try_for_each(|(id, at)| scoped_keys::set_last_used(tx, *id, *at)))
    })
}

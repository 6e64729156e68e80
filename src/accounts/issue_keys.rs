//! Issuing API keys: one that ends with a session, one with a refresh token, and the next one for a refresh token.

use super::error::OperationError;
use super::key_claims::{KeyContent, KeyHolder, NewKey, Presented};
use super::keys::KeyKind;
use super::permission::{Permitted, over_apikeys};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::password::{HasherBusy, Verification};
use crate::guard::secret::Secret;
use crate::guard::token::{StoredToken, Token};
use crate::policy::model::Policy;
use crate::store::apikeys::{self, KeyTimes};
use crate::store::apikeys_nosession::{self, NewRefresh, StoredRefresh};
use crate::store::events::{By, EventKind, NewEvent};
use crate::store::{StoreError, Tx, revocations, sessions};
use crate::wire::Object;

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// When a key or a refresh token is to be valid, in seconds from now.
#[derive(Clone, Copy)]
pub struct Lifetime {
    /// Until it may be used; negative for a time that has passed.
    pub starts_in: f64,
    /// Until it ends.
    pub seconds: i64,
}

impl Lifetime {
    /// The times, if they make sense and keep to the operator's limit.
    fn times(self, now: Timestamp, days_max: u32) -> Option<KeyTimes> {
        if !(0..=i64::from(days_max) * DAY_SECONDS).contains(&self.seconds) {
            return None;
        }
        let expires = now.plus_seconds(self.seconds)?;
        Some(KeyTimes { issued: now, not_valid_before: now.plus_seconds_f64(self.starts_in)?, expires })
    }
}

/// When a key and its refresh token are to be valid.
#[derive(Clone, Copy)]
pub struct PairLifetimes {
    /// The key.
    pub key: Lifetime,
    /// The refresh token.
    pub refresh: Lifetime,
}

impl PairLifetimes {
    /// The times of both, if they make sense and keep to the operator's limits.
    fn times(self, context: &Context<'_>) -> Option<(KeyTimes, KeyTimes)> {
        let (now, config) = (context.now(), context.config());
        let key = self.key.times(now, config.api_key_days_max)?;
        Some((key, self.refresh.times(now, config.refresh_token_days_max)?))
    }
}

/// A key that was issued.
pub struct IssuedKey {
    /// Its claims as JSON text.
    pub text: String,
    /// When it ends.
    pub expires: Timestamp,
}

/// A key that was issued with a refresh token.
pub struct IssuedPair {
    /// The key.
    pub key: IssuedKey,
    /// The refresh token.
    pub refresh_token: Token,
    /// When that ends.
    pub refresh_expires: Timestamp,
}

/// The session that a key is to end with.
pub struct KeySession {
    /// Its token.
    pub token: StoredToken,
    /// What the browser calls itself.
    pub user_agent: String,
}

/// Why no key was issued in a session.
pub enum IssueInSessionRefused {
    /// The policy does not let them have a key.
    NotAllowed,
    /// The session is not live.
    NoSession,
    /// The session's user, role, address or browser is another.
    OtherSession,
    /// The key cannot live that long, or not start then.
    BadTimes,
}

/// Issues a key that ends with a session. `days` is how long it lives at most; `starts_in`, in how many seconds it may
/// be used.
///
/// # Errors
///
/// Why not; a failing database.
pub fn issue_in_session(
    context: &Context<'_>,
    holder: KeyHolder,
    session: KeySession,
    content: KeyContent,
    starts_in: f64,
    days: i64,
) -> Result<IssuedKey, OperationError<IssueInSessionRefused>> {
    let refused = OperationError::Refused;
    let lifetime = Lifetime { starts_in, seconds: days.saturating_mul(DAY_SECONDS) };
    let KeySession { token, user_agent } = session;
    let kept_user_agent = sessions::kept_user_agent(&user_agent).to_owned();
    let key = lifetime
        .times(context.now(), context.config().api_key_days_max)
        .map(|times| NewKey::new(context, &holder, content, Some(user_agent), times));
    let policy = context.app().policy.load_full();
    let trail = context.trail();
    context.write(move |tx| {
        let KeyHolder { user_id, user_role, ip_address } = &holder;
        let user_id = *user_id;
        let permitted = over_apikeys(tx, &policy, user_id, user_role, "create", user_id)?;
        let permitted = permitted.ok_or_else(|| refused(IssueInSessionRefused::NotAllowed))?;
        let session = sessions::live_by_token(tx, &token)?;
        let session = session.ok_or_else(|| refused(IssueInSessionRefused::NoSession))?;
        let is_theirs = session.user_id == user_id
            && session.user_role == **user_role
            && session.ip_address == *ip_address
            && session.user_agent == kept_user_agent;
        if !is_theirs {
            return Err(refused(IssueInSessionRefused::OtherSession));
        }
        let key = key.as_ref().ok_or_else(|| refused(IssueInSessionRefused::BadTimes))?;
        permitted.issue_in_session(tx, key, &token)?;
        let event = NewEvent::about(EventKind::KeyIssued, user_id).object(key.name.token.id());
        trail.note(tx, By::session(user_id), event)?;
        Ok(IssuedKey { text: key.text.clone(), expires: key.times.expires })
    })
}

/// Why no key was issued.
pub enum IssueRefused {
    /// The policy does not let them have a key, or everything of theirs was revoked meanwhile.
    NotAllowed,
    /// The key or its refresh token cannot live that long, or not start then.
    BadTimes,
}

/// Issues a key and the refresh token that renews it.
///
/// # Errors
///
/// Why not; a failing database.
pub fn issue(
    context: &Context<'_>,
    holder: KeyHolder,
    content: KeyContent,
    lifetimes: PairLifetimes,
) -> Result<IssuedPair, OperationError<IssueRefused>> {
    let refused = OperationError::Refused;
    let user_id = holder.user_id;
    let times = lifetimes.times(context);
    let pair = times.map(|times| NewPair::new(context, &holder, content, times));
    let policy = context.app().policy.load_full();
    let before = context.read(|db| revocations::of_user(db, user_id))?;
    let trail = context.trail();
    context.write(move |tx| {
        // What was revoked while this was under way is not issued anew.
        let permitted = holder.may(tx, &policy, "create")?;
        let revoked = revocations::of_user(tx, user_id)? != before;
        let permitted = permitted.filter(|_| !revoked).ok_or_else(|| refused(IssueRefused::NotAllowed))?;
        let pair = pair.as_ref().ok_or_else(|| refused(IssueRefused::BadTimes))?;
        let event = NewEvent::about(EventKind::KeyIssued, user_id).object(pair.key.name.token.id());
        trail.note(tx, By::CALLING_SERVER, event)?;
        Ok(pair.store(tx, permitted)?)
    })
}

/// Why a key was not renewed.
#[derive(Clone, Copy)]
pub enum RefreshRefused {
    /// These are not the claims of a key that can be renewed.
    NoRefreshToken,
    /// The refresh token is another.
    WrongRefreshToken,
    /// The old key is somebody else's, or one that they may not revoke, or was just renewed or revoked.
    MayNotRevoke,
    /// The policy does not let them have a key.
    MayNotIssue,
    /// The key or its refresh token cannot live that long, or not start then.
    BadTimes,
}

/// Renews the key of these claims, which may have expired: a new key and a new refresh token take the place of both.
///
/// # Errors
///
/// Why not; a failing database, or too many passwords waiting.
pub fn refresh(
    context: &Context<'_>,
    holder: KeyHolder,
    claims: &Object,
    refresh_token: &Secret<String>,
    lifetimes: PairLifetimes,
) -> Result<IssuedPair, OperationError<RefreshRefused>> {
    let refused = OperationError::Refused;
    let key = Presented::of(claims).ok_or_else(|| refused(RefreshRefused::NoRefreshToken))?;
    let stored = context.read(|db| apikeys_nosession::refreshable(db, &key.name))?;
    let stored = stored.filter(|stored| key.is_unaltered(stored.claims_hash.as_ref()));
    let stored = stored.ok_or_else(|| refused(RefreshRefused::NoRefreshToken))?;
    if !fits(context, refresh_token, &stored.token)? {
        return Err(refused(RefreshRefused::WrongRefreshToken));
    }
    // The next key says what the old one said.
    let pair = lifetimes.times(context).ok_or(RefreshRefused::BadTimes).and_then(|times| {
        let content = KeyContent::of(claims).ok_or(RefreshRefused::NoRefreshToken)?;
        Ok(NewPair::new(context, &holder, content, times))
    });
    let policy = context.app().policy.load_full();
    let trail = context.trail();
    context.write(move |tx| {
        // A key is renewed for its owner alone, in the role that it was issued for.
        let is_owner = holder.user_id == key.name.user_id && holder.user_role == key.name.user_role;
        let may_revoke = holder.may(tx, &policy, "delete")?.filter(|_| is_owner);
        let may_revoke = may_revoke.ok_or_else(|| refused(RefreshRefused::MayNotRevoke))?;
        let may_issue = holder.may(tx, &policy, "create")?;
        let may_issue = may_issue.ok_or_else(|| refused(RefreshRefused::MayNotIssue))?;
        let pair = pair.as_ref().map_err(|why| refused(*why))?;
        // Of two who come at once, only one finds the old key, with the refresh token that was tested.
        let now = apikeys_nosession::refreshable(tx, &key.name)?;
        let is_same = now.is_some_and(|now| now.token == stored.token);
        if !is_same || !may_revoke.revoke(tx, KeyKind::WithoutSession, &key)? {
            return Err(refused(RefreshRefused::MayNotRevoke));
        }
        let event = NewEvent::about(EventKind::KeyRenewed, holder.user_id).object(pair.key.name.token.id());
        let event = event.detail(format!("in place of {}", key.name.token.id()));
        trail.note(tx, By::api_key(holder.user_id), event)?;
        Ok(pair.store(tx, may_issue)?)
    })
}

/// Whether a refresh token is the one stored.
fn fits(context: &Context<'_>, token: &Secret<String>, stored: &StoredRefresh) -> Result<bool, HasherBusy> {
    Ok(match stored {
        StoredRefresh::Sha256(hash) => StoredToken::of(token.expose()) == *hash,
        StoredRefresh::Argon2(phc) => {
            matches!(context.verify_token(token, phc)?, Verification::Matches { .. })
        }
    })
}

impl KeyHolder {
    /// Whether the policy lets them do this with keys of their own.
    fn may(&self, tx: &Tx<'_>, policy: &Policy, action: &str) -> Result<Option<Permitted>, StoreError> {
        over_apikeys(tx, policy, self.user_id, &self.user_role, action, self.user_id)
    }
}

#[expect(clippy::unused_self, reason = "leave to do one thing is used up by doing it")]
impl Permitted {
    /// Issues a key that ends with this session.
    fn issue_in_session(self, tx: &Tx<'_>, key: &NewKey, session: &StoredToken) -> Result<(), StoreError> {
        apikeys::insert(tx, &key.name, key.times, &key.claims_hash, session)
    }

    /// Issues a key that a refresh token renews.
    fn issue(self, tx: &Tx<'_>, key: &NewKey, refresh: &NewRefresh) -> Result<(), StoreError> {
        apikeys_nosession::insert(tx, &key.name, key.times, &key.claims_hash, refresh)
    }
}

/// A key and its refresh token, ready to be stored.
struct NewPair {
    key: NewKey,
    refresh_token: Token,
    refresh_times: KeyTimes,
}

impl NewPair {
    fn new(
        context: &Context<'_>,
        holder: &KeyHolder,
        content: KeyContent,
        (times, refresh_times): (KeyTimes, KeyTimes),
    ) -> Self {
        let key = NewKey::new(context, holder, content, None, times);
        Self { key, refresh_token: Token::new(context.rng()), refresh_times }
    }

    fn store(&self, tx: &Tx<'_>, permitted: Permitted) -> Result<IssuedPair, StoreError> {
        let Self { key, refresh_token, refresh_times } = self;
        let refresh = NewRefresh {
            token: refresh_token.stored(),
            not_valid_before: refresh_times.not_valid_before,
            expires: refresh_times.expires,
        };
        permitted.issue(tx, key, &refresh)?;
        Ok(IssuedPair {
            key: IssuedKey { text: key.text.clone(), expires: key.times.expires },
            refresh_token: refresh_token.clone(),
            refresh_expires: refresh_times.expires,
        })
    }
}

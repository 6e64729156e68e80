//! API keys: the claims that the server writes into a new key, what it needs of those that come back, and what somebody
//! may do with a key who is [`Permitted`].

use super::error::OperationError;
use super::permission::{Permitted, over_apikeys};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, Token};
use crate::json::{self, Limits};
use crate::store::apikeys::{self, KeyName, KeyTimes};
use crate::store::apikeys_nosession::{self, NewRefresh};
use crate::store::{Db, StoreError, Tx};
use crate::user_id::UserId;
use crate::wire::{FromWire, Object, StrOrInt, StrOrList, ascii_json};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Seconds of a day.
pub const DAY_SECONDS: i64 = 86_400;

/// The claims of a key, in the order in which they are written.
#[derive(Serialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// The version of the API it is for.
    pub ver: StrOrInt,
    /// Whose key it is.
    pub uid: UserId,
    /// The role it was issued for.
    pub rol: String,
    /// The browser it was issued to; a key without a session has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usa: Option<String>,
    /// Who it is for.
    pub aud: String,
    /// What it is for.
    pub sub: StrOrList,
    /// The address it was issued to.
    pub ipa: String,
    /// What proves that it is this key.
    pub tkn: String,
    /// When it was issued.
    pub iat: Timestamp,
    /// From when on it may be used.
    pub nbf: Timestamp,
    /// When it ends.
    pub exp: Timestamp,
}

/// A key just made.
pub struct NewKey {
    /// Its name for the database.
    pub name: KeyName,
    /// Its times.
    pub times: KeyTimes,
    /// SHA-256 of its claims.
    pub claims_hash: [u8; 32],
    /// Its claims as JSON text: what the caller gets.
    pub text: String,
}

/// Who a key is for and what it says.
pub struct KeyRequest {
    /// See [`Claims::iss`].
    pub issuer: String,
    /// See [`Claims::ver`].
    pub version: StrOrInt,
    /// See [`Claims::uid`].
    pub user_id: UserId,
    /// See [`Claims::rol`].
    pub user_role: String,
    /// See [`Claims::usa`].
    pub user_agent: Option<String>,
    /// See [`Claims::aud`].
    pub audience: String,
    /// See [`Claims::sub`].
    pub subject: StrOrList,
    /// See [`Claims::ipa`].
    pub ip_address: String,
    /// When it is good.
    pub times: KeyTimes,
}

impl NewKey {
    /// Makes a key with a new token.
    pub fn new(context: &Context<'_>, request: KeyRequest) -> Self {
        let token = Token::new(context.rng());
        let claims = Claims {
            iss: request.issuer,
            ver: request.version,
            uid: request.user_id,
            rol: request.user_role.clone(),
            usa: request.user_agent,
            aud: request.audience,
            sub: request.subject,
            ipa: request.ip_address,
            tkn: token.reveal().to_owned(),
            iat: request.times.issued,
            nbf: request.times.not_valid_before,
            exp: request.times.expires,
        };
        let text = ascii_json(&claims);
        let claims_hash = json::read_object(&text, &Limits::REQUEST)
            .map(|claims| hash_of(&claims))
            .expect("what was just serialised is a JSON object, and made of less than a request");
        let name = KeyName { token: token.stored(), user_id: request.user_id, user_role: request.user_role };
        Self { name, times: request.times, claims_hash, text }
    }
}

/// The times of a key, if they make sense and keep to the operator's limit.
#[must_use]
pub fn times(now: Timestamp, starts_in: f64, lives_seconds: i64, days_max: u32) -> Option<KeyTimes> {
    if !(0..=i64::from(days_max) * DAY_SECONDS).contains(&lives_seconds) {
        return None;
    }
    let expires = now.plus_seconds(lives_seconds)?;
    Some(KeyTimes { issued: now, not_valid_before: now.plus_seconds_f64(starts_in)?, expires })
}

/// A key that somebody presents.
pub struct Presented {
    /// Its name for the database.
    pub name: KeyName,
    /// SHA-256 of the claims that came with it.
    claims_hash: [u8; 32],
}

impl Presented {
    /// Takes the claims that a caller gives; `None` when they cannot be those of a key.
    #[must_use]
    pub fn of(claims: &Object) -> Option<Self> {
        let name = KeyName {
            token: StoredToken::of(claims.get("tkn")?.as_str()?),
            user_id: claim(claims, "uid")?,
            user_role: claims.get("rol")?.as_str()?.to_owned(),
        };
        Some(Self { name, claims_hash: hash_of(claims) })
    }

    /// Whether the claims are those that the key was issued with. Keys from a Python-made file have none stored.
    #[must_use]
    pub fn is_unaltered(&self, issued_with: Option<&[u8; 32]>) -> bool {
        issued_with
            .is_none_or(|hash| StoredToken::from_bytes(*hash) == StoredToken::from_bytes(self.claims_hash))
    }
}

/// A claim of a presented key, taken over into the next one.
pub fn claim<T: FromWire>(claims: &Object, name: &str) -> Option<T> {
    T::from_wire(claims.get(name)?.clone()).ok()
}

/// The claims that the server writes. What a calling server adds for itself does not count.
const NAMES: [&str; 12] =
    ["aud", "exp", "iat", "ipa", "iss", "nbf", "rol", "sub", "tkn", "uid", "usa", "ver"];

/// The same claims give the same hash, in whatever order they come and whatever else comes along.
fn hash_of(claims: &Object) -> [u8; 32] {
    let known: Vec<Option<&Value>> = NAMES.iter().map(|name| claims.get(*name)).collect();
    Sha256::digest(ascii_json(&known)).into()
}

/// Where a key is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// With the session that it was issued in, and no longer than that.
    InSession,
    /// By itself.
    WithoutSession,
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
    context.write(move |tx| {
        let KeyRequester { user_id, user_role } = requester;
        let permitted = over_apikeys(tx, &policy, user_id, &user_role, "delete", key.name.user_id)?;
        let permitted = permitted.ok_or_else(|| refused(KeyRefused::NotAllowed))?;
        if permitted.revoke(tx, kind, &key)? { Ok(()) } else { Err(refused(KeyRefused::NotThere)) }
    })
}

impl Permitted {
    /// Issues a key that ends with this session.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn issue_in_session(
        self,
        tx: &Tx<'_>,
        key: &NewKey,
        session: &StoredToken,
    ) -> Result<(), StoreError> {
        apikeys::insert(tx, &key.name, key.times, &key.claims_hash, session)
    }

    /// Issues a key that a refresh token renews.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn issue(self, tx: &Tx<'_>, key: &NewKey, refresh: &NewRefresh) -> Result<(), StoreError> {
        apikeys_nosession::insert(tx, &key.name, key.times, &key.claims_hash, refresh)
    }

    /// When a key ends, if it is valid and the owner's.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn expiry(
        self,
        db: &Db<'_>,
        kind: KeyKind,
        key: &Presented,
    ) -> Result<Option<Timestamp>, StoreError> {
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
    pub fn revoke(self, tx: &Tx<'_>, kind: KeyKind, key: &Presented) -> Result<bool, StoreError> {
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
    pub fn revoke_all(self, tx: &Tx<'_>) -> Result<usize, StoreError> {
        apikeys_nosession::delete_by_user(tx, self.owner_id())
    }
}

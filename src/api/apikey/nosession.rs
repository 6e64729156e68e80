//! API keys without a session, and the refresh tokens that renew them.

use crate::accounts::keys::{
    KeyKind, KeyRequest, KeyRequester, NewKey, Presented, claim, revoke, times, verify,
};
use crate::accounts::permission::{Permitted, over_apikeys};
use crate::api::members::CLAIMS;
use crate::api::refusals::{KEY_NOT_ALLOWED, KEY_NOT_REVOKED, KEY_NOT_VALID, key_refused};
use crate::app::Call;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::guard::password::Verification;
use crate::guard::secret::Secret;
use crate::guard::token::{StoredToken, Token};
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::requests;
use crate::store::apikeys::KeyTimes;
use crate::store::apikeys_nosession::{self as keys, NewRefresh, Refreshable, StoredRefresh};
use crate::store::{Tx, users};
use crate::wire::{Object, StrOrInt, StrOrList};

const MAY_NOT_ISSUE: Refusal =
    Refusal::new("originating user is not allowed to issue an API key", "You may not have an API key.");
const BAD_TIMES: Refusal = Refusal::new(
    "invalid request: key lifetime out of range",
    "An API key cannot live that long, or not start then.",
);
const MAY_NOT_DELETE: Refusal =
    Refusal::new("originating user is not allowed to delete API keys", "You may not revoke API keys.");
const ALL_NEED_A_VALID_KEY: Refusal = Refusal::new(
    "provided API key is invalid, revoke-all operation requires a valid key to start with",
    "The API key is not valid.",
);
const NOT_REFRESHED: &str = "The API key could not be renewed. You may have to log in again.";
const NO_REFRESH_TOKEN: Refusal =
    Refusal::new("provided API key has no stored refresh token, probably invalid", NOT_REFRESHED);
const WRONG_REFRESH_TOKEN: Refusal =
    Refusal::new("provided refresh token does not match stored refresh token", NOT_REFRESHED);
const MAY_NOT_REVOKE_OLD: Refusal =
    Refusal::new("user from provided API key not allowed to revoke old key", NOT_REFRESHED);
const MAY_NOT_ISSUE_NEW: Refusal =
    Refusal::new("user from provided API key not allowed to issue new key", NOT_REFRESHED);

requests! {
    /// Issues an API key and a refresh token. The calling server has checked the user's password.
    "apikey-new-nosession" => apikey_new_nosession(ApikeyNewNosession), 30/min {
        /// Who issues the key.
        issuer: str,
        /// Who the key is for.
        audience: str,
        /// What the key is for.
        subject: str|list,
        /// The version of the API that the key is for.
        apiversion: str|int,
        /// Seconds until the key ends.
        expires_seconds: int,
        /// Seconds until the key may be used; negative for a time that has passed.
        not_valid_before: float|int,
        /// Whose key it will be.
        user_id: UserId,
        /// Their role.
        user_role: str,
        /// Their address.
        ip_address: str,
        /// Seconds until the refresh token ends.
        refresh_expires: int,
        /// Seconds until the refresh token may be used.
        refresh_nbf: float|int,
    } answers Issued {
        /// The key's claims as JSON text, for the calling server to sign and hand out.
        apikey: String,
        /// When it ends.
        expires: Timestamp,
        /// What renews the key. It is shown this once.
        refresh_token: String,
        /// When that ends.
        refresh_token_expires: Timestamp,
    } refuses [MAY_NOT_ISSUE, BAD_TIMES]

    /// Verifies an API key, on behalf of its owner or of an administrator.
    "apikey-verify-nosession" => apikey_verify_nosession(ApikeyVerifyNosession) {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who verifies it.
        user_id: UserId,
        /// The role of who verifies it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID]

    /// Revokes an API key, on behalf of its owner or of an administrator.
    "apikey-revoke-nosession" => apikey_revoke_nosession(ApikeyRevokeNosession) {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who revokes it.
        user_id: UserId,
        /// The role of who revokes it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID, KEY_NOT_REVOKED]

    /// Revokes all API keys without a session that the owner of a valid one has.
    "apikey-revokeall-nosession" => apikey_revokeall_nosession(ApikeyRevokeallNosession) {
        /// The claims of one of the keys.
        apikey_dict: dict of CLAIMS,
        /// Who revokes them.
        user_id: UserId,
        /// The role of who revokes them.
        user_role: str,
    } answers AllRevoked {
        /// How many keys were revoked.
        revoked_keys: usize,
        /// The same number.
        deleted_keys: usize,
    } refuses [MAY_NOT_DELETE, ALL_NEED_A_VALID_KEY]

    /// Renews an API key by its refresh token, also one that has ended. Both are replaced.
    "apikey-refresh-nosession" => apikey_refresh_nosession(ApikeyRefreshNosession), 30/min {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Whose key it is.
        user_id: UserId,
        /// Their role.
        user_role: str,
        /// The key's refresh token.
        refresh_token: secret,
        /// Their address.
        ip_address: str,
        /// Seconds until the new key ends.
        expires_seconds: int,
        /// Seconds until the new key may be used.
        not_valid_before: int|float,
        /// Seconds until the new refresh token ends.
        refresh_expires: int,
        /// Seconds until the new refresh token may be used.
        refresh_nbf: int|float,
    } answers Issued refuses [NO_REFRESH_TOKEN, WRONG_REFRESH_TOKEN, MAY_NOT_REVOKE_OLD, MAY_NOT_ISSUE_NEW, BAD_TIMES]
}

/// How long a key and its refresh token are to live, as asked for.
struct Lives {
    starts_in: f64,
    seconds: i64,
    refresh_starts_in: f64,
    refresh_seconds: i64,
}

impl Lives {
    /// The times, if they keep to the operator's limits.
    fn times(&self, call: &Call<'_>) -> Result<(KeyTimes, KeyTimes), Failure> {
        let config = call.config();
        let key = times(call.now(), self.starts_in, self.seconds, config.api_key_days_max);
        let refresh =
            times(call.now(), self.refresh_starts_in, self.refresh_seconds, config.refresh_token_days_max);
        key.zip(refresh).ok_or_else(|| BAD_TIMES.to_failure())
    }
}

/// A key and its refresh token, ready to be stored and then answered.
struct Pair {
    key: NewKey,
    refresh: NewRefresh,
    answer: Done<Issued>,
}

impl Pair {
    fn new(call: &Call<'_>, request: KeyRequest, refresh_times: KeyTimes) -> Self {
        let key = NewKey::new(call, request);
        let refresh_token = Token::new(call.rng());
        let refresh = NewRefresh {
            token: refresh_token.stored(),
            not_valid_before: refresh_times.not_valid_before,
            expires: refresh_times.expires,
        };
        let expires = key.times.expires;
        let issued = Issued {
            apikey: key.text.clone(),
            expires,
            refresh_token: refresh_token.reveal().to_owned(),
            refresh_token_expires: refresh_times.expires,
        };
        let message = format!("The API key was issued. It ends at {} UTC.", expires.wire());
        Self { key, refresh, answer: Done::new(issued, message) }
    }

    fn store(self, tx: &Tx<'_>, permitted: Permitted) -> Outcome<Issued> {
        let Self { key, refresh, answer } = self;
        permitted.issue(tx, &key, &refresh)?;
        Ok(answer)
    }
}

fn apikey_new_nosession(call: &mut Call<'_>, ask: ApikeyNewNosession) -> Outcome<Issued> {
    let (user_id, user_role) = (ask.user_id, ask.user_role.clone());
    let lives = Lives {
        starts_in: ask.not_valid_before,
        seconds: ask.expires_seconds,
        refresh_starts_in: ask.refresh_nbf,
        refresh_seconds: ask.refresh_expires,
    };
    let pair = lives.times(call).map(|(times, refresh_times)| {
        let request = KeyRequest {
            issuer: ask.issuer,
            version: ask.apiversion,
            user_id: ask.user_id,
            user_role: ask.user_role,
            user_agent: None,
            audience: ask.audience,
            subject: ask.subject,
            ip_address: ClientAddress::canonical(ask.ip_address),
            times,
        };
        Pair::new(call, request, refresh_times)
    });
    let policy = call.app().policy.load_full();
    let revocations = call.read(|db| users::revocations(db, user_id))?;
    call.write(move |tx| {
        // What was revoked while this was under way is not issued anew.
        let permitted = over_apikeys(tx, &policy, user_id, &user_role, "create", user_id)?;
        let revoked = users::revocations(tx, user_id)? != revocations;
        let permitted = permitted.filter(|_| !revoked).ok_or_else(|| MAY_NOT_ISSUE.to_failure())?;
        pair?.store(tx, permitted)
    })
}

fn apikey_verify_nosession(call: &mut Call<'_>, ask: ApikeyVerifyNosession) -> Outcome<Empty> {
    let requester = KeyRequester { user_id: ask.user_id, user_role: ask.user_role };
    let expires = verify(call, KeyKind::WithoutSession, &requester, &ask.apikey_dict).map_err(key_refused)?;
    Ok(Done::new(Empty {}, format!("The API key is valid. It ends at {} UTC.", expires.wire())))
}

fn apikey_revoke_nosession(call: &mut Call<'_>, ask: ApikeyRevokeNosession) -> Outcome<Empty> {
    let requester = KeyRequester { user_id: ask.user_id, user_role: ask.user_role };
    revoke(call, KeyKind::WithoutSession, requester, &ask.apikey_dict).map_err(key_refused)?;
    Ok(Done::new(Empty {}, "The API key was revoked."))
}

fn apikey_revokeall_nosession(call: &mut Call<'_>, ask: ApikeyRevokeallNosession) -> Outcome<AllRevoked> {
    let presented = Presented::of(&ask.apikey_dict).ok_or_else(|| ALL_NEED_A_VALID_KEY.to_failure())?;
    let owner_id = presented.name.user_id;
    let policy = call.app().policy.load_full();
    let revoked_keys = call.write(move |tx| {
        let may = |action: &str| over_apikeys(tx, &policy, ask.user_id, &ask.user_role, action, owner_id);
        let may_delete = may("delete")?.ok_or_else(|| MAY_NOT_DELETE.to_failure())?;
        let may_view = may("view")?.ok_or_else(|| ALL_NEED_A_VALID_KEY.to_failure())?;
        if may_view.expiry(tx, KeyKind::WithoutSession, &presented)?.is_none() {
            return Err(ALL_NEED_A_VALID_KEY.to_failure());
        }
        Ok(may_delete.revoke_all(tx)?)
    })?;
    let all = AllRevoked { revoked_keys, deleted_keys: revoked_keys };
    Ok(Done::new(all, "All API keys without a session were revoked."))
}

fn apikey_refresh_nosession(call: &mut Call<'_>, ask: ApikeyRefreshNosession) -> Outcome<Issued> {
    let presented = Presented::of(&ask.apikey_dict).ok_or_else(|| NO_REFRESH_TOKEN.to_failure())?;
    let stored = call.read(|db| keys::refreshable(db, &presented.name))?;
    let stored = stored.filter(|key| presented.is_unaltered(key.claims_hash.as_ref()));
    let stored = stored.ok_or_else(|| NO_REFRESH_TOKEN.to_failure())?;
    if !fits(call, &ask.refresh_token, &stored)? {
        return Err(WRONG_REFRESH_TOKEN.to_failure());
    }
    // Nobody renews a key for somebody else, or into another role than they have.
    let is_owner = ask.user_id == presented.name.user_id && ask.user_role == presented.name.user_role;
    let (user_id, user_role) = (ask.user_id, ask.user_role.clone());
    let lives = Lives {
        starts_in: ask.not_valid_before,
        seconds: ask.expires_seconds,
        refresh_starts_in: ask.refresh_nbf,
        refresh_seconds: ask.refresh_expires,
    };
    let pair = lives.times(call).and_then(|(times, refresh_times)| {
        let request = next_key(&ask, times).ok_or_else(|| NO_REFRESH_TOKEN.to_failure())?;
        Ok(Pair::new(call, request, refresh_times))
    });
    let policy = call.app().policy.load_full();
    call.write(move |tx| {
        let may = |action: &str| over_apikeys(tx, &policy, user_id, &user_role, action, user_id);
        let may_revoke =
            may("delete")?.filter(|_| is_owner).ok_or_else(|| MAY_NOT_REVOKE_OLD.to_failure())?;
        let may_issue = may("create")?.ok_or_else(|| MAY_NOT_ISSUE_NEW.to_failure())?;
        let pair = pair?;
        // Of two who come at once, only one finds the old key.
        if keys::refreshable(tx, &presented.name)?.is_none()
            || !may_revoke.revoke(tx, KeyKind::WithoutSession, &presented)?
        {
            return Err(MAY_NOT_REVOKE_OLD.to_failure());
        }
        pair.store(tx, may_issue)
    })
}

/// Whether a refresh token is the one stored.
fn fits(call: &Call<'_>, token: &Secret<String>, stored: &Refreshable) -> Result<bool, Failure> {
    match &stored.token {
        StoredRefresh::Sha256(hash) => Ok(StoredToken::of(token.expose()) == *hash),
        StoredRefresh::Argon2(phc) => {
            let verification = call.verify_token(token, phc)?;
            Ok(matches!(verification, Verification::Matches { .. }))
        }
    }
}

/// The next key says what the old one said.
fn next_key(ask: &ApikeyRefreshNosession, times: KeyTimes) -> Option<KeyRequest> {
    let claims: &Object = &ask.apikey_dict;
    Some(KeyRequest {
        issuer: claim(claims, "iss")?,
        version: claim::<StrOrInt>(claims, "ver")?,
        user_id: ask.user_id,
        user_role: ask.user_role.clone(),
        user_agent: None,
        audience: claim(claims, "aud")?,
        subject: claim::<StrOrList>(claims, "sub")?,
        ip_address: ClientAddress::canonical(ask.ip_address.clone()),
        times,
    })
}

//! API keys without a session, and the refresh tokens that renew them.

use crate::accounts::issue_keys::{
    IssueRefused, IssuedPair, Lifetime, PairLifetimes, RefreshRefused, issue, refresh,
};
use crate::accounts::key_claims::{KeyContent, KeyHolder};
use crate::accounts::keys::{KeyKind, KeyRequester, RevokeAllRefused, revoke, revoke_all, verify};
use crate::api::members::CLAIMS;
use crate::api::refusals::{KEY_NOT_ALLOWED, KEY_NOT_REVOKED, KEY_NOT_VALID, key_refused};
use crate::app::Call;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::requests;

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
    "apikey-verify-nosession" => apikey_verify_nosession(ApikeyVerifyNosession), repeat reads {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who verifies it.
        user_id: UserId,
        /// The role of who verifies it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID]

    /// Revokes an API key, on behalf of its owner or of an administrator.
    "apikey-revoke-nosession" => apikey_revoke_nosession(ApikeyRevokeNosession), repeat same {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who revokes it.
        user_id: UserId,
        /// The role of who revokes it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID, KEY_NOT_REVOKED]

    /// Revokes all API keys without a session that the owner of a valid one has.
    "apikey-revokeall-nosession" => apikey_revokeall_nosession(ApikeyRevokeallNosession), repeat same {
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

fn apikey_new_nosession(call: &mut Call<'_>, ask: ApikeyNewNosession) -> Outcome<Issued> {
    let holder = KeyHolder {
        user_id: ask.user_id,
        user_role: ask.user_role,
        ip_address: ClientAddress::canonical(ask.ip_address),
    };
    let content = KeyContent {
        issuer: ask.issuer,
        version: ask.apiversion,
        audience: ask.audience,
        subject: ask.subject,
    };
    let lifetimes = PairLifetimes {
        key: Lifetime { starts_in: ask.not_valid_before, seconds: ask.expires_seconds },
        refresh: Lifetime { starts_in: ask.refresh_nbf, seconds: ask.refresh_expires },
    };
    let pair = issue(call, holder, content, lifetimes).map_err(|error| {
        error.map_refusal(|why| match why {
            IssueRefused::NotAllowed => MAY_NOT_ISSUE.to_failure(),
            IssueRefused::BadTimes => BAD_TIMES.to_failure(),
        })
    })?;
    Ok(issued(&pair))
}

fn issued(pair: &IssuedPair) -> Done<Issued> {
    let answer = Issued {
        apikey: pair.key.text.clone(),
        expires: pair.key.expires,
        refresh_token: pair.refresh_token.reveal().to_owned(),
        refresh_token_expires: pair.refresh_expires,
    };
    let message = format!("The API key was issued. It ends at {} UTC.", pair.key.expires.wire());
    Done::new(answer, message)
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
    let requester = KeyRequester { user_id: ask.user_id, user_role: ask.user_role };
    let revoked_keys = revoke_all(call, requester, &ask.apikey_dict).map_err(|error| {
        error.map_refusal(|why| match why {
            RevokeAllRefused::NotAllowed => MAY_NOT_DELETE.to_failure(),
            RevokeAllRefused::NotValid => ALL_NEED_A_VALID_KEY.to_failure(),
        })
    })?;
    let all = AllRevoked { revoked_keys, deleted_keys: revoked_keys };
    Ok(Done::new(all, "All API keys without a session were revoked."))
}

fn apikey_refresh_nosession(call: &mut Call<'_>, ask: ApikeyRefreshNosession) -> Outcome<Issued> {
    let holder = KeyHolder {
        user_id: ask.user_id,
        user_role: ask.user_role,
        ip_address: ClientAddress::canonical(ask.ip_address),
    };
    let lifetimes = PairLifetimes {
        key: Lifetime { starts_in: ask.not_valid_before, seconds: ask.expires_seconds },
        refresh: Lifetime { starts_in: ask.refresh_nbf, seconds: ask.refresh_expires },
    };
    let pair = refresh(call, holder, &ask.apikey_dict, &ask.refresh_token, lifetimes);
    Ok(issued(&pair.map_err(|error| error.map_refusal(not_refreshed))?))
}

fn not_refreshed(why: RefreshRefused) -> Failure {
    match why {
        RefreshRefused::NoRefreshToken => NO_REFRESH_TOKEN,
        RefreshRefused::WrongRefreshToken => WRONG_REFRESH_TOKEN,
        RefreshRefused::MayNotRevoke => MAY_NOT_REVOKE_OLD,
        RefreshRefused::MayNotIssue => MAY_NOT_ISSUE_NEW,
        RefreshRefused::BadTimes => BAD_TIMES,
    }
    .to_failure()
}

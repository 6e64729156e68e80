//! API keys that end with the session they were issued in.

use crate::accounts::keys::{DAY_SECONDS, KeyKind, KeyRequest, KeyRequester, NewKey, revoke, times, verify};
use crate::accounts::permission::{Permitted, over_apikeys};
use crate::api::members::CLAIMS;
use crate::api::refusals::{KEY_NOT_ALLOWED, KEY_NOT_REVOKED, KEY_NOT_VALID, key_refused};
use crate::app::Call;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::policy::model::Policy;
use crate::requests;
use crate::store::{Db, sessions};
use crate::user_id::UserId;

const MAY_NOT_ISSUE: Refusal =
    Refusal::new("user not allowed to issue API key", "You may not have an API key.");
const NO_SESSION: Refusal = Refusal::new(
    "invalid session for user requesting API key issuance",
    "There is no valid session to issue an API key in.",
)
.nulls(&["apikey", "expires"]);
const OTHER_SESSION: Refusal = Refusal::new(
    "invalid session for user requesting API key issuance",
    "The session's user, role, address or browser is another.",
)
.nulls(&["apikey", "expires"]);
const BAD_TIMES: Refusal = Refusal::new(
    "invalid request: key lifetime out of range",
    "An API key cannot live that long, or not start then.",
)
.nulls(&["apikey", "expires"]);

requests! {
    /// Issues an API key that ends with the session. The calling server signs what it gets and hands it out.
    "apikey-new" => apikey_new(ApikeyNew), 30/min {
        /// Who issues the key.
        issuer: str,
        /// Who the key is for.
        audience: str,
        /// What the key is for.
        subject: str|list,
        /// The version of the API that the key is for.
        apiversion: str|int,
        /// Days until the key ends.
        expires_days: int,
        /// Seconds until the key may be used; negative for a time that has passed.
        not_valid_before: float|int,
        /// Whose key it will be.
        user_id: UserId,
        /// Their role.
        user_role: str,
        /// Their address, which is the session's.
        ip_address: str,
        /// Their browser, which is the session's.
        user_agent: str,
        /// Their session.
        session_token: secret,
    } answers Issued {
        /// The key's claims as JSON text, for the calling server to sign and hand out.
        apikey: String,
        /// When it ends.
        expires: Timestamp,
    } refuses [MAY_NOT_ISSUE, NO_SESSION, OTHER_SESSION, BAD_TIMES]

    /// Verifies an API key, on behalf of its owner or of an administrator.
    "apikey-verify" => apikey_verify(ApikeyVerify) {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who verifies it.
        user_id: UserId,
        /// The role of who verifies it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID]

    /// Revokes an API key, on behalf of its owner or of an administrator.
    "apikey-revoke" => apikey_revoke(ApikeyRevoke) {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who revokes it.
        user_id: UserId,
        /// The role of who revokes it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID, KEY_NOT_REVOKED]
}

fn apikey_new(call: &mut Call<'_>, ask: ApikeyNew) -> Outcome<Issued> {
    let token = StoredToken::of(ask.session_token.expose());
    let ip_address = ClientAddress::canonical(ask.ip_address);
    let holder = Holder {
        user_id: ask.user_id,
        user_role: ask.user_role.clone(),
        ip_address: ip_address.clone(),
        user_agent: sessions::kept_user_agent(&ask.user_agent).to_owned(),
    };
    let lives_seconds = ask.expires_days.saturating_mul(DAY_SECONDS);
    let times = times(call.now(), ask.not_valid_before, lives_seconds, call.config().api_key_days_max);
    let key = times.map(|times| {
        NewKey::new(
            call,
            KeyRequest {
                issuer: ask.issuer,
                version: ask.apiversion,
                user_id: ask.user_id,
                user_role: ask.user_role,
                user_agent: Some(ask.user_agent),
                audience: ask.audience,
                subject: ask.subject,
                ip_address,
                times,
            },
        )
    });
    let policy = call.app().policy.load_full();
    let (text, times) = call.write(move |tx| {
        let permitted = holder.may_have_a_key(tx, &policy, &token)?;
        let key = key.ok_or_else(|| BAD_TIMES.to_failure())?;
        permitted.issue_in_session(tx, &key, &token)?;
        Ok::<_, Failure>((key.text, key.times))
    })?;
    let message = format!("The API key was issued. It ends at {} UTC.", times.expires.wire());
    Ok(Done::new(Issued { apikey: text, expires: times.expires }, message))
}

/// Who wants a key, and what their session has to say about them.
struct Holder {
    user_id: UserId,
    user_role: String,
    ip_address: String,
    user_agent: String,
}

impl Holder {
    /// That the policy lets them have a key, and that the session is live and theirs, both as of this transaction.
    fn may_have_a_key(
        &self,
        db: &Db<'_>,
        policy: &Policy,
        token: &StoredToken,
    ) -> Result<Permitted, Failure> {
        let permitted = over_apikeys(db, policy, self.user_id, &self.user_role, "create", self.user_id)?;
        let permitted = permitted.ok_or_else(|| MAY_NOT_ISSUE.to_failure())?;
        let session = sessions::live_by_token(db, token)?.ok_or_else(|| NO_SESSION.to_failure())?;
        let fits = session.user_id == self.user_id
            && session.user_role == *self.user_role
            && session.ip_address == self.ip_address
            && session.user_agent == self.user_agent;
        if fits { Ok(permitted) } else { Err(OTHER_SESSION.to_failure()) }
    }
}

fn apikey_verify(call: &mut Call<'_>, ask: ApikeyVerify) -> Outcome<Empty> {
    let requester = KeyRequester { user_id: ask.user_id, user_role: ask.user_role };
    let expires = verify(call, KeyKind::InSession, &requester, &ask.apikey_dict).map_err(key_refused)?;
    Ok(Done::new(Empty {}, format!("The API key is valid. It ends at {} UTC.", expires.wire())))
}

fn apikey_revoke(call: &mut Call<'_>, ask: ApikeyRevoke) -> Outcome<Empty> {
    let requester = KeyRequester { user_id: ask.user_id, user_role: ask.user_role };
    revoke(call, KeyKind::InSession, requester, &ask.apikey_dict).map_err(key_refused)?;
    Ok(Done::new(Empty {}, "The API key was revoked."))
}

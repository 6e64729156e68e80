//! API keys that end with the session they were issued in.

use crate::accounts::issue_keys::{IssueInSessionRefused, KeySession, issue_in_session};
use crate::accounts::key_claims::{KeyContent, KeyHolder};
use crate::accounts::keys::{KeyKind, KeyRequester, revoke, verify};
use crate::api::members::CLAIMS;
use crate::api::refusals::{KEY_NOT_ALLOWED, KEY_NOT_REVOKED, KEY_NOT_VALID, key_refused};
use crate::app::Call;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::guard::token::StoredToken;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::requests;

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
    "apikey-verify" => apikey_verify(ApikeyVerify), repeat reads {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who verifies it.
        user_id: UserId,
        /// The role of who verifies it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID]

    /// Revokes an API key, on behalf of its owner or of an administrator.
    "apikey-revoke" => apikey_revoke(ApikeyRevoke), repeat same {
        /// The key's claims.
        apikey_dict: dict of CLAIMS,
        /// Who revokes it.
        user_id: UserId,
        /// The role of who revokes it.
        user_role: str,
    } refuses [KEY_NOT_ALLOWED, KEY_NOT_VALID, KEY_NOT_REVOKED]
}

fn apikey_new(call: &mut Call<'_>, ask: ApikeyNew) -> Outcome<Issued> {
    let holder = KeyHolder {
        user_id: ask.user_id,
        user_role: ask.user_role,
        ip_address: ClientAddress::canonical(ask.ip_address),
    };
    let session =
        KeySession { token: StoredToken::of(ask.session_token.expose()), user_agent: ask.user_agent };
    let content = KeyContent {
        issuer: ask.issuer,
        version: ask.apiversion,
        audience: ask.audience,
        subject: ask.subject,
    };
    let issued = issue_in_session(call, holder, session, content, ask.not_valid_before, ask.expires_days);
    let key = issued.map_err(|error| error.map_refusal(not_issued))?;
    let message = format!("The API key was issued. It ends at {} UTC.", key.expires.wire());
    Ok(Done::new(Issued { apikey: key.text, expires: key.expires }, message))
}

fn not_issued(why: IssueInSessionRefused) -> Failure {
    match why {
        IssueInSessionRefused::NotAllowed => MAY_NOT_ISSUE,
        IssueInSessionRefused::NoSession => NO_SESSION,
        IssueInSessionRefused::OtherSession => OTHER_SESSION,
        IssueInSessionRefused::BadTimes => BAD_TIMES,
    }
    .to_failure()
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

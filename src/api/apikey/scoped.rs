//! API keys that are one text, `azk_<id>_<secret>_<check>`, and are good for what their scopes say.

use crate::accounts::scoped_keys::{
    CheckRefused, IssueRefused, Issued, RotateRefused, Use, Wanted, check, issue, rotate,
};
use crate::api::refusals::{KEY_NOT_VALID, NOT_LOGGED_IN};
use crate::app::Call;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::access::SharedWith;
use crate::requests;
use crate::user_id::UserId;
use crate::wire::FromWire as _;

const MAY_NOT_ISSUE: Refusal =
    Refusal::new("user not allowed to issue API key", "You may not have an API key.");
const BAD_NAME: Refusal = Refusal::new(
    "invalid request: no name for an API key",
    "The name of an API key has up to 100 characters, on one line.",
);
const BAD_SCOPES: Refusal = Refusal::new(
    "invalid request: no scopes, too many, or one that the policy does not know",
    "The API key cannot be good for that.",
);
const BAD_DAYS: Refusal =
    Refusal::new("invalid request: key lifetime out of range", "An API key cannot live that long.");
const TOO_MANY: Refusal =
    Refusal::new("user has too many API keys", "You have as many API keys as you can have.");
const NO_SUCH_KEY: Refusal = Refusal::new("this user has no such API key", "There is no such API key.");
const BAD_OVERLAP: Refusal = Refusal::new(
    "invalid request: overlap out of range",
    "The old secret of an API key cannot stay good for so long.",
);
const OVERLAPS: Refusal = Refusal::new(
    "the API key has two secrets already",
    "The old secret of this API key is still good. Wait until it ends, or replace both.",
);
const OUT_OF_SCOPE: Refusal =
    Refusal::new("action not within the API key's scopes", "The API key is not good for this.");
const NOT_PERMITTED: Refusal = Refusal::new("action not permitted", "The API key is not good for this.");
const NOT_CHECKED: &str = "The API key could not be checked.";
const HALF_ASKED: Refusal = Refusal::new("invalid request: action and target_name go together", NOT_CHECKED);
const SHARED_WITH_WHOM: Refusal =
    Refusal::new("invalid request: target_sharedwith cannot be read", NOT_CHECKED);

requests! {
    /// Issues an API key to whoever is logged in with this session. It is one text, which is shown this once, and good for
    /// what its scopes say and its owner may do.
    "apikey-issue" => apikey_issue(ApikeyIssue), 30 / min {
        /// A session of theirs.
        session_token: secret,
        /// What they call the key, up to 100 characters.
        name: str,
        /// What the key is good for, 1 to 64 texts: an action and a kind of item of the policy with a colon between them,
        /// such as `view:dataset`; `*` stands for all.
        scopes: list,
    } optional {
        /// Days until the key ends. Without them it never does, unless the operator has set a limit.
        expires_days: int,
    } answers NewKey {
        /// The key.
        apikey: String,
        /// What it is called, in its own text too. It proves nothing.
        key_id: String,
        /// When it ends, if ever.
        expires: Option<Timestamp>,
    } refuses [NOT_LOGGED_IN, MAY_NOT_ISSUE, BAD_NAME, BAD_SCOPES, BAD_DAYS, TOO_MANY]

    /// Checks an API key from apikey-issue: whose it is, and, with an action, whether it is good for that. It is if one of
    /// its scopes covers that and the policy permits it to its owner. If not, the request is refused.
    "apikey-check" => apikey_check(ApikeyCheck), repeat reads {
        /// The key.
        apikey: secret,
    } optional {
        /// What is to be done, as in user-check-access.
        action: str,
        /// The kind of item to which. With an action, it has to be there.
        target_name: str,
        /// Whose item it is. Without it, the key's owner's.
        target_owner: UserId,
        /// Who can see it. Without it, it is private.
        target_visibility: str,
        /// Whom it is shared with.
        target_sharedwith: str,
    } answers CheckedKey {
        /// What the key is called.
        key_id: String,
        /// What its owner calls it.
        name: String,
        /// Whose key it is.
        user_id: UserId,
        /// Its owner's role.
        user_role: String,
        /// What it is good for.
        scopes: Vec<String>,
        /// When it ends, if ever.
        expires: Option<Timestamp>,
        /// True if there is an action: it may be done. Null if none was asked about.
        permitted: Option<bool>,
    } refuses [KEY_NOT_VALID, OUT_OF_SCOPE, NOT_PERMITTED, HALF_ASKED, SHARED_WITH_WHOM]

    /// Gives an API key from apikey-issue a new secret, and so a new text, which is shown this once. The old one stays good
    /// until the overlap ends. A key has two secrets at most: while the old one is good, only a rotation without an overlap
    /// is taken, which ends both.
    "apikey-rotate" => apikey_rotate(ApikeyRotate), 30 / min {
        /// A session of the key's owner.
        session_token: secret,
        /// Which key, as apikey-list calls it.
        key_id: str,
        /// Seconds for which the old secret stays good, up to 30 days.
        overlap_seconds: int,
    } answers RotatedKey {
        /// The key with its new secret.
        apikey: String,
        /// What it is called, as before.
        key_id: String,
        /// When the old secret ends; null if it has ended.
        old_secret_ends: Option<Timestamp>,
    } refuses [NOT_LOGGED_IN, MAY_NOT_ISSUE, NO_SUCH_KEY, BAD_OVERLAP, OVERLAPS]
}

fn apikey_issue(call: &mut Call<'_>, mut ask: ApikeyIssue) -> Outcome<NewKey> {
    let written = ask.scopes.drain(..).map(String::from_wire).collect::<Result<Vec<_>, _>>();
    // What is no text is no scope either.
    let wanted = Wanted { name: ask.name, scopes: written.unwrap_or_default(), days: ask.expires_days };
    let issued = issue(call, StoredToken::of(ask.session_token.expose()), wanted);
    let Issued { id, text, ends } = issued.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                IssueRefused::NotLoggedIn => NOT_LOGGED_IN,
                IssueRefused::NotAllowed => MAY_NOT_ISSUE,
                IssueRefused::Name => BAD_NAME,
                IssueRefused::Scopes => BAD_SCOPES,
                IssueRefused::Days => BAD_DAYS,
                IssueRefused::TooMany => TOO_MANY,
            }
            .to_failure()
        })
    })?;
    let key = NewKey { apikey: text.reveal().to_owned(), key_id: id.to_string(), expires: ends };
    Ok(Done::new(key, "The API key was issued. It is shown only this once."))
}

fn apikey_check(call: &mut Call<'_>, ask: ApikeyCheck) -> Outcome<CheckedKey> {
    let visibility = ask.target_visibility.as_deref().unwrap_or("private");
    // The list matters only where something is shared; elsewhere nobody looks at it.
    let shared_with = if visibility == "shared" {
        SharedWith::parse(ask.target_sharedwith.as_deref()).map_err(|_| SHARED_WITH_WHOM.to_failure())?
    } else {
        SharedWith::nobody()
    };
    let wanted = match (&ask.action, &ask.target_name) {
        (Some(action), Some(item)) => {
            Some(Use { action, item, owner_id: ask.target_owner, visibility, shared_with: &shared_with })
        }
        (None, None) => None,
        _ => return Err(HALF_ASKED.to_failure()),
    };
    let (id, key) =
        check(call, ask.apikey.expose(), wanted.as_ref()).map_err(|error| error.map_refusal(not_good))?;
    Ok(Done::quiet(CheckedKey {
        key_id: id.to_string(),
        name: key.name,
        user_id: key.user_id,
        user_role: key.user_role,
        scopes: key.scopes.into_list(),
        expires: key.expires,
        permitted: wanted.map(|_| true),
    }))
}

fn not_good(why: CheckRefused) -> Failure {
    match why {
        CheckRefused::NotValid => KEY_NOT_VALID,
        CheckRefused::OutOfScope => OUT_OF_SCOPE,
        CheckRefused::NotPermitted => NOT_PERMITTED,
    }
    .to_failure()
}

fn apikey_rotate(call: &mut Call<'_>, ask: ApikeyRotate) -> Outcome<RotatedKey> {
    let id = TokenId::parse(&ask.key_id).ok_or_else(|| NO_SUCH_KEY.to_failure())?;
    let rotated = rotate(call, StoredToken::of(ask.session_token.expose()), id, ask.overlap_seconds);
    let Issued { id, text, ends } = rotated.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                RotateRefused::NotLoggedIn => NOT_LOGGED_IN,
                RotateRefused::NotAllowed => MAY_NOT_ISSUE,
                RotateRefused::NotFound => NO_SUCH_KEY,
                RotateRefused::Overlap => BAD_OVERLAP,
                RotateRefused::Overlaps => OVERLAPS,
            }
            .to_failure()
        })
    })?;
    let key = RotatedKey { apikey: text.reveal().to_owned(), key_id: id.to_string(), old_secret_ends: ends };
    Ok(Done::new(key, "The API key has a new secret. It is shown only this once."))
}

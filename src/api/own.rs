//! What somebody who is logged in may see and end of what is theirs: a page "where you are logged in", and one for API
//! keys. The session that is shown says who it is.

use crate::accounts::keys::ListedKind;
use crate::accounts::own::{
    self, EndRefused, NotLoggedIn, Prolong, ProlongRefused, end_key, end_session, list_keys, list_sessions,
    prolong,
};
use crate::accounts::sessions::is_full_page;
use crate::api::refusals::NOT_LOGGED_IN;
use crate::app::Call;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, TokenId};
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::{requests, shape};

const NO_SUCH_SESSION: Refusal =
    Refusal::new("this user has no such session", "There was no such session to end.");
const NO_SUCH_KEY: Refusal =
    Refusal::new("this user has no such API key", "There was no such API key to revoke.");
const NOT_LIVE: Refusal =
    Refusal::new("session does not exist or expired", "The session could not be prolonged.");
const NO_SUCH_TIME: Refusal =
    Refusal::new("invalid request: no such number of days", "The session could not be prolonged.");

const NO_SUCH_LIMIT: Refusal =
    Refusal::new("invalid request: limit is 1 to 200", "The login history could not be listed.");

/// Events of a login history in one answer, unless the request says otherwise, and at most.
const LOGINS: i64 = 50;
const LOGINS_MAX: i64 = 200;

shape! {
    /// One of a user's sessions, for a page that lists them.
    struct OwnSession {
        /// What it is called. It proves nothing: the token cannot be had from it.
        session_id: String,
        /// Whether it is the session that was shown.
        is_current: bool,
        /// The IP address that it was started from.
        ip_address: String,
        /// The browser that it was started by.
        user_agent: String,
        /// When it started.
        created: Timestamp,
        /// When it ends.
        expires: Timestamp,
    }
}

shape! {
    /// One of a user's API keys, for a page that lists them.
    struct OwnKey {
        /// What it is called. It proves nothing: the key cannot be had from it.
        key_id: String,
        /// Whether it ends with the session that it was issued in.
        ends_with_session: bool,
        /// The role that it was issued for; it works only while its owner has that role.
        user_role: String,
        /// When it was issued.
        issued: Timestamp,
        /// When it begins to work.
        not_valid_before: Timestamp,
        /// When it ends, if ever.
        expires: Option<Timestamp>,
        /// When its refresh token ends, if it has one.
        refresh_expires: Option<Timestamp>,
        /// What its owner calls it, if it is one from apikey-issue.
        name: Option<String>,
        /// What such a key is good for.
        scopes: Option<Vec<String>>,
        /// When such a key was last used. If the server is killed, the uses of the last minute are not known.
        last_used: Option<Timestamp>,
    }
}

shape! {
    /// Something in a user's login history.
    struct OwnLogin {
        /// Its number, by which the history is paged.
        number: i64,
        /// When it happened.
        at: Timestamp,
        /// What it was: `login.succeeded`, `login.failed`, `code.failed`, `password.changed`, `password.reset`,
        /// `password.removed`, `account.suspended` or `account.unlocked`.
        kind: String,
        /// By what it was done: `password`, `code`, `session`, `calling server`, `operator`, `server`, or `unknown` where
        /// nothing was proven.
        actor: String,
        /// The network that it came from, if it came from one.
        network: Option<String>,
        /// What else there is to say.
        detail: Option<String>,
    }
}

requests! {
    /// Lists the live sessions of whoever is logged in with this one, the newest first, up to 500.
    "session-list" => session_list(SessionList), repeat reads {
        /// A session of theirs.
        session_token: secret,
    } answers Sessions {
        /// The sessions.
        sessions: Vec<OwnSession>,
        /// Whether these are all of them.
        complete: bool,
    } refuses [NOT_LOGGED_IN]

    /// Lists how whoever is logged in with this session logged in and failed to, and what became of their password, the
    /// newest first: for a page on which they see what was not them. It goes as far back as events are kept.
    "login-history" => login_history(LoginHistory), repeat reads {
        /// A session of theirs.
        session_token: secret,
    } optional {
        /// How many to list, at most 200; 50 without.
        limit: int,
        /// The `next` of an earlier answer: list what was before.
        before: int,
    } answers Logins {
        /// The events.
        events: Vec<OwnLogin>,
        /// What to ask for as `before` to see the rest; null if these are all.
        next: Option<i64>,
    } refuses [NOT_LOGGED_IN, NO_SUCH_LIMIT]

    /// Ends one of the sessions of whoever is logged in with this one, also this one itself.
    "session-end" => session_end(SessionEnd), repeat same {
        /// A session of theirs.
        session_token: secret,
        /// Which one to end, as session-list calls it.
        session_id: str,
    } refuses [NOT_LOGGED_IN, NO_SUCH_SESSION]

    /// Has a session end later, as each visit may do to one that is in use. It never ends sooner than it would anyway,
    /// nor later than the operator allows. Ask as often as you like: it is written at most once a minute.
    "session-touch" => session_touch(SessionTouch), repeat same {
        /// The session's token.
        session_token: secret,
        /// In how many days from now it is to end.
        days: int,
    } optional {
        /// How many days after its start it ends in any case.
        days_max: int,
    } answers Touched {
        /// When it ends now.
        expires: Timestamp,
    } refuses [NOT_LIVE, NO_SUCH_TIME]

    /// Lists the API keys of whoever is logged in with this session, up to 500 of each kind.
    "apikey-list" => apikey_list(ApikeyList), repeat reads {
        /// A session of theirs.
        session_token: secret,
    } answers Keys {
        /// The keys that can still be used or renewed.
        apikeys: Vec<OwnKey>,
        /// Whether these are all of them.
        complete: bool,
    } refuses [NOT_LOGGED_IN]

    /// Revokes one of the API keys of whoever is logged in with this session.
    "apikey-end" => apikey_end(ApikeyEnd), repeat same {
        /// A session of theirs.
        session_token: secret,
        /// Which one to revoke, as apikey-list calls it.
        key_id: str,
    } refuses [NOT_LOGGED_IN, NO_SUCH_KEY]
}

fn not_logged_in(_: NotLoggedIn) -> Failure {
    NOT_LOGGED_IN.to_failure()
}

fn session_list(call: &mut Call<'_>, ask: SessionList) -> Outcome<Sessions> {
    let token = StoredToken::of(ask.session_token.expose());
    let current = token.id();
    let listed = list_sessions(call, &token).map_err(|error| error.map_refusal(not_logged_in))?;
    let complete = !is_full_page(listed.len());
    let own = listed.into_iter().map(|session| OwnSession {
        session_id: session.id.to_string(),
        is_current: session.id == current,
        ip_address: session.ip_address,
        user_agent: session.user_agent,
        created: session.created,
        expires: session.expires,
    });
    Ok(Done::quiet(Sessions { sessions: own.collect(), complete }))
}

fn login_history(call: &mut Call<'_>, ask: LoginHistory) -> Outcome<Logins> {
    let limit = ask.limit.unwrap_or(LOGINS);
    if !(1..=LOGINS_MAX).contains(&limit) {
        return Err(NO_SUCH_LIMIT.to_failure());
    }
    let token = StoredToken::of(ask.session_token.expose());
    let history = own::login_history(call, &token, ask.before.unwrap_or(i64::MAX), limit);
    let history = history.map_err(|error| error.map_refusal(not_logged_in))?;
    let events = history.events.into_iter().map(|event| OwnLogin {
        number: event.seq,
        at: event.at,
        kind: event.kind,
        actor: event.actor,
        network: event.network,
        detail: event.detail,
    });
    Ok(Done::quiet(Logins { events: events.collect(), next: history.next }))
}

fn session_end(call: &mut Call<'_>, ask: SessionEnd) -> Outcome<Empty> {
    let id = TokenId::parse(&ask.session_id).ok_or_else(|| NO_SUCH_SESSION.to_failure())?;
    let ended = end_session(call, StoredToken::of(ask.session_token.expose()), id);
    ended.map_err(|error| error.map_refusal(|why| not_ended(&why, NO_SUCH_SESSION)))?;
    Ok(Done::new(Empty {}, "The session was ended."))
}

fn session_touch(call: &mut Call<'_>, ask: SessionTouch) -> Outcome<Touched> {
    let asked = Prolong { days: ask.days, days_max: ask.days_max };
    let prolonged = prolong(call, StoredToken::of(ask.session_token.expose()), asked);
    let expires = prolonged.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                ProlongRefused::NoSession => NOT_LIVE.to_failure(),
                ProlongRefused::Days => NO_SUCH_TIME.to_failure(),
            }
        })
    })?;
    Ok(Done::quiet(Touched { expires }))
}

fn apikey_list(call: &mut Call<'_>, ask: ApikeyList) -> Outcome<Keys> {
    let listed = list_keys(call, &StoredToken::of(ask.session_token.expose()));
    let listed = listed.map_err(|error| error.map_refusal(not_logged_in))?;
    let complete = listed.iter().all(|(_, keys)| !is_full_page(keys.len()));
    let own = listed.into_iter().flat_map(|(kind, keys)| {
        keys.into_iter().map(move |mut key| {
            let (name, scopes, last_used) = key.take_scoped();
            OwnKey {
                key_id: key.id.to_string(),
                ends_with_session: kind == ListedKind::InSession,
                user_role: key.user_role,
                issued: key.issued,
                not_valid_before: key.not_valid_before,
                expires: key.expires,
                refresh_expires: key.refresh_expires,
                name,
                scopes,
                last_used,
            }
        })
    });
    Ok(Done::quiet(Keys { apikeys: own.collect(), complete }))
}

fn apikey_end(call: &mut Call<'_>, ask: ApikeyEnd) -> Outcome<Empty> {
    let id = TokenId::parse(&ask.key_id).ok_or_else(|| NO_SUCH_KEY.to_failure())?;
    let ended = end_key(call, StoredToken::of(ask.session_token.expose()), id);
    ended.map_err(|error| error.map_refusal(|why| not_ended(&why, NO_SUCH_KEY)))?;
    Ok(Done::new(Empty {}, "The API key was revoked."))
}

fn not_ended(why: &EndRefused, not_found: Refusal) -> Failure {
    match why {
        EndRefused::NotLoggedIn => NOT_LOGGED_IN.to_failure(),
        EndRefused::NotFound => not_found.to_failure(),
    }
}

//! What an operator does from another machine, or a page for administrators: look through what was issued to users and
//! what is locked, end it, add users. The calling server has decided who may; it names the operator in the message.

use crate::accounts::actor::Performer;
use crate::accounts::add_user::{AddRefused, Addition, add_user};
use crate::accounts::counts::{self, Count};
use crate::accounts::issued::{self, IssuedKey, IssuedSession, LockInForce, Page, Place};
use crate::accounts::unsent_emails::{self, QueuedEmail};
use crate::accounts::{keys, sessions};
use crate::app::Call;
use crate::guard::token::TokenId;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::policy::roles::Role;
use crate::requests;
use crate::user_id::UserId;

const NO_SUCH_PLACE: Refusal =
    Refusal::new("invalid request: after is no `next` of an earlier answer", "Nothing could be listed.");
const NO_SUCH_SESSION: Refusal =
    Refusal::new("there is no such session", "There was no such session to end.");
const NO_SUCH_KEY: Refusal = Refusal::new("there is no such API key", "There was no such API key to revoke.");
const NO_SUCH_EMAIL: Refusal =
    Refusal::new("no such email waits or was given up on", "There was no such email.");
const BAD_EMAIL: Refusal = Refusal::new("invalid email", "This e-mail address cannot be used here.");
const BAD_NAME: Refusal = Refusal::new(
    "invalid full name",
    "This name cannot be used: it is too long or looks like a web address.",
);
const BAD_PASSWORD: Refusal = Refusal::new("invalid password", "");
const BAD_ROLE: Refusal = Refusal::new("no such role", "The policy has no such role for an account.");
const USER_EXISTS: Refusal = Refusal::new("user exists", "There is an account with this address already.");

requests! {
    /// Lists sessions that have not expired: of a user, or of everybody, user by user, the newest of each first.
    "internal-session-list" => session_list(SessionList), repeat reads {
    } optional {
        /// Whose; everybody's without.
        user_id: UserId,
        /// The `next` of an earlier answer.
        after: str,
    } answers Sessions {
        /// The sessions.
        sessions: Vec<IssuedSession>,
        /// What to ask for as `after` to see more; null if there is no more.
        next: Option<String>,
    } refuses [NO_SUCH_PLACE]

    /// Ends a session, and with it the API keys that are tied to it.
    "internal-session-end" => session_end(SessionEnd), repeat same {
        /// Which one, as internal-session-list calls it.
        session_id: str,
    } answers EndedSession {
        /// Whose it was.
        user_id: UserId,
    } refuses [NO_SUCH_SESSION]

    /// Ends all sessions of a user, or of everybody.
    "internal-session-end-all" => session_end_all(SessionEndAll), repeat same {
        /// Whose; null for everybody's.
        user_id: UserId|None,
    } answers EndedSessions {
        /// How many there were.
        ended: usize,
    }

    /// Removes the sessions that have expired. The server does so by itself after as many days as `sessionexpiry` says.
    "internal-session-purge" => session_purge(SessionPurge), repeat same {
    } answers PurgedSessions {
        /// How many there were.
        removed: usize,
    }

    /// Lists API keys that can be used or renewed: of a user, or of everybody.
    "internal-apikey-list" => apikey_list(ApikeyList), repeat reads {
    } optional {
        /// Whose; everybody's without.
        user_id: UserId,
        /// The `next` of an earlier answer.
        after: str,
    } answers Keys {
        /// The keys.
        apikeys: Vec<IssuedKey>,
        /// What to ask for as `after` to see more; null if there is no more.
        next: Option<String>,
    } refuses [NO_SUCH_PLACE]

    /// Revokes an API key.
    "internal-apikey-end" => apikey_end(ApikeyEnd), repeat same {
        /// Which one, as internal-apikey-list calls it.
        key_id: str,
    } answers EndedKey {
        /// Whose it was.
        user_id: UserId,
    } refuses [NO_SUCH_KEY]

    /// Lists the locks in force: of accounts, and those that failed attempts made.
    "internal-lock-list" => lock_list(LockList), repeat reads {
    } optional {
        /// The `next` of an earlier answer.
        after: str,
    } answers Locks {
        /// The locks.
        locks: Vec<LockInForce>,
        /// What to ask for as `after` to see more; null if there is no more.
        next: Option<String>,
    } refuses [NO_SUCH_PLACE]

    /// Adds a user who need not sign up: the address counts as verified.
    "internal-user-add" => user_add(UserAdd), repeat same {
        /// The user's address.
        email: str,
        /// The user's name.
        full_name: str,
        /// The user's password.
        password: password,
    } optional {
        /// The user's role; `authenticated` without.
        role: str,
    } answers Added {
        /// The user's number.
        user_id: UserId,
        /// The user's public identifier.
        system_id: String,
        /// The address in its folded form.
        email: EmailAddress,
    } refuses [BAD_EMAIL, BAD_NAME, BAD_PASSWORD, BAD_ROLE, USER_EXISTS]

    /// Lists emails of the server's queue that were not sent, in the order in which they were asked for.
    "internal-email-list" => email_list(EmailList), repeat reads {
    } optional {
        /// The `next` of an earlier answer.
        after: int,
    } answers Emails {
        /// The emails.
        emails: Vec<QueuedEmail>,
        /// What to ask for as `after` to see more; null if there is no more.
        next: Option<i64>,
    }

    /// Has an email tried again that waits or was given up on, or all of them.
    "internal-email-retry" => email_retry(EmailRetry), repeat same {
        /// Which one, as internal-email-list calls it; null for all.
        number: int|None,
    } answers RetriedEmails {
        /// How many are due now.
        retried: usize,
    } refuses [NO_SUCH_EMAIL]

    /// Takes an email out of the queue that waits or was given up on.
    "internal-email-drop" => email_drop(EmailDrop), repeat same {
        /// Which one, as internal-email-list calls it.
        number: int,
    } refuses [NO_SUCH_EMAIL]

    /// Counts users by role and state, and everything else by kind and state. It reads the whole database.
    "internal-stats" => stats(Stats), repeat reads {
    } answers Counts {
        /// Users; `kind` is the role.
        users: Vec<Count>,
        /// Sessions, API keys, codes, emails, locks and events.
        others: Vec<Count>,
    }
}

/// Where a list begins, with what reads it.
fn place<N>(after: Option<&String>, parse: fn(&str) -> Option<N>) -> Result<Option<N>, Failure> {
    after.map(|text| parse(text).ok_or_else(|| NO_SUCH_PLACE.to_failure())).transpose()
}

/// The rows of a page, and where the next one begins.
fn parts<T, N: ToString>(page: Page<T, N>) -> (Vec<T>, Option<String>) {
    (page.rows, page.next.map(|place| place.to_string()))
}

fn session_list(call: &mut Call<'_>, ask: SessionList) -> Outcome<Sessions> {
    let from = place(ask.after.as_ref(), Place::of_session)?;
    let (sessions, next) = parts(issued::sessions(call, ask.user_id, from)?);
    Ok(Done::quiet(Sessions { sessions, next }))
}

fn session_end(call: &mut Call<'_>, ask: SessionEnd) -> Outcome<EndedSession> {
    let none = || NO_SUCH_SESSION.to_failure();
    let id = TokenId::parse(&ask.session_id).ok_or_else(none)?;
    let user_id = sessions::end_by_id(call, &Performer::CallingServer, id)?.ok_or_else(none)?;
    Ok(Done::new(EndedSession { user_id }, "The session was ended."))
}

fn session_end_all(call: &mut Call<'_>, ask: SessionEndAll) -> Outcome<EndedSessions> {
    let by = Performer::CallingServer;
    let ended = match ask.user_id {
        Some(user_id) => sessions::end_all(call, &by, user_id, None)?,
        None => sessions::end_everybodys(call, &by)?,
    };
    Ok(Done::new(EndedSessions { ended }, "The sessions were ended."))
}

fn session_purge(call: &mut Call<'_>, SessionPurge {}: SessionPurge) -> Outcome<PurgedSessions> {
    let removed = sessions::purge(call, &Performer::CallingServer)?;
    Ok(Done::new(PurgedSessions { removed }, "The sessions that have expired were removed."))
}

fn apikey_list(call: &mut Call<'_>, ask: ApikeyList) -> Outcome<Keys> {
    let from = place(ask.after.as_ref(), Place::of_key)?;
    let (apikeys, next) = parts(issued::api_keys(call, ask.user_id, from)?);
    Ok(Done::quiet(Keys { apikeys, next }))
}

fn apikey_end(call: &mut Call<'_>, ask: ApikeyEnd) -> Outcome<EndedKey> {
    let none = || NO_SUCH_KEY.to_failure();
    let id = TokenId::parse(&ask.key_id).ok_or_else(none)?;
    let user_id = keys::revoke_by_id(call, &Performer::CallingServer, id)?.ok_or_else(none)?;
    Ok(Done::new(EndedKey { user_id }, "The API key was revoked."))
}

fn lock_list(call: &mut Call<'_>, ask: LockList) -> Outcome<Locks> {
    let from = place(ask.after.as_ref(), |text| text.parse().ok().map(UserId::new))?;
    let (locks, next) = parts(issued::locks(call, from)?);
    Ok(Done::quiet(Locks { locks, next }))
}

fn user_add(call: &mut Call<'_>, ask: UserAdd) -> Outcome<Added> {
    let addition = Addition {
        email: &ask.email,
        full_name: &ask.full_name,
        password: &ask.password,
        role: ask.role.as_deref().unwrap_or(Role::AUTHENTICATED.as_str()),
    };
    let added = add_user(call, &Performer::CallingServer, &addition);
    let added = added.map_err(|error| {
        error.map_refusal(|why| -> Failure {
            match why {
                AddRefused::BadEmail => BAD_EMAIL.to_failure(),
                AddRefused::BadName => BAD_NAME.to_failure(),
                AddRefused::NoSuchRole => BAD_ROLE.to_failure(),
                AddRefused::Known => USER_EXISTS.to_failure(),
                AddRefused::BadPassword(broken) => BAD_PASSWORD.to_refused().with_messages(broken).into(),
            }
        })
    })?;
    let answer = Added { user_id: added.user_id, system_id: added.system_id, email: added.email };
    Ok(Done::new(answer, "The account was made."))
}

fn email_list(call: &mut Call<'_>, ask: EmailList) -> Outcome<Emails> {
    let (emails, next) = unsent_emails::page(call, ask.after.unwrap_or(0))?;
    Ok(Done::quiet(Emails { emails, next }))
}

fn email_retry(call: &mut Call<'_>, ask: EmailRetry) -> Outcome<RetriedEmails> {
    let retried = unsent_emails::retry(call, ask.number)?;
    if retried == 0 && ask.number.is_some() {
        return Err(NO_SUCH_EMAIL.to_failure());
    }
    Ok(Done::new(RetriedEmails { retried }, "The emails are due now."))
}

fn email_drop(call: &mut Call<'_>, ask: EmailDrop) -> Outcome<Empty> {
    if !unsent_emails::drop(call, ask.number)? {
        return Err(NO_SUCH_EMAIL.to_failure());
    }
    Ok(Done::new(Empty {}, "The email was dropped."))
}

fn stats(call: &mut Call<'_>, Stats {}: Stats) -> Outcome<Counts> {
    let (users, others) = counts::all(call)?;
    Ok(Done::quiet(Counts { users, others }))
}

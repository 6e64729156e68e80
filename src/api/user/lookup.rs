//! Listing users and looking them up. Whoever holds the shared key may ask: no permission is checked here.

use crate::accounts::find::{More, by_email, by_id, each};
use crate::app::Call;
use crate::clock::Timestamp;
use crate::outcome::{Done, Failure, Outcome, Refusal};
use crate::policy::email::EmailAddress;
use crate::requests;
use crate::store::user_lists::{ColumnValue, Wanted};
use crate::store::users::User;
use crate::user_id::UserId;
use crate::wire::{Encoded, FromWire, Object};
use serde_json::Value;

/// The most users in one answer. Whoever has more asks for them page by page.
const USERS_PER_ANSWER_MAX: usize = 50_000;
/// Bytes of one answer's users, as JSON. Sealing and sending them takes several times as much memory.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

const FAILED: &str = "Looking up users did not work.";
const LIST_FAILED: Refusal = Refusal::new("exception when checking the DB", FAILED).nulls(&["user_info"]);
const TOO_MANY: Refusal = Refusal::new(
    "exception when checking the DB",
    "There are too many users for one answer, or too much is noted about them. Ask for fewer at a time, with limit and \
     after.",
)
.nulls(&["user_info"]);
const EMAIL_UNKNOWN: Refusal = Refusal::new("user email not found in DB", FAILED).nulls(&["user_info"]);
const EMAIL_FAILED: Refusal = Refusal::new("exception when checking the DB", FAILED).nulls(&["user_info"]);
const MISMATCHED: Refusal = Refusal::new(
    "invalid request: 'by' is 'extra_info' but 'match' is not a dict or 'match' is a dict and 'by' is not 'extra_info'",
    "Notes are compared with an object of keys, everything else with a single value.",
)
.nulls(&["user_info"]);
const MATCH_FAILED: Refusal = Refusal::new("exception in DB access", FAILED).nulls(&["user_info"]);

requests! {
    /// Lists all users, or one of them. With very many users, ask for them in pieces: `limit` of them at a time, each
    /// time those `after` the last number that was answered.
    "user-list" => user_list(UserList), broken LIST_FAILED, repeat reads {
        /// The one user to list, or null for all.
        user_id: UserId|None,
    } optional {
        /// How many users to answer at most.
        limit: int,
        /// Answers only users with a higher number than this.
        after: UserId,
    } answers Users {
        /// The users, in the order of their numbers.
        user_info: Vec<Encoded<User>>,
    } refuses [TOO_MANY]

    /// Looks a user up by their address.
    "user-lookup-email" => user_lookup_email(UserLookupEmail), broken EMAIL_FAILED, repeat reads {
        /// The address the user signed up with.
        email: str,
    } answers OneUser {
        /// The user.
        user_info: User,
    } refuses [EMAIL_UNKNOWN]

    /// Looks users up by any of their properties.
    "user-lookup-match" => user_lookup_match(UserLookupMatch), broken MATCH_FAILED, repeat reads {
        /// The property: any key of the answer's `user_info`.
        by: str,
        /// Its value; for `extra_info` an object whose keys and values must all be among those noted.
        matched as match: Any,
    } optional {
        /// How many users to answer at most.
        limit: int,
        /// Answers only users with a higher number than this.
        after: UserId,
    } answers Users refuses [MISMATCHED, MATCH_FAILED, TOO_MANY]
}

/// Which part of the users is asked for.
#[derive(Clone, Copy)]
struct Page {
    after: UserId,
    limit: usize,
    limit_was_given: bool,
}

impl Page {
    fn new(limit: Option<i64>, after: Option<UserId>) -> Self {
        Self {
            after: after.unwrap_or(UserId::MIN),
            limit: limit
                .map_or(usize::MAX, |limit| usize::try_from(limit.max(0)).unwrap_or(usize::MAX))
                .min(USERS_PER_ANSWER_MAX + 1),
            limit_was_given: limit.is_some(),
        }
    }
}

/// The users of an answer, each made text as soon as it is read, so that no user is in memory twice.
struct Listing {
    page: Page,
    users: Vec<Encoded<User>>,
    bytes: usize,
}

impl Listing {
    const fn new(page: Page) -> Self {
        Self { page, users: Vec::new(), bytes: 0 }
    }

    /// Adds a user; says whether more are wanted, and refuses when the answer would be too long.
    fn add(&mut self, user: &User) -> Result<More, Failure> {
        let count = self.users.len();
        if count >= self.page.limit {
            return Ok(More::NotWanted);
        }
        if count >= USERS_PER_ANSWER_MAX {
            return if self.page.limit_was_given { Ok(More::NotWanted) } else { Err(TOO_MANY.to_failure()) };
        }
        let user = Encoded::of(user);
        self.bytes += user.bytes();
        if self.bytes > ANSWER_BYTES_MAX && count > 0 {
            return Err(TOO_MANY.to_failure());
        }
        self.users.push(user);
        Ok(More::Wanted)
    }

    fn answer(self) -> Done<Users> {
        Done::new(Users { user_info: self.users }, "The users were looked up.")
    }
}

fn user_list(call: &mut Call<'_>, ask: UserList) -> Outcome<Users> {
    let page = Page::new(ask.limit, ask.after);
    let Some(user_id) = ask.user_id else { return Ok(find(call, page, Wanted::All, |_| true)?.answer()) };
    let mut listing = Listing::new(page);
    if let Some(user) = by_id(call, user_id)? {
        let _ = listing.add(&user)?;
    }
    Ok(listing.answer())
}

/// Lists those of the wanted users who pass.
fn find(
    call: &Call<'_>,
    page: Page,
    wanted: Wanted,
    passes: impl Fn(&User) -> bool + Send + 'static,
) -> Result<Listing, Failure> {
    each(call, wanted, page.after, Listing::new(page), move |listing, user| {
        if passes(user) { listing.add(user) } else { Ok(More::Wanted) }
    })
}

fn user_lookup_email(call: &mut Call<'_>, ask: UserLookupEmail) -> Outcome<OneUser> {
    let user = by_email(call, &EmailAddress::folded(&ask.email))?;
    let user_info = user.ok_or_else(|| EMAIL_UNKNOWN.to_failure())?;
    Ok(Done::new(OneUser { user_info }, "The user was found."))
}

fn user_lookup_match(call: &mut Call<'_>, ask: UserLookupMatch) -> Outcome<Users> {
    let page = Page::new(ask.limit, ask.after);
    let listing = match (ask.by.as_str(), ask.matched) {
        ("extra_info", Value::Object(noted)) => {
            find(call, page, Wanted::All, move |user| has_notes(user, &noted))?
        }
        ("extra_info", _) | (_, Value::Object(_)) => return Err(MISMATCHED.to_failure()),
        (by, value) => {
            let value = comparable(by, value).ok_or_else(|| MATCH_FAILED.to_failure())?;
            find(call, page, Wanted::Column(by.to_owned(), value), |_| true)?
        }
    };
    Ok(listing.answer())
}

/// A value as the column stores it; `None` where there is no such column or the value is a list.
fn comparable(by: &str, value: Value) -> Option<ColumnValue> {
    Some(match (by, value) {
        (
            "user_id" | "system_id" | "full_name" | "email" | "email_verified" | "is_active"
            | "failed_login_tries" | "user_role",
            value,
        ) => match value {
            Value::String(text) if by == "email" => ColumnValue::Email(EmailAddress::folded(&text)),
            other => plain(other)?,
        },
        (
            "last_login_try"
            | "last_login_success"
            | "created_on"
            | "last_updated"
            | "emailverify_sent_datetime"
            | "emailforgotpass_sent_datetime"
            | "emailchangepass_sent_datetime",
            value,
        ) => match value {
            // Times are compared as they are stored, however they were written.
            Value::String(text) => ColumnValue::Text(Timestamp::parse(&text).map_or(text, Timestamp::stored)),
            other => plain(other)?,
        },
        _ => return None,
    })
}

fn plain(value: Value) -> Option<ColumnValue> {
    match value {
        Value::String(text) => Some(ColumnValue::Text(text)),
        Value::Bool(truth) => Some(ColumnValue::Integer(truth.into())),
        number => match i64::from_wire(number) {
            Ok(integer) => Some(ColumnValue::Integer(integer)),
            Err(other) => f64::from_wire(other).ok().map(ColumnValue::Real),
        },
    }
}

fn has_notes(user: &User, wanted: &Object) -> bool {
    if wanted.is_empty() {
        return true;
    }
    let Some(noted) = &user.extra_info else { return false };
    let Ok(noted) = noted.members() else { return false };
    wanted.iter().all(|(key, wanted)| {
        noted.get(key).and_then(|value| value.value().ok()).is_some_and(|value| value == *wanted)
    })
}

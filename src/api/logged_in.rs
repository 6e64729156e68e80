//! Somebody who is logged in, as several requests answer it, and the session that they get.

use crate::accounts::sessions::{End, Start, Started};
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::outcome::{Done, Failure, Refusal};
use crate::policy::roles::Role;
use crate::shape;
use crate::store::users::AuthUser;
use crate::user_id::UserId;
use crate::wire::Object;

/// A session that ends at once, or hardly ever, is no login.
pub(super) const NO_SUCH_DAYS: Refusal =
    Refusal::new("invalid request: days is 1 to 36500", "You could not be logged in.");
const DAYS_MAX: i64 = 36_500;

/// A session cannot be started for this client, or with so much noted.
pub(super) const NO_SUCH_CLIENT: Refusal =
    Refusal::new("invalid request: the session cannot be started as asked", "You could not be logged in.");

/// How long a session lives if its user wants to be remembered, and if not.
const REMEMBERED_DAYS: i64 = 30;
const FORGOTTEN_DAYS: i64 = 1;

shape! {
    /// Somebody who is logged in.
    pub(super) struct LoggedInUser {
        /// The user's number.
        pub user_id: UserId,
        /// The user's public identifier.
        pub system_id: String,
        /// The user's name, HTML-escaped.
        pub full_name: Option<String>,
        /// The user's address in folded form.
        pub email: String,
        /// The user's role.
        pub user_role: Role,
    }
}

shape! {
    /// A login that is done.
    pub(super) struct Session {
        /// The token of the user's session. It is shown this once.
        pub session_token: String,
        /// When it ends.
        pub expires: Timestamp,
        /// Who it is.
        pub user: LoggedInUser,
        /// Whether the user has to prove themselves in a second way before the session counts. Never so for now.
        pub second_factor_due: bool,
    }
}

/// What is answered to somebody who has just logged in.
pub(super) fn logged_in_as(user: AuthUser, started: &Started) -> Done<Session> {
    let session = Session {
        session_token: started.token.reveal().to_owned(),
        expires: started.expires,
        user: LoggedInUser::of(user),
        second_factor_due: false,
    };
    Done::new(session, "You are logged in.")
}

pub(super) const fn usual_days(remember: Option<bool>) -> i64 {
    if let Some(true) = remember { REMEMBERED_DAYS } else { FORGOTTEN_DAYS }
}

/// The session to start, unless that is no IP address or no number of days.
pub(super) fn session(
    ip_address: &str,
    user_agent: String,
    days: i64,
    extra_info: Option<Object>,
) -> Result<Start, Failure> {
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(NO_SUCH_DAYS.to_failure());
    }
    let ip_address = ClientAddress::parse(ip_address).ok_or_else(|| NO_SUCH_CLIENT.to_failure())?.to_string();
    Ok(Start { ip_address, user_agent, user_id: None, end: End::InDays(days), extra_info })
}

impl LoggedInUser {
    pub(super) fn of(user: AuthUser) -> Self {
        Self {
            user_id: user.user_id,
            system_id: user.system_id,
            full_name: user.full_name,
            email: user.email.as_str().to_owned(),
            user_role: user.user_role,
        }
    }
}

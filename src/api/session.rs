//! Sessions: making, looking up, annotating and ending them.

use crate::accounts::actor::Performer;
use crate::accounts::sessions::{End, MayNotStart, NoteRefused, Start, end, end_all, live, note, start};
use crate::app::Call;
use crate::client_address::ClientAddress;
use crate::clock::Timestamp;
use crate::guard::token::StoredToken;
use crate::json::JsonText;
use crate::outcome::{Done, Empty, Failure, Outcome, Refusal};
use crate::policy::roles::{Role, is_system_user};
use crate::store::sessions::LiveSession;
use crate::user_id::UserId;
use crate::wire::{StrOrInt, ascii_json};
use crate::{requests, shape};
use std::sync::Arc;

const NOT_MADE: Refusal =
    Refusal::new("DB error when making new session", "The session could not be started.")
        .nulls(&["session_token", "expires"]);
const NOT_LIVE: Refusal =
    Refusal::new("session does not exist or expired", "The session could not be looked up.")
        .nulls(&["session_info"]);
const NOT_READ: Refusal =
    Refusal::new("DB error when retrieving session info", "The session could not be looked up.")
        .nulls(&["session_info"]);
const NO_SUCH_TOKEN: Refusal = Refusal::without_reason("no such row", "There was no such session to end.");
const NOT_DELETED: Refusal =
    Refusal::new("DB error when deleting session", "The session could not be ended.");
const NONE_DELETED: Refusal = Refusal::without_reason("no such row", "There were no sessions to end.");
const NONE_DELETED_BROKEN: Refusal =
    Refusal::new("DB error when updating session info", "The sessions could not be ended.");
const NOTHING_TO_EDIT: Refusal = Refusal::new(
    "invalid request: missing 'update_dict' in request",
    "There is nothing to change about the session.",
)
.nulls(&["session_info"]);
const NOT_THERE_TO_EDIT: Refusal =
    Refusal::new("no such session", "The session could not be changed.").nulls(&["session_info"]);
const NOTES_UNREADABLE: Refusal = Refusal::new(
    "stored extra_info_json can't be read as an object",
    "What is noted about this session cannot be read. It was left as it is.",
)
.nulls(&["session_info"]);
const NOT_EDITED: Refusal =
    Refusal::new("DB error when updating session info", "The session could not be changed.")
        .nulls(&["session_info"]);

requests! {
    /// Starts a session, for a visitor or for a user who has just logged in.
    "session-new" => session_new(SessionNew), broken NOT_MADE {
        /// The visitor's IP address.
        ip_address: str,
        /// What the visitor's browser calls itself.
        user_agent: str,
        /// Whose session it is; null for a visitor who is not logged in.
        user_id: UserId|None,
        /// When it ends: a time in UTC such as 2027-01-31T12:00:00.5Z, or a number of days from now.
        expires: str|int,
        /// Anything to note about the session.
        extra_info_json: dict|None,
    } answers SessionMade {
        /// The token of the new session. It is shown this once.
        session_token: String,
        /// When it ends.
        expires: Timestamp,
    } refuses [NOT_MADE]

    /// Tells whether a session is live, whose it is, and what is known about both.
    "session-exists" => session_exists(SessionExists), broken NOT_READ, repeat reads {
        /// The session's token.
        session_token: secret,
    } answers SessionFound {
        /// The session and its owner.
        session_info: SessionAndOwner,
    } refuses [NOT_LIVE]

    /// The same as session-exists, with what the session is called and when its owner gave a password.
    "session-info" => session_info(SessionInfo), broken NOT_READ, repeat reads {
        /// The session's token.
        session_token: secret,
    } answers SessionDescribed {
        /// What the session is called, in session-list and for session-end. It proves nothing.
        session_id: String,
        /// When its owner last proved who they are; null for a visitor who is not logged in.
        authenticated_at: Option<Timestamp>,
        /// The session and its owner.
        session_info: SessionAndOwner,
    } refuses [NOT_LIVE]

    /// Ends a session.
    "session-delete" => session_delete(SessionDelete), broken NOT_DELETED, repeat same {
        /// The session's token.
        session_token: secret,
    } refuses [NO_SUCH_TOKEN]

    /// Ends all sessions of a user, or all but one.
    "session-delete-userid" => session_delete_userid(SessionDeleteUserid), broken NONE_DELETED_BROKEN, repeat same {
        /// The session that may be kept.
        session_token: secret,
        /// Whose sessions to end.
        user_id: UserId,
        /// Whether to keep that one session.
        keep_current_session: bool,
    } refuses [NONE_DELETED]

    /// Changes what is noted about a session.
    "internal-session-edit" => internal_session_edit(InternalSessionEdit), broken NOT_EDITED, repeat same {
        /// The session's token.
        target_session_token: secret,
        /// Keys to set; a key whose value is "__delete__" is removed.
        update_dict: dict,
    } answers SessionEdited {
        /// The session as it is now.
        session_info: Session,
    } refuses [NOTHING_TO_EDIT, NOT_THERE_TO_EDIT, NOTES_UNREADABLE]
}

fn session_new(call: &mut Call<'_>, ask: SessionNew) -> Outcome<SessionMade> {
    let asked = Start {
        ip_address: ClientAddress::parse(&ask.ip_address).ok_or_else(|| NOT_MADE.to_failure())?.to_string(),
        user_agent: ask.user_agent,
        // A user number of 0 stands for nobody, like null.
        user_id: ask.user_id.filter(|user_id| *user_id != UserId::new(0)),
        end: match &ask.expires {
            StrOrInt::Int(days) => End::InDays(*days),
            StrOrInt::Str(text) => End::At(parse_expiry(text).ok_or_else(|| NOT_MADE.to_failure())?),
        },
        extra_info: ask.extra_info_json,
    };
    let started = start(call, asked);
    let started =
        started.map_err(|error| error.map_refusal(|MayNotStart| -> Failure { NOT_MADE.to_failure() }))?;
    let made = SessionMade { session_token: started.token.reveal().to_owned(), expires: started.expires };
    Ok(Done::new(made, "The session was started."))
}

/// Reads a time in UTC: `Y-M-DTh:m:s`, with or without up to six fraction digits and an offset.
fn parse_expiry(text: &str) -> Option<Timestamp> {
    if text.len() > 40 || !text.is_ascii() {
        return None;
    }
    // Clients add a Z to what is UTC anyway, wherever they got it from.
    let text = text.replace('Z', "").replace('t', "T");
    let (text, offset_seconds) = split_offset(&text)?;
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
    let micros = match fraction {
        None => 0,
        Some(digits)
            if (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            format!("{digits:0<6}").parse().ok()?
        }
        Some(_) => return None,
    };
    read_calendar(whole)?.plus_micros(micros)?.plus_seconds(-offset_seconds)
}

/// Reads `Y-M-DTh:m:s`. The year has four digits, the others have one or two.
fn read_calendar(text: &str) -> Option<Timestamp> {
    let (date, clock) = text.split_once('T')?;
    let (year, date) = date.split_once('-')?;
    let (month, day) = date.split_once('-')?;
    let (hour, clock) = clock.split_once(':')?;
    let (minute, second) = clock.split_once(':')?;
    let parts = [month, day, hour, minute, second];
    let is_number =
        |part: &&str| matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
    let all_are_numbers = parts.iter().all(is_number);
    all_are_numbers.then(|| {
        Timestamp::parse(&format!("{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute:0>2}:{second:0>2}"))
    })?
}

/// Cuts `+hh:mm` or `-hh:mm` off the end; tells the offset in seconds.
fn split_offset(text: &str) -> Option<(&str, i64)> {
    let (_, clock) = text.split_once('T')?;
    let Some(at) = clock.find(['+', '-']) else { return Some((text, 0)) };
    let (sign, offset) = clock[at..].split_at(1);
    let (hours, minutes) = offset.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let seconds = (hours * 60 + minutes) * 60;
    let end = text.len() - (clock.len() - at);
    Some((&text[..end], if sign == "-" { -seconds } else { seconds }))
}

shape! {
    /// A session, and whose it is.
    struct SessionAndOwner {
        /// The owner's number; 2 for a visitor who is not logged in.
        user_id: UserId,
        /// The owner's public identifier.
        system_id: String,
        /// The owner's name, HTML-escaped.
        full_name: Option<String>,
        /// The owner's address in folded form.
        email: String,
        /// What is noted about the owner.
        extra_info: Option<JsonText>,
        /// Whether the owner proved to hold the address.
        email_verified: bool,
        /// When the last verification email was sent.
        emailverify_sent_datetime: Option<Timestamp>,
        /// Whether the owner may do anything at all.
        is_active: bool,
        /// When somebody last tried to log in as the owner.
        last_login_try: Option<Timestamp>,
        /// When the owner last logged in.
        last_login_success: Option<Timestamp>,
        /// When the owner signed up.
        created_on: Timestamp,
        /// The owner's role.
        user_role: Role,
        /// The session's token, as it was presented.
        session_token: String,
        /// The IP address that the session was started from.
        ip_address: String,
        /// The browser that the session was started by.
        user_agent: String,
        /// When the session started.
        created: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// What is noted about the session.
        extra_info_json: Option<JsonText>,
    }
}

fn session_exists(call: &mut Call<'_>, ask: SessionExists) -> Outcome<SessionFound> {
    let shown = ask.session_token.expose();
    let session = look_up(call, &StoredToken::of(shown))?;
    // It is asked for with every page that its owner visits.
    let answer = session.answer.fill(shown, |token| {
        ascii_json(&SessionFound { session_info: SessionAndOwner::new(&session, token) })
    });
    Ok(Done::written(answer).and("The session was found."))
}

fn session_info(call: &mut Call<'_>, ask: SessionInfo) -> Outcome<SessionDescribed> {
    let token = StoredToken::of(ask.session_token.expose());
    let session_info = SessionAndOwner::new(&*look_up(call, &token)?, ask.session_token.expose());
    let is_visitors = is_system_user(session_info.user_id);
    let described = SessionDescribed {
        session_id: token.id().to_string(),
        // A session is started once its owner has given a password.
        authenticated_at: (!is_visitors).then_some(session_info.created),
        session_info,
    };
    Ok(Done::quiet(described))
}

fn look_up(call: &Call<'_>, token: &StoredToken) -> Result<Arc<LiveSession>, Failure> {
    live(call, token)?.ok_or_else(|| NOT_LIVE.to_failure())
}

impl SessionAndOwner {
    fn new(session: &LiveSession, shown_token: &str) -> Self {
        Self {
            user_id: session.user_id,
            system_id: session.system_id.clone(),
            full_name: session.full_name.clone(),
            email: session.email.clone(),
            extra_info: session.extra_info.clone(),
            email_verified: session.email_verified,
            emailverify_sent_datetime: session.emailverify_sent_datetime,
            is_active: session.is_active,
            last_login_try: session.last_login_try,
            last_login_success: session.last_login_success,
            created_on: session.created_on,
            user_role: session.user_role.clone(),
            session_token: shown_token.to_owned(),
            ip_address: session.ip_address.clone(),
            user_agent: session.user_agent.clone(),
            created: session.created,
            expires: session.expires,
            extra_info_json: session.extra_info_json.clone(),
        }
    }
}

fn session_delete(call: &mut Call<'_>, ask: SessionDelete) -> Outcome<Empty> {
    let token = StoredToken::of(ask.session_token.expose());
    if end(call, token)? {
        Ok(Done::new(Empty {}, "The session was ended."))
    } else {
        Err(NO_SUCH_TOKEN.to_failure())
    }
}

fn session_delete_userid(call: &mut Call<'_>, ask: SessionDeleteUserid) -> Outcome<Empty> {
    let kept = ask.keep_current_session.then(|| StoredToken::of(ask.session_token.expose()));
    match end_all(call, &Performer::CallingServer, ask.user_id, kept)? {
        0 => Err(NONE_DELETED.to_failure()),
        _ => Ok(Done::new(Empty {}, "The sessions were ended.")),
    }
}

shape! {
    /// A session.
    struct Session {
        /// The owner's number; 2 for a visitor who is not logged in.
        user_id: UserId,
        /// The session's token, as it was presented.
        session_token: String,
        /// The IP address that the session was started from.
        ip_address: String,
        /// The browser that the session was started by.
        user_agent: String,
        /// When the session started.
        created: Timestamp,
        /// When it ends.
        expires: Timestamp,
        /// What is noted about the session.
        extra_info_json: JsonText,
    }
}

fn internal_session_edit(call: &mut Call<'_>, ask: InternalSessionEdit) -> Outcome<SessionEdited> {
    if ask.update_dict.is_empty() {
        return Err(NOTHING_TO_EDIT.to_failure());
    }
    let stored = StoredToken::of(ask.target_session_token.expose());
    let noted = note(call, stored, ask.update_dict).map_err(|error| {
        error.map_refusal(|why| match why {
            NoteRefused::NoSession => NOT_THERE_TO_EDIT.to_failure(),
            NoteRefused::NotesUnreadable => NOTES_UNREADABLE.to_failure(),
            NoteRefused::TooLong => NOT_EDITED.to_failure(),
        })
    });
    let (session, extra_info) = noted?;
    let session_info = Session {
        user_id: session.user_id,
        session_token: ask.target_session_token.expose().clone(),
        ip_address: session.ip_address.clone(),
        user_agent: session.user_agent.clone(),
        created: session.created,
        expires: session.expires,
        extra_info_json: extra_info,
    };
    Ok(Done::new(SessionEdited { session_info }, "What is noted about the session was changed."))
}

//! Taking over accounts that another program had. Each is looked at by itself first, without a change; then they are
//! written down batch by batch, each batch all or nothing. An address that has an account already is passed over, so that
//! an import that broke off is repeated without making anybody twice.

use super::actor::Performer;
use super::lock::lock;
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::password::{HashError, ImportedHash, PasswordHash};
use crate::guard::secret::Password;
use crate::guard::token::uuid4;
use crate::json::{self, Limits};
use crate::outcome::Error;
use crate::policy::email::{EmailAddress, is_valid_syntax};
use crate::policy::full_name::FullName;
use crate::policy::roles::Role;
use crate::store::events::{EventKind, NewEvent};
use crate::store::locks::Lock;
use crate::store::user_lists::{self, ColumnValue, Wanted};
use crate::store::users::{EXTRA_INFO_BYTES_MAX, NewUser};
use crate::store::{StoreError, user_transfer, users};
use crate::user_id::UserId;
use crate::wire::ascii_json;
use serde_json::Value;

/// What is noted about an imported user of whom nothing else is to be noted.
const NOTES: &str = r#"{"provenance": "imported", "type": "normal-user"}"#;
/// Bytes of a public identifier.
const SYSTEM_ID_BYTES_MAX: usize = 64;
/// What helps an account whose hash is of no use.
const LEAVE_EMPTY: &str = "leave it empty, and the user sets a new password by a reset";

/// What is said about an account, as texts.
#[derive(Default)]
pub struct Described<'a> {
    /// The address.
    pub email: Option<&'a str>,
    /// The user's name.
    pub full_name: Option<&'a str>,
    /// The hash of the password, in whatever known form.
    pub password_hash: Option<&'a str>,
    /// The password itself.
    pub password: Option<&'a str>,
    /// The role.
    pub role: Option<&'a str>,
    /// Whether the address is proven: yes or no.
    pub verified: Option<&'a str>,
    /// Whether the account works: yes or no.
    pub active: Option<&'a str>,
    /// Whether somebody has locked it: yes or no.
    pub locked: Option<&'a str>,
    /// When it was made.
    pub created: Option<&'a str>,
    /// The public identifier.
    pub system_id: Option<&'a str>,
    /// What is noted about the user, a JSON object.
    pub extra: Option<&'a str>,
}

/// What somebody is that was looked at and is well described.
pub enum Found {
    /// Somebody with this address has an account already, which stays as it is.
    Known(EmailAddress),
    /// An account that can be taken over.
    New(Box<Arrival>),
}

/// An account that can be taken over.
pub struct Arrival {
    /// Its address.
    pub email: EmailAddress,
    /// Its public identifier, if it brings one along.
    pub system_id: Option<String>,
    /// Whether its address counts as proven.
    pub verified: bool,
    /// Whether it will be locked.
    pub locked: bool,
    full_name: FullName,
    role: Role,
    active: bool,
    created: Option<Timestamp>,
    extra_info: String,
    credential: Credential,
}

enum Credential {
    None,
    Password(Password),
    Hash(ImportedHash),
}

impl Arrival {
    /// What its user proves themselves with, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.credential {
            Credential::None => "none",
            Credential::Password(_) => "plain password",
            Credential::Hash(hash) => hash.kind(),
        }
    }

    /// Whether something has to be hashed for it.
    #[must_use]
    pub const fn is_hashed_here(&self) -> bool {
        match &self.credential {
            Credential::None => false,
            Credential::Password(_) => true,
            Credential::Hash(hash) => hash.is_wrapped(),
        }
    }
}

/// Looks at what is said about an account. The inner error says all that is wrong with it, and what to do.
///
/// # Errors
///
/// A failing database.
pub fn look_at(
    context: &Context<'_>,
    described: &Described<'_>,
) -> Result<Result<Found, Vec<String>>, Error> {
    let mut problems = Vec::new();
    let email = EmailAddress::folded(described.email.unwrap_or_default());
    if !is_valid_syntax(email.as_str()) {
        problems.push("email: this is no address".to_owned());
    } else if context.read(|db| users::id_by_email(db, &email))?.is_some() {
        return Ok(Ok(Found::Known(email)));
    }
    let full_name = FullName::accept(described.full_name.unwrap_or_default());
    if full_name.is_err() {
        problems.push("full_name: it is too long, or looks like a link".to_owned());
    }
    let mut said = |name: &str, text: Option<&str>, usual: bool| match text.map(yes_or_no) {
        None => usual,
        Some(Some(said)) => said,
        Some(None) => {
            problems.push(format!("{name}: it is yes or no (or true or false, 1 or 0)"));
            usual
        }
    };
    let verified = said("verified", described.verified, true);
    let active = said("active", described.active, verified);
    let locked = said("lock", described.locked, false);
    let role = role(context, described.role, verified, &mut problems);
    if !verified && (active || locked) {
        let problem = "active, lock: an account whose address is not verified is neither";
        problems.push(problem.to_owned());
    }
    let created = described.created.map(|text| Timestamp::parse(text.strip_suffix('Z').unwrap_or(text)));
    if created == Some(None) {
        problems.push("created: it is no time such as 2024-01-31T12:00:00Z (UTC)".to_owned());
    }
    let system_id = described.system_id.map(str::to_owned);
    if let Some(id) = &system_id {
        let fits = id.len() <= SYSTEM_ID_BYTES_MAX && id.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            problems
                .push(format!("system_id: it is at most {SYSTEM_ID_BYTES_MAX} letters, digits and signs"));
        }
    }
    let extra_info = notes(described.extra, &mut problems);
    let credential = credential(context, described, &mut problems);
    if let Some(id) = &system_id {
        let wanted = Wanted::Column("system_id".to_owned(), ColumnValue::Text(id.clone()));
        if !context.read(|db| user_lists::slice(db, &wanted, UserId::MIN))?.users.is_empty() {
            problems
                .push("system_id: it belongs to another account; leave it empty for a new one".to_owned());
        }
    }
    let (Ok(full_name), true) = (full_name, problems.is_empty()) else { return Ok(Err(problems)) };
    let created = created.flatten();
    Ok(Ok(Found::New(Box::new(Arrival {
        email,
        system_id,
        verified,
        locked,
        full_name,
        role,
        active,
        created,
        extra_info,
        credential,
    }))))
}

fn yes_or_no(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "1" | "t" | "y" => Some(true),
        "no" | "false" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// The role that the account gets. Before its address is verified it has that of locked ones, as after a sign-up.
fn role(context: &Context<'_>, said: Option<&str>, verified: bool, problems: &mut Vec<String>) -> Role {
    match said {
        None if verified => Role::AUTHENTICATED,
        None => Role::LOCKED,
        Some(_) if !verified => {
            problems
                .push("role: an account gets one when its address is verified; leave it empty".to_owned());
            Role::LOCKED
        }
        Some(name) => {
            let policy = context.app().policy.load();
            let is_for_people = ![Role::ANONYMOUS, Role::LOCKED].iter().any(|role| *role == *name);
            policy.role(name).filter(|_| is_for_people).unwrap_or_else(|| {
                let roles: Vec<&str> = policy.roles().collect();
                let problem = "role: the policy has no such role for an account; it has";
                problems.push(format!("{problem} {}", roles.join(", ")));
                Role::LOCKED
            })
        }
    }
}

fn notes(said: Option<&str>, problems: &mut Vec<String>) -> String {
    let Some(text) = said else { return NOTES.to_owned() };
    match json::read_object(text, &Limits::REQUEST) {
        Ok(notes) => {
            let text = ascii_json(&Value::Object(notes));
            if text.len() > EXTRA_INFO_BYTES_MAX {
                problems.push(format!("extra: it has more than {EXTRA_INFO_BYTES_MAX} bytes"));
            }
            text
        }
        Err(error) => {
            problems.push(format!("extra: it is a JSON object; this is {error}"));
            String::new()
        }
    }
}

fn credential(context: &Context<'_>, described: &Described<'_>, problems: &mut Vec<String>) -> Credential {
    match (described.password_hash, described.password) {
        (None, None) => Credential::None,
        (None, Some(password)) => Credential::Password(Password::from(password)),
        (Some(_), Some(_)) => {
            problems.push("password: there is a password_hash too; give one of them".to_owned());
            Credential::None
        }
        (Some(hash), None) => match context.app().hasher.read_imported(hash) {
            Ok(hash) => Credential::Hash(hash),
            Err(HashError::OverCeiling) => {
                let problem = "password_hash: each login would cost more than is allowed";
                problems.push(format!("{problem}; {LEAVE_EMPTY}"));
                Credential::None
            }
            Err(HashError::Missing | HashError::Malformed) => {
                problems.push(format!("password_hash: it has no known form; {LEAVE_EMPTY}"));
                Credential::None
            }
        },
    }
}

/// Writes accounts down, all or nothing; tells how many. Those whose address has an account by now are passed over.
///
/// # Errors
///
/// A failing database, or too many passwords waiting.
pub fn take_over(context: &Context<'_>, by: &Performer, arrivals: Vec<Arrival>) -> Result<usize, Error> {
    let new = arrivals.into_iter().map(|arrival| hashed(context, arrival));
    let new = new.collect::<Result<Vec<_>, Error>>()?;
    let (trail, noted_by) = (context.trail(), by.clone());
    let numbers = context.write(move |tx| {
        let mut numbers = Vec::with_capacity(new.len());
        for (user, created, locked) in &new {
            if users::id_by_email(tx, &user.email)?.is_some() {
                continue;
            }
            let user_id = users::insert(tx, user)?;
            if let Some(created) = created {
                user_transfer::set_created(tx, user_id, *created)?;
            }
            if user.email_verified {
                // As for any address that an operator vouches for.
                users::end_contest(tx, &user.email)?;
            }
            if let (true, Some(user)) = (*locked, users::by_id(tx, user_id)?) {
                lock(tx, &user, Lock::Manual)?;
            }
            trail.note(tx, &noted_by, NewEvent::about(EventKind::AccountImported, user_id))?;
            numbers.push(user_id);
        }
        Ok::<_, StoreError>(numbers)
    })?;
    for number in &numbers {
        by.log(context, "account imported", *number);
    }
    Ok(numbers.len())
}

/// The row to be, when it was made, and whether it is to be locked.
fn hashed(context: &Context<'_>, arrival: Arrival) -> Result<(NewUser, Option<Timestamp>, bool), Error> {
    let password: PasswordHash = match arrival.credential {
        Credential::None => context.no_password(),
        Credential::Password(password) => context.hash(&password)?,
        Credential::Hash(hash) => context.store_imported(hash)?,
    };
    let user = NewUser {
        system_id: arrival.system_id.unwrap_or_else(|| uuid4(context.rng())),
        full_name: arrival.full_name.as_str().to_owned(),
        password,
        email: arrival.email,
        email_verified: arrival.verified,
        is_active: arrival.active,
        emailverify_sent_datetime: None,
        extra_info: arrival.extra_info,
        user_role: arrival.role,
        verification_email_due: !arrival.verified,
    };
    Ok((user, arrival.created, arrival.locked))
}

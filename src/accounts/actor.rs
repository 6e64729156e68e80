//! Who performs an operation: a user in a session, whoever has just given an account's password, the calling server,
//! or an operator. A user's claim is checked in the transaction that relies on it, so that nobody acts in a role that
//! they have lost meanwhile.

use crate::app::Context;
use crate::guard::secret::Secret;
use crate::guard::token::StoredToken;
use crate::log::{self, Field};
use crate::policy::roles::Role;
use crate::store::events::By;
use crate::store::{Db, StoreError, sessions};
use crate::user_id::UserId;

/// A session that was presented, and whose it is claimed to be.
pub struct SessionClaim {
    /// The session.
    token: StoredToken,
    /// Whose it is said to be.
    pub user_id: UserId,
    /// The role that its owner is said to have.
    pub role: String,
}

/// Who asks for an operation, by their own account.
pub enum Requester {
    /// A user.
    User(SessionClaim),
    /// Whoever holds the shared key. It has decided who may.
    CallingServer,
    /// Whoever may run commands on this machine.
    Operator(Operator),
}

/// Somebody who may run commands on this machine, by the name that they are logged in under there.
#[derive(Clone, Debug)]
pub struct Operator {
    /// That name.
    pub login: String,
}

/// An active user, proven by a session of theirs, in the role they have now.
#[derive(Clone)]
#[must_use]
pub struct Actor {
    /// The user's number.
    pub user_id: UserId,
    /// The user's role.
    pub role: Role,
}

impl From<&Performer> for By {
    fn from(performer: &Performer) -> Self {
        match performer {
            Performer::User(actor) => Self::session(actor.user_id),
            Performer::PasswordHolder(user_id) => Self::password(*user_id),
            Performer::CodeHolder(user_id) => Self::code(*user_id),
            Performer::CallingServer => Self::CALLING_SERVER,
            Performer::Operator(operator) => Self::operator(operator.login.clone()),
        }
    }
}

/// Who performs an operation, verified.
#[derive(Clone)]
#[must_use]
pub enum Performer {
    /// A user, in a session.
    User(Actor),
    /// The user of this number, who has just given their password.
    PasswordHolder(UserId),
    /// The user of this number, who has just given a code that was emailed to them.
    CodeHolder(UserId),
    /// Whoever holds the shared key.
    CallingServer,
    /// Whoever may run commands on this machine.
    Operator(Operator),
}

impl SessionClaim {
    /// The claim that comes with this token.
    #[must_use]
    pub fn new(session_token: &Secret<String>, user_id: UserId, role: String) -> Self {
        Self { token: StoredToken::of(session_token.expose()), user_id, role }
    }

    /// The user, or `None` when the session is not live, or belongs to another user or another role.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn authorize(&self, db: &Db<'_>) -> Result<Option<Actor>, StoreError> {
        let session = sessions::live_by_token(db, &self.token)?;
        let fits =
            session.filter(|session| session.user_id == self.user_id && session.user_role == *self.role);
        Ok(fits.map(|session| Actor { user_id: session.user_id, role: session.user_role.clone() }))
    }
}

impl Requester {
    /// Checks the claim; `None` when it does not hold.
    ///
    /// # Errors
    ///
    /// A failing database.
    pub fn authorize(&self, db: &Db<'_>) -> Result<Option<Performer>, StoreError> {
        Ok(match self {
            Self::User(claim) => claim.authorize(db)?.map(Performer::User),
            Self::CallingServer => Some(Performer::CallingServer),
            Self::Operator(operator) => Some(Performer::Operator(operator.clone())),
        })
    }
}

impl Performer {
    /// The user, if it is one.
    #[must_use]
    pub const fn user_id(&self) -> Option<UserId> {
        match self {
            Self::User(Actor { user_id, .. }) | Self::PasswordHolder(user_id) | Self::CodeHolder(user_id) => {
                Some(*user_id)
            }
            Self::CallingServer | Self::Operator(_) => None,
        }
    }

    const fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "a session",
            Self::PasswordHolder(_) => "a password",
            Self::CodeHolder(_) => "an emailed code",
            Self::CallingServer => "the calling server",
            Self::Operator(_) => "an operator",
        }
    }

    /// Logs what they did to a user's account. Called once it is on the disk.
    pub(super) fn log(&self, context: &Context<'_>, what: &'static str, user_id: UserId) {
        let salt = &context.config().pii_salt;
        let redacted = |user_id: UserId| Field::from(salt.redact(user_id));
        let mut fields = vec![("user", redacted(user_id)), ("by", self.kind().into())];
        fields.extend(self.user_id().map(|actor| ("actor", redacted(actor))));
        fields.extend(self.operator(context));
        log::info(what, &fields);
    }

    /// Logs what they did to the accounts of all users, and how much of it there was.
    pub(super) fn log_of_all(&self, context: &Context<'_>, what: &'static str, count: usize) {
        let mut fields = vec![("count", count.into()), ("by", self.kind().into())];
        fields.extend(self.operator(context));
        log::info(what, &fields);
    }

    fn operator(&self, context: &Context<'_>) -> Option<(&'static str, Field)> {
        let login = match self {
            Self::Operator(operator) => operator.login.as_str(),
            Self::CallingServer => context.operator()?,
            _ => return None,
        };
        Some(("operator", context.config().pii_salt.redact(login).into()))
    }
}

//! What PostgreSQL reports, and what that means.

use super::message::{Malformed, ServerError};
use super::scram::ScramError;
use crate::problem::{Loggable, Shown};
use std::fmt;
use std::io;

/// An error of PostgreSQL's, or on the way to it. Its text tells of codes, never of values.
pub struct PostgresError(Kind);

/// What went wrong.
enum Kind {
    /// The server reported this.
    Server(ServerError),
    /// The connection, or the way to it.
    Connection(io::Error),
    /// What the server says is not its protocol.
    Protocol,
    /// It does not log us in.
    Login(&'static str),
    /// No server takes writes.
    ReadOnly,
    /// Somebody copies the database, or into it.
    Copied,
}

impl PostgresError {
    pub(super) const fn login(why: &'static str) -> Self {
        Self(Kind::Login(why))
    }

    pub(super) const fn read_only() -> Self {
        Self(Kind::ReadOnly)
    }

    pub(super) const fn copied() -> Self {
        Self(Kind::Copied)
    }

    pub(super) const fn server(error: ServerError) -> Self {
        Self(Kind::Server(error))
    }

    pub(super) fn code(&self) -> &str {
        if let Kind::Server(error) = &self.0 { &error.code } else { "" }
    }

    /// The constraint that was violated, if it is about one.
    pub(super) fn constraint(&self) -> &str {
        if let Kind::Server(error) = &self.0 { &error.constraint } else { "" }
    }

    /// Whether the connection is of no more use: it is lost, or what it leads to does not take writes any more, or has forgotten
    /// what was prepared.
    pub(super) fn is_lost(&self) -> bool {
        match &self.0 {
            Kind::Server(error) => {
                let code = error.code.as_str();
                // The administrator ends it; a standby; a statement that is not as it was prepared, or not there any more.
                code.starts_with("57P")
                    || code.starts_with("08")
                    || ["25006", "0A000", "26000"].contains(&code)
            }
            _ => true,
        }
    }

    /// Whether the server is out of reach, or out of order: whoever asks another one, or later, may hear something better.
    pub(crate) fn is_unreachable(&self) -> bool {
        // Out of resources, held up by a lock or for too long, or failing itself.
        self.is_lost() || ["53", "55", "57", "58", "XX"].iter().any(|class| self.code().starts_with(class))
    }

    /// Whether another transaction came in between, so that the same works when it is run again.
    pub(super) fn is_conflict(&self) -> bool {
        ["40001", "40P01"].contains(&self.code())
    }

    /// Whether a value is of a form that no text in the database can have, or too large.
    pub(crate) fn is_too_big(&self) -> bool {
        ["22021", "22P05", "54000", "22001"].contains(&self.code())
    }
}

impl From<io::Error> for PostgresError {
    fn from(error: io::Error) -> Self {
        Self(Kind::Connection(error))
    }
}

impl From<Malformed> for PostgresError {
    fn from(_: Malformed) -> Self {
        Self(Kind::Protocol)
    }
}

impl From<ScramError> for PostgresError {
    fn from(error: ScramError) -> Self {
        Self::login(match error {
            ScramError::Malformed => "it does not keep to SCRAM-SHA-256",
            ScramError::Iterations => "it wants an unreasonable number of iterations of the password",
            ScramError::WrongServer => "it does not know the password itself",
        })
    }
}

impl fmt::Display for PostgresError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Server(error) => {
                let meaning = match error.code.as_bytes() {
                    b"28P01" | b"28000" => " (it refuses the user or the password)",
                    b"22008" => " (there is a time that is none)",
                    b"3D000" => " (there is no such database)",
                    b"3F000" => " (there is no such schema, and the user may not make it)",
                    b"53100" => " (its disk is full)",
                    b"53300" => " (it has no connection free)",
                    b"55P03" => " (somebody else has it locked for too long)",
                    b"57014" => " (the statement took too long)",
                    b"42501" => " (the user may not do that)",
                    [b'5', b'7', ..] => " (it is stopping or starting)",
                    _ => "",
                };
                write!(out, "PostgreSQL reports {}{meaning}", error.code)
            }
            Kind::Connection(error) => write!(out, "no connection to PostgreSQL: {}", Shown(error)),
            Kind::Protocol => {
                out.write_str("what answers is not PostgreSQL, or sends what the protocol does not allow")
            }
            Kind::Login(why) => write!(out, "PostgreSQL does not log us in: {why}"),
            Kind::Copied => out
                .write_str("the database is being copied (`authnzerver db copy`); wait until that has ended"),
            Kind::ReadOnly => out.write_str("no server takes writes; is there no primary?"),
        }
    }
}

// An error may be shown in either way.
impl fmt::Debug for PostgresError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Loggable for PostgresError {}

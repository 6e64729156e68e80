//! Which of the store's errors one of PostgreSQL's is.

use super::error::PostgresError;
use crate::store::error::{OpenError, StoreError};

impl From<PostgresError> for StoreError {
    fn from(error: PostgresError) -> Self {
        match error.code() {
            "23505" => Self::Duplicate(match error.constraint() {
                "users_email_key" => "users.email",
                "users_system_id_key" => "users.system_id",
                _ => "key",
            }),
            "23503" => Self::ForeignKey,
            // It was run again as often as is worth it.
            "40001" | "40P01" => Self::Busy,
            _ => Self::Postgres(error),
        }
    }
}

impl From<PostgresError> for OpenError {
    fn from(error: PostgresError) -> Self {
        Self::Store(error.into())
    }
}

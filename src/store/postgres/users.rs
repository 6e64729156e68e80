//! What PostgreSQL alone needs for users.

use crate::store::db::Tx;
use crate::store::error::StoreError;
use crate::store::query::query;

const FILE: &str = include_str!("../../../sql/postgres/users.sql");
const RESTART_NUMBERS: &str = query(FILE, "restart_numbers");

/// Has the next user get the number 1, where a transaction that was undone has used some up.
pub(crate) fn restart_numbers(tx: &Tx<'_>) -> Result<(), StoreError> {
    if tx.is_shared() {
        tx.execute(RESTART_NUMBERS, &[])?;
    }
    Ok(())
}

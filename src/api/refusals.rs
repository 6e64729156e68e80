//! Ways of saying no that several requests share.

use crate::outcome::Refusal;

/// What is answered while an account takes no attempts; the same whether or not there is such an account.
pub(super) const LOCKED: Refusal = Refusal::without_reason(
    "This account is locked for now after too many failed attempts. Try again later, or ask an administrator.",
)
.nulls(&["user_id"]);

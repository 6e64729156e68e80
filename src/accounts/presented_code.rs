//! A code that somebody presents. One from a link is nothing that anybody guesses. One that is typed is short: wrong ones
//! are counted for the address, known or not, like wrong passwords but apart from these, so that whoever is locked by
//! failed logins can still choose a new password.

use super::attempts::{AttemptResult, Counted, Success, fail, write_down_unwritten};
use crate::app::Context;
use crate::guard::code::{CodePurpose, StoredCode};
use crate::guard::secret::Secret;
use crate::outcome::Error;
use crate::policy::email::EmailAddress;
use crate::store::codes::CodeOwner;
use crate::store::{StoreError, Tx, codes};
use crate::user_id::UserId;
use crate::wait::keyed_mutex::KeyedGuard;

/// A code as it came.
pub(crate) struct PresentedCode {
    stored: StoredCode,
    purpose: CodePurpose,
    /// The address that a typed code is for.
    address: Option<EmailAddress>,
}

/// Why a code does nothing.
pub(crate) enum CodeRefused {
    /// It is not one of ours, or has ended.
    Bad,
    /// It was not looked at, nor counted: it came too soon after a wrong one.
    TooSoon,
    /// It was not looked at: the address takes none for now.
    Locked,
}

/// A code that was good when it was looked up.
pub(super) struct GoodCode {
    stored: StoredCode,
    /// Whose it was, and what it gives them.
    pub(super) owner: CodeOwner,
    success: Option<Success>,
}

impl PresentedCode {
    /// A code from a link, or, with an address, one that was typed.
    #[must_use]
    pub(crate) fn new(purpose: CodePurpose, code: &Secret<String>, email: Option<&str>) -> Self {
        let address = email.map(EmailAddress::folded);
        let stored = match &address {
            None => StoredCode::of_link(purpose, code.expose()),
            Some(address) => StoredCode::of_typed(purpose, address.as_str(), code.expose()),
        };
        Self { stored, purpose, address }
    }

    /// Looks the code up. The next for the same address is looked up once what comes with this is dropped.
    ///
    /// # Errors
    ///
    /// A failing database, or too many waiting for their turn.
    pub(super) fn look_up(
        self,
        context: &mut Context<'_>,
    ) -> Result<Result<(GoodCode, Option<KeyedGuard>), CodeRefused>, Error> {
        let Self { stored, purpose, address } = self;
        let Some(address) = address else {
            let owner = context.read(|db| codes::live(db, stored))?;
            return Ok(owner
                .map(|owner| (GoodCode { stored, owner, success: None }, None))
                .ok_or(CodeRefused::Bad));
        };
        // No address has a blank in it, so that this is nobody's.
        let key = EmailAddress::folded(&format!("{} code of {}", purpose.text(), address.as_str()));
        let counted = Counted::of_code(context, key);
        if let Some(why) = not_now(context, &counted)? {
            return Ok(Err(why));
        }
        let turn = context.lock_attempts(&context.app().attempts_mutex, &counted.lane)?;
        write_down_unwritten(context, &counted)?;
        if let Some(why) = not_now(context, &counted)? {
            return Ok(Err(why));
        }
        let Some(owner) = context.read(|db| codes::live(db, stored))? else {
            let failed = fail(context, &counted, None)?;
            let locks = failed == AttemptResult::Locked;
            return Ok(Err(if locks { CodeRefused::Locked } else { CodeRefused::Bad }));
        };
        Ok(Ok((GoodCode { stored, owner, success: Some(counted.success()) }, Some(turn))))
    }
}

fn not_now(context: &mut Context<'_>, counted: &Counted) -> Result<Option<CodeRefused>, StoreError> {
    let known = counted.known(context)?;
    let Some(wait) = known.wait else { return Ok(None) };
    context.slow_down(wait);
    Ok(Some(if known.is_locked { CodeRefused::Locked } else { CodeRefused::TooSoon }))
}

impl GoodCode {
    /// Ends the code, and forgets the wrong ones before it. Tells whose it is; of many with one code, one is told.
    pub(super) fn consume(&self, tx: &Tx<'_>) -> Result<Option<UserId>, StoreError> {
        let owner = codes::consume(tx, self.stored)?;
        if let Some(success) = self.success.as_ref().filter(|_| owner.is_some()) {
            success.note(tx)?;
        }
        Ok(owner)
    }
}

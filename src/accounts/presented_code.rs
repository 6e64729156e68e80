//! A code that somebody presents. One from a link is nothing that anybody guesses. One that is typed is short: wrong ones
//! are counted, whether the address is known or not, apart from wrong passwords, so that whoever is locked by failed
//! logins can still choose a new password.

use super::attempts::AttemptResult;
use super::wrong_codes::{CodeAttempt, NotNow, Wrong};
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
    /// The account that it is typed for, where that is not the one with the address.
    account: Option<UserId>,
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
    /// Where wrong ones before it count, if it was typed.
    attempt: Option<CodeAttempt>,
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
        Self { stored, purpose, address, account: None }
    }

    /// One that is typed for this account, whoever has the address: wrong ones end no code of others.
    #[must_use]
    pub(super) fn of_account(self, user_id: UserId) -> Self {
        Self { account: Some(user_id), ..self }
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
        let Self { stored, purpose, address, account } = self;
        let Some(address) = address else {
            let owner = context.read(|db| codes::live(db, stored))?;
            return Ok(owner
                .map(|owner| (GoodCode { stored, owner, attempt: None }, None))
                .ok_or(CodeRefused::Bad));
        };
        let attempt = CodeAttempt::new(context, purpose, address, account);
        // Before the queue too: where none is looked at, nobody is to wait for anybody.
        if let Some(why) = context.read(|db| attempt.not_now(db))? {
            return Ok(Err(refuse(context, why)));
        }
        let turn = context.lock_attempts(&context.app().attempts_mutex, &attempt.lane)?;
        let (trail, counting) = (context.trail(), attempt.clone());
        // In a write: whoever guesses from everywhere at once, or through several processes, gets no guess more than the code
        // stands.
        let found = context.write(move |tx| {
            Ok::<_, StoreError>(match (counting.not_now(tx)?, codes::live(tx, stored)?) {
                (Some(not_now), _) => Looked::NotNow(not_now),
                (None, Some(owner)) => Looked::Good(owner),
                (None, None) => Looked::Wrong(counting.count(tx, &trail)?),
            })
        })?;
        Ok(match found {
            Looked::Good(owner) => Ok((GoodCode { stored, owner, attempt: Some(attempt) }, Some(turn))),
            Looked::NotNow(why) => Err(refuse(context, why)),
            Looked::Wrong(wrong) => Err(match attempt.slow_down(context, &wrong) {
                AttemptResult::Locked => CodeRefused::Locked,
                AttemptResult::Delayed => CodeRefused::Bad,
            }),
        })
    }
}

/// What came of looking a typed code up.
enum Looked {
    NotNow(NotNow),
    Good(CodeOwner),
    Wrong(Wrong),
}

fn refuse(context: &mut Context<'_>, NotNow { wait, is_locked }: NotNow) -> CodeRefused {
    context.slow_down(wait);
    if is_locked { CodeRefused::Locked } else { CodeRefused::TooSoon }
}

impl GoodCode {
    /// Ends the code, and forgets the wrong ones before it. Tells whose it is; of many with one code, one is told.
    pub(super) fn consume(&self, tx: &Tx<'_>) -> Result<Option<UserId>, StoreError> {
        let owner = codes::consume(tx, self.stored)?;
        if let Some(attempt) = self.attempt.as_ref().filter(|_| owner.is_some()) {
            attempt.forget(tx)?;
        }
        Ok(owner)
    }
}

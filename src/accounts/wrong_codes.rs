//! Wrong codes, where codes are typed: how they are counted, delayed and locked, in every lock mode alike. They count
//! three times:
//!
//! - for an address and a network, like failed logins: the next from there is delayed, then none is looked at for a while;
//! - for a network, whatever the addresses: beyond a number none from there is looked at for a while;
//! - for an address, whatever the networks: beyond a number the code ends. Whoever owns the address asks for another one,
//!   so that no stranger elsewhere keeps them from it.

use super::attempts::{AttemptResult, Rules};
use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::backoff::WRONG_CODES_MAX;
use crate::guard::code::CodePurpose;
use crate::policy::email::EmailAddress;
use crate::store::attempts::{self, AttemptKey, Attempts};
use crate::store::events::{By, EventKind, NewEvent, Trail};
use crate::store::{Db, StoreError, Tx, codes, users};
use crate::user_id::UserId;
use std::time::Duration;

/// Stands for the network of a client whose address nobody knows.
const NO_NETWORK: &str = "unknown";

/// Where a wrong code would count.
#[derive(Clone)]
pub(super) struct CodeAttempt {
    purpose: CodePurpose,
    address: EmailAddress,
    /// The account that it is for, where that is not the one with the address.
    account: Option<UserId>,
    /// What counts for the address and the network.
    here: AttemptKey,
    /// What counts for the network.
    network: AttemptKey,
    /// What counts for the address.
    code: AttemptKey,
    /// Those for one address from one network are looked at one after another; this names them.
    pub(super) lane: String,
    rules: Rules,
}

/// Why a code is not looked at now.
pub(super) struct NotNow {
    /// For how long.
    pub(super) wait: Duration,
    /// Whether a lock is in force, and not just a delay.
    pub(super) is_locked: bool,
}

/// A wrong code that was counted.
pub(super) struct Wrong {
    failures: i64,
    locks: bool,
}

impl CodeAttempt {
    pub(super) fn new(
        context: &Context<'_>,
        purpose: CodePurpose,
        address: EmailAddress,
        account: Option<UserId>,
    ) -> Self {
        let network = Some(context.network()).filter(|network| !network.is_empty());
        let network = network.unwrap_or_else(|| NO_NETWORK.to_owned());
        let code = AttemptKey::of_codes(purpose, &address, String::new());
        Self {
            lane: format!("{network} {} code of {}", purpose.text(), address.as_str()),
            here: code.within(network.clone()),
            network: AttemptKey::of_all_codes(network),
            code,
            purpose,
            address,
            account,
            rules: Rules::of(context.config()),
        }
    }

    /// Why none is looked at now, if so.
    pub(super) fn not_now(&self, db: &Db<'_>) -> Result<Option<NotNow>, StoreError> {
        let here = attempts::by_account(db, &self.here)?;
        let network = attempts::by_account(db, &self.network)?;
        let locked = |known: &&Attempts| self.rules.is_locked(known, db.now());
        let by_network =
            network.as_ref().filter(locked).and_then(|network| self.rules.wait(Some(network), db.now()));
        let wait = self.rules.wait(here.as_ref(), db.now()).max(by_network);
        let is_locked = by_network.is_some() || here.as_ref().is_some_and(|here| locked(&here));
        Ok(wait.map(|wait| NotNow { wait, is_locked }))
    }

    /// Counts a wrong code. To be called in the write that found it wrong, so that of many at once no more are looked at
    /// than one after another.
    pub(super) fn count(&self, tx: &Tx<'_>, trail: &Trail) -> Result<Wrong, StoreError> {
        let Self { purpose, address, account, here, network, code, lane: _, rules } = self;
        let until = |locks: bool| if locks { tx.now().plus_seconds(rules.lock_seconds) } else { None };
        let failures = rules.failures(attempts::by_account(tx, here)?.as_ref(), tx.now()) + 1;
        let locks_here = failures > rules.tries_max;
        attempts::upsert(tx, here, failures, until(locks_here))?;

        let of_network = fading(*rules, attempts::by_account(tx, network)?.as_ref(), tx.now()) + 1;
        let locks_network = of_network > WRONG_CODES_MAX;
        attempts::upsert(tx, network, of_network, until(locks_network))?;

        let at_code = attempts::by_account(tx, code)?.map_or(0, |known| known.failures) + 1;
        let user_id = match account {
            Some(user_id) => Some(*user_id),
            None => users::id_by_email(tx, address)?,
        };
        let ends = at_code >= WRONG_CODES_MAX;
        attempts::upsert(tx, code, if ends { 0 } else { at_code }, None)?;
        if let (true, Some(user_id)) = (ends, user_id) {
            codes::delete_by_purpose(tx, user_id, *purpose)?;
        }
        let failed = match user_id {
            Some(user_id) => NewEvent::about(EventKind::CodeFailed, user_id),
            None => NewEvent::new(EventKind::CodeFailed),
        };
        trail.note(tx, By::UNKNOWN, failed.detail(purpose.text()))?;
        Ok(Wrong { failures, locks: locks_here || locks_network })
    }

    /// Has whoever typed a wrong code wait for the next.
    pub(super) fn slow_down(&self, context: &mut Context<'_>, wrong: &Wrong) -> AttemptResult {
        self.rules.slow_down(context, wrong.failures, wrong.locks)
    }

    /// Forgets the wrong codes before one that was right.
    pub(super) fn forget(&self, tx: &Tx<'_>) -> Result<(), StoreError> {
        attempts::delete(tx, &self.here)?;
        attempts::delete(tx, &self.code)
    }
}

/// The wrong codes of a network, which are forgotten one by one: as many as it has before it is locked, while a lock lasts.
fn fading(rules: Rules, known: Option<&Attempts>, now: Timestamp) -> i64 {
    let seconds = known.map_or(0, |known| now.unix_seconds().saturating_sub(known.last_try.unix_seconds()));
    let forgotten = seconds.max(0).saturating_mul(WRONG_CODES_MAX) / rules.lock_seconds.max(1);
    (rules.failures(known, now) - forgotten).max(0)
}

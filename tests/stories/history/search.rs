//! Whether what clients asked for at once came to the same as in some order, in which nothing comes before what was answered before it
//! was asked. Tried are all orders that begin alike only once: Wing and Gong's search, with a memory.

use super::model::{Account, Ask, NOBODYS_PASSWORD};
use std::collections::HashSet;

/// What one client asked for, and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub ask: Ask,
    /// When it was asked, and when it was answered: never, if nobody knows what became of it.
    pub begun: u64,
    pub ended: Option<u64>,
    /// Whether it was done.
    pub done: bool,
}

/// Whether there is such an order.
pub fn is_linearizable(account: &Account, history: &[Asked]) -> bool {
    assert!(history.len() <= 128, "each has a bit");
    let mut seen = HashSet::new();
    goes_on(account, history, 0, &mut seen)
}

fn goes_on(account: &Account, history: &[Asked], taken: u128, seen: &mut HashSet<(u128, Account)>) -> bool {
    if !seen.insert((taken, account.clone())) {
        return false;
    }
    let left = || history.iter().enumerate().filter(|(at, _)| taken & (1 << at) == 0);
    // What nobody was told of may never have happened.
    let Some(first_ended) = left().filter_map(|(_, asked)| asked.ended).min() else { return true };
    left().filter(|(_, asked)| asked.begun < first_ended).any(|(at, asked)| {
        let mut next = account.clone();
        let done = next.asked(asked.ask);
        let taken = taken | 1 << at;
        if (asked.ended.is_none() || done == asked.done) && goes_on(&next, history, taken, seen) {
            return true;
        }
        if !is_overtaken(asked, history) {
            return false;
        }
        let mut counted = account.clone();
        let counts = matches!(asked.ask, Ask::LogIn(_)) && !counted.asked(Ask::LogIn(NOBODYS_PASSWORD));
        counts && goes_on(&counted, history, taken, seen) || goes_on(account, history, taken, seen)
    })
}

/// Whether it may have been refused because meanwhile the account was locked, unlocked or given another password: what it had looked
/// at before its write was not so any more in it. A login is counted as failed then, or not at all.
fn is_overtaken(asked: &Asked, history: &[Asked]) -> bool {
    let refused = !asked.done && matches!(asked.ask, Ask::LogIn(_) | Ask::StartSession(_) | Ask::Renew(..));
    let is_between = |other: &Asked| {
        matches!(other.ask, Ask::Lock | Ask::Unlock | Ask::UseCode(..))
            && asked.ended.is_some_and(|ended| other.begun < ended)
            && other.ended.is_none_or(|ended| asked.begun < ended)
    };
    refused && history.iter().any(is_between)
}

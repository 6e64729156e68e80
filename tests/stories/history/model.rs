//! What an account does, asked for one thing after another. Small enough to be seen through; what the server does at once has to come to
//! the same as this in some order.

use std::collections::BTreeSet;

/// Wrong passwords that delay; the next one locks.
pub const TRIES: u8 = 2;
/// A password that is wrong everywhere.
pub const NOBODYS_PASSWORD: u8 = 7;

/// What is asked for. Sessions, keys, codes and passwords go by numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    /// To log in with this password.
    LogIn(u8),
    /// To lock the account, by a person.
    Lock,
    /// To unlock it.
    Unlock,
    /// To start this session.
    StartSession(u8),
    /// Whether this session is live.
    IsLive(u8),
    /// To end it.
    EndSession(u8),
    /// To renew a key with the first refresh token, so that it has the second.
    Renew(u8, u8),
    /// To have the second for a password, by the first code.
    UseCode(u8, u8),
    /// To delete it.
    Delete,
}

/// An account.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Account {
    is_there: bool,
    is_locked: bool,
    /// Failed logins lock it, too; none is looked at.
    takes_no_login: bool,
    failures: u8,
    password: u8,
    sessions: BTreeSet<u8>,
    renewals: BTreeSet<u8>,
    codes: BTreeSet<u8>,
}

impl Account {
    /// Of somebody with this password, these refresh tokens and these codes.
    pub fn new(password: u8, renewals: &[u8], codes: &[u8]) -> Self {
        let set = |of: &[u8]| of.iter().copied().collect();
        Self {
            is_there: true,
            is_locked: false,
            takes_no_login: false,
            failures: 0,
            password,
            sessions: BTreeSet::new(),
            renewals: set(renewals),
            codes: set(codes),
        }
    }

    /// Does what is asked for; whether it was done.
    pub fn asked(&mut self, ask: Ask) -> bool {
        if !self.is_there {
            // Of whom nothing is left, that is so.
            return ask == Ask::Delete;
        }
        match ask {
            Ask::LogIn(_) if self.takes_no_login => false,
            Ask::LogIn(password) if password == self.password && !self.is_locked => {
                self.failures = 0;
                true
            }
            Ask::LogIn(_) => {
                self.failures += 1;
                if self.failures > TRIES {
                    self.takes_no_login = true;
                    self.is_locked = true;
                }
                false
            }
            Ask::Lock => {
                self.is_locked = true;
                self.end_everything();
                true
            }
            Ask::Unlock => {
                self.is_locked = false;
                self.forgive();
                true
            }
            Ask::StartSession(session) => !self.is_locked && self.sessions.insert(session),
            // They wait for the end of a lock that failed logins made.
            Ask::IsLive(session) => !self.is_locked && self.sessions.contains(&session),
            Ask::EndSession(session) => self.sessions.remove(&session),
            Ask::Renew(old, new) => {
                !self.is_locked && self.renewals.remove(&old) && self.renewals.insert(new)
            }
            Ask::UseCode(code, password) => {
                let is_good = self.codes.contains(&code);
                if is_good {
                    self.password = password;
                    self.end_everything();
                    self.is_locked = false;
                    self.forgive();
                }
                is_good
            }
            Ask::Delete => {
                self.is_there = false;
                true
            }
        }
    }

    fn end_everything(&mut self) {
        self.sessions.clear();
        self.renewals.clear();
        self.codes.clear();
    }

    fn forgive(&mut self) {
        self.failures = 0;
        self.takes_no_login = false;
    }
}

//! What kinds of events there are, once: name and meaning, for the program and for `docs/events.md`.

macro_rules! kinds {
    ($( $(#[doc = $doc:literal])+ $Kind:ident = $name:literal; )+) => {
        /// A kind of event. A name that is in use is never given another meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum EventKind {
            $( $(#[doc = $doc])+ $Kind, )+
        }

        impl EventKind {
            /// All kinds, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$Kind),+];

            /// What it goes by.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $( Self::$Kind => $name, )+
                }
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self {
                    $( Self::$Kind => concat!($($doc),+).trim_ascii(), )+
                }
            }
        }
    };
}

kinds! {
    /// Somebody signed up.
    SignedUp = "account.signed-up";
    /// An address was signed up that has an account already; of that account nothing changed, unless another event says so.
    SignedUpAgain = "account.signed-up-again";
    /// An operator made an account, or the server one of the first three.
    AccountAdded = "account.added";
    /// An operator took the account over from another program.
    AccountImported = "account.imported";
    /// The address was proven.
    AccountVerified = "account.verified";
    /// What is known about the account was changed. The detail names the keys.
    AccountEdited = "account.edited";
    /// Somebody in a session of the account asked for another address.
    EmailChangeRequested = "account.email-change-requested";
    /// The account has another address.
    EmailChanged = "account.email-changed";
    /// Whoever has an address from before said that its change was not theirs: the account has that address again, and no
    /// password.
    EmailChangeUndone = "account.email-change-undone";
    /// The account has another role. The detail has the old one and the new one.
    RoleChanged = "account.role-changed";
    /// A person locked the account.
    AccountLocked = "account.locked";
    /// Failed logins locked the account for a time.
    AccountSuspended = "account.suspended";
    /// A lock ended: somebody undid it, its time was over, or a reset ended it.
    AccountUnlocked = "account.unlocked";
    /// The account was deleted, with all that belonged to it.
    AccountDeleted = "account.deleted";
    /// Somebody logged in.
    LoggedIn = "login.succeeded";
    /// A password was tested and is wrong, or its account may not log in: at a login, or wherever one is asked for.
    /// Without an account, the address is unknown.
    LoginFailed = "login.failed";
    /// Somebody typed a wrong code at the account's address. The detail says what for. Without an account, the address is
    /// unknown.
    CodeFailed = "code.failed";
    /// A password was tested and is right, but not for a login.
    PasswordConfirmed = "password.confirmed";
    /// The user changed their password.
    PasswordChanged = "password.changed";
    /// A new password took the place of a forgotten one.
    PasswordReset = "password.reset";
    /// No password is valid any more: nobody could tell whose it was.
    PasswordRemoved = "password.removed";
    /// A session was started for the account. Those of visitors leave no events.
    SessionStarted = "session.started";
    /// What is noted about a session was changed.
    SessionEdited = "session.edited";
    /// A session was ended. One that expires ends without an event.
    SessionEnded = "session.ended";
    /// All sessions of the account were ended, except perhaps the one in which this was asked; without an account, those
    /// of everybody.
    SessionsEnded = "sessions.ended";
    /// Sessions that had expired were removed by a command. The detail says how many.
    SessionsPurged = "sessions.purged";
    /// An API key was issued.
    KeyIssued = "key.issued";
    /// An API key was renewed: the object is the new one, the detail the old one.
    KeyRenewed = "key.renewed";
    /// An API key got a new secret. The detail says how long the old one stays good.
    KeyRotated = "key.rotated";
    /// An API key was revoked.
    KeyRevoked = "key.revoked";
    /// All API keys of the account were revoked, or all that end with no session.
    KeysRevoked = "keys.revoked";
    /// The keys of messages are others than before, or one has another name or limit. The detail says how many there are, and
    /// which are new, changed or gone, by name or fingerprint.
    MessageKeysChanged = "keys.changed";
    /// The server read the permissions policy again.
    PolicyReloaded = "policy.reloaded";
    /// A backup took the place of the database: what happened after this time, the detail, is not in it.
    Restored = "database.restored";
}

impl EventKind {
    /// The kind of this name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_each_kind_and_what_it_means() {
        let rows: Vec<_> = EventKind::ALL
            .iter()
            .map(|kind| format!("| `{}` | {} |\n", kind.name(), kind.meaning()))
            .collect();
        assert!(include_str!("../../../docs/events.md").contains(&rows.concat()), "{}", rows.concat());
    }

    #[test]
    fn each_kind_has_a_name_of_its_own_and_a_meaning() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of_name(kind.name()), Some(*kind));
            assert!(kind.meaning().ends_with('.'), "{}", kind.name());
        }
        assert_eq!(EventKind::of_name("account"), None);
    }
}

//! What can be done with an account, once, whoever does it: a user in a session, whoever knows a password, the calling
//! server, an operator. An operation takes its performer and a [`Context`](crate::app::Context), and refuses in a type
//! of its own. Nothing here knows of requests or answers; `api` turns one into the other.
//!
//! | file | what |
//! | --- | --- |
//! | `actor.rs` | who does it, and how that is proven |
//! | `authenticate.rs` | who knows the password; logging in |
//! | `log_in.rs` | a whole login, from password to session |
//! | `log_in_by_code.rs` | a whole login without a password, from an address to a session |
//! | `attempts.rs` | failed attempts: counted, delayed, locked |
//! | `lock.rs` | locking and unlocking |
//! | `revocation.rs` | taking from a user what was issued to them |
//! | `new_password.rs` | whether a new password is good enough |
//! | `set_password.rs` | changing and resetting passwords |
//! | `sign_up.rs` | signing up |
//! | `sign_up_attempt.rs` | one attempt at that: the same work whoever has the address |
//! | `join.rs` | a whole sign-up, from an address to a session |
//! | `add_user.rs` | adding users who need not sign up |
//! | `import.rs` | taking over accounts of another program |
//! | `verify_email.rs` | what follows when an address was proven |
//! | `change_email.rs` | a change of the address that the new one proves |
//! | `undo_email_change.rs` | its undoing by whoever has the old address |
//! | `edit.rs` | changing what is known about an account |
//! | `delete.rs` | deleting accounts |
//! | `sessions.rs` | starting, annotating, listing and ending sessions |
//! | `own.rs` | what a user may see and end of their own: sessions, API keys |
//! | `issued.rs` | what was issued to users, and what is locked, for an operator |
//! | `keys.rs` | verifying and revoking API keys |
//! | `issue_keys.rs` | issuing and renewing API keys |
//! | `key_claims.rs` | what API keys say |
//! | `scoped_keys.rs` | API keys with scopes: issuing, checking, new secrets |
//! | `message_keys.rs` | the keys of messages: what changes of them, and when each was last used |
//! | `find.rs` | finding accounts |
//! | `recipients.rs` | who may get which email |
//! | `delivery.rs` | hands emails over, and notes that they were sent |
//! | `codes.rs` | codes that were emailed: what they are good for, and when they end |
//! | `presented_code.rs` | such a code as it comes back |
//! | `wrong_codes.rs` | wrong ones: counted, delayed, locked |
//! | `attempt_locks.rs` | the locks in force that failed attempts made |
//! | `email_queue.rs` | emails that the server sends by itself: asked for in a write, sent after it |
//! | `unsent_emails.rs` | what an operator can do about those that were not sent |
//! | `forgotten.rs` | a forgotten password, from an address to a new password |
//! | `permission.rs` | what the policy lets a user do |
//! | `counts.rs` | how much there is of what |
//! | `events.rs` | what has happened, for whoever follows it |
//! | `first_users.rs` | what an empty database is given |
//! | `error.rs` | why an operation was not carried out |

pub mod actor;
pub mod add_user;
pub mod attempt_locks;
mod attempts;
pub(crate) mod authenticate;
pub(crate) mod change_email;
pub(crate) mod codes;
pub mod counts;
pub mod delete;
pub(crate) mod delivery;
pub mod edit;
pub mod email_queue;
pub mod error;
pub(crate) mod events;
pub(crate) mod find;
pub mod first_users;
pub(crate) mod forgotten;
pub mod import;
pub(crate) mod issue_keys;
pub mod issued;
pub(crate) mod join;
pub(crate) mod key_claims;
pub mod keys;
pub mod lock;
pub(crate) mod log_in;
pub(crate) mod log_in_by_code;
pub mod message_keys;
pub(crate) mod new_password;
pub(crate) mod own;
pub(crate) mod permission;
pub(crate) mod presented_code;
pub(crate) mod recipients;
mod revocation;
pub mod scoped_keys;
pub mod sessions;
pub mod set_password;
pub(crate) mod sign_up;
mod sign_up_attempt;
pub(crate) mod undo_email_change;
pub(crate) mod unsent_emails;
pub(crate) mod verify_email;
mod wrong_codes;

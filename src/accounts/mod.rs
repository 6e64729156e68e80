//! What can be done with an account, once, for whoever does it: a user in a session, the calling server, an operator.
//! Nothing here knows of requests or answers; `actions` turns one into the other.
//!
//! | file | what |
//! | --- | --- |
//! | `actor.rs` | who is asking, proven by a session |
//! | `authenticate.rs` | who knows the password, with failed attempts counted, delayed and locked |
//! | `first_users.rs` | what an empty database is given |
//! | `lock.rs` | what a lock does, and what undoes it |
//! | `new_password.rs` | whether a new password is good enough |
//! | `permission.rs` | what the policy lets a user do |

pub mod actor;
pub mod authenticate;
pub mod first_users;
pub mod lock;
pub mod new_password;
pub mod permission;

//! What the server does, told as stories through its door: sealed request in, sealed answer out.

mod support;

#[path = "stories/login.rs"]
mod login;
#[path = "stories/mail.rs"]
mod mail;
#[path = "stories/passwords.rs"]
mod passwords;
#[path = "stories/sessions.rs"]
mod sessions;
#[path = "stories/sign_up.rs"]
mod sign_up;

//! What the server does, told as stories through its door: sealed request in, sealed answer out.

mod access;
mod administrators;
mod adopted;
mod apikeys;
mod apikeys_nosession;
mod busy;
mod faults;
mod foreign_notes;
mod guesses;
mod health;
mod leaks;
mod login;
mod mail;
mod moved_addresses;
mod notes;
mod passwords;
mod races;
mod sessions;
mod sign_up;
mod spelling;
mod timed_locks;
mod upgraded;
mod user_delete;
mod user_edit;
mod user_lock;
mod user_lookup;

//! Emails on their way: what a mail server gets to read, and what happens when it refuses, stalls, or is not who it
//! should be.

mod absent;
mod delivery;
mod dialogue;
mod login;
mod patience;
mod protection;
mod scripted;
mod server;
mod site;

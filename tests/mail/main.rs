//! Emails on their way: what a mail server gets to read, and what happens when it refuses, stalls, or is not who it
//! should be.

#[path = "../process/machine.rs"]
mod machine;
#[path = "../support/parser.rs"]
mod parser;
#[path = "../process/test_ca.rs"]
mod test_ca;

mod absent;
mod delivery;
mod dialogue;
mod login;
mod patience;
mod protection;
#[path = "../support/python.rs"]
mod python;
mod scripted;
mod server;
mod site;

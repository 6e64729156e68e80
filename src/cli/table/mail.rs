//! The commands about emails.

use crate::cli::ask::YES;
use crate::cli::client::URL;
use crate::cli::command::{Command, Word};
use crate::cli::mail::{self, trial};
use crate::cli::output::JSON;
use crate::config::arguments::OptionRow;

/// `authnzerver mail`.
pub(super) static MAIL: &[Command] = &[
    Command::new("test", "send a test email, and say how far it comes", trial::run)
        .words(&[Word::Required("ADDRESS")])
        .options(&[JSON])
        .help(
            "\
The settings are those of the server, which need not run. Each step is listed, with what the mail server answers, and at
the end what is wrong and what to look at. Ends with 0 if the mail server took the email, and with 1 if not.
",
        ),
    Command::new("list", "list the emails that wait, or were given up on", mail::list).options(&[URL, JSON]),
    Command::new("retry", "have emails tried again at once that wait or were given up on", mail::retry)
        .words(&[Word::Optional("NUMBER")])
        .options(&[OptionRow::flag("all", "all of them"), URL, JSON])
        .help("Each gets all its tries again. A running server sends within half a minute.\n"),
    Command::new("drop", "take an email out of the queue", mail::drop)
        .words(&[Word::Required("NUMBER")])
        .options(&[YES, URL, JSON])
        .help("It is one that waits or was given up on. On a terminal it asks first; elsewhere --yes is needed.\n"),
    Command::new("templates", "write the built-in texts of emails into a directory", mail::templates)
        .words(&[Word::Required("DIR")])
        .options(&[JSON])
        .without_settings()
        .help("They are a start for your own; AUTHNZERVER_TEMPLATES names their directory. What is there stays.\n"),
];

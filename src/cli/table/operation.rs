//! The commands that look after a server, its policy and its database.

use crate::cli::client::URL;
use crate::cli::command::{Command, Word};
use crate::cli::output::JSON;
use crate::cli::{calibrate, copy, db, doctor, policy, stats};
use crate::config::arguments::OptionRow;

/// The policy that is meant; without a word, the one of the settings.
const FILE: Word = Word::Optional("FILE");

/// `authnzerver policy`.
pub static POLICY: &[Command] = &[
    Command::new("check", "say whether a permissions policy is valid", policy::check)
        .words(&[FILE])
        .options(&[JSON])
        .help("Without FILE it is the policy of the settings. Ends with 1 if it is not valid.\n"),
    Command::new("explain", "say whether a user may do something, and why", policy::explain)
        .words(&[Word::Required("USER"), Word::Required("ACTION"), Word::Required("ITEM")])
        .options(&[
            OptionRow::with_value("owner", "=EMAIL|NUMBER", "whose item it is (the user's own)"),
            OptionRow::with_value("visibility", "=VISIBILITY", "who can see the item (private)"),
            OptionRow::with_value(
                "shared",
                "=NUMBERS",
                "whom it is shared with: user numbers with commas between them",
            ),
            URL,
            JSON,
        ])
        .help(
            "\
USER is an address or a number, and has the role that the database knows. The answer is that of the request
user-check-access. Ends with 0 if it is permitted, and with 1 if it is not.
",
        ),
    Command::new("table", "list what each role may do with each kind of item", policy::table)
        .words(&[FILE])
        .options(&[
            OptionRow::with_value("role", "=ROLE", "the role of the policy that they have"),
            OptionRow::with_value("item", "=ITEM", "list this kind of item alone"),
            JSON,
        ])
        .help(
            "Without FILE it is the policy of the settings. What is shared counts as shared with the user.\n",
        ),
    Command::new("test", "say whether the policy permits and denies what is expected", policy::expectations::test)
        .words(&[Word::Required("FILE")])
        .options(&[OptionRow::with_value("policy", "=FILE", "the policy (that of the settings)"), JSON])
        .help(
            "\
FILE is a JSON list of expectations; docs/policy.md shows their form. Each one that is not met is shown with the rule
that decides. Ends with 0 if all are met, with 1 if one is not, and with 2 if FILE makes no sense.
",
        ),
    Command::new("diff", "list what each role may do more or less under another policy", policy::diff::diff)
        .words(&[Word::Required("OLD"), Word::Optional("NEW")])
        .options(&[JSON])
        .help(
            "\
OLD and NEW are files of policies; without NEW it is the policy of the settings. Ends with 0 if each role may do the
same under both, and with 1 if not.
",
        ),
];

/// `authnzerver db`.
pub static DB: &[Command] = &[
    Command::new("check", "check the whole database for damage", db::check)
        .options(&[JSON])
        .help("It only reads, also beside a running server. Ends with 1 if there is damage.\n"),
    Command::new("size", "tell how large the database is, and what takes the room", db::size)
        .options(&[JSON])
        .help("The copies that upgrades have left beside it are named, too. Nothing removes them but you.\n"),
    Command::new("compact", "give back the room that the database no longer needs", db::compact)
        .options(&[JSON])
        .help(
            "\
The file is written anew, which takes as much room again on the disk meanwhile. Beside a running server, requests that
write wait for it; those that wait longer than five seconds are answered as busy.
",
        ),
    Command::new("copy", "copy the database into a new one, of SQLite or PostgreSQL", copy::run)
        .words(&[Word::Required("FROM"), Word::Required("TO")])
        .options(&[JSON])
        .help(
            "\
FROM and TO are each the path of an SQLite file, the URL of a PostgreSQL, @ for the database of the settings, or @FILE
for the one whose URL FILE holds, as a URL with a password has to. Nobody may use FROM meanwhile. TO must not be there
yet: a file that does not exist, or a schema without tables. All of the copy is there at the end, read again and
compared, or nothing.

Ends with 0 when it is done, with 1 when nothing was copied, and with 2 when the command line makes no sense.
",
        ),
    Command::new("migrate", "tell what a start would do to the database's schema", db::migrate)
        .options(&[OptionRow::flag("dry-run", "try it on a copy in memory; nothing else is offered"), JSON])
        .help("A start of the server brings the database up to date by itself.\n"),
];

/// `authnzerver doctor`.
pub(super) const DOCTOR: Command =
    Command::new("doctor", "look at everything around a server, and say what to do", doctor::run)
        .options(&[doctor::MAIL, JSON])
        .help(
            "\
Settings, files and their owners, room on the disk, the database, the certificate, the clock, emails that were given up
on, the last backup, and the running server. A line each: ok, warning or problem, and what to do about it. It can run at
any time, best as the server's user.

Ends with 0 if all is well, with 1 if there are warnings, and with 2 if there are problems.
",
        );

/// `authnzerver stats`.
pub(super) const STATS: Command =
    Command::new("stats", "count users, sessions, API keys, emails and events", stats::run)
        .options(&[URL, JSON])
        .help("Numbers alone, and nothing about a person.\n");

/// `authnzerver calibrate`.
pub(super) const CALIBRATE: Command =
    Command::new("calibrate", "measure how many logins a second this machine makes", calibrate::run)
        .options(&[
            OptionRow::with_value("target", "=MILLISECONDS", "find the parameters that one hash takes so long with"),
            OptionRow::with_value("memory", "=MIB", "the memory of one hash (that of the settings)"),
            JSON,
        ])
        .help(
            "\
Hashes passwords with the settings argon2 and hashthreads for some seconds, as a server full of logins does. Best while
nothing else is at work. A server takes new parameters at its next start, and an account at its next login.
",
        );

//! The commands about accounts, sessions, API keys and locks.

use crate::cli::ask::{PASSWORD, YES};
use crate::cli::client::URL;
use crate::cli::command::{Command, Word};
use crate::cli::output::JSON;
use crate::cli::user::{self, change, export, import};
use crate::cli::{events, issued};
use crate::config::arguments::OptionRow;

/// Who is meant: an address or a number.
const WHO: Word = Word::Required("EMAIL|NUMBER");
const NEW_NAME: OptionRow = OptionRow::with_value("name", "=NAME", "how the user is called; always needed");
const ROLE: OptionRow = OptionRow::with_value("role", "=ROLE", "the role of the policy that they have");
const LIMIT: OptionRow = OptionRow::with_value("limit", "=N", "list at most so many");
const NAME: OptionRow = OptionRow::with_value("name", "=NAME", "how the user is called");
const CHANGE: &[OptionRow] = &[YES, URL, JSON];

const FORMAT: OptionRow =
    OptionRow::with_value("format", "=csv|jsonl", "how the file is written (as its name ends)");

/// `authnzerver user`.
pub static USER: &[Command] = &[
    Command::new("list", "list users, in the order of their numbers", user::list).options(&[
        ROLE,
        LIMIT,
        OptionRow::with_value("after", "=NUMBER", "begin after this user"),
        URL,
        JSON,
    ]),
    Command::new("find", "find users by a part of their address or name, by number or by system ID", user::find)
        .words(&[Word::Required("TEXT")])
        .options(&[LIMIT, URL, JSON])
        .help("Upper and lower case count as one. Ends with 1 if nobody is found.\n"),
    Command::new("show", "show all that is known about a user", user::show_one).words(&[WHO]).options(&[URL, JSON]),
    Command::new("add", "make an account that works at once", change::add)
        .words(&[Word::Required("EMAIL")])
        .options(&[NEW_NAME, ROLE, PASSWORD, YES, URL, JSON])
        .help(
            "\
The address counts as verified, for you vouch for it. On a terminal the password is asked for. It has to keep to the
same rules as any other; whether it has leaked is looked up as the settings say.
",
        ),
    Command::new("edit", "change what is known about a user", change::edit).words(&[WHO]).options(&[
        NAME,
        OptionRow::with_value("email", "=ADDRESS", "their new address"),
        OptionRow::with_value("verified", "=yes|no", "whether they proved to hold their address"),
        OptionRow::with_value("active", "=yes|no", "whether they may do anything at all; no ends sessions and API keys"),
        OptionRow::with_value("notes", "=JSON", "an object; its keys are noted one by one, the value \"__delete__\" takes one away"),
        YES,
        URL,
        JSON,
    ]),
    Command::new("lock", "lock an account until it is unlocked", change::lock)
        .words(&[WHO])
        .options(CHANGE)
        .help("All sessions, API keys and emailed codes of the user end.\n"),
    Command::new("unlock", "unlock an account, however it was locked", change::unlock)
        .words(&[WHO])
        .options(CHANGE)
        .help(
            "\
The user gets the role back that the lock took. Locks of passwords and of codes after failed attempts end, from whatever
network these came.
",
        ),
    Command::new("delete", "delete an account, with all that belongs to it", change::delete)
        .words(&[WHO])
        .options(CHANGE)
        .help("On a terminal it asks first; elsewhere --yes is needed.\n"),
    Command::new("set-password", "set a user's password", change::set_password)
        .words(&[WHO])
        .options(&[PASSWORD, YES, URL, JSON])
        .help(
            "\
On a terminal the password is asked for, elsewhere it is a line of standard input. It has to keep to the same rules as
any other; whether it has leaked is looked up as the settings say. All sessions and API keys of the user end, and so
does a lock after failed attempts.
",
        ),
    Command::new("set-role", "give a user another role", change::set_role)
        .words(&[WHO, Word::Required("ROLE")])
        .options(CHANGE)
        .help("The role is one of the permissions policy. All sessions, API keys and emailed codes of the\nuser end.\n"),
    Command::new("history", "list logins, failures and what else a user came in with", events::history)
        .words(&[WHO])
        .options(&[URL, JSON])
        .help("As far back as events are kept.\n"),
    Command::new("import", "take over the accounts of another program", import::import)
        .words(&[Word::Required("FILE")])
        .options(&[FORMAT, OptionRow::flag("dry-run", "tell what would be imported, and what is wrong"), YES, JSON])
        .help(
            "\
The whole file is checked first; if a line of it is wrong, nothing is imported. Then accounts are written 500 at a time.
Addresses that have an account are passed over, so an import that broke off is repeated by the same command. Columns and
known forms of password hashes: docs/moving.md.
",
        ),
    Command::new("export", "write all accounts to a file", export::export)
        .words(&[Word::Optional("FILE")])
        .options(&[FORMAT, OptionRow::flag("with-hashes", "with the hashes of passwords")])
        .help("Without FILE, or with -, they go to standard output. FILE is made for its owner alone (mode 0600).\n"),
];

/// `authnzerver events`.
pub const EVENTS: Command =
    Command::new("events", "list what has happened, or check that nothing of it was altered", events::events)
        .words(&[Word::Optional("verify")])
        .options(&[
            OptionRow::flag("follow", "go on with what happens from now on"),
            OptionRow::with_value("user", "=EMAIL|NUMBER", "what happened to this user"),
            OptionRow::with_value("kind", "=KIND", "events of this kind, such as login.failed"),
            OptionRow::with_value("since", "=TIME", "events from this time or day on (UTC)"),
            URL,
            JSON,
        ])
        .help(
            "\
`verify` follows the chain of hashes through all events that are kept. It ends with 1 if one was altered, removed or put
in, and names the first. Note down the last number and its hash elsewhere: whoever can write the database could make a
whole new chain, but not one with that hash.
",
        );

/// `authnzerver session`.
pub static SESSION: &[Command] = &[
    Command::new("list", "list the sessions of a user, or of everybody", issued::list_sessions)
        .words(&[Word::Optional("EMAIL|NUMBER")])
        .options(&[URL, JSON]),
    Command::new("end", "end a session, those of a user, or all", issued::end_sessions)
        .words(&[Word::Optional("ID")])
        .options(&[
            OptionRow::with_value("user", "=EMAIL|NUMBER", "end the sessions of this user"),
            OptionRow::flag("all", "end the sessions of all users; it asks first, or takes --yes"),
            YES,
            URL,
            JSON,
        ])
        .help("What ends with a session, such as the API keys tied to it, goes too.\n"),
    Command::new("purge", "remove the sessions that have expired", issued::purge_sessions)
        .options(CHANGE)
        .help("A server does so by itself after as many days as `sessionexpiry` says.\n"),
];

/// `authnzerver apikey`.
pub static APIKEY: &[Command] = &[
    Command::new("list", "list the API keys of a user, or of everybody", issued::list_keys)
        .words(&[Word::Optional("EMAIL|NUMBER")])
        .options(&[URL, JSON]),
    Command::new("revoke", "revoke an API key", issued::revoke_key)
        .words(&[Word::Required("ID")])
        .options(CHANGE),
];

/// `authnzerver lock`.
pub static LOCK: &[Command] =
    &[Command::new("list", "list the locks in force, and when they end", issued::list_locks)
        .options(&[URL, JSON])
        .help(
            "\
Beside accounts, passwords and codes can be locked, for attempts from one network. `user unlock` ends all locks of a
user; that of a network which typed wrong codes at many addresses ends by itself.
",
        )];

//! Every command, once: how it is called, what it says about itself, and what runs it.

mod accounts;
mod backup;
mod mail;
mod operation;
mod secret;

use super::client::URL;
use super::command::{Action, Command, Word};
use super::output::JSON;
use super::{call, completions, health, help, pages, pwned, schema, serve, settings, setup};

use crate::config::arguments::OptionRow;

/// The command that is meant where none is named.
pub const DEFAULT: &str = "serve";

/// What holds for all commands that work on the database.
const ON_THE_DATABASE: &str = "\
They work on the database of the server with the same settings, which may be running and notices at once; with --url,
through that running server, which notes down who typed them (import, export and `events verify` need its own machine).
The rules are those for requests: the last superuser
stays.

They end with 0 when it is done, with 1 when it is refused or not found, and with 2 when the command line makes no sense
or the database cannot be used.
";

/// All commands, in the order in which help lists them.
pub static COMMANDS: &[Command] = &[
    Command {
        name: DEFAULT,
        summary: "run the server; what happens without a command",
        help: "\
With --basedir, what is required and given nowhere comes from that directory: from the `.env` in it, or else from the
server's own database, key and salt there, which a start makes if they are missing. SIGTERM and SIGINT stop it;
SIGHUP has it read again: policy, certificate, keys of messages, email texts and log level.
",
        words: &[],
        options: &[],
        alias: None,
        takes_settings: true,
        action: Action::Run(serve::run),
    },
    Command {
        name: "call",
        summary: "ask a running server",
        help: "\
REQUEST is one of those that `authnzerver schema` lists. JSON is the request's body, an object; - reads it from
standard input. The server is the one that these settings are for, unless --url or AUTHNZERVER_URL names another.

Ends with 0 if the answer says `success`, with 1 if it does not or the server refuses the request by an HTTP status, and
with 2 if there is no answer.
",
        words: &[Word::Required("REQUEST"), Word::Optional("JSON")],
        options: &[
            URL,
            OptionRow::with_value("client-ipaddr", "=ADDRESS", "the end user's address (127.0.0.1)"),
        ],
        alias: None,
        takes_settings: true,
        action: Action::Run(call::run),
    },
    Command {
        name: "setup",
        summary: "make what a server needs in the base directory",
        help: "\
On a terminal it asks, elsewhere it takes the options, the administrator's variables and the defaults. Nothing that
exists is overwritten, so it can be run again.
",
        words: &[],
        options: &[],
        alias: Some(OptionRow::flag("autosetup", "the same as `setup`")),
        takes_settings: true,
        action: Action::Run(setup::run),
    },
    Command::group("user", "look at accounts and change them", accounts::USER).help(ON_THE_DATABASE),
    Command::group("session", "list and end sessions", accounts::SESSION).help(ON_THE_DATABASE),
    Command::group("apikey", "list and revoke API keys", accounts::APIKEY).help(ON_THE_DATABASE),
    Command::group("lock", "list the accounts that are locked", accounts::LOCK).help(ON_THE_DATABASE),
    Command::group("mail", "try the mail server out, and look after emails that were not sent", mail::MAIL)
        .help(ON_THE_DATABASE),
    secret::SECRET,
    accounts::EVENTS,
    backup::BACKUP,
    backup::RESTORE,
    Command::group("policy", "read a permissions policy, and say what it permits", operation::POLICY),
    operation::DOCTOR,
    operation::STATS,
    operation::CALIBRATE,
    Command::group("db", "look after the database", operation::DB),
    Command::new("health", "ask a running server how it is", health::run)
        .options(&[URL, JSON])
        .help(
            "\
The server is the one that these settings are for, unless --url or AUTHNZERVER_URL names another. Ends with 0 if all is
well, with 1 if the server says that it is not, and with 2 if there is no answer.
",
        ),
    Command {
        name: "pwned",
        summary: "build a filter of leaked passwords, or look passwords up in it",
        help: "",
        words: &[],
        options: &[],
        alias: None,
        takes_settings: false,
        action: Action::Commands(PWNED),
    },
    Command {
        name: "schema",
        summary: "describe every request, as JSON",
        help: "`markdown` writes a page, `openapi` an OpenAPI 3.1 document.\n",
        words: &[Word::Optional("markdown|openapi")],
        options: &[],
        alias: Some(OptionRow {
            value: "[=FORM]",
            ..OptionRow::flag("schema", "the same as `schema`, in that form")
        }),
        takes_settings: true,
        action: Action::Run(schema::run),
    },
    Command {
        name: "settings",
        summary: "list every setting, or check those that there are",
        help: "\
`markdown` writes the list as a page. `check` reads everything as a start of the server would, and lists whatever would
stop it or be warned of; nothing is made or changed. It ends with 1 if a server cannot start.
",
        words: &[Word::Optional("markdown|check")],
        options: &[JSON],
        alias: Some(OptionRow { value: "[=markdown]", ..OptionRow::flag("settings", "the same as `settings`, as a page") }),
        takes_settings: true,
        action: Action::Run(settings::run),
    },
    Command::new("completions", "write what a shell offers when the tabulator is pressed", completions::run)
        .words(&[Word::Required("bash|zsh|fish")])
        .help(
            "\
For bash: source <(authnzerver completions bash). For zsh, a file _authnzerver in a directory of $fpath; for fish,
authnzerver.fish in ~/.config/fish/completions.
",
        ),
    Command::new("man", "write the page of the manual", pages::man)
        .words(&[Word::Optional("markdown")])
        .help("It is roff: authnzerver man | man -l -. `markdown` writes it as a page of the documentation.\n"),
    Command {
        name: "help",
        summary: "say how the program, or a command of it, is used",
        help: "",
        words: &[Word::Repeated("COMMAND")],
        options: &[],
        alias: Some(OptionRow::flag("help", "the same as `help`, also behind a command")),
        takes_settings: true,
        action: Action::Run(help::run),
    },
    Command {
        name: "version",
        summary: "show the version",
        help: "",
        words: &[],
        options: &[],
        alias: Some(OptionRow::flag("version", "the same as `version`")),
        takes_settings: true,
        action: Action::Run(help::run_version),
    },
];

static PWNED: &[Command] = &[
    Command {
        name: "build",
        summary: "make the filter file OUT from a list of leaked passwords",
        help: "\
LIST is a file with a line `SHA-1:count` for each leaked password; - is standard input, which then has to be sorted.
",
        words: &[Word::Required("LIST"), Word::Required("OUT")],
        options: &[
            OptionRow::with_value("min-count", "=N", "take in only passwords that leaked at least N times (1)"),
            OptionRow::flag("force", "replace OUT"),
        ],
        alias: None,
        takes_settings: false,
        action: Action::Run(pwned::build_filter),
    },
    Command {
        name: "check",
        summary: "say which passwords are in the filter FILE",
        help: "\
Reads passwords from standard input, one a line, and never shows them.

Ends with 0 if none is in the filter, with 1 if one is, and with 2 on an error.
",
        words: &[Word::Required("FILE")],
        options: &[],
        alias: None,
        takes_settings: false,
        action: Action::Run(pwned::check_passwords),
    },
];

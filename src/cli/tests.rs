//! Commands as an operator sees them: words in, text, files and an exit status out.

mod accounts;
mod events;
pub(super) mod machine;
mod operation;
mod transfer;

use super::*;
use crate::accounts::first_users::Initialised;
use crate::cli::command::{Command, Word};
use crate::clock::Timestamp;
use crate::config::arguments::{OptionRow, Takes, option_names, plain};
use crate::config::{self, Invocation};
use crate::guard::envelope::Keyring;
use crate::json::{self, Limits};
use machine::Machine;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread::JoinHandle;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// The path of every command, and its row.
fn all_commands(commands: &'static [Command], above: &str) -> Vec<(String, &'static Command)> {
    let mut all = Vec::new();
    for command in commands {
        let path = format!("{above}{}", command.name);
        if let Action::Commands(below) = command.action {
            all.extend(all_commands(below, &format!("{path} ")));
        }
        all.push((path, command));
    }
    all
}

#[test]
fn help_lists_every_command_and_tells_of_each_however_it_is_asked() {
    let machine = Machine::new();
    let overview = machine.runs(&["help"]);
    assert_eq!((overview.status, overview.errors.as_str()), (0, ""));
    assert_eq!(machine.runs(&["--help"]).output, overview.output);
    for command in COMMANDS {
        assert!(overview.output.contains(&format!("\n  {} ", command.name)), "{}", overview.output);
        let alias = command.alias.map_or("", |row| row.name);
        assert!(overview.output.contains(&format!("--{alias}")), "{}", overview.output);
    }
    for (path, command) in all_commands(COMMANDS, "") {
        let words: Vec<&str> = path.split(' ').collect();
        let told = machine.runs(&[&["help"], words.as_slice()].concat());
        assert_eq!((told.status, told.errors.as_str()), (0, ""), "{path}");
        assert!(told.output.contains(&format!("usage: authnzerver {path}")), "{}", told.output);
        assert!(command.options.iter().all(|row| told.output.contains(&format!("--{}", row.name))), "{path}");
        assert_eq!(machine.runs(&[words.as_slice(), &["--help"]].concat()).output, told.output, "{path}");
        assert_eq!(machine.runs(&[&["--help"], words.as_slice()].concat()).output, told.output, "{path}");
    }
    let call = machine.runs(&["call", "user-list", "--help", "--url=x", "{}"]).output;
    assert_eq!(call, machine.runs(&["help", "call"]).output, "what belongs to a command does not disturb");
    let alias = machine.runs(&["--autosetup", "--help"]).output;
    assert_eq!(alias, machine.runs(&["help", "setup"]).output);
    let unknown = machine.runs(&["help", "clal"]);
    assert_eq!((unknown.status, unknown.output.as_str()), (2, ""));
    assert!(unknown.errors.contains("`clal` is not a command; perhaps call?"), "{}", unknown.errors);
}

#[test]
fn an_option_that_stands_for_a_command_does_the_same() {
    let machine = Machine::new();
    for (option, words) in [
        ("--version", &["version"][..]),
        ("--settings", &["settings"]),
        ("--settings=markdown", &["settings", "markdown"]),
        ("--schema", &["schema"]),
        ("--schema=markdown", &["schema", "markdown"]),
        ("--schema=openapi", &["schema", "openapi"]),
        ("--schema=true", &["schema"]),
    ] {
        let (one, other) = (machine.runs(&[option]), machine.runs(words));
        assert_eq!((one.status, one.errors.as_str()), (0, ""), "{option}");
        assert_eq!(one.output, other.output, "{option}");
        assert_eq!(machine.runs(&["serve", option]).output, other.output, "{option}");
    }
    assert!(machine.runs(&["--version"]).output.starts_with("authnzerver "));
    assert!(machine.runs(&["settings"]).output.contains("AUTHNZERVER_PIISALT"));
    assert!(machine.runs(&["settings", "markdown"]).output.contains("| `--piisalt` |"));
    for words in [&["setup", "--basedir=one"][..], &["--autosetup", "--basedir=two"]] {
        let done = machine.runs(words);
        assert_eq!((done.status, done.errors.as_str()), (0, ""), "{words:?}");
    }
    assert!(machine.has("one/.env") && machine.has("two/.env"));
    let served = machine.runs(&["--autosetup=False", "--basedir=three"]);
    assert!(served.status == 0 && !machine.has("three/.env"), "{}", served.errors);
}

#[test]
fn what_is_no_command_line_is_refused_with_a_hint() {
    for (words, expected) in [
        (&["serv"][..], "`serv` is not a command; perhaps serve?"),
        (&["frobnicate"], "`frobnicate` is not a command (see `authnzerver help`)"),
        (&["call"], "usage: authnzerver call REQUEST [JSON] [OPTION…]"),
        (&["call", "a", "b", "c"], "usage: authnzerver call REQUEST"),
        (&["serve", "again"], "usage: authnzerver serve [OPTION…]"),
        (&["user", "lst"], "`user lst` is not a command; perhaps user list?"),
        (&["user", "frobnicate"], "`user frobnicate` is not a command (see `authnzerver help user`)"),
        (&["user"], "usage: authnzerver user {list|find|"),
        (&["serve", "--json"], "--json does not belong to `serve`"),
        (&["pwned"], "usage: authnzerver pwned {build|check}"),
        (&["call", "a", "--autosetup"], "--autosetup goes with no command"),
        (&["--settings", "--schema"], "goes with no command"),
        (&["--client-ipaddr=y"], "--client-ipaddr belongs to `call`"),
        (&["--url=y"], "--url does not belong to `serve`"),
        (&["--force"], "--force belongs to `pwned build`"),
        (&["--help=maybe"], "--help stands alone"),
        (&["--autosetup=maybe"], "--autosetup stands alone"),
        (&["settings", "html"], "`html` is not an output format; give `markdown` or nothing"),
        (&["--settings=html"], "`html` is not an output format"),
        (&["--hlep"], "`--hlep` is not an option; perhaps --help?"),
    ] {
        let refused = Machine::new().runs(words);
        assert_eq!((refused.status, refused.output.as_str()), (2, ""), "{words:?}");
        assert!(refused.errors.contains(expected), "{words:?}: {}", refused.errors);
    }
    let secret = Machine::new().runs(&["--sekret", "hidden"]);
    assert!(secret.errors.contains("--secret?") && !secret.errors.contains("hidden"), "{}", secret.errors);
}

#[test]
fn mistakes_on_the_command_line_and_in_settings_have_their_own_status() {
    let misused = Machine::new().runs(&["--prot=1", "--frob"]);
    assert_eq!((misused.status, misused.errors.lines().count()), (2, 2));
    assert!(misused.errors.lines().all(|line| line.starts_with("authnzerver: ")), "{}", misused.errors);
    let unset = Machine::new().runs(&[]);
    assert_eq!(unset.status, 1);
    assert!(unset.errors.contains("secret: missing"), "{}", unset.errors);
    assert!(unset.errors.contains("--autosetup") || unset.errors.contains("setup"), "{}", unset.errors);
}

#[test]
fn the_table_is_sound() {
    let all = all_commands(COMMANDS, "");
    for (path, command) in &all {
        assert!(!command.summary.is_empty() && !command.summary.ends_with('.'), "{path}");
        assert!(command.help.is_empty() || command.help.ends_with('\n'), "{path}");
        assert!(command.help.lines().all(|line| line.chars().count() <= 120), "{path}");
        let optional = command.words.iter().position(|word| !matches!(word, Word::Required(_)));
        let required = command.words.iter().rposition(|word| matches!(word, Word::Required(_)));
        assert!(required.zip(optional).is_none_or(|(last, first)| last < first), "{path}");
        assert_eq!(all.iter().filter(|(other, _)| other == path).count(), 1, "{path}");
    }
    assert!(COMMANDS.iter().any(|command| command.name == DEFAULT));
    // Commands may have options of one name, which then take the same.
    let mut rows: BTreeMap<&str, &'static OptionRow> = BTreeMap::new();
    for row in all.iter().flat_map(|(_, command)| command.options.iter().chain(&command.alias)) {
        let other = rows.insert(row.name, row).unwrap_or(row);
        assert!(row.takes == other.takes && row.value == other.value, "--{}", row.name);
        assert_eq!(row.takes == Takes::Value, row.value.starts_with('='), "--{}", row.name);
    }
    let rows: Vec<&'static OptionRow> = rows.into_values().collect();
    let own: BTreeSet<String> = rows.iter().map(|row| plain(row.name)).collect();
    assert_eq!(own.len(), rows.len(), "two options are told apart by dashes alone");
    let mut names: Vec<String> = option_names(&rows).map(|(name, ..)| plain(name)).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "two options are told apart by dashes alone");
}

#[test]
fn a_server_starts_with_nothing_but_a_base_directory() {
    let machine = Machine::new();
    assert_eq!(machine.runs(&["--basedir=run", "--log-file-prefix=x"]).status, 0);
    let told = machine.made.borrow().join("\n");
    assert!(
        told.contains("--log-file-prefix is ignored") && told.contains("made the base directory"),
        "{told}"
    );
    assert_eq!((machine.mode("run"), machine.mode("run/.authnzerver-secret-key")), (0o700, 0o400));
}

#[test]
fn set_up_without_questions_makes_a_directory_that_the_server_starts_from() {
    let machine = Machine::new();
    let done = machine.runs(&["--autosetup", "--basedir=a b", "--port=8080", "--emailsender=100%% <a@b>"]);
    assert_eq!((done.status, done.errors.as_str()), (0, ""));
    assert!(done.output.contains("/a b\" --envfile=\""), "{}", done.output);
    for (name, mode) in [
        ("a b", 0o700),
        ("a b/.authnzerver-secret-key", 0o400),
        ("a b/.authnzerver-salt", 0o400),
        ("a b/.authnzerver-admin-credentials", 0o400),
        ("a b/.env", 0o600),
    ] {
        assert_eq!(machine.mode(name), mode, "{name}");
    }
    let credentials = machine.reads("a b/.authnzerver-admin-credentials");
    let made = machine.made.borrow_mut().pop().expect("a database");
    let admin = credentials.trim_end();
    assert_eq!(made, format!("@/a b/.authdb.sqlite Some(\"@/a b/default-permissions-model.json\") {admin}"));
    assert_eq!(machine.reads("a b/default-permissions-model.json"), "{\"roles\": []}");
    let env = machine.reads("a b/.env");
    for line in [
        "AUTHNZERVER_AUTHDB=sqlite:///@/a b/.authdb.sqlite",
        "AUTHNZERVER_BASEDIR=@/a b",
        "AUTHNZERVER_PERMISSIONS=@/a b/default-permissions-model.json",
        "AUTHNZERVER_PORT=8080",
        "AUTHNZERVER_SECRET=@/a b/.authnzerver-secret-key",
        "AUTHNZERVER_PIISALT=@/a b/.authnzerver-salt",
        "AUTHNZERVER_LISTEN=127.0.0.1",
        "#AUTHNZERVER_WORKERS=4",
        "AUTHNZERVER_EMAILSENDER=100%%%% <a@b>",
    ] {
        assert!(env.lines().any(|found| found == line), "{line}\n--\n{env}");
    }
    assert!(!env.lines().any(|line| line.starts_with("PORT=")));

    let variables = std::fs::read_to_string(machine.room.path().join("a b/.env")).expect("text");
    let words: Vec<OsString> = vec![format!("--envfile={}/a b/.env", machine.room.path().display()).into()];
    let elsewhere = Environment { arguments: vec![], variables: BTreeMap::new(), directory: "/".into() };
    let loaded = config::load(&Invocation::parse(&words).expect("good"), &elsewhere);
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems}\n--\n{variables}"));
    assert_eq!((loaded.config.port, loaded.config.email_sender.as_str()), (8080, "100%% <a@b>"));
    assert_eq!(loaded.config.database.path(), Some(&*machine.room.path().join("a b/.authdb.sqlite")));
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
}

#[test]
fn set_up_again_overwrites_nothing() {
    let mut machine = Machine::new();
    let words = ["--autosetup", "--basedir=run"];
    assert_eq!(machine.runs(&words).status, 0);
    let before = ["run/.env", "run/.authnzerver-secret-key", "run/.authnzerver-admin-credentials"];
    let before = before.map(|name| (name, machine.reads(name)));
    machine.database = Ok(Initialised::Before { roles_added: 0 });
    std::fs::write(machine.room.path().join("run/default-permissions-model.json"), "{}").expect("edited");
    let again = machine.runs(&["--autosetup", "--basedir=run", "--port=1"]);
    assert_eq!((again.status, again.errors.as_str()), (0, ""));
    assert!(again.output.contains("it was set up before"), "{}", again.output);
    for (name, text) in before {
        assert_eq!(machine.reads(name), text, "{name}");
    }
    assert!(machine.reads("run/.env.new").contains("AUTHNZERVER_PORT=1\n"));
    assert_eq!(machine.reads("run/default-permissions-model.json"), "{}");
}

#[test]
fn set_up_fails_where_the_database_does_and_leaves_no_credentials() {
    let mut machine = Machine::new();
    machine.database = Err("the disk is full".into());
    let failed = machine.runs(&["--autosetup"]);
    assert_eq!((failed.status, failed.errors.as_str()), (1, "authnzerver: the disk is full\n"));
    assert!(!machine.has(".authnzerver-admin-credentials") && !machine.has(".env"));
    let failed = Machine::new().runs(&["--autosetup", "--authdb=mysql://x", "--port=x"]);
    assert_eq!((failed.status, failed.errors.lines().count()), (1, 2));
    assert!(failed.errors.contains("SQLite"), "{}", failed.errors);
}

#[test]
fn on_a_terminal_set_up_asks_and_asks_again() {
    let lines = "postgresql://x\nother.sqlite\nnone.json\n\nnobody\nme@example.org\n";
    let machine = Machine::new().types(lines, &["one", "two", "hidden", "hidden"]);
    let done = machine.runs(&["--autosetup", "--basedir=run"]);
    assert_eq!((done.status, done.errors.as_str()), (0, ""), "{}", done.output);
    let made = machine.made.borrow_mut().pop().expect("a database");
    assert_eq!(made, "@/other.sqlite Some(\"@/run/default-permissions-model.json\") me@example.org hidden");
    let credentials = machine.reads("run/.authnzerver-admin-credentials");
    assert_eq!(credentials, "me@example.org password-was-user-generated\n");
    assert!(machine.reads("run/.env").contains("AUTHNZERVER_AUTHDB=sqlite:///@/other.sqlite\n"));
    assert!(done.output.contains("two different passwords") && !done.output.contains("hidden"));
    let cut_off = Machine::new().types("\n", &[]).runs(&["--autosetup"]);
    assert_eq!(cut_off.status, 1);
    assert!(cut_off.errors.contains("ended before"), "{}", cut_off.errors);
}

#[test]
fn set_up_takes_the_administrator_from_variables() {
    let machine = Machine::new()
        .sets("AUTHNZERVER_ADMIN_EMAIL", "me@example.org")
        .sets("AUTHNZERVER_ADMIN_PASSWORD", "hidden")
        .sets("AUTHNZERVER_PORT", "not asked");
    assert_eq!(machine.runs(&["--autosetup"]).status, 0);
    assert!(machine.made.borrow()[0].ends_with("me@example.org hidden"));
    assert!(machine.reads(".env").contains("AUTHNZERVER_PORT=13431\n"));
}

/// Answers one request over HTTP with what `answer` makes of it, and gives the request.
fn server(answer: impl FnOnce(&Value) -> (u16, Vec<u8>) + Send + 'static) -> (String, JoinHandle<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("--url=http://{}/", listener.local_addr().expect("bound"));
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header line");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("the body");
        let opened = keyring().open(&body).expect("sealed");
        let text = std::str::from_utf8(opened.plaintext.expose()).expect("a text");
        let message = json::read(text, &Limits::REQUEST).expect("JSON");
        let (status, body) = answer(&message);
        write!(stream, "HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: {}\r\n\r\n", body.len())
            .and_then(|()| stream.write_all(&body))
            .expect("sent");
        message
    });
    (url, thread)
}

fn sealed(value: &Value) -> Vec<u8> {
    keyring().first().seal(value.to_string().as_bytes(), Timestamp::MAX)
}

fn keyring() -> Keyring {
    Keyring::parse(KEY).expect("a key")
}

#[test]
fn a_call_prints_the_answer_and_its_success_is_the_exit_status() {
    let machine = Machine::new().sets("AUTHNZERVER_SECRET", KEY);
    for (success, status) in [(true, 0), (false, 1)] {
        let (url, thread) =
            server(move |ask| (200, sealed(&json!({"success": success, "reqid": ask["reqid"], "n": 1.0}))));
        let called = machine.runs_with(&["call", "user-list", "-", &url], "{\"user_id\": null}");
        let ask = thread.join().expect("answered");
        assert_eq!((called.status, called.errors.as_str()), (status, ""));
        assert_eq!(called.output.lines().count(), 1);
        assert!(called.output.contains("\"n\":1.0"), "{}", called.output);
        assert_eq!(ask["request"], "user-list");
        assert_eq!(ask["body"], json!({"user_id": null}));
        assert_eq!(ask["client_ipaddr"], "127.0.0.1");
        assert_eq!(ask["reqid"].as_str().map(str::len), Some(11));
    }
}

#[test]
fn a_call_can_be_made_in_the_name_of_another_client() {
    let machine = Machine::new().sets("AUTHNZERVER_SECRET", KEY);
    let body = "{\"client_ipaddr\": \"8.8.8.8\"}";
    for (words, address) in [(&["--client-ipaddr=9.9.9.9"][..], "9.9.9.9"), (&[], "8.8.8.8")] {
        let (url, thread) = server(|ask| (200, sealed(&json!({"success": true, "reqid": ask["reqid"]}))));
        let words = [&["call", "x", body, &url], words].concat();
        assert_eq!(machine.runs(&words).status, 0);
        assert_eq!(thread.join().expect("answered")["client_ipaddr"], address);
    }
}

#[test]
fn whatever_stands_between_a_call_and_its_answer_is_one_line() {
    let machine = Machine::new().sets("AUTHNZERVER_SECRET", KEY);
    let fails = |status: u16, body: Vec<u8>, expected: &str| {
        // The server's refusal is an answer; whatever else comes back is none.
        let exit_status = if status == 200 { 2 } else { 1 };
        let (url, thread) = server(move |_| (status, body));
        let called = machine.runs(&["call", "x", &url]);
        thread.join().expect("answered");
        assert_eq!((called.status, called.output.as_str()), (exit_status, ""));
        assert!(called.errors.contains(expected) && called.errors.lines().count() == 1, "{}", called.errors);
    };
    fails(
        429,
        b"HTTP 429: too many\n\x1b[0m".to_vec(),
        "answered 429: HTTP 429: too many  [0m (try again in 7 s)",
    );
    fails(302, vec![], "answered 302");
    fails(200, b"nonsense".to_vec(), "cannot be opened");
    fails(200, sealed(&json!({"success": true, "reqid": "another"})), "belongs to another request");

    let free = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let called = machine.runs(&["call", "x", &format!("--url=http://{free}/")]);
    assert!(called.status == 2 && called.errors.contains("no answer from"), "{}", called.errors);
    for (body, expected) in [("{\"password\": hidden}", "line 1, column"), ("[]", "must be a JSON object")] {
        let called = machine.runs(&["call", "x", body]);
        assert!(called.status == 2 && called.errors.contains(expected), "{}", called.errors);
        assert!(!called.errors.contains("hidden"));
    }
    assert_eq!(Machine::new().runs(&["call", "x"]).status, 2);
}

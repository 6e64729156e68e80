//! What the documents tell operators to type: every command in them is known to the program, and those that can be
//! tried out are tried out as they are printed.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::machine::Machine;
use support::parser::value_of;
use support::python::python;

const PROGRAM: &str = "authnzerver";

/// Every document of the repository that speaks to operators: its name and its text.
fn documents() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths: Vec<_> = ["", "docs"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("a folder"))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    paths.sort();
    let read = |path: &Path| std::fs::read_to_string(path).expect("text");
    paths.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// The commands of a document: code in backticks that begins with the program's name, and what stands behind that name
/// in an indented line.
fn commands(text: &str) -> Vec<String> {
    let start = format!("{PROGRAM} ");
    let inline =
        text.split('`').skip(1).step_by(2).filter(|code| code.starts_with(&start)).map(str::to_owned);
    let indented = text.lines().filter(|line| line.starts_with("    ")).filter_map(|line| {
        let at = line.find(&start).filter(|at| line[..*at].ends_with([' ', '/']))?;
        Some(line[at..].to_owned())
    });
    inline.chain(indented).collect()
}

/// The words of a command as far as the shell gives them to the program, without those that stand for others.
fn words(command: &str) -> Vec<String> {
    command
        .split_whitespace()
        .skip(1)
        .take_while(|word| !matches!(*word, "|" | ">" | "&&" | "<<'JSON'"))
        .filter(|word| !word.contains(['…', '[', '$']))
        .map(|word| word.trim_matches('\'').to_owned())
        .collect()
}

#[test]
fn every_command_in_the_documents_is_one() {
    let mut count = 0;
    for (name, text) in documents() {
        for command in commands(&text) {
            let output = Command::new(support::program()).args(words(&command)).arg("--help").output();
            let output = output.expect("runs");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "{name}: {command}: {errors}");
            count += 1;
        }
    }
    assert!(count > 20, "only {count} commands were found");
}

/// Runs a line of shell in a directory where `authnzerver` is the program under test.
fn shell(directory: &Path, line: &str, input: &str) -> Output {
    let mut shell = Command::new("/bin/sh");
    let function = format!("{PROGRAM}() {{ '{}' \"$@\"; }}; {line}", support::program().display());
    shell.args(["-c", &function]).current_dir(directory).env("AUTHNZERVER_PWNEDURL", "none");
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    // Whoever reads nothing may be gone by now.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

/// The SHA-1 of `password`, and how often it leaked.
const LIST: &str = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\n";

#[test]
fn commands_that_end_run_as_printed() {
    let room = tempfile::tempdir().expect("a directory");
    std::fs::write(room.path().join("pwnedpasswords.txt"), LIST).expect("writes");
    std::fs::create_dir(room.path().join("ranges")).expect("makes");
    std::fs::write(room.path().join("ranges/5BAA6"), &LIST[5..]).expect("writes");
    let documents: String = documents().into_iter().map(|(_, text)| text).collect();
    let documents = documents.split_whitespace().collect::<Vec<_>>().join(" ");
    for (line, input, status, expected) in [
        ("authnzerver setup --basedir=DIRECTORY", "", 0, "Set-up is done."),
        ("authnzerver help", "", 0, "commands:"),
        ("authnzerver help call", "", 0, "usage: authnzerver call REQUEST"),
        ("authnzerver --version", "", 0, "authnzerver "),
        ("authnzerver settings", "", 0, "AUTHNZERVER_PIISALT"),
        ("authnzerver settings markdown", "", 0, "# Settings"),
        ("authnzerver schema", "", 0, "\"user-login\""),
        ("authnzerver pwned build pwnedpasswords.txt leaked.filter --min-count=25", "", 0, "1 hashes from 1"),
        ("authnzerver pwned check leaked.filter", "password\n", 1, "line 1: leaked"),
        (
            "read -rs word && printf '%s\\n' \"$word\" | authnzerver pwned check leaked.filter",
            "another\n",
            0,
            "line 1: not found",
        ),
        (
            "cd ranges && ls | xargs awk '{ print FILENAME $0 }' | authnzerver pwned build - ../leaked.filter",
            "",
            0,
            "1 hashes from 1",
        ),
    ] {
        assert!(documents.contains(line), "no document says: {line}");
        if line.starts_with("cd ranges") {
            std::fs::remove_file(room.path().join("leaked.filter")).expect("removes");
        }
        // Not every shell can hide what is typed, and here nothing is.
        let output = shell(room.path(), &line.replace("read -rs", "read -r"), input);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(status), "{line}: {output:?}");
        assert!(told.contains(expected), "{line}: {told}");
    }
}

/// The commands of the first five minutes, each with the lines of its input.
fn first_five_minutes(readme: &str) -> Vec<String> {
    let (_, section) = readme.split_once("## The first five minutes").expect("README has that section");
    let (section, _) = section.split_once("\n## ").expect("another section follows");
    let mut commands: Vec<String> = Vec::new();
    for line in section.lines().filter_map(|line| line.strip_prefix("    ")) {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push(command.to_owned()),
            None if line.starts_with("{\"messages\"") => {}
            None => {
                let command = commands.last_mut().expect("a command comes first");
                command.push('\n');
                command.push_str(line);
            }
        }
    }
    commands
}

#[test]
fn the_first_five_minutes_go_as_printed() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let mut commands = first_five_minutes(include_str!("../../README.md")).into_iter();
    let alias = commands.next().expect("an alias");
    let program =
        alias.strip_prefix("alias authnz='target/release/").and_then(|rest| rest.strip_suffix('\''));
    let program =
        program.expect("an alias of the program").replace("run", &machine.path("").display().to_string());
    let mut token = String::new();
    let mut count = 0;
    for command in commands {
        let command = command
            .replace("00_kGFqNDsEY2_SE6ns1smgr0PjzMr28dAiCif4h1Tk", &token)
            .replace("the token of that answer", &token);
        let line = format!(
            "authnz() {{ {program} \"$@\"; }}; export AUTHNZERVER_URL=http://127.0.0.1:{}/; {command}\n",
            server.port
        );
        let output = shell(&machine.path(""), &line, "");
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
        let answer: Value = value_of(told.as_ref()).expect("an answer");
        if let Some(new) = answer["response"]["session_token"].as_str() {
            new.clone_into(&mut token);
        }
        count += 1;
    }
    assert_eq!(count, 6);
}

/// What a webhook is handed: the body of one POST, which it takes.
fn takes_post(mut stream: &TcpStream) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        if line.trim().is_empty() {
            break;
        }
        if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().expect("a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").expect("answers");
    value_of(String::from_utf8(body).expect("UTF-8").as_str()).expect("JSON")
}

#[test]
fn the_program_that_forwards_events_goes_on_where_it_was() {
    let machine = Machine::new();
    let server = machine.starts(&[("PORT", "0")]);
    let webhook = TcpListener::bind("127.0.0.1:0").expect("a port");
    let page = include_str!("../../docs/events.md");
    let (_, rest) = page.split_once("```python\n").expect("the page has a program in Python");
    let (program, _) = rest.split_once("```").expect("the program ends");
    let program = program
        .replace("\"run/", &format!("\"{}/", machine.path("").display()))
        .replace("13431", &server.port.to_string())
        .replace("8080", &webhook.local_addr().expect("an address").port().to_string());
    let starts = || python().arg("-c").arg(&program).spawn().expect("Python starts");
    let mut forwarder = starts();
    let mut kinds = Vec::new();
    let next = || takes_post(&webhook.accept().expect("the program calls").0);
    for _ in 0..3 {
        kinds.push(next()["kind"].clone());
    }
    assert_eq!(kinds, ["account.added"; 3]);
    server.waits_until(|| machine.path("events-position").exists());
    forwarder.kill().and_then(|()| forwarder.wait()).expect("it ends");
    let body = serde_json::json!({ "full_name": "A", "email": "a@example.org", "password": "correct horse battery staple" });
    server.ask("user-new", &body);
    let mut forwarder = starts();
    assert_eq!(next()["kind"], "account.signed-up");
    forwarder.kill().and_then(|()| forwarder.wait()).expect("it ends");
}

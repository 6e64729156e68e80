//! Keys of messages that come and go while the server runs, and where required settings come from.

use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::machine::{KEY, Machine};
use support::parser::value_of;

/// Runs a command on the machine's base directory; its exit status, standard output and standard error.
fn runs(machine: &Machine, words: &[&str]) -> (i32, String, String) {
    let output = machine.command(&[]).args(words).output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("an exit status"), text(output.stdout), text(output.stderr))
}

fn does(machine: &Machine, words: &[&str]) -> Value {
    let (status, output, errors) = runs(machine, &[words, &["--json"]].concat());
    assert_eq!((status, errors.as_str()), (0, ""), "{words:?}");
    value_of(&output).expect("JSON")
}

/// Has others stop, also when a test fails.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn key_file(machine: &Machine) -> String {
    fs::read_to_string(machine.path(".authnzerver-secret-key")).expect("reads")
}

#[test]
fn a_key_is_replaced_under_load_and_no_request_fails() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let old = key_file(&machine).trim().to_owned();
    let (key, is_over, done) = (RwLock::new(old.clone()), AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let _ends = SetAtEnd(&is_over);
        for _ in 0..3 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // A frontend gets another key between two requests.
                    let key = key.read().expect("no panic");
                    let body = json!({ "session_token": "none" });
                    let answer = server.asks_with_key(&key, "session-exists", &body);
                    assert!(answer.is_some_and(|answer| answer["success"] == false), "a request failed");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let goes_on = || {
            let before = done.load(Ordering::Relaxed);
            server.waits_until(|| done.load(Ordering::Relaxed) > before + 20);
        };
        goes_on();
        let made = does(&machine, &["secret", "add", "autumn"]);
        server.hangs_up("read the keys again count=2");
        goes_on();
        made["key"].as_str().expect("a key").clone_into(&mut key.write().expect("no panic"));
        goes_on();
        let listed = does(&machine, &["secret", "list"]);
        assert_eq!(
            (&listed["keys"][0]["name"], &listed["keys"][1]["name"]),
            (&Value::Null, &json!("autumn"))
        );
        does(&machine, &["secret", "retire", listed["keys"][0]["fingerprint"].as_str().expect("one")]);
        server.hangs_up("read the keys again count=1");
        goes_on();
    });
    assert!(server.asks_with_key(&old, "session-exists", &json!({ "session_token": "x" })).is_none());
    let (status, _, told) = runs(&machine, &["secret", "retire", "autumn"]);
    assert!(status == 1 && told.contains("the only key"), "{told}");
    let mode = fs::metadata(machine.path(".authnzerver-secret-key")).expect("is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o400);
    assert!(!server.stops().contains(&old));
}

#[test]
fn keys_that_cannot_be_read_leave_the_old_ones() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let path = machine.path(".authnzerver-secret-key");
    let before = key_file(&machine);
    let puts = |text: &str| {
        fs::remove_file(&path).expect("removes");
        fs::write(&path, text).expect("writes");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changes");
    };
    puts("much too short");
    server.hangs_up("kept the old keys");
    assert!(
        server.asks_with_key(before.trim(), "session-exists", &json!({ "session_token": "x" })).is_some()
    );
    assert!(!server.log().contains("much too short"));
    puts(&format!("{before}  # the first\n# nothing but a remark\n{KEY} # second\n"));
    server.hangs_up("read the keys again");
    assert!(server.asks_with_key(KEY, "session-exists", &json!({ "session_token": "x" })).is_some());
    let (status, _, told) = runs(&machine, &["secret", "add", "second"]);
    assert!(status == 1 && told.contains("there is a key second already"), "{told}");
    let (status, _, told) = runs(&machine, &["secret", "add", "a b"]);
    assert_eq!(status, 2, "{told}");
    does(&machine, &["secret", "retire", "second"]);
    assert_eq!(key_file(&machine), format!("{before}  # the first\n# nothing but a remark\n"));
    assert_eq!(runs(&machine, &["secret", "retire", "third"]).0, 1);
}

#[test]
fn a_key_with_a_limit_is_made_listed_and_obeyed() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let (status, _, told) = runs(&machine, &["secret", "add", "web2", "--requests=session-infos"]);
    assert!(status == 1 && told.contains("limited to session-infos"), "{told}");
    let made = does(&machine, &["secret", "add", "web2", "--requests=session-exists, batch"]);
    let listed = does(&machine, &["secret", "list"]);
    assert_eq!(
        (&listed["keys"][0]["requests"], &listed["keys"][1]["requests"]),
        (&Value::Null, &json!(["session-exists", "batch"]))
    );
    server.hangs_up("read the keys again count=2");
    let key = made["key"].as_str().expect("a key");
    let body = json!({ "session_token": "none" });
    assert!(server.asks_with_key(key, "session-exists", &body).is_some());
    assert!(server.asks_with_key(key, "session-info", &body).is_none());
    server.waits_for("cause=\"the key may not ask this\"");
    assert!(key_file(&machine).ends_with("  # web2 requests=session-exists,batch\n"));
    // What would not be obeyed as it was meant leaves the old keys, and stops a start.
    let path = machine.path(".authnzerver-secret-key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("changes");
    let wrong = key_file(&machine).replace("session-exists", "session-exist");
    fs::write(&path, wrong).expect("writes");
    server.hangs_up("kept the old keys");
    assert!(server.asks_with_key(key, "session-exists", &body).is_some());
    assert!(server.asks_with_key(key, "session-info", &body).is_none());
    server.stops();
    let (status, output, _) = runs(&machine, &["settings", "check"]);
    assert!(status != 0 && output.contains("limited to session-exist among"), "{output}");
    let listed = does(&machine, &["secret", "list"]);
    assert_eq!(listed["keys"][0]["last_used"], Value::Null);
    assert!(listed["keys"][1]["last_used"].is_string(), "{listed}");
    let events = does(&machine, &["events", "--kind=keys.changed"]);
    assert_eq!(events["events"][0]["detail"], "keys: 2; new web2");
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1));
}

#[test]
fn who_changes_the_keys_at_the_same_time_loses_nothing() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let starts = |words: [&str; 2]| {
        let mut command = machine.command(&[]);
        command.arg("secret").args(words).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("starts")
    };
    for round in 0..8 {
        does(&machine, &["secret", "add", "old"]);
        let names: Vec<String> = (0..3).map(|number| format!("new{round}-{number}")).collect();
        let mut changes: Vec<_> = names.iter().map(|name| starts(["add", name])).collect();
        changes.push(starts(["retire", "old"]));
        assert!(changes.iter_mut().all(|change| change.wait().expect("ends").success()));
        let found = key_file(&machine);
        assert!(names.iter().all(|name| found.contains(name)) && !found.contains("old"), "{found}");
        assert_eq!(found.lines().count(), 4);
        for name in &names {
            does(&machine, &["secret", "retire", name]);
        }
    }
    let left = fs::read_dir(machine.path(".")).expect("reads").flatten();
    assert!(left.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().contains("unfinished")));
}

#[test]
fn a_key_from_elsewhere_is_not_changed_here() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let output = machine.command(&[("SECRET", KEY)]).args(["secret", "add", "x"]).output().expect("starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(2) && told.contains("AUTHNZERVER_SECRET in the environment"),
        "{told}"
    );
    assert!(!told.contains(KEY));
}

#[test]
fn one_setting_that_is_given_hides_no_file_of_the_base_directory() {
    let machine = Machine::new();
    let server = machine.starts(&[]);
    let session = server.new_session();
    server.stops();
    // The rotation of keys by the setting.
    let both = format!("{KEY},{}", key_file(&machine));
    let server = machine.starts(&[("SECRET", &both)]);
    assert!(server.session_is_live(&session));
    assert!(server.asks_with_key(KEY, "session-exists", &json!({ "session_token": session })).is_some());
    server.stops();
    // A credential of systemd.
    let credentials = machine.path("credentials");
    fs::create_dir(&credentials).expect("makes");
    fs::write(credentials.join("secret"), KEY).expect("writes");
    let mut command = machine.command(&[]);
    command.env("CREDENTIALS_DIRECTORY", Path::new(&credentials));
    let server = machine.serves(command);
    let asked = server.asks_with_key(KEY, "session-exists", &json!({ "session_token": session }));
    assert!(asked.is_some_and(|answer| answer["success"] == true));
}

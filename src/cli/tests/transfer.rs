//! `authnzerver user import` and `user export`.

use super::machine::Machine;
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt as _;

const HERE: &str = "--basedir=run";
/// Of `correct horse battery staple`.
const BCRYPT: &str = "$2b$04$Ke28IwLskXSAeSw13wcgVevl9zFRoEUR8gfhpt4qpsGb90MRezKTm";

impl Machine {
    fn has_file(&self, name: &str, content: &str) {
        std::fs::write(self.room.path().join(name), content).expect("written");
    }

    fn users(&self) -> Vec<Value> {
        let listed = self.runs(&["user", "list", "--json", HERE]).json();
        listed["users"].as_array().expect("users").clone()
    }
}

#[test]
fn accounts_are_imported_once_and_events_tell_of_each() {
    let machine = Machine::ready();
    machine.has_file(
        "users.csv",
        &format!(
            "email,full_name,password_hash,role,verified,lock,created,extra\n\
             Alice@Example.org,Alice O'Brien,{BCRYPT},staff,yes,,2020-01-31T12:00:00Z,\"{{\"\"a\"\": 1}}\"\n\
             bob@example.org,,5f4dcc3b5aa765d61d8327deb882cf99,,true,,,\n\
             carol@example.org,,,,no,,,\n\
             dave@example.org,,,staff,,yes,,\n\
             admin@example.org,,,,,,,\n"
        ),
    );
    let report = machine.runs(&["user", "import", "users.csv", "--dry-run", "--json", HERE]);
    assert_eq!((report.status, report.errors.as_str()), (0, ""));
    let told = report.json();
    assert_eq!(told["kinds"], json!({"MD5 without salt": 1, "bcrypt": 1, "none": 2}));
    let counts = ["records", "new", "known", "unverified", "lock", "hashed_here", "imported"];
    assert_eq!(counts.map(|key| told[key].as_u64().expect("a number")), [5, 4, 1, 1, 1, 1, 0]);
    assert_eq!((told["known_lines"].clone(), machine.users().len()), (json!([6]), 3));

    let asked = machine.runs(&["user", "import", "users.csv", HERE]);
    assert!(asked.status == 2 && asked.errors.contains("--yes says so"), "{}", asked.errors);
    assert_eq!(machine.users().len(), 3);
    let done = machine.runs(&["user", "import", "users.csv", "--yes", HERE]);
    assert_eq!((done.status, done.errors.as_str()), (0, ""));
    assert!(done.output.ends_with("4 accounts imported\n"), "{}", done.output);
    assert!(!done.output.contains(BCRYPT) && !done.output.contains("5f4dcc"), "{}", done.output);
    let users = machine.users();
    assert_eq!(users.len(), 7);
    let alice = &users[3];
    assert_eq!((&alice["email"], &alice["user_role"]), (&json!("alice@example.org"), &json!("staff")));
    assert_eq!(alice["extra_info"], json!({"a": 1}));
    assert!(alice["created_on"].as_str().expect("a time").starts_with("2020-01-31T12:00:00"));
    let state = |at: usize| {
        ["email_verified", "is_active"].map(|key: &str| users[at][key].as_bool().expect("yes or no"))
    };
    assert_eq!([3, 4, 5, 6].map(state), [[true, true], [true, true], [false, false], [true, false]]);
    assert_eq!((&users[5]["user_role"], &users[6]["user_role"]), (&json!("locked"), &json!("locked")));
    let unlocked = machine.runs(&["user", "unlock", "dave@example.org", "--json", HERE]).json();
    assert_eq!(unlocked["user"]["user_role"], "staff");
    let events = machine.runs(&["events", "--kind=account.imported", "--json", HERE]).json();
    let events = events["events"].as_array().expect("events").clone();
    assert_eq!(events.len(), 4);
    assert!(events.iter().all(|event| event["actor"] == "operator" && event["operator"].is_string()));

    let again = machine.runs(&["user", "import", "users.csv", "--yes", HERE]);
    assert!(again.output.ends_with("0 accounts imported\n"), "{}{}", again.output, again.errors);
    assert_eq!(machine.users().len(), 7);
}

#[test]
fn whatever_is_wrong_is_told_by_line_and_nothing_is_imported() {
    let machine = Machine::ready();
    let secret = "not-a-known-hash-of-anything";
    machine.has_file(
        "users.csv",
        &format!(
            "email,role,password_hash,password,verified,created,extra,system_id\n\
             good@example.org,,,,,,,\n\
             GOOD@example.org,,,,,,,\n\
             no address,,,,,,,\n\
             a@example.org,emperor,,,,,,\n\
             b@example.org,,{secret},,,,,\n\
             c@example.org,,$2b$31${},,,,,\n\
             d@example.org,,{BCRYPT},a password,,,,\n\
             e@example.org,staff,,,no,,,\n\
             f@example.org,,,,maybe,yesterday,[],two words\n\
             g@example.org,locked,,,,,,\n",
            &BCRYPT[7..]
        ),
    );
    let refused = machine.runs(&["user", "import", "users.csv", "--yes", HERE]);
    assert_eq!(refused.status, 1);
    for words in [
        "line 3: email: line 2 has it too",
        "line 4: email: this is no address",
        "line 5: role: the policy has no such role",
        "line 6: password_hash: it has no known form; leave it empty",
        "line 7: password_hash: each login would cost more than is allowed; leave it empty",
        "line 8: password: there is a password_hash too",
        "line 9: role: an account gets one when its address is verified",
        "line 10: verified: it is yes or no",
        "line 10: created: it is no time",
        "line 10: extra: it is a JSON object",
        "line 10: system_id:",
        "line 11: role: the policy has no such role",
        "nothing was imported",
    ] {
        assert!(refused.errors.contains(words), "{words}: {}", refused.errors);
    }
    assert!(!refused.errors.contains(secret) && !refused.output.contains(secret), "{}", refused.errors);
    assert_eq!(machine.users().len(), 3);
    let told = machine.runs(&["user", "import", "users.csv", "--dry-run", "--json", HERE]);
    assert_eq!((told.status, told.json()["problem_count"].as_u64()), (1, Some(12)));
    machine.has_file("users.txt", "email\n");
    assert_eq!(machine.runs(&["user", "import", "users.txt", HERE]).status, 2, "of which form?");
    assert_eq!(machine.runs(&["user", "import", "nowhere.csv", HERE]).status, 2);
}

#[test]
fn what_is_exported_is_imported_elsewhere_hashes_only_when_asked_for() {
    let machine = Machine::ready();
    let line = |value: Value| format!("{value}\n");
    let mut lines =
        line(json!({"email": "alice@example.org", "password_hash": BCRYPT, "full_name": "A, \"B\" & C",
                                "extra": {"k": "ü\n"}, "created": "2020-01-31 12:00:00"}));
    lines += &line(json!({"email": "bob@example.org", "verified": false}));
    lines += &line(json!({"email": "carol@example.org", "role": "staff", "lock": true}));
    for number in 0..600 {
        lines += &line(json!({ "email": format!("user{number}@example.org") }));
    }
    machine.has_file("users.jsonl", &lines);
    assert_eq!(machine.runs(&["user", "import", "users.jsonl", "--yes", HERE]).status, 0);
    for (format, name) in [("csv", "out.csv"), ("jsonl", "out.jsonl")] {
        let out = machine.runs(&["user", "export", name, "--with-hashes", HERE]);
        assert_eq!((out.status, out.errors.as_str()), (0, ""));
        let path = machine.room.path().join(name);
        let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(std::fs::read_to_string(&path).expect("a text").contains(BCRYPT));
        let twice = machine.runs(&["user", "export", name, HERE]);
        assert!(twice.status == 2 && twice.errors.contains("is there already"), "{}", twice.errors);
        let shown = machine.runs(&["user", "export", &format!("--format={format}"), HERE]);
        assert!(!shown.output.contains(BCRYPT) && !shown.output.contains("$argon2"), "{format}");
        assert!(shown.output.contains("alice@example.org"));

        let other = Machine::ready();
        std::fs::copy(&path, other.room.path().join(name)).expect("a copy");
        let done = other.runs(&["user", "import", name, "--yes", HERE]);
        assert_eq!((done.status, done.errors.as_str()), (0, ""), "{}", done.output);
        assert!(done.output.ends_with("603 accounts imported\n"), "{}", done.output);
        let export = |machine: &Machine| {
            machine.runs(&["user", "export", "--format=jsonl", "--with-hashes", HERE]).output
        };
        let tail = |text: String| text.lines().skip(3).map(str::to_owned).collect::<Vec<_>>();
        assert!(tail(export(&other)) == tail(export(&machine)), "nothing but the first three differs");
    }
}

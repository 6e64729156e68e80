//! `authnzerver user`, on a database of its own.

use super::machine::{Machine, Outcome};
use serde_json::json;

const PASSWORD: &str = "quite a long password, not a common one";
const HERE: &str = "--basedir=run";

impl Machine {
    /// Runs a command on the database.
    fn on_run(&self, words: &[&str]) -> Outcome {
        self.runs(&[words, &[HERE]].concat())
    }

    /// The same to a good end, and quietly.
    fn does(&self, words: &[&str]) -> Outcome {
        let done = self.on_run(words);
        assert_eq!((done.status, done.errors.as_str()), (0, ""), "{words:?}: {}", done.output);
        done
    }

    /// The same to no good end; what it says.
    fn is_told(&self, words: &[&str], status: u8) -> String {
        let refused = self.on_run(words);
        assert_eq!((refused.status, refused.output.as_str()), (status, ""), "{words:?}: {}", refused.errors);
        refused.errors
    }

    fn adds(&self, email: &str, name: &str) {
        let name = format!("--name={name}");
        let added = self.runs_with(&["user", "add", email, &name, "--password=-", HERE], PASSWORD);
        assert_eq!((added.status, added.errors.as_str()), (0, ""), "{}", added.output);
    }
}

#[test]
fn an_account_is_added_found_changed_and_deleted() {
    let machine = Machine::ready();
    machine.adds("Alice@Example.org", "Alice O'Brien");
    let shown = machine.does(&["user", "show", "alice@example.org", "--json"]).json();
    let user = &shown["user"];
    assert_eq!(
        (&user["user_id"], &user["email_verified"], &user["is_active"], &user["user_role"]),
        (&json!(4), &json!(true), &json!(true), &json!("authenticated"))
    );
    assert!(shown["lock"].is_null() && user.get("password").is_none());
    let text = machine.does(&["user", "show", "4"]).output;
    assert!(text.contains("name             Alice O'Brien\n"), "{text}");

    for (text, status) in [("o'brien", 0), ("ALICE@", 0), ("4", 0), ("nobody", 1)] {
        let found = machine.on_run(&["user", "find", text, "--json"]);
        assert_eq!(found.status, status, "{text}");
        assert_eq!(found.json()["users"].as_array().map(Vec::len), Some(1 - usize::from(status)), "{text}");
    }
    let list = machine.does(&["user", "list"]).output;
    assert!(list.starts_with("NUMBER  EMAIL") && list.lines().count() == 5, "{list}");
    let staff = machine.does(&["user", "list", "--role=superuser", "--json"]).json();
    assert_eq!(staff["users"][0]["email"], "admin@example.org");
    let second = machine.does(&["user", "list", "--after=1", "--limit=1", "--json"]).json();
    assert_eq!(second["users"][0]["user_id"], 2);

    let edited = machine.does(&["user", "edit", "4", "--name=Alice", "--notes={\"a\": 1}", "--json"]).json();
    assert_eq!(
        (&edited["user"]["full_name"], &edited["user"]["extra_info"]["a"]),
        (&json!("Alice"), &json!(1))
    );
    machine.does(&["user", "set-role", "alice@example.org", "staff"]);
    for role in ["anonymous", "locked"] {
        let told = machine.is_told(&["user", "set-role", "4", role], 1);
        assert!(told.contains("no account of a person has this role"), "{told}");
    }
    let told = machine.is_told(&["user", "edit", "4", "--email="], 1);
    assert!(told.contains("the address is refused"), "{told}");
    let told = machine.is_told(&["user", "edit", "4", &format!("--name={}", "x".repeat(999))], 1);
    assert!(told.contains("the name is refused"), "{told}");
    let roles = machine.is_told(&["user", "set-role", "4", "emperor"], 1);
    assert!(roles.contains("no such role; it has anonymous, authenticated"), "{roles}");
    assert!(machine.is_told(&["user", "edit", "4"], 2).contains("nothing to change"));
    assert!(machine.is_told(&["user", "edit", "4", "--active=maybe"], 2).contains("yes or no"));

    assert!(machine.is_told(&["user", "delete", "4"], 2).contains("--yes says so"));
    machine.does(&["user", "delete", "4", "--yes"]);
    assert!(machine.is_told(&["user", "show", "4"], 1).contains("there is no user 4"));
}

#[test]
fn a_lock_is_shown_and_an_unlock_gives_the_role_back() {
    let machine = Machine::ready();
    machine.adds("alice@example.org", "Alice");
    machine.does(&["user", "set-role", "4", "staff"]);
    let locked = machine.does(&["user", "lock", "alice@example.org"]).output;
    assert_eq!(locked, "account locked: user 4, alice@example.org, locked, inactive\n");
    let shown = machine.does(&["user", "show", "4", "--json"]).json();
    assert_eq!(shown["lock"], json!({ "by": "person", "until": null }));
    let unlocked = machine.does(&["user", "unlock", "4", "--json"]).json();
    assert_eq!((&unlocked["done"], &unlocked["user"]["user_role"]), (&json!("unlock"), &json!("staff")));
}

#[test]
fn the_rules_for_requests_hold_for_an_operator() {
    let machine = Machine::ready();
    for words in [
        &["user", "lock", "1"][..],
        &["user", "delete", "1", "--yes"],
        &["user", "set-role", "1", "staff"],
        &["user", "edit", "1", "--active=no"],
    ] {
        assert!(machine.is_told(words, 1).contains("no other active superuser"), "{words:?}");
    }
    for words in
        [&["user", "lock", "2"][..], &["user", "delete", "3", "--yes"], &["user", "set-role", "2", "staff"]]
    {
        assert!(machine.is_told(words, 1).contains("belongs to the system"), "{words:?}");
    }
    let add = |email: &str, password: &str| {
        machine.runs_with(&["user", "add", email, "--name=A", "--password=-", HERE], password)
    };
    for (email, password, expected) in [
        ("bob@example.org", "short", "the password is refused"),
        ("admin@example.org", PASSWORD, "the address is refused"),
        ("no address", PASSWORD, "the address is refused"),
    ] {
        let refused = add(email, password);
        assert!(refused.status == 1 && refused.errors.contains(expected), "{email}: {}", refused.errors);
    }
    machine.adds("bob@example.org", "Bob");
    assert!(add("BOB@example.org", PASSWORD).errors.contains("with this address already"));
    let weak = machine.runs_with(&["user", "set-password", "4", HERE], "password\n");
    assert!(weak.status == 1 && weak.errors.contains("the password is refused"), "{}", weak.errors);
    let set = machine.runs_with(&["user", "set-password", "4", HERE], "another one that nobody guesses\n");
    assert_eq!((set.status, set.errors.as_str()), (0, ""));
    let empty = machine.runs_with(&["user", "set-password", "4", HERE], "");
    assert!(empty.status == 2 && empty.errors.contains("standard input"), "{}", empty.errors);
    let typed = machine.is_told(&["user", "add", "c@example.org", "--name=C", "--password=hidden"], 2);
    assert!(typed.contains("no place for a password") && !typed.contains("hidden"), "{typed}");
    assert!(machine.is_told(&["user", "add", "c@example.org", "--name=C"], 2).contains("--password=-"));
}

#[test]
fn on_a_terminal_it_asks_before_it_deletes_and_for_passwords() {
    let hidden = ["one password that is long", "two"];
    let machine = Machine::ready().types("n\nYES\n", &hidden);
    let twice = machine.is_told(&["user", "add", "a@example.org", "--name=A"], 2);
    assert!(twice.contains("two different passwords"), "{twice}");
    let machine = machine.types("y\n", &["one password that is long", "one password that is long"]);
    let added = machine.on_run(&["user", "add", "a@example.org", "--name=A"]);
    assert_eq!(added.status, 0, "{}", added.errors);
    assert!(!added.errors.contains("one password"), "{}", added.errors);
    let machine = machine.types("n\n", &[]);
    assert!(machine.is_told(&["user", "delete", "4"], 1).contains("nothing was done"));
    let machine = machine.types("Yes\n", &[]);
    let deleted = machine.on_run(&["user", "delete", "4"]);
    assert_eq!(deleted.output, "account deleted: user 4, a@example.org, authenticated, active\n");
    assert!(deleted.errors.contains("Delete user 4, a@example.org"), "{}", deleted.errors);
}

#[test]
fn a_database_is_never_made_or_changed_in_its_form() {
    let machine = Machine::ready();
    let database = machine.room.path().join("run/.authdb.sqlite");
    let moved = machine.room.path().join("elsewhere");
    std::fs::rename(&database, &moved).expect("moved");
    let missing = machine.is_told(&["user", "list"], 2);
    assert!(missing.contains("there is no database") && !machine.has("run/.authdb.sqlite"), "{missing}");
    std::fs::write(&database, "").expect("an empty file");
    std::fs::set_permissions(&database, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("ours");
    assert!(machine.is_told(&["user", "list"], 2).contains("is empty; start"));
    assert_eq!(std::fs::metadata(&database).expect("it is there").len(), 0);
    std::fs::rename(&moved, &database).expect("moved back");
    std::fs::set_permissions(&database, std::os::unix::fs::PermissionsExt::from_mode(0o644)).expect("open");
    assert!(machine.is_told(&["user", "list"], 2).contains("chmod 600"));
    let nowhere = machine.runs(&["user", "list", "--basedir=nowhere"]);
    assert!(nowhere.errors.contains("there is no base directory"), "{}", nowhere.errors);
    assert!(nowhere.status == 2 && !machine.has("nowhere"));
    let unset = machine.runs(&["user", "list"]);
    assert!(unset.status == 2 && unset.errors.contains("missing"), "{}", unset.errors);
}

#[test]
fn sessions_keys_and_locks_of_nobody_are_empty_lists() {
    let machine = Machine::ready();
    for (words, key) in
        [(["session", "list"], "sessions"), (["apikey", "list"], "api_keys"), (["lock", "list"], "locks")]
    {
        assert_eq!(machine.does(&[words.as_slice(), &["--json"]].concat()).json()[key], json!([]), "{key}");
    }
    machine.adds("alice@example.org", "Alice");
    machine.does(&["user", "lock", "4"]);
    let locks = machine.does(&["lock", "list", "--json"]).json();
    assert_eq!(locks["locks"][0]["email"], "alice@example.org");
    assert!(machine.does(&["lock", "list"]).output.contains("a person"));
    assert!(machine.is_told(&["session", "end"], 2).contains("which session?"));
    assert!(machine.is_told(&["session", "end", "--all"], 2).contains("--yes"));
    assert!(machine.is_told(&["session", "end", "0123456789abcdef"], 1).contains("there is no session"));
    assert!(machine.is_told(&["session", "end", "xyz"], 2).contains("is no ID"));
    assert!(machine.is_told(&["apikey", "revoke", "0123456789abcdef"], 1).contains("there is no API key"));
    assert_eq!(machine.does(&["session", "end", "--all", "--yes"]).output, "ended: 0 sessions\n");
    assert_eq!(machine.does(&["session", "purge"]).output, "removed: 0 expired sessions\n");
}

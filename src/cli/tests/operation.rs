//! The commands that look after settings, the policy and the database.

use super::machine::Machine;
use crate::json::{self, Limits};
use serde_json::json;

const HERE: &str = "--basedir=run";

#[test]
fn settings_are_checked_as_a_start_would_and_all_problems_told() {
    let machine = Machine::ready();
    let checked = machine.runs(&["settings", "check", HERE]);
    assert_eq!((checked.status, checked.errors.as_str()), (0, ""), "{}", checked.output);
    assert!(checked.output.contains("a server can start"), "{}", checked.output);
    std::fs::write(machine.room.path().join("run/default-permissions-model.json"), "{").expect("written");
    let words = ["settings", "check", "--json", HERE, "--ratelimits=user-lgin:3", "--pwnedfile=run/.env"];
    let checked = machine.runs(&words);
    let told = checked.json();
    assert_eq!((checked.status, &told["ok"]), (1, &json!(false)));
    let problems = told["problems"].to_string();
    assert!(problems.contains("permissions policy") && problems.contains("leaked passwords"), "{problems}");
    assert!(told["warnings"].to_string().contains("user-login"), "{}", checked.output);
    let wrong = machine.runs(&["settings", "check", "--port=x", "--listen=y", "--secret=z"]);
    assert_eq!(wrong.status, 1);
    assert!(
        ["port:", "listen:", "secret:", "authdb:"].iter().all(|name| wrong.output.contains(name)),
        "{}",
        wrong.output
    );
    assert!(machine.runs(&["settings", "--json"]).json()["settings"][0]["name"] == "allowedhosts");
}

#[test]
fn a_check_of_settings_makes_nothing() {
    let machine = Machine::new();
    let checked = machine.runs(&["settings", "check", "--basedir=nowhere"]);
    assert!(checked.status == 0 && !machine.has("nowhere"), "{}", checked.output);
    let ready = Machine::ready();
    let names = || std::fs::read_dir(ready.room.path().join("run")).expect("a directory").count();
    let before = names();
    ready.runs(&["settings", "check", HERE]);
    ready.runs(&["db", "size", HERE]);
    ready.runs(&["db", "check", HERE]);
    assert_eq!(names(), before, "not even a log beside the database");
}

#[test]
fn a_policy_is_checked_listed_and_explained() {
    let machine = Machine::ready();
    assert!(machine.runs(&["policy", "check", HERE]).output.contains("is valid: 5 roles"));
    std::fs::write(machine.room.path().join("bad.json"), "{\"roles\": []}").expect("written");
    let bad = machine.runs(&["policy", "check", "bad.json", "--json"]);
    assert_eq!((bad.status, bad.json()["valid"].as_bool()), (1, Some(false)));
    let table =
        machine.runs(&["policy", "table", HERE, "--role=authenticated", "--item=dataset", "--json"]).json();
    let rows = table["permitted"].as_array().expect("rows");
    assert!(
        !rows.is_empty() && rows.iter().all(|row| row["item"] == "dataset" && row["role"] == "authenticated")
    );
    let explain = |words: &[&str]| machine.runs(&[&["policy", "explain"], words, &[HERE]].concat());
    let granted = explain(&["1", "view", "dataset"]);
    assert!(
        granted.status == 0 && granted.output.contains("permitted  yes"),
        "{}{}",
        granted.output,
        granted.errors
    );
    let denied =
        explain(&["anonuser@localhost", "delete", "dataset", "--owner=1", "--visibility=public", "--json"]);
    assert_eq!((denied.status, denied.json()["permitted"].as_bool()), (1, Some(false)), "{}", denied.errors);
    assert!(denied.json()["because"].as_str().is_some_and(|why| why.contains("allowed_actions_for_other")));
    assert!(explain(&["1", "view", "nothing"]).output.contains("no such item"));
    assert_eq!(explain(&["99", "view", "dataset"]).status, 1);
    assert_eq!(explain(&["1", "view", "dataset", "--shared=x"]).status, 2);
}

#[test]
fn a_policy_is_tested_against_expectations() {
    let machine = Machine::ready();
    let test = |expectations: serde_json::Value, more: &[&str]| {
        std::fs::write(machine.room.path().join("expected.json"), expectations.to_string()).expect("written");
        machine.runs(&[&["policy", "test", "expected.json", HERE], more].concat())
    };
    let met = json!([
        {"role": "authenticated", "action": "view", "item": "dataset", "permitted": true},
        {"role": "authenticated", "action": "view", "item": "dataset", "owner": "other", "permitted": false},
        {"role": "authenticated", "action": "view", "item": "dataset", "owner": "other", "visibility": "shared",
         "shared": "user", "permitted": true},
        {"role": "anonymous", "action": "view", "item": "dataset", "owner": "other", "visibility": "public",
         "permitted": true},
    ]);
    let done = test(met, &[]);
    assert_eq!((done.status, done.output.as_str()), (0, "4 of 4 expectations are met\n"), "{}", done.errors);
    let unmet = json!([
        {"role": "anonymous", "action": "delete", "item": "dataset", "owner": "other", "visibility": "public",
         "permitted": true},
        {"role": "superuser", "action": "view", "item": "dataset", "permitted": false},
        {"role": "anonymus", "action": "view", "item": "dataset", "permitted": false},
    ]);
    let failed = test(unmet.clone(), &[]);
    assert_eq!(failed.status, 1, "{}", failed.errors);
    for words in [
        "expectation 1 is not met: anonymous may delete somebody else's public dataset: the action is not in the role's list",
        "expectation 2 is not met: superuser may not view own private dataset: no rule stands in the way",
        "expectation 3 is not met: anonymus may not view own private dataset: the policy has no such role",
        "0 of 3 expectations are met",
    ] {
        assert!(failed.output.contains(words), "{words}: {}", failed.output);
    }
    assert_eq!(test(unmet, &["--json"]).json()["failed"].as_array().map(Vec::len), Some(3));
    for wrong in [
        json!({}),
        json!([1]),
        json!([{"role": "staff", "action": "view", "item": "dataset"}]),
        json!([{"role": "staff", "action": "view", "item": "dataset", "permited": true}]),
        json!([{"role": "staff", "action": "view", "item": "dataset", "owner": "me", "permitted": true}]),
    ] {
        assert_eq!(test(wrong.clone(), &[]).status, 2, "{wrong}");
    }
    assert_eq!(test(json!([]), &["--policy=nowhere.json"]).status, 2);
}

#[test]
fn two_policies_are_compared_by_what_each_role_may_do() {
    let machine = Machine::ready();
    let old = crate::policy::model::DEFAULT_POLICY;
    let mut new = json::read(old, &Limits::FILE).expect("JSON");
    let anonymous = &mut new["role_policy"]["anonymous"]["allowed_actions_for_other"]["public"];
    *anonymous = json!(["list", "edit"]);
    for (name, text) in [("old.json", old), ("new.json", &new.to_string())] {
        std::fs::write(machine.room.path().join(name), text).expect("written");
    }
    let same = machine.runs(&["policy", "diff", "old.json", HERE]);
    assert_eq!((same.status, same.output.as_str()), (0, "each role may do the same under both\n"));
    let differs = machine.runs(&["policy", "diff", "old.json", "new.json", "--json", HERE]);
    let rows = differs.json()["differences"].as_array().expect("rows").clone();
    assert!(differs.status == 1 && !rows.is_empty());
    assert!(rows.iter().all(|row| row["role"] == "anonymous"));
    let is = |change: &str, action: &str| {
        rows.iter().any(|row| {
            let is_of =
                row["item"] == "dataset" && row["visibility"] == "public" && row["whose"] == "another's";
            is_of
                && row["change"] == change
                && row["actions"].as_array().is_some_and(|all| all.contains(&json!(action)))
        })
    };
    assert!(is("less", "view") && is("more", "edit") && !is("more", "view"), "{rows:?}");
    let text = machine.runs(&["policy", "diff", "old.json", "new.json", HERE]).output;
    assert!(text.lines().any(|line| line.starts_with("-  anonymous") || line.starts_with('-')), "{text}");
    assert_eq!(machine.runs(&["policy", "diff", "old.json", "nowhere.json", HERE]).status, 2);
}

#[test]
fn the_database_is_measured_checked_and_compacted() {
    let machine = Machine::ready();
    let size = machine.runs(&["db", "size", HERE, "--json"]).json();
    assert_eq!(size["rows"]["users"], 3);
    assert!(size["file_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    let checked = machine.runs(&["db", "check", HERE]);
    assert!(checked.status == 0 && checked.output.contains("no damage was found"), "{}", checked.errors);
    let compacted = machine.runs(&["db", "compact", HERE, "--json"]);
    assert_eq!((compacted.status, compacted.errors.as_str()), (0, ""));
    let migrated = machine.runs(&["db", "migrate", "--dry-run", HERE, "--json"]);
    assert_eq!((migrated.status, migrated.json()["steps"].as_i64()), (0, Some(0)), "{}", migrated.errors);
    assert_eq!(machine.runs(&["db", "migrate", HERE]).status, 2);

    let path = machine.room.path().join("run/.authdb.sqlite");
    let mut bytes = std::fs::read(&path).expect("reads");
    let middle = bytes.len() / 2;
    bytes[middle..].fill(0x55);
    std::fs::write(&path, bytes).expect("written");
    let damaged = machine.runs(&["db", "check", HERE, "--json"]);
    assert_eq!((damaged.status, damaged.json()["sound"].as_bool()), (1, Some(false)), "{}", damaged.errors);
    std::fs::remove_file(&path).expect("is there");
    for words in [["db", "check"], ["db", "size"], ["db", "compact"]] {
        let missing = machine.runs(&[words.as_slice(), &[HERE]].concat());
        assert!(missing.status == 2 && missing.errors.contains("there is no database"), "{}", missing.errors);
    }
    assert!(!path.exists());
}

#[test]
fn a_database_of_the_python_authnzerver_is_told_apart_and_left_alone() {
    let machine = Machine::ready();
    let path = machine.room.path().join("run/.authdb.sqlite");
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/python-authdb/authdb.sqlite");
    std::fs::copy(python, &path).expect("copied");
    let before = std::fs::read(&path).expect("reads");
    let told = machine.runs(&["db", "migrate", "--dry-run", HERE]);
    assert!(told.status == 0 && told.output.contains("Python"), "{}{}", told.output, told.errors);
    let refused = machine.runs(&["user", "list", HERE]);
    assert!(refused.status == 2 && refused.errors.contains("Python authnzerver"), "{}", refused.errors);
    assert!(machine.runs(&["settings", "check", HERE]).output.contains("a start takes over"));
    assert!(std::fs::read(&path).expect("reads") == before, "nothing was changed");
}

#[test]
fn what_calibrate_cannot_measure_is_a_mistake_in_the_command() {
    for word in ["--target=x", "--target=0", "--memory=0", "--memory=1048577", "--target=-1"] {
        let told = Machine::ready().runs(&["calibrate", HERE, word]);
        assert!(
            told.status == 2 && told.errors.contains("takes a number from 1 to"),
            "{word}: {}",
            told.errors
        );
    }
}

//! `authnzerver events` and `user history`, on a database of its own.

use super::machine::{Machine, Outcome};
use crate::cli::operator::operator;
use serde_json::json;

const HERE: &str = "--basedir=run";

fn on_run(machine: &Machine, words: &[&str]) -> Outcome {
    machine.runs(&[words, &[HERE]].concat())
}

/// A machine with one account, which was locked and unlocked.
fn with_history() -> Machine {
    let machine = Machine::ready();
    let password = "quite a long password, not a common one";
    let added = machine
        .runs_with(&["user", "add", "alice@example.org", "--name=Alice", "--password=-", HERE], password);
    assert_eq!((added.status, added.errors.as_str()), (0, ""));
    for change in ["lock", "unlock"] {
        assert_eq!(on_run(&machine, &["user", change, "4"]).status, 0);
    }
    machine
}

#[test]
fn every_change_by_a_command_is_an_event_with_the_operators_login_name() {
    let machine = with_history();
    let listed = on_run(&machine, &["events", "--user=alice@example.org", "--json"]).json();
    let events = listed["events"].as_array().expect("a list");
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().expect("a text")).collect();
    assert_eq!(kinds, ["account.added", "account.locked", "account.unlocked"]);
    for event in events {
        assert_eq!((&event["actor"], &event["operator"]), (&json!("operator"), &json!(operator().login)));
    }
    let text = on_run(&machine, &["events", "--kind=account.locked"]).output;
    assert!(text.starts_with("NUMBER  TIME") && text.lines().count() == 2, "{text}");
    assert!(text.contains("account.locked  4     operator "), "{text}");
    assert_eq!(on_run(&machine, &["events", "--since=9000-01-01", "--json"]).json(), json!({ "events": [] }));
    assert_eq!(on_run(&machine, &["events", "--since=2000-01-01T00:00:00Z"]).output.lines().count(), 7);
    let history = on_run(&machine, &["user", "history", "alice@example.org"]).output;
    assert_eq!(history.lines().count(), 4, "{history}");
    for wrong in ["--kind=account", "--since=yesterday"] {
        assert_eq!(on_run(&machine, &["events", wrong]).status, 2);
    }
    assert_eq!(on_run(&machine, &["events", "everything"]).status, 2);
    assert_eq!(on_run(&machine, &["events", "--user=nobody@example.org"]).status, 1);
}

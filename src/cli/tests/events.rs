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
fn an_event_that_cannot_be_read_is_named_among_the_others() {
    let machine = with_history();
    machine.changes("UPDATE events SET at = 'x' WHERE seq = (SELECT max(seq) - 1 FROM events)");
    let listed = on_run(&machine, &["events", "--user=4"]);
    assert_eq!((listed.status, listed.output.lines().count()), (0, 4), "{}", listed.output);
    assert!(listed.output.contains("(unreadable)"), "{}", listed.output);
    let listed = on_run(&machine, &["events", "--user=4", "--json"]).json();
    assert_eq!(listed["events"][1]["unreadable"], true);
    let number = &listed["events"][1]["number"];
    let verified = on_run(&machine, &["events", "verify"]);
    let expected = format!("event {number} is not what was written down\n");
    assert_eq!((verified.status, verified.output), (1, expected));
}

#[test]
fn an_altered_origin_is_named_and_an_erased_one_counted() {
    let machine = with_history();
    let sound = on_run(&machine, &["events", "verify", "--json"]).json();
    assert_eq!((&sound["sound"], &sound["origins_erased"]), (&json!(true), &json!(0)));
    machine.changes("UPDATE event_origins SET operator = 'mallory' WHERE seq = 5");
    let verified = on_run(&machine, &["events", "verify"]);
    let expected = "the network, request ID or operator of event 5 is not what was written down\n";
    assert_eq!((verified.status, verified.output.as_str()), (1, expected));
}

#[test]
fn a_log_without_events_is_called_that() {
    let machine = Machine::ready();
    machine.changes("DELETE FROM events; DELETE FROM sqlite_sequence WHERE name = 'events'");
    assert_eq!(on_run(&machine, &["events", "verify"]).output, "sound: there are no events yet\n");
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

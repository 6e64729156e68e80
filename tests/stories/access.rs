//! Whether somebody may do something, and whether they are within a limit.

use serde_json::{Value, json};
use support::{Reply, TestServer};

const DENIED: &str = "action not permitted";
const NOT_CHECKED: &str = "exception when checking the DB";
const OTHERS_UNKNOWN: &str = "users specified as owner or shared-with not found";
const NOT_VALID: &str = "user initiating request is not valid";
const OVER: &str = "user is over limit";
const LIMIT_NOT_VALID: &str = "user attempting access not found";

/// Who wants to do what to what, whose it is, who can see it, and whom it is shared with.
type Question<'q> = (i64, &'q str, &'q str, &'q str, i64, &'q str, Value);

fn may(server: &TestServer, question: &Question<'_>) -> Reply {
    let (user_id, role, action, item, owner, visibility, shared_with) = question;
    let ask = json!({
        "user_id": user_id, "user_role": role, "action": action, "target_name": item,
        "target_owner": owner, "target_visibility": visibility, "target_sharedwith": shared_with,
    });
    server.ask("user-check-access", ask)
}

fn within(server: &TestServer, user_id: i64, role: &str, limit: &str, value: Value) -> Reply {
    let ask = json!({ "user_id": user_id, "user_role": role, "limit_name": limit, "value_to_check": value });
    server.ask("user-check-limit", ask)
}

/// A server on which user 4 is a member.
fn with_a_member() -> TestServer {
    let server = TestServer::start();
    assert_eq!(server.member("alice").1, 4);
    server
}

#[test]
fn the_policy_says_who_may_do_what() {
    let server = with_a_member();
    let nobody = || json!("");
    for question in [
        (1, "superuser", "delete", "dataset", 4, "private", nobody()),
        (4, "authenticated", "view", "dataset", 4, "private", nobody()),
        (4, "authenticated", "view", "dataset", 1, "shared", json!("2")),
        (4, "authenticated", "edit", "dataset", 1, "shared", json!("4, 2")),
        (4, "authenticated", "view", "dataset", 4, "shared", json!("NONE")),
        (2, "anonymous", "view", "dataset", 1, "unlisted", nobody()),
        (2, "anonymous", "view", "dataset", 2, "private", json!(null)),
        (1, "superuser", "create", "user", 4, "private", nobody()),
    ] {
        let granted = may(&server, &question);
        assert!(granted.done().get("user_info").is_none(), "{question:?}");
        assert!(granted.messages()[0].ends_with("True."));
    }
    for question in [
        (4, "authenticated", "view", "collection", 4, "private", nobody()),
        (4, "authenticated", "view", "dataset", 1, "shared", json!("NONE")),
        (4, "authenticated", "view", "dataset", 1, "shared", json!(null)),
        (4, "authenticated", "view", "nosuch", 1, "public", nobody()),
        (4, "authenticated", "nosuch", "dataset", 1, "public", nobody()),
        (4, "authenticated", "view", "dataset", 1, "nosuch", nobody()),
        (4, "authenticated", "view", "dataset", 1, "private", json!("4")),
        (2, "anonymous", "list", "dataset", 1, "unlisted", nobody()),
        (2, "anonymous", "view", "dataset", 1, "shared", json!("2")),
        (1, "superuser", "create", "user", 1, "private", nobody()),
    ] {
        let refused = may(&server, &question);
        refused.refused(DENIED);
        assert!(refused.messages()[0].ends_with("False."), "{question:?}");
    }
}

#[test]
fn a_list_of_sharers_is_read_only_where_something_is_shared() {
    let server = with_a_member();
    may(&server, &(4, "authenticated", "view", "dataset", 1, "public", json!("x"))).done();
    may(&server, &(4, "authenticated", "view", "dataset", 4, "private", json!("1,"))).done();
    let too_many = vec!["4"; 1001].join(",");
    for list in ["1,", "x", "+4", "0_4", "\u{ff14}", "4;2", "-4", " ", ",", "4 2", &"9".repeat(30), &too_many]
    {
        let reply = may(&server, &(4, "authenticated", "view", "dataset", 1, "shared", json!(list)));
        reply.refused(NOT_CHECKED);
    }
}

#[test]
fn sharers_who_are_gone_block_nobody_else() {
    let server = with_a_member();
    let (_, bob) = server.member("bob");
    server.ask("internal-user-lock", json!({ "target_userid": bob, "action": "lock" })).done();
    let list = format!("4,99,3,{bob}");
    may(&server, &(4, "authenticated", "edit", "dataset", 1, "shared", json!(list))).done();
    may(&server, &(1, "superuser", "edit", "dataset", 1, "shared", json!("99"))).done();
    may(&server, &(4, "authenticated", "edit", "dataset", 1, "shared", json!("99,3"))).refused(DENIED);
}

#[test]
fn the_owner_has_to_be_somebody_who_is_active() {
    let server = with_a_member();
    for owner in [3, 99, -1] {
        let question = (4, "authenticated", "view", "dataset", owner, "public", json!(""));
        may(&server, &question).refused(OTHERS_UNKNOWN);
    }
    may(&server, &(1, "superuser", "view", "dataset", 99, "public", json!(""))).refused(OTHERS_UNKNOWN);
}

#[test]
fn who_asks_is_looked_up_each_time() {
    let server = with_a_member();
    let own = |role: &'static str| (4, role, "view", "dataset", 4, "private", json!(""));
    may(&server, &own("authenticated")).done();
    may(&server, &own("staff")).refused(NOT_VALID);
    may(&server, &own("locked")).refused(NOT_VALID);
    may(&server, &own("nosuch")).refused(NOT_CHECKED);
    may(&server, &(99, "superuser", "view", "dataset", 1, "private", json!(""))).refused(NOT_VALID);
    may(&server, &(3, "locked", "view", "dataset", 1, "public", json!(""))).refused(NOT_VALID);
    within(&server, 4, "authenticated", "max_requests", json!(1)).done();

    let change = |changes: Value| {
        let ask = json!({ "target_userid": 4, "update_dict": changes });
        server.ask("internal-user-edit", ask).done();
    };
    change(json!({ "user_role": "superuser" }));
    may(&server, &(4, "superuser", "delete", "dataset", 1, "private", json!(""))).done();
    change(json!({ "user_role": "authenticated" }));
    may(&server, &(4, "superuser", "delete", "dataset", 1, "private", json!(""))).refused(NOT_VALID);
    may(&server, &(4, "authenticated", "delete", "dataset", 1, "private", json!(""))).refused(DENIED);
    server.ask("internal-user-lock", json!({ "target_userid": 4, "action": "lock" })).done();
    for role in ["authenticated", "locked"] {
        may(&server, &own(role)).refused(NOT_VALID);
        within(&server, 4, role, "max_requests", json!(-1)).refused(LIMIT_NOT_VALID);
    }
}

#[test]
fn values_are_compared_with_the_roles_limit() {
    let server = with_a_member();
    for value in
        [json!(100), json!(4_999_999.9), json!("10"), json!(" 1_0 "), json!(true), json!(-5), json!("+7")]
    {
        let reply = within(&server, 1, "superuser", "max_requests", value);
        reply.done();
        assert!(reply.messages()[0].ends_with("True."));
    }
    for value in [
        json!(5_000_000),
        json!(5_000_000.5),
        json!("10.5"),
        json!("x"),
        json!([1]),
        json!({}),
        json!(""),
        json!(u64::MAX),
    ] {
        let reply = within(&server, 1, "superuser", "max_requests", value);
        reply.refused(OVER);
        assert!(reply.messages()[0].ends_with("False."));
    }
    within(&server, 1, "superuser", "nolimit", json!("x")).done();
    within(&server, 2, "anonymous", "max_requests_per_minute", json!(599)).done();
    within(&server, 2, "anonymous", "max_requests_per_minute", json!(600)).refused(OVER);
    for (user_id, role) in [(4, "superuser"), (99, "superuser"), (3, "locked")] {
        within(&server, user_id, role, "max_requests", json!(-1)).refused(LIMIT_NOT_VALID);
    }
    within(&server, 4, "king", "max_requests", json!(1)).refused(NOT_CHECKED);
    within(&server, 4, "authenticated", "max_requests", json!(null)).refused("invalid request parameters");
}

#[test]
fn no_number_is_no_json() {
    let server = with_a_member();
    for value in ["NaN", "Infinity", "-Infinity"] {
        let message = format!(
            r#"{{"request": "user-check-limit", "reqid": 1, "client_ipaddr": "192.0.2.1", "body": {{"user_id": 1, "user_role": "superuser", "limit_name": "max_requests", "value_to_check": {value}}}}}"#
        );
        server.send(message.as_bytes()).rejected(400);
    }
}

#[test]
fn a_denial_is_explained_by_the_rule_that_decides() {
    let server = with_a_member();
    server.member("bob");
    server.ask("internal-user-lock", json!({ "target_userid": 5, "action": "lock" })).done();
    for (question, rule, unknown) in [
        ((4, "authenticated", "view", "dataset", 4, "private"), None, None),
        ((4, "authenticated", "view", "dataset", 1, "private"), Some("out_of_reach"), None),
        ((4, "authenticated", "view", "nosuch", 4, "private"), Some("unknown_item"), Some("item")),
        ((4, "authenticated", "nosuch", "dataset", 4, "private"), Some("unknown_action"), Some("action")),
        (
            (4, "authenticated", "view", "dataset", 4, "nosuch"),
            Some("unknown_visibility"),
            Some("visibility"),
        ),
        ((4, "nosuch", "view", "dataset", 4, "private"), Some("unknown_role"), Some("role")),
        ((4, "superuser", "view", "dataset", 4, "private"), Some("user_not_active"), None),
        ((4, "authenticated", "view", "dataset", 5, "public"), Some("owner_not_active"), None),
    ] {
        let (user_id, role, action, item, owner, visibility) = question;
        let body = json!({
            "user_id": user_id, "user_role": role, "action": action, "target_name": item,
            "target_owner": owner, "target_visibility": visibility, "target_sharedwith": null,
        });
        let explained = server.ask("access-explain", body.clone());
        let answer = explained.done();
        assert_eq!(answer["permitted"], rule.is_none(), "{question:?}");
        assert_eq!(answer["rule"].as_str(), rule, "{question:?}");
        assert_eq!(answer["because"].is_string(), rule.is_some(), "{question:?}");
        assert_eq!(answer["unknown"].as_str(), unknown, "{question:?}");
        let checked = server.ask("user-check-access", body);
        assert_eq!(checked.succeeded(), rule.is_none(), "{question:?}");
        if role != "nosuch" {
            assert_eq!(checked.response()["unknown"].as_str(), unknown, "{question:?}");
        }
    }
    let body = json!({
        "user_id": 4, "user_role": "authenticated", "action": "view", "target_name": "dataset",
        "target_owner": 4, "target_visibility": "shared", "target_sharedwith": "a,b",
    });
    server
        .ask("access-explain", body)
        .refused("invalid request: target_sharedwith is user numbers with commas between them");
}

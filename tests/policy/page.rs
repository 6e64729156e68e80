//! The page for operators, `docs/policy.md`: what it shows must be true.

use authnzerver::policy::access::LimitDecision;
use authnzerver::policy::access::{Access, Decision, SharedWith};
use authnzerver::policy::model::Policy;
use authnzerver::user_id::UserId;
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/policy.md");

/// The page's example.
fn example() -> &'static str {
    let (_, rest) = PAGE.split_once("```json\n").expect("an example on the page");
    let (example, rest) = rest.split_once("```").expect("an end of the example");
    assert!(!rest.contains("```json"), "one example, so that this is the one tested");
    example
}

#[test]
fn the_example_is_a_policy_and_does_what_the_page_says() {
    let policy = Policy::from_json(example()).expect("the example on the page");
    let decide = |user_id, role, action, owner_id, visibility, shared_with| {
        let shared_with = &SharedWith::parse(Some(shared_with)).expect("a list of numbers");
        let (user_id, owner_id) = (UserId::new(user_id), UserId::new(owner_id));
        let access = Access { user_id, role, action, item: "page", owner_id, visibility, shared_with };
        policy.decide(&access)
    };
    assert_eq!(decide(2, "anonymous", "view", 5, "public", ""), Decision::Granted);
    assert_eq!(decide(2, "anonymous", "view", 5, "private", ""), Decision::Denied);
    assert_eq!(decide(5, "authenticated", "edit", 5, "private", ""), Decision::Granted);
    assert_eq!(decide(6, "authenticated", "edit", 5, "shared", "6"), Decision::Granted);
    assert_eq!(decide(6, "authenticated", "edit", 5, "shared", "2"), Decision::Denied);
    assert_eq!(decide(6, "authenticated", "view", 5, "shared", "2"), Decision::Granted);
    assert_eq!(decide(7, "reviewer", "publish", 5, "shared", "7"), Decision::Granted);
    assert_eq!(decide(7, "reviewer", "publish", 5, "private", ""), Decision::Denied);
    assert_eq!(decide(7, "reviewer", "publish", 7, "private", ""), Decision::Denied);
    assert_eq!(policy.check_limit("authenticated", "pages", &Value::from(49)), LimitDecision::Within);
    assert_eq!(policy.check_limit("authenticated", "pages", &Value::from(50)), LimitDecision::Over);
    assert_eq!(policy.check_limit("superuser", "pages", &Value::from(50)), LimitDecision::Within);
}

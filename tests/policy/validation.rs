//! Policies that are refused, and what the operator is told.

use authnzerver::policy::model::{DEFAULT_POLICY, NAMES_MAX, POLICY_BYTES_MAX, Policy};
use serde_json::{Value, json};
use support::parser::value_of;

/// The complaint about a text.
fn complaint(text: &str) -> String {
    Policy::from_json(text).expect_err("a policy that must be refused").to_string()
}

/// The default policy with another value at `pointer`; with `None` there is nothing any more.
fn changed(pointer: &str, value: Option<Value>) -> String {
    let mut document: Value = value_of(DEFAULT_POLICY).expect("JSON");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer with a slash");
    match (document.pointer_mut(parent).expect("a place in the default policy"), value) {
        (Value::Object(members), Some(value)) => {
            members.insert(key.to_owned(), value);
        }
        (Value::Object(members), None) => {
            members.remove(key).expect("a key of the default policy");
        }
        (Value::Array(entries), value) => {
            let at: usize = key.parse().expect("a position");
            let end = entries.len().min(at + 1);
            entries.splice(at..end, value);
        }
        (other, _) => panic!("{other} has no members"),
    }
    document.to_string()
}

/// Checks that each change of the default policy is refused in these words.
fn refused(cases: &[(&str, Option<Value>, &str)]) {
    for (pointer, value, expected) in cases {
        assert_eq!(complaint(&changed(pointer, value.clone())), *expected, "{pointer}");
    }
}

#[test]
fn parts_that_are_missing_unknown_or_of_another_type_are_named() {
    refused(&[
        ("/roles", None, "roles: missing"),
        ("/items", Some(json!({})), "items: must be a list"),
        ("/actions/1", Some(json!(7)), "actions[1]: must be a string"),
        ("/visibilities", Some(json!(null)), "visibilities: must be a list"),
        ("/limits", None, "limits: missing"),
        ("/limits", Some(json!([])), "limits: must be an object"),
        ("/item_policy", None, "item_policy: missing"),
        ("/item_policy", Some(json!("x")), "item_policy: must be an object"),
        ("/role_policy", Some(json!(3)), "role_policy: must be an object"),
        ("/role", Some(json!([])), "role: unknown key"),
        ("/a\nb", Some(json!([])), "a\\nb: unknown key"),
        ("/item_policy/user/valid_visibilities", None, "item_policy.user.valid_visibilities: missing"),
        ("/item_policy/user/owner", Some(json!(1)), "item_policy.user.owner: unknown key"),
        ("/item_policy/user", Some(json!([])), "item_policy.user: must be an object"),
        ("/role_policy/staff/limits", None, "role_policy.staff.limits: missing"),
        ("/role_policy/staff/can_own", Some(json!([])), "role_policy.staff.can_own: unknown key"),
        (
            "/role_policy/staff/allowed_actions_for_owned",
            Some(json!("view")),
            "role_policy.staff.allowed_actions_for_owned: must be a list",
        ),
        (
            "/role_policy/staff/allowed_actions_for_other",
            Some(json!(["view"])),
            "role_policy.staff.allowed_actions_for_other: must be an object",
        ),
    ]);
}

#[test]
fn names_that_cannot_be_read_are_named() {
    let long_name = "n".repeat(101);
    refused(&[
        ("/actions/0", Some(json!("")), "actions[0]: must be 1 to 100 printable characters"),
        ("/actions/0", Some(json!("a\tb")), "actions[0]: must be 1 to 100 printable characters"),
        ("/actions/0", Some(json!(long_name)), "actions[0]: must be 1 to 100 printable characters"),
    ]);
}

#[test]
fn what_a_role_refers_to_must_exist() {
    refused(&[
        (
            "/role_policy/staff/can_own_items/2",
            Some(json!("widget")),
            "role_policy.staff.can_own_items[2]: \"widget\" is not among \"items\"",
        ),
        (
            "/role_policy/staff/can_own_items/2",
            Some(json!(["dataset"])),
            "role_policy.staff.can_own_items[2]: must be a string",
        ),
        (
            "/role_policy/staff/allowed_actions_for_owned/0",
            Some(json!("fly")),
            "role_policy.staff.allowed_actions_for_owned[0]: \"fly\" is not among \"actions\"",
        ),
        (
            "/role_policy/staff/allowed_actions_for_other/secret",
            Some(json!([])),
            "role_policy.staff.allowed_actions_for_other.secret: \"secret\" is not among \"visibilities\"",
        ),
        (
            "/role_policy/staff/allowed_actions_for_other/public/0",
            Some(json!("List")),
            "role_policy.staff.allowed_actions_for_other.public[0]: \"List\" is not among \"actions\"",
        ),
    ]);
}

#[test]
fn what_an_item_refers_to_must_exist() {
    refused(&[
        (
            "/item_policy/user/invalid_roles/0",
            Some(json!("guest")),
            "item_policy.user.invalid_roles[0]: \"guest\" is not among \"roles\"",
        ),
        (
            "/item_policy/user/valid_role_actions/0",
            Some(json!("fly")),
            "item_policy.user.valid_role_actions[0]: \"fly\" is not among \"actions\"",
        ),
        (
            "/item_policy/user/valid_visibilities/0",
            Some(json!("secret")),
            "item_policy.user.valid_visibilities[0]: \"secret\" is not among \"visibilities\"",
        ),
        ("/role_policy/staff", None, "role_policy: lacks \"staff\" of \"roles\""),
        ("/item_policy/user", None, "item_policy: lacks \"user\" of \"items\""),
        ("/roles/5", Some(json!("guest")), "role_policy: lacks \"guest\" of \"roles\""),
        (
            "/item_policy/widget",
            Some(json!({"valid_role_actions": [], "valid_visibilities": [], "invalid_roles": []})),
            "item_policy.widget: \"widget\" is not among \"items\"",
        ),
    ]);
}

#[test]
fn limits_must_make_sense() {
    refused(&[
        ("/limits/max/type", Some(json!("str")), "limits.max.type: must be \"int\" or \"float\""),
        ("/limits/max/type", Some(json!(1)), "limits.max.type: must be a string"),
        ("/limits/max/operator", Some(json!("le")), "limits.max.operator: must be \"lt\" or \"gt\""),
        ("/limits/max/operator", None, "limits.max.operator: missing"),
        (
            "/role_policy/staff/limits/max_requests/type",
            Some(json!("most")),
            "role_policy.staff.limits.max_requests.type: \"most\" is not among \"limits\"",
        ),
        (
            "/role_policy/staff/limits/max_requests/limit",
            Some(json!("5")),
            "role_policy.staff.limits.max_requests.limit: must be a number",
        ),
        (
            "/role_policy/staff/limits/max_requests/limit",
            Some(json!(true)),
            "role_policy.staff.limits.max_requests.limit: must be a number",
        ),
        (
            "/role_policy/staff/limits/max_requests/limit",
            Some(json!(9_223_372_036_854_775_808_u64)),
            "role_policy.staff.limits.max_requests.limit: too large a number",
        ),
        (
            "/role_policy/staff/limits/max_requests/limit",
            Some(value_of("1e999").expect("a number")),
            "role_policy.staff.limits.max_requests.limit: too large a number",
        ),
        (
            "/role_policy/staff/limits/max_requests",
            Some(json!({})),
            "role_policy.staff.limits.max_requests.type: missing; \
             role_policy.staff.limits.max_requests.limit: missing",
        ),
    ]);
}

#[test]
fn options_must_be_known() {
    refused(&[
        (
            "/shared_with_anonymous",
            Some(json!("yes")),
            "shared_with_anonymous: must be \"as_shared\" or \"as_public\"",
        ),
        ("/shared_with_anonymous", Some(json!(true)), "shared_with_anonymous: must be a string"),
    ]);
}

#[test]
fn a_policy_without_a_role_that_the_server_gives_is_refused() {
    for role in ["superuser", "anonymous", "locked", "authenticated"] {
        let text = DEFAULT_POLICY.replace(&format!("\"{role}\""), "\"other\"");
        assert_eq!(complaint(&text), format!("roles: must name \"{role}\""));
    }
    // Staff is a role like any that the operator makes.
    let text = DEFAULT_POLICY.replace("\"staff\"", "\"other\"");
    assert!(Policy::from_json(&text).expect("a sound policy").role("other").is_some());
}

#[test]
fn a_key_that_stands_twice_is_refused() {
    let twice = DEFAULT_POLICY.replacen("\"limits\"", "\"roles\": [], \"limits\"", 1);
    assert_eq!(complaint(&twice), "roles: stands here more than once");
    let twice = DEFAULT_POLICY.replacen("\"staff\": {", "\"staff\": {}, \"staff\": {}, \"staff\": {", 1);
    assert!(complaint(&twice).starts_with(
        "role_policy.staff: stands here more than once; role_policy.staff: stands here more than once; "
    ));
    // However its letters are written.
    let twice = DEFAULT_POLICY.replacen("\"private\": [\"l", "\"pr\\u0069vate\": [], \"private\": [\"l", 1);
    let place = "role_policy.superuser.allowed_actions_for_other.private";
    assert_eq!(complaint(&twice), format!("{place}: stands here more than once"));
}

#[test]
fn what_is_not_json_is_refused_with_its_line() {
    let broken = DEFAULT_POLICY.replacen("],\n", "]\n", 1);
    assert!(
        complaint(&broken).starts_with("the whole document: not JSON: line 3, column 3"),
        "{}",
        complaint(&broken)
    );
    assert!(complaint(&broken).contains("line 3"), "{}", complaint(&broken));
    for text in ["", "{", "nonsense", "{} {}", "\u{feff}{}", "[NaN]"] {
        assert!(complaint(text).starts_with("the whole document: not JSON: "), "{text}");
    }
    assert_eq!(complaint("[]").split(';').next(), Some("the whole document: must be an object"));
}

#[test]
fn deep_nesting_is_a_part_of_the_wrong_type() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(complaint(&deep), "the whole document: must be an object");
    let within = DEFAULT_POLICY.replacen("\"list\"", &deep, 1);
    assert_eq!(complaint(&within), "actions[0]: must be a string");
    let beyond = format!("{{\"deep\": {deep}, {}", DEFAULT_POLICY.trim_start_matches('{'));
    assert_eq!(complaint(&beyond), "deep: unknown key");
    let endless = "{\"a\":".repeat(100_000);
    assert!(complaint(&endless).contains("not JSON"));
}

#[test]
fn sizes_are_bounded() {
    let spaces = " ".repeat(POLICY_BYTES_MAX);
    assert!(complaint(&format!("{DEFAULT_POLICY}{spaces}")).contains("longer than 1048576 bytes"));
    let names: Vec<String> = (0..=NAMES_MAX).map(|number| format!("name{number}")).collect();
    assert!(complaint(&changed("/actions", Some(json!(names)))).contains("actions: more than 64 names"));
    let limit = json!({"type": "max", "limit": 1});
    let limits: Value = names.iter().map(|name| (name.clone(), limit.clone())).collect();
    assert_eq!(
        complaint(&changed("/role_policy/staff/limits", Some(limits))),
        "role_policy.staff.limits: more than 64 names"
    );
}

#[test]
fn as_many_names_as_a_mask_has_bits_are_fine() {
    let mut actions: Vec<String> = (0..NAMES_MAX - 7).map(|number| format!("{number:0>100}")).collect();
    for action in ["list", "view", "create", "delete", "edit", "change_visibility", "change_owner"] {
        actions.push(action.to_owned());
    }
    // A list is a set: what stands in it twice counts once.
    actions.push("list".to_owned());
    assert!(Policy::from_json(&changed("/actions", Some(json!(actions)))).is_ok());
}

#[test]
fn of_many_problems_only_the_first_are_told() {
    let many: Vec<u32> = (0..50).collect();
    let told = complaint(&changed("/role_policy/staff/can_own_items", Some(json!(many))));
    assert_eq!(told.matches("must be a string").count(), 20);
    assert!(told.ends_with("; and 30 more"), "{told}");
    let long_key = changed(&format!("/{}", "x".repeat(10_000)), Some(json!(1)));
    assert_eq!(complaint(&long_key), format!("{}...: unknown key", "x".repeat(100)));
}

#[test]
fn a_list_that_cannot_be_read_does_not_blame_what_refers_to_it() {
    let mut document: Value = value_of(changed("/actions", None)).expect("JSON");
    document["limits"]["max"]["type"] = json!("str");
    document["items"] = json!("dataset");
    assert_eq!(
        complaint(&document.to_string()),
        "actions: missing; items: must be a list; limits.max.type: must be \"int\" or \"float\""
    );
}

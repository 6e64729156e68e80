//! The permissions policy: every decision of the built-in one against a table written by hand, the faults that a
//! policy file can have, and random policies against a slow and simple reading of the rules.

use authnzerver::policy::access::{Access, Decision, MalformedList, SharedWith};
use authnzerver::policy::limits::LimitDecision::{self, Over, UnknownRole, Within};
use authnzerver::policy::model::{DEFAULT_POLICY, Policy};
use serde_json::{Value, json};

const ROLES: [&str; 5] = ["superuser", "staff", "authenticated", "anonymous", "locked"];
const ITEMS: [&str; 7] = ["object", "dataset", "collection", "user", "session", "apikey", "preference"];
const VISIBILITIES: [&str; 4] = ["public", "unlisted", "shared", "private"];
/// Each action with the letter that stands for it in the table.
const ACTIONS: [(&str, char); 7] = [
    ("list", 'l'),
    ("view", 'v'),
    ("create", 'c'),
    ("edit", 'e'),
    ("delete", 'd'),
    ("change_visibility", 'V'),
    ("change_owner", 'O'),
];

/// Item, role, and what is allowed: own, other public, other unlisted, other shared with me, other shared with
/// somebody else, other private. What has no row allows nothing.
const TABLE: &[(&str, &str, [&str; 6])] = &[
    ("object", "superuser", ["lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO"]),
    ("dataset", "superuser", ["lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO"]),
    ("collection", "superuser", ["lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO", "lvcedVO"]),
    ("object", "staff", ["lvcedVO", "lvedVO", "lvedVO", "lve", "lve", "l"]),
    ("dataset", "staff", ["lvcedVO", "lvedVO", "lvedVO", "lve", "lve", "l"]),
    ("collection", "staff", ["lvcedVO", "lvedVO", "lvedVO", "lve", "lve", "l"]),
    ("dataset", "authenticated", ["lvcedV", "lv", "v", "lve", "", ""]),
    ("object", "authenticated", ["", "lv", "v", "lve", "", ""]),
    ("collection", "authenticated", ["", "lv", "v", "lve", "", ""]),
    ("dataset", "anonymous", ["lvc", "lv", "v", "", "", ""]),
    ("object", "anonymous", ["", "lv", "v", "", "", ""]),
    ("collection", "anonymous", ["", "lv", "v", "", "", ""]),
    ("user", "superuser", ["", "", "", "", "", "lvced"]),
    ("user", "staff", ["", "", "", "", "", "l"]),
    ("session", "superuser", ["", "", "", "", "", "lvd"]),
    ("session", "staff", ["", "", "", "", "", "l"]),
    ("apikey", "superuser", ["lvcd", "", "", "", "", "lvcd"]),
    ("apikey", "staff", ["lvcd", "", "", "", "", "l"]),
    ("apikey", "authenticated", ["lvcd", "", "", "", "", ""]),
    ("preference", "superuser", ["lve", "", "", "", "", "lve"]),
    ("preference", "staff", ["lve", "", "", "", "", "l"]),
    ("preference", "authenticated", ["lve", "", "", "", "", ""]),
];
/// Items that can only be private, own ones included.
const PRIVATE_ONLY: [&str; 4] = ["user", "session", "apikey", "preference"];

const ME: i64 = 4;
const SOMEBODY: i64 = 5;

fn allowed(policy: &Policy, role: &str, item: &str, owner_id: i64, visibility: &str, shared: &str) -> String {
    let shared_with = SharedWith::parse(Some(shared)).expect("a list");
    let is_granted = |action: &str| {
        let access =
            Access { user_id: ME, role, action, item, owner_id, visibility, shared_with: &shared_with };
        policy.decide(&access) == Decision::Granted
    };
    ACTIONS.iter().filter(|(action, _)| is_granted(action)).map(|(_, letter)| *letter).collect()
}

#[test]
fn every_decision_of_the_built_in_policy_is_as_written_down() {
    let policy = Policy::default_policy();
    let mut decisions = 0;
    for role in ROLES {
        for item in ITEMS {
            let row = TABLE.iter().find(|(of, to, _)| *of == item && *to == role);
            let [own, public, unlisted, shared, not_shared, private] =
                row.map_or([""; 6], |(_, _, row)| *row);
            for visibility in VISIBILITIES {
                let place = format!("{role} {item} {visibility}");
                let own = if PRIVATE_ONLY.contains(&item) && visibility != "private" { "" } else { own };
                let to_me = match visibility {
                    "public" => public,
                    "unlisted" => unlisted,
                    "shared" => shared,
                    _ => private,
                };
                let to_others = if visibility == "shared" { not_shared } else { to_me };
                for list in ["", "none", "NONE", "9", "4", "2", "9, 4"] {
                    assert_eq!(allowed(&policy, role, item, ME, visibility, list), own, "own {place} {list}");
                }
                for list in ["4", "2", "7,4,2", " 4 "] {
                    assert_eq!(
                        allowed(&policy, role, item, SOMEBODY, visibility, list),
                        to_me,
                        "{place} {list}"
                    );
                }
                for list in ["", "none", "9", "44, 24"] {
                    assert_eq!(
                        allowed(&policy, role, item, SOMEBODY, visibility, list),
                        to_others,
                        "{place} {list}"
                    );
                }
                decisions += ACTIONS.len() * 15;
            }
        }
    }
    assert_eq!(decisions, 5 * 7 * 4 * 7 * 15);
}

#[test]
fn what_the_policy_does_not_know_is_denied() {
    let policy = Policy::default_policy();
    let nobody = SharedWith::nobody();
    let mut access = Access {
        user_id: ME,
        role: "superuser",
        action: "view",
        item: "dataset",
        owner_id: ME,
        visibility: "public",
        shared_with: &nobody,
    };
    assert_eq!(policy.decide(&access), Decision::Granted);
    access.item = "nosuch";
    assert_eq!(policy.decide(&access), Decision::Denied);
    (access.item, access.action) = ("dataset", "nosuch");
    assert_eq!(policy.decide(&access), Decision::Denied);
    (access.action, access.visibility) = ("view", "nosuch");
    assert_eq!(policy.decide(&access), Decision::Denied);
    (access.visibility, access.role) = ("public", "nosuch");
    assert_eq!(policy.decide(&access), Decision::UnknownRole);
}

#[test]
fn lists_of_users_are_read_strictly() {
    assert_eq!(SharedWith::parse(Some("4, 2")).expect("a list").ids(), [4, 2]);
    for nobody in [None, Some(""), Some("none"), Some("None")] {
        assert_eq!(SharedWith::parse(nobody), Ok(SharedWith::nobody()));
    }
    let long = "1,".repeat(2000) + "1";
    for text in
        ["x", "1,", ",", " ", "+4", "0_4", "４", "-1", "1 2", "1;2", "99999999999999999999", "1\n", &long]
    {
        assert_eq!(SharedWith::parse(Some(text)), Err(MalformedList), "{text:?}");
    }
}

#[test]
fn limits_are_compared_as_numbers() {
    let policy = Policy::default_policy();
    let parsed = |text: &str| serde_json::from_str::<Value>(text).expect("is JSON");
    let huge = "9".repeat(400);
    let rows: &[(&str, &str, Value, LimitDecision)] = &[
        ("superuser", "max_requests", json!(100), Within),
        ("superuser", "max_requests", json!(4_999_999.9), Within),
        ("superuser", "max_requests", json!("10"), Within),
        ("superuser", "max_requests", json!(" 1_0 "), Within),
        ("superuser", "max_requests", json!(true), Within),
        ("superuser", "max_requests", json!(-5), Within),
        ("superuser", "max_requests", json!(5_000_000), Over),
        ("superuser", "max_requests", json!(5_000_000.5), Over),
        ("superuser", "max_requests", json!("10.5"), Over),
        ("superuser", "max_requests", json!("x"), Over),
        ("superuser", "max_requests", json!("1__0"), Over),
        ("superuser", "max_requests", json!("_1"), Over),
        ("superuser", "max_requests", json!(""), Over),
        ("superuser", "max_requests", json!("NaN"), Over),
        ("superuser", "max_requests", json!("Infinity"), Over),
        ("superuser", "max_requests", json!([1]), Over),
        ("superuser", "max_requests", json!({}), Over),
        ("superuser", "max_requests", parsed("1e999"), Over),
        ("superuser", "max_requests", parsed(&huge), Over),
        ("superuser", "nolimit", json!("x"), Within),
        ("anonymous", "max_requests_per_minute", json!(599), Within),
        ("anonymous", "max_requests_per_minute", json!(600), Over),
        ("locked", "max_requests", json!(0), Over),
        ("locked", "max_requests", json!(-1), Within),
        ("nosuch", "max_requests", json!(1), UnknownRole),
    ];
    for (role, limit, value, expected) in rows {
        assert_eq!(policy.check_limit(role, limit, value), *expected, "{role} {limit} {value}");
    }
}

/// The built-in policy with one place changed.
fn changed(pointer: &str, value: Value) -> String {
    let mut policy: Value = serde_json::from_str(DEFAULT_POLICY).expect("is JSON");
    *policy.pointer_mut(pointer).expect("this place exists") = value;
    policy.to_string()
}

#[test]
fn faults_are_told_with_their_place() {
    let many: Vec<String> = (0..65).map(|number| format!("role{number}")).collect();
    for (text, told) in [
        ("nothing".to_owned(), "it is not JSON: line 1"),
        ("[]".to_owned(), "the policy: it must be an object"),
        ("{}".to_owned(), "the policy: \"items\" is missing"),
        (changed("/roles", json!(["superuser"])), "roles: \"anonymous\" is missing"),
        (changed("/roles", json!("superuser")), "roles: it must be a list of texts"),
        (changed("/roles", json!(many)), "roles: there must be 1 to 64 names"),
        (changed("/items/1", json!("object")), "items[1]: \"object\" stands there twice"),
        (changed("/items/0", json!("")), "items[0]: a name has 1 to 100 characters"),
        (
            changed("/role_policy/staff/can_own_items/2", json!("widget")),
            "role_policy.staff.can_own_items[2]: \"widget\" is not among \"items\"",
        ),
        (
            changed("/role_policy/staff/allowed_actions_for_other/shared", json!([1])),
            "role_policy.staff.allowed_actions_for_other.shared: it must be a list of texts",
        ),
        (
            changed("/role_policy/staff/allowed_actions_for_other", json!({ "secret": [] })),
            "role_policy.staff.allowed_actions_for_other: \"secret\" is not known here",
        ),
        (changed("/item_policy/user", json!({})), "item_policy.user: \"invalid_roles\" is missing"),
        (changed("/item_policy", json!({})), "item_policy: \"dataset\" is missing"),
        (changed("/limits/max/operator", json!("le")), "limits.max.operator: it must be \"lt\" or \"gt\""),
        (
            changed("/role_policy/staff/limits/max_requests/type", json!("most")),
            "role_policy.staff.limits.max_requests.type: it must be one of the names in \"limits\"",
        ),
        (
            changed("/role_policy/staff/limits/max_requests/limit", json!("5")),
            "role_policy.staff.limits.max_requests.limit: it must be a number",
        ),
        ("[".repeat(100_000), "it is not JSON"),
    ] {
        let error = Policy::from_json(&text).expect_err(told).to_string();
        assert!(error.contains(told), "{error}");
        assert!(error.len() < 5000, "bounded");
    }
}

/// A slow and simple reading of the rules over the JSON itself.
fn by_the_book(policy: &Value, access: &Access<'_>) -> bool {
    let has =
        |list: &Value, name: &str| list.as_array().is_some_and(|list| list.iter().any(|item| item == name));
    let owns = access.user_id == access.owner_id;
    let shared = access.shared_with.ids();
    let reaches = match access.visibility {
        _ if access.role == "superuser" || access.role == "staff" => true,
        "private" => owns,
        "shared" => owns || shared.contains(&access.user_id) || shared.contains(&2),
        visibility => visibility == "unlisted" || visibility == "public",
    };
    let (role, item) = (&policy["role_policy"][access.role], &policy["item_policy"][access.item]);
    let list = if owns {
        if !has(&role["can_own_items"], access.item) {
            return false;
        }
        &role["allowed_actions_for_owned"]
    } else {
        &role["allowed_actions_for_other"][access.visibility]
    };
    !item.is_null()
        && !has(&item["invalid_roles"], access.role)
        && has(&item["valid_visibilities"], access.visibility)
        && role["allowed_actions_for_other"].get(access.visibility).is_some()
        && has(&item["valid_role_actions"], access.action)
        && has(list, access.action)
        && reaches
}

#[test]
fn random_policies_are_decided_by_the_book() {
    let mut chance = fastrand::Rng::with_seed(20_261_123);
    let actions: Vec<&str> = ACTIONS.iter().map(|(action, _)| *action).collect();
    for _ in 0..40 {
        let mut some = |names: &[&str]| -> Value {
            names.iter().filter(|_| chance.bool()).map(|name| json!(name)).collect()
        };
        let item_policy: serde_json::Map<_, _> = ITEMS
            .iter()
            .map(|item| {
                let rule = json!({
                    "valid_role_actions": some(&actions),
                    "valid_visibilities": some(&VISIBILITIES),
                    "invalid_roles": some(&ROLES),
                });
                ((*item).to_owned(), rule)
            })
            .collect();
        let role_policy: serde_json::Map<_, _> = ROLES
            .iter()
            .map(|role| {
                let seen = some(&VISIBILITIES);
                let other: serde_json::Map<_, _> = seen
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|visibility| (visibility.as_str().expect("a text").to_owned(), some(&actions)))
                    .collect();
                let rule = json!({
                    "limits": {},
                    "can_own_items": some(&ITEMS),
                    "allowed_actions_for_owned": some(&actions),
                    "allowed_actions_for_other": other,
                });
                ((*role).to_owned(), rule)
            })
            .collect();
        let json = json!({
            "roles": ROLES, "items": ITEMS, "actions": actions, "visibilities": VISIBILITIES, "limits": {},
            "item_policy": item_policy, "role_policy": role_policy,
        });
        let policy = Policy::from_json(&json.to_string()).expect("a policy");
        for _ in 0..500 {
            let lists = ["", "4", "2", "9", "9,2", "5"];
            let shared_with = SharedWith::parse(Some(lists[chance.usize(..6)])).expect("a list");
            let access = Access {
                user_id: ME,
                role: ROLES[chance.usize(..5)],
                action: actions[chance.usize(..7)],
                item: ITEMS[chance.usize(..7)],
                owner_id: chance.i64(4..6),
                visibility: VISIBILITIES[chance.usize(..4)],
                shared_with: &shared_with,
            };
            let granted = policy.decide(&access) == Decision::Granted;
            assert_eq!(granted, by_the_book(&json, &access));
        }
    }
}

//! Random policies and questions: the quick decision against a slow one that follows the rules word for
//! word, on the JSON itself.

use authnzerver::policy::access::{Access, Decision, SharedWith};
use authnzerver::policy::model::{DEFAULT_POLICY, Policy};
use authnzerver::user_id::UserId;
use fastrand::Rng;
use serde_json::{Map, Value, json};

const ROLES: [&str; 7] = ["superuser", "anonymous", "locked", "authenticated", "staff", "guest", "editor"];
const ITEMS: [&str; 4] = ["dataset", "user", "page", "\u{e9}tude"];
const ACTIONS: [&str; 5] = ["list", "view", "edit", "fly", "delete"];
const VISIBILITIES: [&str; 5] = ["public", "unlisted", "private", "shared", "secret"];

#[test]
fn quick_and_slow_decisions_agree() {
    let mut rng = Rng::with_seed(0x0070_6f6c_6963_7921);
    let mut granted = 0;
    let mut denied = 0;
    for _ in 0..300 {
        let document = random_policy(&mut rng);
        let policy = Policy::from_json(&document.to_string()).expect("a sound policy");
        for _ in 0..200 {
            let ids: Vec<i64> = (0..rng.usize(0..4)).map(|_| rng.i64(1..6)).collect();
            let list = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
            let shared_with = SharedWith::parse(Some(&list)).expect("a list of numbers");
            let access = Access {
                user_id: UserId::new(rng.i64(1..6)),
                role: pick(&mut rng, &ROLES),
                action: pick(&mut rng, &ACTIONS),
                item: pick(&mut rng, &ITEMS),
                owner_id: UserId::new(rng.i64(1..6)),
                visibility: pick(&mut rng, &VISIBILITIES),
                shared_with: &shared_with,
            };
            let decision = policy.decide(&access);
            assert_eq!(decision, slow(&document, &access, &ids), "{}\n{document}", told(&access, &ids));
            granted += u32::from(decision == Decision::Granted);
            denied += u32::from(decision == Decision::Denied);
        }
    }
    // The questions are worth asking only if both answers are common.
    assert!(granted > 3_000 && denied > 3_000, "{granted} granted, {denied} denied");
}

#[test]
fn a_damaged_policy_is_read_or_refused_but_never_ends_the_program() {
    let mut rng = Rng::with_seed(0x6461_6d61_6765);
    let mut refused = 0;
    for _ in 0..2_000 {
        let mut bytes = DEFAULT_POLICY.as_bytes().to_vec();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..4) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes.truncate(at + 1),
                2 => bytes.insert(at, pick(&mut rng, b"{}[]\",:\\0e-")),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        refused += usize::from(Policy::from_json(&String::from_utf8_lossy(&bytes)).is_err());
    }
    assert!(refused > 1_000, "{refused}");
}

fn pick<T: Copy>(rng: &mut Rng, choices: &[T]) -> T {
    choices[rng.usize(..choices.len())]
}

/// Some of the names, in any order, and one of them perhaps twice.
fn some(rng: &mut Rng, names: &[&'static str]) -> Vec<&'static str> {
    let mut chosen: Vec<_> = names.iter().copied().filter(|_| rng.u8(..4) > 0).collect();
    if rng.bool() && !chosen.is_empty() {
        chosen.push(chosen[0]);
    }
    rng.shuffle(&mut chosen);
    chosen
}

/// A sound policy. Some names that are asked for are not in it.
fn random_policy(rng: &mut Rng) -> Value {
    let mut roles = ROLES[..4].to_vec();
    roles.extend(some(rng, &ROLES[4..]));
    rng.shuffle(&mut roles);
    let (items, actions) = (some(rng, &ITEMS), some(rng, &ACTIONS));
    let mut visibilities = some(rng, &VISIBILITIES[1..]);
    visibilities.push("public");
    let item_policy: Map<String, Value> = items
        .iter()
        .map(|item| {
            let barred: Vec<_> = roles.iter().filter(|_| rng.u8(..8) == 0).collect();
            let rule = json!({
                "valid_role_actions": some(rng, &actions),
                "valid_visibilities": some(rng, &visibilities),
                "invalid_roles": barred,
            });
            ((*item).to_owned(), rule)
        })
        .collect();
    let role_policy: Map<String, Value> = roles
        .iter()
        .map(|role| {
            let listed: std::collections::BTreeSet<_> = some(rng, &visibilities).into_iter().collect();
            let other: Map<String, Value> =
                listed.into_iter().map(|name| (name.to_owned(), json!(some(rng, &actions)))).collect();
            let rule = json!({
                "limits": {},
                "can_own_items": some(rng, &items),
                "allowed_actions_for_owned": some(rng, &actions),
                "allowed_actions_for_other": other,
            });
            ((*role).to_owned(), rule)
        })
        .collect();
    let mut document = json!({
        "roles": roles,
        "items": items,
        "actions": actions,
        "visibilities": visibilities,
        "limits": {},
        "item_policy": item_policy,
        "role_policy": role_policy,
    });
    if rng.bool() {
        document["shared_with_anonymous"] = json!(pick(rng, &["as_shared", "as_public"]));
    }
    document
}

fn has(list: &Value, name: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|entry| entry == name))
}

/// The rules, one after the other.
fn slow(document: &Value, access: &Access<'_>, sharees: &[i64]) -> Decision {
    let Some(role) = document["role_policy"].get(access.role) else { return Decision::UnknownRole };
    let owner = access.user_id == access.owner_id;
    let asks = access.user_id.get();
    let above = access.role == "superuser" || access.role == "staff";

    let reach = above
        || match access.visibility {
            "private" => owner,
            "shared" => sharees.contains(&asks) || owner || sharees.contains(&2),
            "unlisted" | "public" => true,
            _ => false,
        };

    let as_public = document["shared_with_anonymous"] == "as_public";
    let named = sharees.iter().any(|id| *id != 2 && *id == asks);
    let only_through_anonymous = access.visibility == "shared" && !above && !owner && !named;
    let list = if as_public && only_through_anonymous { "public" } else { access.visibility };

    let ownable = has(&role["can_own_items"], access.item);
    let nothing = json!([]);
    let others = &role["allowed_actions_for_other"];
    let allowed = match (owner, ownable) {
        (true, true) => &role["allowed_actions_for_owned"],
        (true, false) => &nothing,
        (false, _) => others.get(list).unwrap_or(&nothing),
    };

    let item = &document["item_policy"][access.item];
    let applies = !item.is_null()
        && !has(&item["invalid_roles"], access.role)
        && has(&item["valid_visibilities"], access.visibility)
        && others.get(list).is_some()
        && has(&item["valid_role_actions"], access.action);

    if reach && applies && has(allowed, access.action) { Decision::Granted } else { Decision::Denied }
}

fn told(access: &Access<'_>, sharees: &[i64]) -> String {
    let Access { user_id, role, action, item, owner_id, visibility, .. } = access;
    format!("{user_id} as {role} would {action} {item} of {owner_id}, {visibility} with {sharees:?}")
}

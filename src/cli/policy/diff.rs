//! `authnzerver policy diff`: what each role may do more or less under another policy.

use super::{ONE, OTHER};
use crate::cli::command::{Arguments, CommandError, Context, EXIT_DONE, EXIT_FAILED};
use crate::cli::output::{Cell, Paint, Style, Table, show};
use crate::policy::access::{Access, SharedWith};
use crate::policy::model::Policy;
use crate::policy::roles::ANONYMOUS_ID;
use crate::user_id::UserId;
use serde_json::json;
use std::collections::BTreeSet;

/// Whose item it is and with whom it is shared.
const CASES: [(&str, UserId, Option<UserId>); 4] = [
    ("own", ONE, None),
    ("another's", OTHER, None),
    ("another's, shared with them", OTHER, Some(ONE)),
    ("another's, shared with everybody", OTHER, Some(ANONYMOUS_ID)),
];

/// Lists the differences between two policies.
///
/// # Errors
/// One of them is not valid.
pub fn diff(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let old = super::policy_of(arguments.word(0), arguments, context)?;
    let new = super::policy_of(arguments.word(1), arguments, context)?;
    let mut table = Table::new(&["", "ROLE", "ITEM", "VISIBILITY", "WHOSE", "ACTIONS"]);
    let mut rows = Vec::new();
    for role in union(old.roles(), new.roles()) {
        for item in union(old.items(), new.items()) {
            for visibility in union(old.visibilities(), new.visibilities()) {
                for (whose, owner_id, shared) in CASES {
                    let shared_with = shared.map_or_else(SharedWith::nobody, SharedWith::with);
                    let of = |policy| permitted(policy, (role, item, visibility), owner_id, &shared_with);
                    let (before, after) = (of(&old), of(&new));
                    for (change, sign, paint, actions) in [
                        ("less", "-", Paint::Red, &before - &after),
                        ("more", "+", Paint::Green, &after - &before),
                    ] {
                        if actions.is_empty() {
                            continue;
                        }
                        let actions: Vec<&str> = actions.into_iter().collect();
                        table.add(vec![
                            Cell::new(sign).painted(paint),
                            role.into(),
                            item.into(),
                            visibility.into(),
                            Cell::whole(whose),
                            Cell::whole(&actions.join(" ")),
                        ]);
                        rows.push(json!({
                            "change": change, "role": role, "item": item, "visibility": visibility,
                            "whose": whose, "actions": actions,
                        }));
                    }
                }
            }
        }
    }
    let is_same = rows.is_empty();
    let text = if is_same {
        "each role may do the same under both\n".to_owned()
    } else {
        table.text(Style::of(context))
    };
    show(arguments, context, &json!({ "differences": rows }), &text);
    Ok(if is_same { EXIT_DONE } else { EXIT_FAILED })
}

fn union<'p>(one: impl Iterator<Item = &'p str>, other: impl Iterator<Item = &'p str>) -> BTreeSet<&'p str> {
    one.chain(other).collect()
}

/// What a role may do.
fn permitted<'p>(
    policy: &'p Policy,
    (role, item, visibility): (&str, &str, &str),
    owner_id: UserId,
    shared_with: &SharedWith,
) -> BTreeSet<&'p str> {
    let permits = |action: &&str| {
        let access = Access { user_id: ONE, role, action, item, owner_id, visibility, shared_with };
        policy.judge(&access).is_ok()
    };
    policy.actions().filter(permits).collect()
}

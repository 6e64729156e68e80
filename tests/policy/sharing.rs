//! Lists of the users with whom an item is shared, and what sharing with everybody opens.

use authnzerver::policy::access::{Access, Decision, MalformedList, SHARED_WITH_USERS_MAX, SharedWith};
use authnzerver::policy::model::{DEFAULT_POLICY, Policy};
use authnzerver::user_id::UserId;

#[test]
fn nobody_has_several_spellings() {
    assert_eq!(SharedWith::nobody().ids(), []);
    for text in [None, Some(""), Some("none"), Some("NONE"), Some("nOnE")] {
        assert!(SharedWith::parse(text).expect("a way to say nobody").ids().is_empty(), "{text:?}");
    }
}

#[test]
fn a_list_is_read_whatever_its_order_and_spaces() {
    for (text, ids) in [
        ("4", &[4][..]),
        ("4, 2", &[2, 4]),
        ("  12 ,4,12", &[4, 12]),
        ("04", &[4]),
        ("9223372036854775807", &[i64::MAX]),
    ] {
        let ids: Vec<_> = ids.iter().copied().map(UserId::new).collect();
        assert_eq!(SharedWith::parse(Some(text)).expect("a list of numbers").ids(), ids, "{text}");
    }
}

#[test]
fn whatever_else_could_be_meant_is_refused() {
    for text in [
        "x",
        "1,",
        ",1",
        "1,,2",
        ",",
        " ",
        "+4",
        "-4",
        "0_4",
        "4.0",
        "1e3",
        "0x4",
        "4 2",
        "4;2",
        "4\n",
        "\t4",
        "\u{a0}4",
        "\u{ff14}",
        "\u{664}",
        "none,4",
        " none",
        "4\0",
        "9223372036854775808",
        "99999999999999999999999999999999999999999999",
    ] {
        assert!(matches!(SharedWith::parse(Some(text)), Err(MalformedList)), "{text:?}");
    }
}

#[test]
fn a_list_may_be_long_but_not_endless() {
    let mut text = vec!["7"; SHARED_WITH_USERS_MAX].join(",");
    assert!(SharedWith::parse(Some(&text)).is_ok());
    text.push_str(",7");
    assert!(SharedWith::parse(Some(&text)).is_err());
}

/// What visitors, and users whom the list does not name, may do with a dataset shared with `shared_with`.
fn granted(policy: &Policy, user_id: i64, role: &str, shared_with: &str) -> Vec<&'static str> {
    let shared_with = &SharedWith::parse(Some(shared_with)).expect("a list of numbers");
    let actions = ["list", "view", "create", "delete", "edit", "change_visibility", "change_owner"];
    let may = |action: &&str| {
        let (item, owner_id, visibility) = ("dataset", UserId::new(7), "shared");
        let user_id = UserId::new(user_id);
        let access = Access { user_id, role, action, item, owner_id, visibility, shared_with };
        policy.decide(&access) == Decision::Granted
    };
    actions.into_iter().filter(may).collect()
}

#[test]
fn sharing_with_everybody_opens_what_the_list_for_shared_items_says() {
    let policy = Policy::default_policy();
    assert_eq!(granted(&policy, 4, "authenticated", "2"), ["list", "view", "edit"]);
    assert_eq!(granted(&policy, 2, "anonymous", "2"), [""; 0]);
}

#[test]
fn the_operator_may_have_sharing_with_everybody_open_only_what_is_public() {
    let text = DEFAULT_POLICY.replacen('{', "{\"shared_with_anonymous\": \"as_public\",", 1);
    let policy = Policy::from_json(&text).expect("a policy with an option");
    assert_eq!(granted(&policy, 4, "authenticated", "2"), ["list", "view"]);
    assert_eq!(granted(&policy, 2, "anonymous", "2"), ["list", "view"]);
    // Who is named personally, too, keeps what sharing with a person gives.
    assert_eq!(granted(&policy, 4, "authenticated", "2,4"), ["list", "view", "edit"]);
    assert_eq!(granted(&policy, 5, "staff", "2"), ["list", "view", "edit"]);
    assert_eq!(granted(&policy, 4, "authenticated", "5"), [""; 0]);
}

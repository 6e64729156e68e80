//! The default policy, decision by decision.

use authnzerver::policy::access::{Access, Decision, SharedWith};
use authnzerver::policy::model::Policy;
use authnzerver::user_id::UserId;

const TABLE: &str = include_str!("../data/policy/decisions.txt");

const ROLES: [&str; 5] = ["superuser", "staff", "authenticated", "anonymous", "locked"];
const ITEMS: [&str; 7] = ["object", "dataset", "collection", "user", "session", "apikey", "preference"];
const VISIBILITIES: [&str; 4] = ["public", "unlisted", "private", "shared"];
const ACTIONS: [(&str, char); 7] = [
    ("list", 'l'),
    ("view", 'v'),
    ("create", 'c'),
    ("delete", 'd'),
    ("edit", 'e'),
    ("change_visibility", 'V'),
    ("change_owner", 'O'),
];

/// How the one who asks stands to the item.
#[derive(Clone, Copy, Debug)]
enum Relation {
    Own,
    SharedWithMe,
    SharedWithEverybody,
    SharedWithSomebodyElse,
    SharedWithNobody,
}

const RELATIONS: [Relation; 5] = [
    Relation::Own,
    Relation::SharedWithMe,
    Relation::SharedWithEverybody,
    Relation::SharedWithSomebodyElse,
    Relation::SharedWithNobody,
];

/// One line of the table.
struct Line {
    items: Vec<&'static str>,
    role: &'static str,
    visibilities: &'static str,
    own: &'static str,
    public: &'static str,
    unlisted: &'static str,
    shared_to_me: &'static str,
    shared_not_to_me: &'static str,
    private: &'static str,
}

fn table() -> Vec<Line> {
    let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [items, role, visibilities, own, public, unlisted, shared_to_me, shared_not_to_me, private] =
                cells[..]
            else {
                panic!("a line of nine cells: {line}")
            };
            let items = items.split(", ").collect();
            Line { items, role, visibilities, own, public, unlisted, shared_to_me, shared_not_to_me, private }
        })
        .collect()
}

/// The letters of the actions that the table permits.
fn expected(table: &[Line], role: &str, item: &str, visibility: &str, relation: Relation) -> &'static str {
    let Some(line) = table.iter().find(|line| line.role == role && line.items.contains(&item)) else {
        return "-";
    };
    if line.visibilities != "all" && line.visibilities != visibility {
        return "-";
    }
    match (relation, visibility) {
        (Relation::Own, _) => line.own,
        (_, "public") => line.public,
        (_, "unlisted") => line.unlisted,
        (_, "private") => line.private,
        (Relation::SharedWithMe | Relation::SharedWithEverybody, "shared") => line.shared_to_me,
        (_, "shared") => line.shared_not_to_me,
        (_, other) => panic!("no such visibility: {other}"),
    }
}

#[test]
fn the_default_policy_decides_as_the_table_says_in_every_case() {
    let policy = Policy::default_policy();
    let table = table();
    assert_eq!(table.len(), 16);
    let mut cases = 0;
    for role in ROLES {
        let me = if role == "anonymous" { 2 } else { 4 };
        for relation in RELATIONS {
            let owner_id = if matches!(relation, Relation::Own) { me } else { 7 };
            let shared_with = match relation {
                Relation::SharedWithMe => format!("9, {me}"),
                Relation::SharedWithEverybody => "2".to_owned(),
                Relation::SharedWithSomebodyElse => "9,10".to_owned(),
                Relation::Own | Relation::SharedWithNobody => "none".to_owned(),
            };
            let shared_with = SharedWith::parse(Some(&shared_with)).expect("a list of numbers");
            for item in ITEMS {
                for visibility in VISIBILITIES {
                    let letters = expected(&table, role, item, visibility, relation);
                    for (action, letter) in ACTIONS {
                        let access = Access {
                            user_id: UserId::new(me),
                            role,
                            action,
                            item,
                            owner_id: UserId::new(owner_id),
                            visibility,
                            shared_with: &shared_with,
                        };
                        let expected =
                            if letters.contains(letter) { Decision::Granted } else { Decision::Denied };
                        assert_eq!(
                            policy.decide(&access),
                            expected,
                            "{role} would {action} {item}, {visibility}, {relation:?}"
                        );
                        cases += 1;
                    }
                }
            }
        }
    }
    assert_eq!(cases, 5 * 5 * 7 * 4 * 7);
}

/// Who asks, in which role, for which action on which item of whom, how visible, shared with whom.
type Question = (i64, &'static str, &'static str, &'static str, i64, &'static str, &'static str);

#[test]
fn single_questions_get_their_known_answers() {
    let policy = Policy::default_policy();
    let questions: [(Question, Decision); 19] = [
        ((1, "superuser", "delete", "dataset", 4, "private", ""), Decision::Granted),
        ((4, "authenticated", "view", "dataset", 4, "private", ""), Decision::Granted),
        ((4, "authenticated", "view", "collection", 4, "private", ""), Decision::Denied),
        ((4, "authenticated", "view", "dataset", 1, "shared", "2"), Decision::Granted),
        ((4, "authenticated", "edit", "dataset", 1, "shared", "4, 2"), Decision::Granted),
        ((4, "authenticated", "edit", "dataset", 1, "shared", "4,99"), Decision::Granted),
        ((4, "authenticated", "view", "dataset", 1, "shared", "NONE"), Decision::Denied),
        ((4, "authenticated", "view", "dataset", 4, "shared", "NONE"), Decision::Granted),
        ((4, "authenticated", "view", "nosuch", 1, "public", ""), Decision::Denied),
        ((4, "authenticated", "view", "dataset", 1, "nosuch", ""), Decision::Denied),
        ((4, "authenticated", "nosuch", "dataset", 4, "private", ""), Decision::Denied),
        ((4, "nosuch", "view", "dataset", 1, "public", ""), Decision::UnknownRole),
        ((4, "nosuch", "nosuch", "nosuch", 1, "nosuch", ""), Decision::UnknownRole),
        ((2, "anonymous", "view", "dataset", 1, "unlisted", ""), Decision::Granted),
        ((2, "anonymous", "list", "dataset", 1, "unlisted", ""), Decision::Denied),
        ((2, "anonymous", "view", "dataset", 1, "shared", "2"), Decision::Denied),
        ((2, "anonymous", "view", "dataset", 2, "private", ""), Decision::Granted),
        ((1, "superuser", "create", "user", 1, "private", ""), Decision::Denied),
        ((1, "superuser", "create", "user", 4, "private", ""), Decision::Granted),
    ];
    for (question, expected) in questions {
        let (user_id, role, action, item, owner_id, visibility, shared_with) = question;
        let shared_with = &SharedWith::parse(Some(shared_with)).expect("a list of numbers");
        let (user_id, owner_id) = (UserId::new(user_id), UserId::new(owner_id));
        let access = Access { user_id, role, action, item, owner_id, visibility, shared_with };
        assert_eq!(policy.decide(&access), expected, "{question:?}");
    }
}

#[test]
fn the_default_policy_names_its_roles() {
    let policy = Policy::default_policy();
    let mut roles = ROLES;
    roles.sort_unstable();
    assert_eq!(policy.roles().collect::<Vec<_>>(), roles);
    assert!(policy.role("locked").is_some());
    assert!(policy.role("Locked").is_none());
}

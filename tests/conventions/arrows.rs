//! Who may name whom: the way of the data through the server is also the only way of the imports.

use crate::assert_no_violations;
use crate::paths::{Module, Named, modules};
use crate::source::rust_below;

/// What every module may use, for it knows nothing of requests, settings or storage.
pub const COMMON: &[&str] = &[
    "guard::secret",
    "guard::redact",
    "client_address",
    "clock",
    "json",
    "rng",
    "wait",
    "pool",
    "metrics",
    "presence",
    "os",
    "problem",
    "shape",
    "user_id",
    "wire_type",
];

/// Crates that have one home, and why.
const HOMES: &[(&str, &[&str], &str)] = &[
    ("rusqlite", &["src/store/sqlite"], "Give store/ a verb for what you need, with its statement in sql/."),
    (
        "may",
        &["src/http", "src/wait", "src/main", "src/server/listen", "src/store/postgres/stream"],
        "Coroutines are the business of http/; wait.rs has what others need in order to wait.",
    ),
    ("httparse", &["src/http/received"], "HTTP ends in http/."),
    (
        "argon2",
        &["src/guard/password"],
        "Hash and verify through the hasher, which bounds memory and threads.",
    ),
    ("bcrypt", &["src/guard/password"], "Hashes of other software are verified through the hasher."),
    (
        "pbkdf2",
        &["src/guard/password", "src/store/postgres/scram"],
        "Hashes of other software are verified through the hasher.",
    ),
    ("scrypt", &["src/guard/password"], "Hashes of other software are verified through the hasher."),
    ("sha_crypt", &["src/guard/password"], "Hashes of other software are verified through the hasher."),
    ("fernet", &["src/guard/envelope"], "Seal and open through the envelope."),
];

/// The files of requests that others may import: how several of them say no, what they take, and what they answer.
const SHARED: [&str; 3] = ["api::refusals", "api::members", "api::logged_in"];

/// What requests may know of the store: types alone, each with its reason.
const STORE_TYPES: &[(&str, &str)] = &[
    ("store::users::User", "it is what many requests answer"),
    ("store::sessions::LiveSession", "it is what checks of a session answer"),
    ("store::users::AuthUser", "it says whose password was right"),
    ("store::user_lists::Wanted", "it is what a lookup asks for"),
    ("store::events::EventKind", "it is what a feed asks for"),
    ("store::user_lists::ColumnValue", "it is what a lookup compares with"),
];

/// What an operation on accounts must not know, since an operator's command has none of it: requests, how they came, and
/// how they are answered.
const UNKNOWN_TO_ACCOUNTS: &[&str] = &[
    "api",
    "cli",
    "http",
    "pipeline",
    "request",
    "requests",
    "server",
    "app::Call",
    "outcome::Answer",
    "outcome::Done",
    "outcome::Failure",
    "outcome::Nothing",
    "outcome::Outcome",
    "outcome::Refusal",
    "outcome::Refused",
];

/// The ways into the log for texts that were made while the program runs, who may use them, and for what.
const LOG_TEXTS: &[(&str, &[&str], &str)] = &[
    (
        "log::escaped",
        &["src/pipeline", "src/server/rate_limits"],
        "It shows what a caller wrote: only the name and the ID of a request. Redact what may be a person's.",
    ),
    (
        "log::path",
        &["src/server"],
        "It is for files that the operator named; an error of ours names its file by itself.",
    ),
    (
        "log::own_address",
        &["src/server/lifecycle", "src/server/listen"],
        "It is for where the server listens. Redact the addresses of others.",
    ),
    ("problem::operator_text", OPERATORS_WORDS, OPERATORS_WORDS_ALONE),
    ("problem::operator_name", OPERATORS_WORDS, OPERATORS_WORDS_ALONE),
];

/// Who reads what the operator writes: settings, the policy, rate limits, the texts of emails, another program's database.
const OPERATORS_WORDS: &[&str] = &[
    "src/config",
    // Options of the database's URL, but nothing of the login in it.
    "src/store/postgres/target",
    "src/policy/passwords",
    "src/guard/ratelimit/settings",
    "src/outbound/email_texts",
    "src/store/sqlite/adopt",
    "src/store/postgres/adopt",
    // Which table of ours an upgrade would break; its name came from the operator's file.
    "src/store/sqlite/upgrade",
];
const OPERATORS_WORDS_ALONE: &str =
    "It shows what the operator wrote. What came in a request must not get there.";

fn ours() -> Vec<Module> {
    modules(&rust_below(&["src/"]))
}

#[test]
fn a_crate_is_named_in_its_home_only() {
    let modules = ours();
    let complaints: Vec<String> =
        HOMES.iter().flat_map(|(name, homes, advice)| strays(&modules, name, homes, advice)).collect();
    assert_no_violations(&complaints);
}

#[test]
fn a_text_reaches_the_log_by_few_ways_each_with_few_users() {
    let modules = ours();
    let complaints: Vec<String> = LOG_TEXTS
        .iter()
        .flat_map(|(name, homes, advice)| logged_texts(&modules, name, homes, advice))
        .collect();
    assert_no_violations(&complaints);
}

#[test]
fn guard_policy_and_wire_stand_alone() {
    let modules = ours();
    let mut complaints = imports_beyond(&modules, "policy", 1, COMMON);
    complaints.extend(imports_beyond(&modules, "wire", 1, COMMON));
    // The guards do not lean on each other either: each is understood and tested alone.
    complaints.extend(imports_beyond(&modules, "guard", 2, COMMON));
    assert_no_violations(&complaints);
}

#[test]
fn policy_decides_without_touching_the_world() {
    assert_no_violations(&touches_the_world(&ours()));
}

#[test]
fn the_store_knows_no_request_reply_or_http() {
    let unknown =
        ["request", "wire", "outcome", "pipeline", "http", "api", "outbound", "cli", "server", "app"];
    let advice = "The store takes values and gives rows; turn them into requests and replies above it.";
    assert_no_violations(&names_forbidden(&ours(), "store", &unknown, advice));
}

#[test]
fn an_action_does_not_know_how_it_was_reached() {
    let advice = "An action gets a Call and gives an Outcome; whatever else it needs, the Call should offer.";
    assert_no_violations(&names_forbidden(&ours(), "api", &["http", "pipeline", "server", "cli"], advice));
}

#[test]
fn an_action_neither_reads_nor_writes_the_database() {
    assert_no_violations(&actions_that_use_the_store(&ours()));
}

#[test]
fn an_action_file_imports_no_other() {
    assert_no_violations(&actions_that_lean_on_others(&ours()));
}

#[test]
fn what_is_done_to_accounts_knows_no_request_and_no_reply() {
    let advice = "An operation takes who has it done and a Context, and refuses in a type of its own; see accounts/mod.rs.";
    assert_no_violations(&names_forbidden(&ours(), "accounts", UNKNOWN_TO_ACCOUNTS, advice));
}

fn is_within(path: &str, homes: &[&str]) -> bool {
    homes.iter().any(|home| {
        path.strip_prefix(home).is_some_and(|rest| rest.starts_with('/') || rest.starts_with(".rs"))
    })
}

/// Where `log::NAME` is named, in full or behind an import of the log, outside its homes.
fn logged_texts(modules: &[Module], name: &str, homes: &[&str], advice: &str) -> Vec<String> {
    complaints(
        modules
            .iter()
            .filter(|module| module.name.first().is_none_or(|top| !name.starts_with(top.as_str())))
            .filter(|module| !is_within(&module.path, homes)),
        |_, named| named.path.join("::").ends_with(name),
        advice,
    )
}

fn strays(modules: &[Module], name: &str, homes: &[&str], advice: &str) -> Vec<String> {
    complaints(
        modules.iter().filter(|module| !is_within(&module.path, homes)),
        |_, named| !named.ours && named.path[0] == name,
        advice,
    )
}

/// `depth` says how much of its own branch a module sees: 1, all below the same top; 2, only its own part.
fn imports_beyond(modules: &[Module], top: &str, depth: usize, allowed: &[&str]) -> Vec<String> {
    complaints(
        below(modules, top),
        |module, named| {
            let own = &module.name[..depth.min(module.name.len())];
            let common = allowed.iter().any(|one| leads_to(&named.path, one));
            named.ours && !common && !named.path.starts_with(own)
        },
        &format!("{top} is understood alone; of ours it uses only {}.", allowed.join(", ")),
    )
}

fn touches_the_world(modules: &[Module]) -> Vec<String> {
    let world = ["fs", "net", "env", "process", "thread", "io"];
    complaints(
        below(modules, "policy"),
        |_, named| {
            let part = named.path.get(1).map_or("", String::as_str);
            !named.ours && !named.in_tests && named.path[0] == "std" && world.contains(&part)
        },
        "A decision follows from its arguments; let the caller read and hand over.",
    )
}

fn names_forbidden(modules: &[Module], top: &str, forbidden: &[&str], advice: &str) -> Vec<String> {
    complaints(
        below(modules, top),
        |_, named| named.ours && forbidden.iter().any(|one| leads_to(&named.path, one)),
        advice,
    )
}

fn actions_that_use_the_store(modules: &[Module]) -> Vec<String> {
    let types: Vec<String> = STORE_TYPES.iter().map(|(name, why)| format!("{name} ({why})")).collect();
    complaints(
        below(modules, "api"),
        |_, named| {
            let is_type = STORE_TYPES.iter().any(|(name, _)| leads_to(&named.path, name));
            named.ours && leads_to(&named.path, "store") && !is_type
        },
        &format!(
            "What reads the database and decides is an operation in accounts/; of the store an action knows only {}.",
            types.join(", ")
        ),
    )
}

fn actions_that_lean_on_others(modules: &[Module]) -> Vec<String> {
    // A path names a file if it begins with that file's module; the longest such file is the one meant.
    let file_of = |path: &[String]| {
        let files = modules.iter().map(|module| &module.name).filter(|name| path.starts_with(name));
        files.max_by_key(|name| name.len())
    };
    complaints(
        below(modules, "api").filter(|module| module.name.len() > 1),
        |module, named| {
            let Some(file) = file_of(&named.path).filter(|_| named.ours) else { return false };
            let is_action = file.len() > 1 && file[0] == "api";
            let same_branch = file.starts_with(&module.name) || module.name.starts_with(file);
            is_action && !same_branch && !SHARED.iter().any(|shared| leads_to(file, shared))
        },
        "Move what both need into accounts/, the store, or policy/.",
    )
}

fn below<'all>(modules: &'all [Module], top: &'all str) -> impl Iterator<Item = &'all Module> {
    modules.iter().filter(move |module| module.name.first().is_some_and(|name| name == top))
}

pub fn leads_to(path: &[String], place: &str) -> bool {
    let mut path = path.iter();
    place.split("::").all(|step| path.next().is_some_and(|name| name == step))
}

fn complaints<'all>(
    modules: impl Iterator<Item = &'all Module>,
    wrong: impl Fn(&Module, &Named) -> bool,
    advice: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    for module in modules {
        for named in module.named.iter().filter(|named| wrong(module, named)) {
            found.push(format!("{}:{}: names {}. {advice}", module.path, named.line, named.written()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paths::sample_tree as tree;

    #[test]
    fn a_crate_away_from_home_is_seen() {
        let modules = tree(&[
            ("src/store/mod.rs", "use rusqlite::Connection;"),
            ("src/app.rs", "\nfn f() -> rusqlite::Result<()> {}"),
            ("src/storehouse.rs", "use rusqlite::{Row};"),
        ]);
        let found = strays(&modules, "rusqlite", &["src/store"], "Do not.");
        assert_eq!(
            found,
            [
                "src/app.rs:2: names rusqlite::Result. Do not.",
                "src/storehouse.rs:1: names rusqlite::Row. Do not."
            ]
        );
    }

    #[test]
    fn a_text_that_a_stranger_logs_is_seen() {
        let modules = tree(&[
            ("src/log/field.rs", "pub fn escaped(text: &str) {} use crate::log::escaped;"),
            ("src/pipeline.rs", "use crate::log; fn f() { log::escaped(name) }"),
            ("src/api/login.rs", "use crate::log; fn f() { log::info(log::escaped(email)) }"),
            ("src/accounts/lock.rs", "use crate::log::escaped;"),
        ]);
        let found = logged_texts(&modules, "log::escaped", &["src/pipeline"], "Do not.");
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_guard_that_leans_on_another_is_seen() {
        let modules = tree(&[
            ("src/guard/token.rs", "use crate::guard::secret::Secret; use crate::clock::Clock;"),
            ("src/guard/password/pool.rs", "use super::Hash; use crate::guard::token::Token;"),
            ("src/policy/access.rs", "use super::model::Model; use crate::store::Tx;"),
        ]);
        let found = imports_beyond(&modules, "guard", 2, COMMON);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("src/guard/password/pool.rs:1: names crate::guard::token::Token."));
        let found = imports_beyond(&modules, "policy", 1, COMMON);
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn a_policy_that_reads_a_file_is_seen() {
        let text = "use std::{fmt, fs};\n#[cfg(test)]\nmod tests { use std::process; }";
        let modules = tree(&[("src/policy/model.rs", text)]);
        assert_eq!(touches_the_world(&modules).len(), 1);
    }

    #[test]
    fn a_store_that_answers_requests_is_seen() {
        let modules = tree(&[
            ("src/store/users.rs", "use crate::outcome::Failure; use crate::clock::Moment;"),
            ("src/app.rs", "use crate::outcome::Failure;"),
        ]);
        assert_eq!(names_forbidden(&modules, "store", &["outcome"], "").len(), 1);
    }

    #[test]
    fn an_operation_that_answers_a_request_is_seen() {
        let modules = tree(&[
            ("src/accounts/lock.rs", "use crate::outcome::{Error, Refusal}; use crate::app::Context;"),
            ("src/accounts/edit.rs", "use crate::api::LOCKED; use crate::app::Call; requests! {}"),
            ("src/api/login.rs", "use crate::outcome::Refusal;"),
        ]);
        assert_eq!(names_forbidden(&modules, "accounts", UNKNOWN_TO_ACCOUNTS, "").len(), 3);
    }

    #[test]
    fn an_action_that_reads_the_database_is_seen() {
        let modules = tree(&[
            ("src/store/mod.rs", "pub mod users; pub mod sessions; pub struct Db;"),
            ("src/store/users.rs", "pub struct User; pub fn by_id() {}"),
            ("src/store/sessions.rs", ""),
            ("src/api/login.rs", "use crate::store::{Db, users::{self, User}}; use crate::store::sessions;"),
            ("src/api/edit.rs", "use crate::store::users::User; fn f() { crate::store::users::by_id() }"),
            ("src/accounts/edit.rs", "use crate::store::users;"),
        ]);
        let found = actions_that_use_the_store(&modules);
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn an_action_that_imports_another_is_seen() {
        let modules = tree(&[
            ("src/lib.rs", ""),
            ("src/api/mod.rs", "pub mod login; use login::REQUESTS;"),
            ("src/api/refusals.rs", ""),
            ("src/api/login.rs", "use super::refusals::LOCKED; use crate::accounts::lock::lift;"),
            ("src/api/user/mod.rs", ""),
            ("src/api/user/lock.rs", "use super::shown; use crate::api::login::log_in;"),
            ("src/api/user/edit.rs", "use super::lock::lock; mod tests { use super::*; }"),
        ]);
        let found = actions_that_lean_on_others(&modules);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("src/api/user/lock.rs:1: names crate::api::login::log_in."));
        assert!(found[1].starts_with("src/api/user/edit.rs:1: names crate::api::user::lock::lock."));
    }
}

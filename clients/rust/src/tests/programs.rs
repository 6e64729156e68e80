//! Sites, and what their program has for whoever they let in.

use super::browser::accounts;
use super::real::Real;
use crate::Error;
use crate::site::{Accounts, Guard, Item, Options, Visitor, WebResponse};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn program(visitor: &mut Visitor<'_>, path: &str) -> WebResponse {
    if let "/mine" | "/staff" = path {
        let roles: &[&str] = if path == "/staff" { &["superuser"] } else { &["superuser", "authenticated"] };
        if let Some(refused) = visitor.refused_without_role(roles) {
            return refused;
        }
    }
    if path == "/basket" && !visitor.field("item").is_empty() {
        let values = json!({ "basket": visitor.field("item") });
        if let Err(error) = visitor.note(values.as_object().cloned().unwrap()) {
            return visitor.failed(&error);
        }
    }
    if path == "/may" {
        let owner = visitor.user_id().unwrap_or(99);
        let item = |owner, visibility, shared_with| Item { kind: "dataset", owner, visibility, shared_with };
        let shared = [7, owner];
        let asked = [
            item(1, "public", &[][..]),
            item(1, "private", &[]),
            item(1, "shared", &shared),
            item(1, "shared", &[7]),
            item(owner, "private", &[]),
        ];
        let answers: Result<Vec<bool>, Error> =
            asked.into_iter().map(|item| visitor.may("view", item)).collect();
        return match answers {
            Ok(answers) => {
                WebResponse::text(200, &format!("{} {answers:?} {}", visitor.name(), visitor.role()))
            }
            Err(error) => visitor.failed(&error),
        };
    }
    let basket = visitor.stored("basket").and_then(|item| item.as_str()).unwrap_or_default().to_owned();
    let csrf = visitor.csrf_token().unwrap();
    WebResponse::html(200, format!("<input name=\"csrf\" value=\"{csrf}\">{path} <{basket}>"))
}

pub(super) fn guarded(real: &Real) -> Accounts {
    let mut site = accounts(real, Options::default());
    site.guard("/admin", Guard::Roles(&["staff", "superuser"]));
    site.guard("/new", Guard::May("create", "dataset"));
    site.guard("/users", Guard::May("create", "user"));
    site.guard("/api", Guard::Key("view", "dataset"));
    site.guard("/api/staff", Guard::Roles(&["staff"]));
    site
}

/// All pages, in two languages.
pub(super) fn whole(real: &Real) -> Accounts {
    let german = [
        ("Log in", "Anmelden"),
        ("E-mail address", "E-Mail-Adresse"),
        ("You may not see this page.", "Das ist nichts für Sie."),
        ("Your e-mail address is verified. You can log in now.", "Ihre E-Mail-Adresse ist bestätigt."),
        ("since {time} UTC", "seit {time}"),
    ];
    let german =
        german.into_iter().map(|(english, german)| (english.to_owned(), german.to_owned())).collect();
    let mut site = accounts(
        real,
        Options {
            login_link: true,
            keep_days: 20,
            scopes: "view:dataset".to_owned(),
            texts: BTreeMap::from([("de".to_owned(), german)]),
            static_paths: vec!["/static/".to_owned()],
            ..Options::default()
        },
    );
    site.guard("/staff-room", Guard::Roles(&["nobody"]));
    site
}

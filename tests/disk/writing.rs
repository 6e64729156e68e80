//! Every request that writes, each in the ways in which it does, and with what it needs to be done.

use crate::emailed::{
    change_of_email, codes_of_change, login_code, page_of, queues_email, reset_code, reset_start,
    signup_start,
};
use crate::issued::{claims, issued_scoped, key, new_key, nosession_key, presented, scoped_key};
use serde_json::{Value, json};
use support::{GOOD_PASSWORD, Reply, TestServer, session_body};

/// A password that differs from the usual one in most of its letters.
const OTHER_PASSWORD: &str = "Trout-Lamp-93-Quarry";
const ADMIN_ID: i64 = 1;

/// A question, and its answer when nothing fails.
pub struct Asked {
    pub body: Value,
    pub outcome: Outcome,
}

/// How a request comes out when nothing fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is done.
    Done,
    /// It is refused, but something is noted.
    Refused,
    /// It is done, after the password that came with it was tested.
    RightPassword,
    /// It is refused, because the password that came with it is wrong.
    WrongPassword,
}

impl Outcome {
    pub fn is_done(self) -> bool {
        matches!(self, Self::Done | Self::RightPassword)
    }

    pub fn takes_a_password(self) -> bool {
        matches!(self, Self::RightPassword | Self::WrongPassword)
    }

    /// What comes of the password that everybody has here, after a wrong one: the attempt is forgotten then.
    fn of(password: &str) -> Self {
        if password == GOOD_PASSWORD { Self::RightPassword } else { Self::WrongPassword }
    }

    fn with(self, body: Value) -> Asked {
        Asked { body, outcome: self }
    }
}

fn done(body: Value) -> Asked {
    Outcome::Done.with(body)
}

/// Makes what a request needs, and the question. Each time it is called, with another name, it can be done once more.
pub type Prepare = fn(&TestServer, &str) -> Asked;

/// With these, all of them can be done.
pub const SETTINGS: &[(&str, &str)] = &[("LOGINLINK", "1")];

/// All of them.
pub const WRITING: &[(&str, Prepare)] = &[
    ("session-new", |_, _| done(session_body(None))),
    ("login", |server, name| {
        server.member(name);
        Outcome::RightPassword.with(json!({
            "email": format!("{name}@example.org"), "password": GOOD_PASSWORD, "ip_address": "192.0.2.1",
            "user_agent": "Browser/1.0", "session_token": server.new_session(None),
        }))
    }),
    ("session-delete", |server, _| done(json!({ "session_token": server.new_session(None) }))),
    ("session-end", |server, name| {
        let user_id = server.member(name).1;
        let token = server.new_session(Some(user_id));
        let listed = server.ask("session-list", json!({ "session_token": token }));
        let id = &listed.done()["sessions"][0]["session_id"];
        done(json!({ "session_token": token, "session_id": id }))
    }),
    ("session-touch", |server, _| done(json!({ "session_token": server.new_session(None), "days": 30 }))),
    ("apikey-end", |server, name| {
        let user_id = server.member(name).1;
        new_key(server, user_id);
        let token = server.new_session(Some(user_id));
        let listed = server.ask("apikey-list", json!({ "session_token": token }));
        let id = &listed.done()["apikeys"][0]["key_id"];
        done(json!({ "session_token": token, "key_id": id }))
    }),
    ("apikey-end", |server, name| {
        let (user_id, token) = member_with_session(server, name);
        let id = issued_scoped(server, user_id);
        done(json!({ "session_token": token, "key_id": id }))
    }),
    ("session-delete-userid", |server, name| {
        let (user_id, token) = member_with_session(server, name);
        done(json!({ "session_token": token, "user_id": user_id, "keep_current_session": false }))
    }),
    ("internal-session-edit", |server, _| {
        let update = json!({ "note": "x".repeat(9_000) });
        done(json!({ "target_session_token": server.new_session(None), "update_dict": update }))
    }),
    ("user-login", |server, name| logs_in(server, name, GOOD_PASSWORD)),
    ("user-login", |server, name| logs_in(server, name, "wrong")),
    ("user-login", |server, name| {
        let email = format!("{name}@nowhere.example");
        let body = json!({ "session_token": server.new_session(None), "email": email, "password": "wrong" });
        Outcome::WrongPassword.with(body)
    }),
    ("user-logout", |server, name| {
        let (user_id, token) = member_with_session(server, name);
        done(json!({ "session_token": token, "user_id": user_id }))
    }),
    ("user-new", |_, name| done(sign_up(&format!("{name}@example.org"), GOOD_PASSWORD))),
    ("user-new", |server, name| {
        // Signed up once more, with another password: then neither is valid.
        let person = server.person(name);
        person.signs_up().done();
        Outcome::Refused.with(sign_up(&person.email, OTHER_PASSWORD))
    }),
    ("user-new", |server, name| {
        // An account was moved to the address before: then the address is contested.
        let (_, user_id) = server.member(name);
        let moved = format!("moved-{name}@example.org");
        edits_own(server, user_id, &json!({ "email": moved }), "user-edit").done();
        Outcome::Refused.with(sign_up(&moved, OTHER_PASSWORD))
    }),
    ("user-edit", |server, name| {
        let (_, user_id) = server.member(name);
        done(own_edit(
            server,
            user_id,
            &json!({ "full_name": "Another Name", "email": format!("{name}@new.example") }),
        ))
    }),
    ("internal-user-edit", |server, name| {
        let (_, user_id) = server.member(name);
        let edit = json!({ "full_name": "Another Name", "extra_info": { "note": 1 } });
        done(json!({ "target_userid": user_id, "update_dict": edit }))
    }),
    ("internal-user-edit", |server, name| {
        // A change of role ends sessions and keys.
        let user_id = with_everything(server, name);
        done(json!({ "target_userid": user_id, "update_dict": { "user_role": "staff" } }))
    }),
    ("user-lock", |server, name| done(toggle_for_admin(server, with_everything(server, name), "lock"))),
    ("user-lock", |server, name| {
        let user_id = with_everything(server, name);
        server.ask("internal-user-lock", toggle(user_id, "lock")).done();
        done(toggle_for_admin(server, user_id, "unlock"))
    }),
    ("internal-user-lock", |server, name| done(toggle(with_everything(server, name), "lock"))),
    ("internal-user-lock", |server, name| {
        let user_id = with_everything(server, name);
        server.ask("internal-user-lock", toggle(user_id, "lock")).done();
        done(toggle(user_id, "unlock"))
    }),
    ("internal-session-end", |server, name| {
        let user_id = server.member(name).1;
        server.new_session(Some(user_id));
        let listed = server.ask("internal-session-list", json!({ "user_id": user_id }));
        done(json!({ "session_id": listed.done()["sessions"][0]["id"] }))
    }),
    ("internal-session-end-all", |server, name| {
        done(json!({ "user_id": member_with_session(server, name).0 }))
    }),
    ("internal-session-end-all", |server, name| {
        member_with_session(server, name);
        done(json!({ "user_id": null }))
    }),
    ("internal-session-purge", |server, name| {
        let mut session = session_body(Some(server.member(name).1));
        session["expires"] = "2020-01-01T00:00:00".into();
        server.ask("session-new", session).done();
        done(json!({}))
    }),
    ("internal-apikey-end", |server, name| {
        let user_id = server.member(name).1;
        done(json!({ "key_id": issued_scoped(server, user_id) }))
    }),
    ("internal-user-add", |_, name| {
        done(json!({ "email": format!("{name}@example.org"), "full_name": name, "password": GOOD_PASSWORD }))
    }),
    ("internal-email-retry", |server, name| {
        queues_email(server, name);
        server.changes("UPDATE email_queue SET tries = 3");
        done(json!({ "number": null }))
    }),
    ("internal-email-drop", |server, name| {
        queues_email(server, name);
        let listed = server.ask("internal-email-list", json!({}));
        done(json!({ "number": listed.done()["emails"][0]["number"] }))
    }),
    ("user-delete", |server, name| deletes_own(server, name, GOOD_PASSWORD)),
    ("user-delete", |server, name| deletes_own(server, name, "wrong")),
    ("internal-user-delete", |server, name| done(json!({ "target_userid": with_everything(server, name) }))),
    ("user-passcheck", |server, name| checks_in_session(server, name, GOOD_PASSWORD)),
    ("user-passcheck", |server, name| checks_in_session(server, name, "wrong")),
    ("user-passcheck-nosession", |server, name| checks(server, name, GOOD_PASSWORD)),
    ("user-passcheck-nosession", |server, name| checks(server, name, "wrong")),
    ("user-changepass", |server, name| changes_in_session(server, name, GOOD_PASSWORD)),
    ("user-changepass", |server, name| changes_in_session(server, name, "wrong")),
    ("user-changepass-nosession", |server, name| changes(server, name, GOOD_PASSWORD)),
    ("user-changepass-nosession", |server, name| changes(server, name, "wrong")),
    ("user-resetpass", |server, name| {
        let user_id = with_everything(server, name);
        guesses_wrong(server, user_id);
        let body = json!({
            "email_address": server.person(name).email, "new_password": OTHER_PASSWORD,
            "session_token": server.new_session(None),
        });
        done(body)
    }),
    ("user-resetpass-nosession", |server, name| {
        // A lock after failed logins ends with the reset.
        let user_id = with_everything(server, name);
        (0..11).for_each(|_| guesses_wrong(server, user_id));
        let email = server.person(name).email;
        done(json!({ "email_address": email, "new_password": OTHER_PASSWORD, "required_active": true }))
    }),
    ("signup-start", |server, name| {
        server.holds_emails();
        done(signup_start(&format!("{name}@example.org"), GOOD_PASSWORD))
    }),
    ("signup-start", |server, name| {
        // Signed up once more, with another password: then neither is valid.
        server.person(name).signs_up().done();
        server.holds_emails();
        done(signup_start(&format!("{name}@example.org"), OTHER_PASSWORD))
    }),
    ("signup-resend", |server, name| {
        let (person, _) = server.member(name);
        server.holds_emails();
        done(page_of("verify", &person.email))
    }),
    ("signup-finish", |server, name| {
        server.emails();
        server.ask("signup-start", signup_start(&format!("{name}@example.org"), GOOD_PASSWORD)).done();
        done(json!({
            "code": server.emailed_code(), "ip_address": "192.0.2.1", "user_agent": "Browser/1.0",
            "session_token": server.new_session(None),
        }))
    }),
    ("reset-start", |server, name| {
        let (person, _) = server.member(name);
        server.holds_emails();
        done(reset_start(&person.email))
    }),
    ("reset-start", |server, name| {
        server.holds_emails();
        done(reset_start(&format!("{name}@nowhere.example")))
    }),
    ("reset-finish", |server, name| {
        // A lock after failed logins ends with the reset.
        let user_id = with_everything(server, name);
        (0..11).for_each(|_| guesses_wrong(server, user_id));
        done(json!({ "code": reset_code(server, name), "new_password": OTHER_PASSWORD }))
    }),
    ("reset-finish", |server, name| {
        // An address that was never proven is proven by it.
        server.person(name).signs_up().done();
        done(json!({ "code": reset_code(server, name), "new_password": OTHER_PASSWORD }))
    }),
    ("email-change-start", |server, name| {
        let (_, token) = member_with_session(server, name);
        server.holds_emails();
        done(change_of_email(name, &token))
    }),
    ("email-change-start", |server, name| {
        // To an address that somebody else has.
        let (_, token) = member_with_session(server, name);
        server.member(&format!("{name}-other"));
        server.holds_emails();
        let mut body = change_of_email(name, &token);
        body["email"] = json!(format!("{name}-other@example.org"));
        done(body)
    }),
    ("email-change-finish", |server, name| {
        let (_, token) = member_with_session(server, name);
        done(json!({ "session_token": token, "code": codes_of_change(server, name, &token)[1] }))
    }),
    ("email-change-undo", |server, name| {
        let user_id = with_everything(server, name);
        let token = server.new_session(Some(user_id));
        let [undo, code] = codes_of_change(server, name, &token);
        server.ask("email-change-finish", json!({ "session_token": token, "code": code })).done();
        done(json!({ "code": undo }))
    }),
    ("login-link-start", |server, name| {
        let (person, _) = server.member(name);
        server.holds_emails();
        done(page_of("login", &person.email))
    }),
    ("login-link-finish", |server, name| {
        // A lock after failed logins ends with the login.
        let user_id = with_everything(server, name);
        (0..11).for_each(|_| guesses_wrong(server, user_id));
        done(login_code(server, name))
    }),
    ("login-link-finish", |server, name| {
        // An address that was never proven is proven by it, and the password from before goes.
        server.person(name).signs_up().done();
        done(login_code(server, name))
    }),
    ("user-sendemail-signup", |server, name| {
        let person = server.person(name);
        let created = person.signs_up().done().clone();
        let mut body = email(server, &person.email);
        body["created_info"] = created;
        body["account_verify_url"] = json!("/users/verify");
        done(body)
    }),
    ("user-sendemail-forgotpass", |server, name| {
        let (person, _) = server.member(name);
        let mut body = email(server, &person.email);
        body["password_forgot_url"] = json!("/users/forgot");
        done(body)
    }),
    ("user-set-emailverified", |server, name| {
        let person = server.person(name);
        person.signs_up().done();
        done(json!({ "email": person.email }))
    }),
    ("user-set-emailverified", |server, name| {
        // A contested address: the account loses its password, sessions and keys.
        let user_id = with_everything(server, name);
        let moved = format!("moved-{name}@example.org");
        edits_own(server, user_id, &json!({ "email": moved }), "user-edit").done();
        server.ask("user-new", sign_up(&moved, OTHER_PASSWORD)).refused("user exists");
        done(json!({ "email": moved }))
    }),
    ("user-set-emailsent", |server, name| {
        let (person, _) = server.member(name);
        done(json!({ "email": person.email, "email_type": "forgotpass" }))
    }),
    ("user-set-emailsent", |server, name| {
        let person = server.person(name);
        person.signs_up().done();
        server.later(std::time::Duration::from_secs(1));
        done(json!({ "email": person.email, "email_type": "signup" }))
    }),
    ("apikey-new", |server, name| done(key(server, server.member(name).1))),
    ("apikey-revoke", |server, name| {
        let (_, user_id) = server.member(name);
        let issued = server.ask("apikey-new", key(server, user_id));
        done(presented(user_id, &claims(&issued)))
    }),
    ("apikey-issue", |server, name| done(scoped_key(server, server.member(name).1))),
    ("apikey-rotate", |server, name| {
        let (user_id, token) = member_with_session(server, name);
        let id = issued_scoped(server, user_id);
        done(json!({ "session_token": token, "key_id": id, "overlap_seconds": 60 }))
    }),
    ("apikey-new-nosession", |server, name| done(nosession_key(server.member(name).1))),
    ("apikey-revoke-nosession", |server, name| {
        let (_, user_id) = server.member(name);
        done(presented(user_id, &new_key(server, user_id).0))
    }),
    ("apikey-revokeall-nosession", |server, name| {
        let (_, user_id) = server.member(name);
        let (claims, _) = new_key(server, user_id);
        new_key(server, user_id);
        server.later(std::time::Duration::from_secs(1));
        done(presented(user_id, &claims))
    }),
    ("apikey-refresh-nosession", |server, name| {
        let (_, user_id) = server.member(name);
        let (claims, refresh_token) = new_key(server, user_id);
        server.later(std::time::Duration::from_secs(1));
        let mut body = presented(user_id, &claims);
        let more = json!({
            "refresh_token": refresh_token, "ip_address": "192.0.2.9", "expires_seconds": 600,
            "not_valid_before": 0, "refresh_expires": 900, "refresh_nbf": 0,
        });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        done(body)
    }),
];

fn member_with_session(server: &TestServer, name: &str) -> (i64, String) {
    let (_, user_id) = server.member(name);
    (user_id, server.new_session(Some(user_id)))
}

/// A member with a session, a key in it, one without, and one with scopes.
fn with_everything(server: &TestServer, name: &str) -> i64 {
    let (_, user_id) = server.member(name);
    server.ask("apikey-new", key(server, user_id)).done();
    new_key(server, user_id);
    issued_scoped(server, user_id);
    user_id
}

fn sign_up(email: &str, password: &str) -> Value {
    json!({ "full_name": "A Name", "email": email, "password": password })
}

fn own_edit(server: &TestServer, user_id: i64, update: &Value) -> Value {
    json!({
        "user_id": user_id, "user_role": "authenticated", "session_token": server.new_session(Some(user_id)),
        "target_userid": user_id, "update_dict": update,
    })
}

fn edits_own(server: &TestServer, user_id: i64, update: &Value, request: &str) -> Reply {
    server.ask(request, own_edit(server, user_id, update))
}

fn toggle(user_id: i64, action: &str) -> Value {
    json!({ "target_userid": user_id, "action": action })
}

fn toggle_for_admin(server: &TestServer, user_id: i64, action: &str) -> Value {
    json!({
        "user_id": ADMIN_ID, "user_role": "superuser", "session_token": server.new_session(Some(ADMIN_ID)),
        "target_userid": user_id, "action": action,
    })
}

/// Guesses a password once, so that there is an attempt to forget.
fn guesses_wrong(server: &TestServer, user_id: i64) {
    let email = server.stored(&format!("SELECT email FROM users WHERE user_id = {user_id}"));
    let _ = server.ask("user-passcheck-nosession", json!({ "email": email, "password": "wrong" }));
}

/// A member who has mistyped their password just before; and what they ask now, with this one.
fn with_password(
    server: &TestServer,
    name: &str,
    password: &str,
    body: impl FnOnce(i64, String) -> Value,
) -> Asked {
    let (person, user_id) = server.member(name);
    guesses_wrong(server, user_id);
    Outcome::of(password).with(body(user_id, person.email))
}

fn logs_in(server: &TestServer, name: &str, password: &str) -> Asked {
    let token = server.new_session(None);
    with_password(
        server,
        name,
        password,
        |_, email| json!({ "session_token": token, "email": email, "password": password }),
    )
}

fn deletes_own(server: &TestServer, name: &str, password: &str) -> Asked {
    with_password(
        server,
        name,
        password,
        |user_id, email| json!({ "email": email, "user_id": user_id, "password": password }),
    )
}

fn checks(server: &TestServer, name: &str, password: &str) -> Asked {
    with_password(server, name, password, |_, email| json!({ "email": email, "password": password }))
}

fn checks_in_session(server: &TestServer, name: &str, password: &str) -> Asked {
    with_password(
        server,
        name,
        password,
        |user_id, _| json!({ "session_token": server.new_session(Some(user_id)), "password": password }),
    )
}

fn changes(server: &TestServer, name: &str, password: &str) -> Asked {
    with_password(server, name, password, |user_id, email| {
        new_key(server, user_id);
        server.new_session(Some(user_id));
        json!({
            "user_id": user_id, "full_name": "A Name", "email": email, "current_password": password,
            "new_password": OTHER_PASSWORD,
        })
    })
}

fn changes_in_session(server: &TestServer, name: &str, password: &str) -> Asked {
    let mut asked = changes(server, name, password);
    let user_id = asked.body["user_id"].as_i64();
    asked.body["session_token"] = json!(server.new_session(user_id));
    asked
}

fn email(server: &TestServer, address: &str) -> Value {
    json!({
        "email_address": address, "session_token": server.new_session(None), "server_name": "Recipes",
        "server_baseurl": "https://recipes.example", "verification_token": "code", "verification_expiry": 900,
    })
}

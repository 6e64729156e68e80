//! What each writing request leaves in the event log: exactly these events, in the transaction of what they tell.

use crate::failures::disk;
use crate::writing::{SETTINGS, WRITING};
use std::fmt::Write as _;
use support::TestServer;

/// The requests in the order of [`WRITING`], each with the kinds of its events.
const KINDS: &str = "\
session-new:
login: login.succeeded session.started
session-delete:
session-end: session.ended
session-touch:
apikey-end: key.revoked
apikey-end: key.revoked
session-delete-userid: sessions.ended
internal-session-edit:
user-login: login.succeeded
user-login: login.failed
user-login: login.failed
user-logout: session.ended
user-new: account.signed-up
user-new: account.signed-up-again password.removed
user-new: account.signed-up-again
user-edit: account.edited account.email-changed
internal-user-edit: account.edited
internal-user-edit: account.edited account.role-changed
user-lock: account.locked
user-lock: account.unlocked
internal-user-lock: account.locked
internal-user-lock: account.unlocked
internal-session-end: session.ended
internal-session-end-all: sessions.ended
internal-session-end-all: sessions.ended
internal-session-purge: sessions.purged
internal-apikey-end: key.revoked
internal-user-add: account.added
internal-email-retry:
internal-email-drop:
user-delete: password.confirmed account.deleted
user-delete: login.failed
internal-user-delete: account.deleted
user-passcheck: password.confirmed
user-passcheck: login.failed
user-passcheck-nosession: password.confirmed
user-passcheck-nosession: login.failed
user-changepass: password.confirmed password.changed
user-changepass: login.failed
user-changepass-nosession: password.confirmed password.changed
user-changepass-nosession: login.failed
user-resetpass: password.reset
user-resetpass-nosession: password.reset account.unlocked
signup-start: account.signed-up
signup-start: account.signed-up-again password.removed
signup-resend:
signup-finish: account.verified login.succeeded session.started
reset-start:
reset-start:
reset-finish: account.unlocked password.reset
reset-finish: account.verified password.reset
email-change-start: account.email-change-requested
email-change-start: account.email-change-requested
email-change-finish: account.email-changed
email-change-undo: account.email-change-undone
login-link-start:
login-link-finish: account.unlocked login.succeeded session.started
login-link-finish: account.verified password.removed login.succeeded session.started
user-sendemail-signup:
user-sendemail-forgotpass:
user-set-emailverified: account.verified
user-set-emailverified: account.verified password.removed
user-set-emailsent:
user-set-emailsent:
apikey-new: key.issued
apikey-revoke: key.revoked
apikey-issue: key.issued
apikey-rotate: key.rotated
apikey-new-nosession: key.issued
apikey-revoke-nosession: key.revoked
apikey-revokeall-nosession: keys.revoked
apikey-refresh-nosession: key.renewed
";

/// The kinds of the events after this one, and the number of the last.
fn kinds_after(server: &TestServer, seq: i64) -> (String, i64) {
    let connection = rusqlite::Connection::open(server.database()).expect("opens");
    let statement = "SELECT seq, kind FROM events WHERE seq > ?1 ORDER BY seq";
    let mut statement = connection.prepare(statement).expect("prepares");
    let rows = statement.query_map([seq], |row| Ok((row.get(0)?, row.get::<_, String>(1)?))).expect("runs");
    rows.fold((String::new(), seq), |(kinds, _), row| {
        let (seq, kind) = row.expect("reads");
        (format!("{kinds} {kind}"), seq)
    })
}

#[test]
fn each_writing_request_leaves_just_the_events_that_are_listed_here() {
    let _turn = disk();
    let mut found = String::new();
    for (place, (request, prepare)) in WRITING.iter().enumerate() {
        let server = TestServer::start_with(SETTINGS);
        let asked = prepare(&server, &format!("p{place}"));
        let (_, before) = kinds_after(&server, 0);
        let _ = server.ask(request, asked.body);
        let (kinds, _) = kinds_after(&server, before);
        writeln!(found, "{request}:{kinds}").expect("writes into memory");
    }
    assert!(found == KINDS, "these are the events:\n{found}");
}

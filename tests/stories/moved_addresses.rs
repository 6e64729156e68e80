//! An account that its user moved to another address: nobody has proved that the address is theirs.

use serde_json::json;
use support::{GOOD_PASSWORD, Reply, TestServer};

const VICTIM: &str = "victim@example.org";
const OWNERS: &str = "the owners Password 17";
const MISMATCH: &str = "user does not exist or password doesn't match";

fn edits_self(server: &TestServer, user_id: i64, session: &str, email: &str) -> Reply {
    let ask = json!({
        "user_id": user_id, "user_role": "authenticated", "session_token": session,
        "target_userid": user_id, "update_dict": { "email": email },
    });
    server.ask("user-edit", ask)
}

fn logs_in(server: &TestServer, password: &str) -> Reply {
    let mut person = server.person("victim");
    password.clone_into(&mut person.password);
    person.logs_in()
}

fn victim_signs_up(server: &TestServer, password: &str) -> Reply {
    let mut victim = server.person("victim");
    password.clone_into(&mut victim.password);
    victim.signs_up()
}

fn verifies(server: &TestServer) -> Reply {
    server.ask("user-set-emailverified", json!({ "email": VICTIM }))
}

/// A verified stranger, with their session, whose account is moved to the victim's address.
fn stranger(server: &TestServer) -> (i64, String) {
    let (_, user_id) = server.member("stranger");
    let session = server.new_session(Some(user_id));
    edits_self(server, user_id, &session, VICTIM).done();
    (user_id, session)
}

fn nobody_gets_in_until_a_reset(server: &TestServer) {
    for password in [GOOD_PASSWORD, OWNERS] {
        logs_in(server, password).refused(MISMATCH);
    }
    let body = json!({
        "email_address": VICTIM, "new_password": OWNERS, "session_token": server.new_session(None),
    });
    server.ask("user-resetpass", body).done();
    logs_in(server, OWNERS).done();
    verifies(server).done();
    logs_in(server, OWNERS).done();
}

#[test]
fn a_strangers_password_does_not_survive_the_verification_of_an_address_they_moved_to() {
    let server = TestServer::start();
    let (_, session) = stranger(&server);
    let signed_up = victim_signs_up(&server, OWNERS);
    assert_eq!(signed_up.refused("user exists")["send_verification"], false);
    assert!(server.session_is_live(&session), "a sign-up alone takes nothing from whoever moved there");
    let verified = verifies(&server);
    assert_eq!(verified.done()["is_active"], true);
    assert!(!server.session_is_live(&session));
    nobody_gets_in_until_a_reset(&server);
}

#[test]
fn nor_does_it_in_another_order() {
    for how in ["moves away and back", "deletes and signs up", "an administrator verifies", "signs up twice"]
    {
        let server = TestServer::start();
        let (user_id, session) = stranger(&server);
        victim_signs_up(&server, OWNERS).refused("user exists");
        match how {
            "moves away and back" => {
                edits_self(&server, user_id, &session, "elsewhere@example.org").done();
                edits_self(&server, user_id, &session, VICTIM).done();
            }
            "deletes and signs up" => {
                server.ask("internal-user-delete", json!({ "target_userid": user_id })).done();
                victim_signs_up(&server, GOOD_PASSWORD).done();
            }
            "signs up twice" => {
                victim_signs_up(&server, GOOD_PASSWORD).refused("user exists");
            }
            _ => {}
        }
        if how == "an administrator verifies" {
            let edit = json!({ "target_userid": user_id, "update_dict": { "email_verified": true } });
            server.ask("internal-user-edit", edit).done();
        } else {
            verifies(&server).done();
        }
        nobody_gets_in_until_a_reset(&server);
    }
}

#[test]
fn whoever_moves_to_an_address_of_their_own_keeps_their_password() {
    let server = TestServer::start();
    let (_, session) = stranger(&server);
    logs_in(&server, GOOD_PASSWORD).done();
    victim_signs_up(&server, GOOD_PASSWORD).refused("user exists");
    verifies(&server).done();
    // Proven now: a later sign-up is nothing to it.
    victim_signs_up(&server, OWNERS).refused("user exists");
    verifies(&server).done();
    logs_in(&server, GOOD_PASSWORD).done();
    assert!(server.session_is_live(&session));
}

#[test]
fn an_address_that_an_administrator_gives_as_verified_is_proven() {
    let server = TestServer::start();
    let (_, user_id) = server.member("member");
    let update = json!({ "email": VICTIM, "email_verified": true });
    server.ask("internal-user-edit", json!({ "target_userid": user_id, "update_dict": update })).done();
    victim_signs_up(&server, OWNERS).refused("user exists");
    verifies(&server).done();
    logs_in(&server, GOOD_PASSWORD).done();
}

#[test]
fn a_sign_up_at_such_an_address_costs_what_every_sign_up_costs() {
    let server = TestServer::start();
    stranger(&server);
    for password in [OWNERS, GOOD_PASSWORD] {
        let before = server.commits();
        let (hashes, _) = server.hashes_of(|| victim_signs_up(&server, password));
        assert_eq!((hashes, server.commits() - before), (1, 1));
    }
}

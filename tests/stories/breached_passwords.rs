//! Leaked passwords: wherever somebody chooses one, and whoever knows of the leak.

use authnzerver::outbound::pwned::{Breach, BreachLookup, UnknownReason, password_sha1};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::{GOOD_PASSWORD, Reply, TestServer};

/// A password that breaks no other rule.
const LEAKED: &str = "quite-another-Passphrase-77";

/// Says the same of one password, and of every other that it has not leaked.
struct Source {
    says: Breach,
    asked: AtomicU64,
}

impl Source {
    fn who_says(says: Breach) -> Arc<Self> {
        Arc::new(Self { says, asked: AtomicU64::new(0) })
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl BreachLookup for Source {
    fn leaked(&self, hash: &[u8; 20]) -> Breach {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if hash == password_sha1(LEAKED.as_bytes()).expose() { self.says } else { Breach::NotFound }
    }
}

/// A server with one member, which asks this source from then on.
fn server_that_asks(source: &Arc<Source>, settings: &[(&str, &str)]) -> TestServer {
    let mut server = TestServer::start_with(settings);
    server.member("alice");
    server.app_mut().breached_passwords = Some(source.clone());
    server
}

/// Alice chooses this password in each way that there is, and somebody signs up with it.
fn choices(server: &TestServer, password: &str) -> [(&'static str, Reply); 6] {
    let alice = server.person("alice");
    let user_id = alice.logs_in().done()["user_id"].clone();
    let session_token = server.new_session(user_id.as_i64());
    let judged = json!({ "password": password, "email": "a@example.org", "full_name": "Somebody" });
    let change = json!({
        "user_id": user_id, "session_token": session_token, "full_name": alice.full_name, "email": alice.email,
        "current_password": GOOD_PASSWORD, "new_password": password,
    });
    let mut change_nosession = change.clone();
    change_nosession.as_object_mut().expect("an object").remove("session_token");
    let reset = json!({
        "email_address": alice.email, "new_password": password, "session_token": server.new_session(None),
    });
    let reset_nosession =
        json!({ "email_address": alice.email, "new_password": password, "required_active": true });
    let mut newcomer = server.person("newcomer");
    password.clone_into(&mut newcomer.password);
    [
        ("password is insecure or invalid", server.ask("user-validatepass", judged)),
        ("invalid password", newcomer.signs_up()),
        ("new password is insecure", server.ask("user-changepass", change)),
        ("new password is insecure", server.ask("user-changepass-nosession", change_nosession)),
        ("invalid password", server.ask("user-resetpass", reset)),
        ("invalid new password", server.ask("user-resetpass-nosession", reset_nosession)),
    ]
}

#[test]
fn nobody_may_choose_a_leaked_password_and_trying_to_changes_nothing() {
    for times in [None, Some(25)] {
        let source = Source::who_says(Breach::Found { times });
        let server = server_that_asks(&source, &[]);
        for (reason, reply) in choices(&server, LEAKED) {
            reply.refused(reason);
            let messages = reply.messages().join(" ");
            assert!(messages.contains("leak"), "{messages}");
        }
        assert_eq!(source.asked(), 6);
        server.person("alice").logs_in().done();
        assert!(!server.person("newcomer").logs_in().succeeded());
    }
}

#[test]
fn a_password_that_leaked_less_often_than_the_policy_minds_is_taken() {
    let judge = |times: u64, policy: &str| {
        let server = server_that_asks(
            &Source::who_says(Breach::Found { times: Some(times) }),
            &[("PASSPOLICY", policy)],
        );
        let body = json!({ "password": LEAKED, "email": "a@example.org", "full_name": "Somebody" });
        server.ask("user-validatepass", body).succeeded()
    };
    let policy = "min_pass_length:12; max_unsafe_similarity:50; max_char_frequency:0.3; min_pwned_matches:3";
    assert!(judge(2, policy) && !judge(3, policy));
    assert!(!judge(1, "nist"), "any leak counts");
}

#[test]
fn while_nobody_can_tell_the_operator_has_decided_what_happens() {
    for (setting, is_taken) in [("open", true), ("closed", false)] {
        let source = Source::who_says(Breach::Unknown(UnknownReason::TimedOut));
        let server = server_that_asks(&source, &[("PWNEDFAIL", setting)]);
        let body = json!({ "password": LEAKED, "email": "a@example.org", "full_name": "Somebody" });
        let judged = server.ask("user-validatepass", body);
        assert_eq!(judged.succeeded(), is_taken, "{setting}: {judged:?}");
        if !is_taken {
            for (reason, reply) in choices(&server, LEAKED) {
                reply.refused(reason);
                assert!(reply.messages().join(" ").contains("try again later"), "{reply:?}");
            }
            server.person("alice").logs_in().done();
        }
    }
}

#[test]
fn what_another_rule_refuses_is_looked_up_nowhere() {
    let source = Source::who_says(Breach::NotFound);
    let server = server_that_asks(&source, &[]);
    for (reason, reply) in choices(&server, "123456") {
        reply.refused(reason);
    }
    assert_eq!(source.asked(), 0);
}

#[test]
fn a_reset_looks_leaks_up_whether_or_not_there_is_such_an_account() {
    let source = Source::who_says(Breach::Found { times: None });
    let server = server_that_asks(&source, &[]);
    for (email, reason) in
        [("alice@example.org", "invalid password"), ("nobody@example.org", "user does not exist")]
    {
        let session = server.new_session(None);
        let body = json!({ "email_address": email, "new_password": LEAKED, "session_token": session });
        server.ask("user-resetpass", body).refused(reason);
    }
    assert_eq!(source.asked(), 2);
    server.person("alice").logs_in().done();
}

/// A service that never answers. More passwords are looked up at once than there is room for.
#[test]
fn a_silent_service_holds_nobody_up_for_longer_than_one_lookup_may_take() {
    for (setting, is_taken) in [("open", true), ("closed", false)] {
        let silent = Arc::new(Silent::default());
        let mut server = TestServer::start_with(&[("PWNEDFAIL", setting)]);
        server.app_mut().breached_passwords = Some(silent.clone());
        let turn = silent.0.lock().expect("no test panicked");
        let body = json!({ "password": LEAKED, "email": "a@example.org", "full_name": "Somebody" });
        std::thread::scope(|scope| {
            let judged: Vec<_> =
                (0..90).map(|_| scope.spawn(|| server.ask("user-validatepass", body.clone()))).collect();
            for judged in judged {
                let reply = judged.join().expect("was answered");
                assert_eq!(reply.succeeded(), is_taken, "{setting}: {reply:?}");
                assert!(matches!(reply, Reply::Answered(_)), "{reply:?}");
            }
        });
        drop(turn);
    }
}

#[derive(Default)]
struct Silent(std::sync::Mutex<()>);

impl BreachLookup for Silent {
    fn leaked(&self, _: &[u8; 20]) -> Breach {
        drop(self.0.lock());
        Breach::NotFound
    }
}

#[test]
fn what_is_known_here_is_refused_also_while_the_service_is_silent() {
    struct FileThenSilent(Silent);

    impl BreachLookup for FileThenSilent {
        fn leaked(&self, hash: &[u8; 20]) -> Breach {
            self.0.leaked(hash)
        }

        fn leaked_here(&self, _: &[u8; 20]) -> Option<Breach> {
            Some(Breach::Found { times: None })
        }
    }

    let breached_passwords = Arc::new(FileThenSilent(Silent::default()));
    let mut server = TestServer::start();
    server.app_mut().breached_passwords = Some(breached_passwords.clone());
    let _turn = breached_passwords.0.0.lock().expect("no test panicked");
    let body = json!({ "password": LEAKED, "email": "a@example.org", "full_name": "Somebody" });
    server.ask("user-validatepass", body).refused("password is insecure or invalid");
}

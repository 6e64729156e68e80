//! Limits: what is admitted, what is not, and for how long.

use super::*;

const CLIENT: &str = "192.0.2.7";

/// The client at this address.
fn from(client: &str) -> ClientAddress {
    ClientAddress::from_frontend(client)
}

fn limiter(limits: &str) -> Limiter {
    Limiter::new(RateLimits::parse(limits).expect("good limits"))
}

fn at_seconds(seconds: f64) -> Duration {
    Duration::from_secs(1_000_000) + Duration::from_secs_f64(seconds)
}

/// How many of so many requests in the same instant are admitted.
fn admitted(limiter: &Limiter, name: &str, builtin: Option<u32>, requests: usize, now: Duration) -> usize {
    (0..requests)
        .filter(|_| limiter.admit(name, builtin, &from(CLIENT), None, now) == Admission::Admitted)
        .count()
}

#[test]
fn a_burst_passes_and_the_rest_does_not() {
    let limiter = limiter("session:120;burst:150");
    assert_eq!(admitted(&limiter, "session-new", None, 300, at_seconds(0.0)), 150);
}

#[test]
fn a_limit_of_the_request_itself_allows_no_burst() {
    assert_eq!(admitted(&limiter("user-list:10"), "user-list", None, 300, at_seconds(0.0)), 10);
    assert_eq!(admitted(&limiter(""), "user-new", Some(5), 300, at_seconds(0.0)), 5);
}

#[test]
fn a_setting_overrides_what_is_built_in() {
    assert_eq!(admitted(&limiter("user-new:50"), "user-new", Some(5), 300, at_seconds(0.0)), 50);
    assert_eq!(admitted(&limiter("user-new:2"), "user-new", Some(5), 300, at_seconds(0.0)), 2);
}

#[test]
fn each_group_has_its_limit() {
    for (name, per_minute) in [
        ("user-lookup", 120),
        ("session-exists", 180),
        ("apikey-healthcheck", 240),
        ("internal-user-lock", 3000),
        ("no-such-request", 60),
    ] {
        let limiter = limiter("user:120;session:180;apikey:240;ipaddr:60;burst:1");
        // At a little less than the limit everything passes; at a little more the second is too early already.
        let gap = 60.0 / f64::from(per_minute);
        for step in 0..20 {
            let admission =
                limiter.admit(name, None, &from(CLIENT), None, at_seconds(gap * 1.01 * f64::from(step)));
            assert_eq!(admission, Admission::Admitted, "{name}, request {step}");
        }
        let eager = Limiter::new(limiter.limits().clone());
        assert_eq!(admitted(&eager, name, None, 1, at_seconds(0.0)), 1);
        assert_eq!(admitted(&eager, name, None, 1, at_seconds(gap * 0.99)), 0, "{name}");
    }
}

#[test]
fn the_count_starts_anew_after_a_minute() {
    let limiter = limiter("");
    assert_eq!(admitted(&limiter, "user-new", Some(5), 300, at_seconds(0.0)), 5);
    assert_eq!(admitted(&limiter, "user-new", Some(5), 300, at_seconds(59.9)), 0);
    assert_eq!(admitted(&limiter, "user-new", Some(5), 300, at_seconds(60.0)), 5);
    // An old key has not saved up a right to more.
    assert_eq!(admitted(&limiter, "user-new", Some(5), 300, at_seconds(86_400.0)), 5);
}

#[test]
fn clients_and_requests_are_counted_apart() {
    let limiter = limiter("user-list:1;user-edit:1");
    let now = at_seconds(0.0);
    for (name, client) in [("user-list", "192.0.2.7"), ("user-list", "192.0.2.8"), ("user-edit", "192.0.2.7")]
    {
        assert_eq!(
            limiter.admit(name, None, &from(client), None, now),
            Admission::Admitted,
            "{name} {client}"
        );
    }
    assert_ne!(limiter.admit("user-list", None, &from("::ffff:192.0.2.7"), None, now), Admission::Admitted);
}

#[test]
fn an_email_address_is_counted_over_all_clients() {
    let limiter = limiter("");
    let send = |client: &str, email: &str| {
        let now = at_seconds(0.0);
        limiter.admit("user-sendemail-signup", Some(2), &from(client), Some(email), now)
            == Admission::Admitted
    };
    assert!(send("192.0.2.1", "alice@example.org"));
    assert!(send("192.0.2.2", " Alice@Example.ORG "));
    assert!(!send("192.0.2.3", "alice@example.org"));
    assert!(send("192.0.2.4", "bob@example.org"));
}

#[test]
fn an_email_address_is_counted_only_where_the_request_is_about_it() {
    let limiter = limiter("");
    for host in 0..20 {
        let client = format!("192.0.2.{host}");
        let admission =
            limiter.admit("user-login", Some(10), &from(&client), Some("alice@example.org"), at_seconds(0.0));
        assert_eq!(admission, Admission::Admitted);
    }
    assert!(is_tied_to_email("user-set-emailverified") && !is_tied_to_email("user-login"));
}

#[test]
fn a_setting_counts_for_email_addresses_too() {
    for (limits, builtin, expected) in [
        ("user-lookup-email:3", None, 3),
        ("user-lookup-email:3", Some(2), 3),
        ("user:7", None, 7),
        ("", Some(2), 2),
    ] {
        let limiter = limiter(limits);
        let passed = (0..100)
            .map(|host| format!("192.0.2.{host}"))
            .filter(|client| {
                let email = Some("alice@example.org");
                let now = at_seconds(0.0);
                limiter.admit("user-lookup-email", builtin, &from(client), email, now) == Admission::Admitted
            })
            .count();
        assert_eq!(passed, expected, "{limits} {builtin:?}");
    }
}

#[test]
fn a_client_and_an_email_address_of_the_same_text_are_two() {
    let limiter = limiter("user-lookup-email:1");
    let now = at_seconds(0.0);
    let ask = |client, email| limiter.admit("user-lookup-email", None, &from(client), Some(email), now);
    assert_eq!(ask("alice", "bob"), Admission::Admitted);
    assert_eq!(ask("bob", "alice"), Admission::Admitted);
    assert_ne!(ask("alice", "carol"), Admission::Admitted);
}

#[test]
fn none_admits_everything() {
    assert_eq!(admitted(&limiter("none"), "user-new", Some(5), 1000, at_seconds(0.0)), 1000);
}

#[test]
fn the_wait_that_is_told_is_the_wait_that_helps() {
    let mut random = fastrand::Rng::with_seed(77);
    let mut refusals = 0;
    for _ in 0..3000 {
        let limits = format!(
            "user:{};burst:{};user-list:{}",
            random.u32(1..200),
            random.u32(1..100),
            random.u32(1..100)
        );
        let name = random.choice(["user-list", "user-lookup", "user-lookup-email"]).expect("a name");
        let email = Some("alice@example.org");
        let requests = random.usize(1..150);
        let moments: Vec<f64> = (0..requests).map(|_| random.f64() * 70.0).collect();
        let replay = |extra_seconds: u64| {
            let limiter = limiter(&limits);
            let mut now = 0.0_f64;
            let mut last = Admission::Admitted;
            for step in &moments {
                now += step / requests as f64;
                last = limiter.admit(name, None, &from(CLIENT), email, at_seconds(now));
            }
            let next = at_seconds(now) + Duration::from_secs(extra_seconds);
            (last, limiter.admit(name, None, &from(CLIENT), email, next))
        };
        let (Admission::Limited { retry_after_seconds }, _) = replay(0) else {
            continue;
        };
        refusals += 1;
        assert!((1..=60).contains(&retry_after_seconds), "{retry_after_seconds}");
        assert_eq!(replay(retry_after_seconds).1, Admission::Admitted, "{limits} {name}");
        if retry_after_seconds > 1 {
            assert_ne!(replay(retry_after_seconds - 1).1, Admission::Admitted, "{limits} {name}");
        }
    }
    assert!(refusals > 300, "only {refusals} refusals were looked at");
}

#[test]
fn the_wait_respects_both_counts() {
    let limiter = limiter("user-lookup-email:2");
    let ask = |client, seconds| {
        limiter.admit(
            "user-lookup-email",
            None,
            &from(client),
            Some("alice@example.org"),
            at_seconds(seconds),
        )
    };
    assert_eq!(ask("192.0.2.1", 0.0), Admission::Admitted);
    assert_eq!(ask("192.0.2.2", 50.0), Admission::Admitted);
    // The count for Alice ends after 10 seconds, but by then this client has used up its own.
    assert_eq!(ask("192.0.2.2", 50.0), Admission::Limited { retry_after_seconds: 60 });
    // The count of the other client ends together with that for Alice.
    assert_eq!(ask("192.0.2.1", 50.0), Admission::Limited { retry_after_seconds: 10 });
}

#[test]
fn the_table_stays_small_and_forgets_the_longest_unused() {
    let limiter = limiter("user-list:1");
    let now = at_seconds(0.0);
    assert_eq!(admitted(&limiter, "user-list", None, 1, now), 1);
    for flood in 0..2 * COUNTERS_MAX {
        let client = format!("client {flood}");
        assert_eq!(limiter.admit("user-list", None, &from(&client), None, now), Admission::Admitted);
        if flood % 1000 == 0 {
            assert_eq!(admitted(&limiter, "user-list", None, 1, now), 0, "still known after {flood} others");
        }
    }
    assert_eq!(limiter.counters.lock().expect("no thread panicked").len(), COUNTERS_MAX);
    assert_eq!(limiter.admit("user-list", None, &from("client 0"), None, now), Admission::Admitted);
}

#[test]
fn hostile_texts_are_just_other_clients() {
    let limiter = limiter("user-list:1");
    let huge = "x".repeat(1 << 20);
    for client in ["", "\0", "a-b", huge.as_str()] {
        assert_eq!(
            limiter.admit("user-list", None, &from(client), None, at_seconds(0.0)),
            Admission::Admitted
        );
        assert_ne!(
            limiter.admit("user-list", None, &from(client), None, at_seconds(0.0)),
            Admission::Admitted
        );
    }
}

#[test]
fn a_clock_read_late_does_no_harm() {
    let limiter = limiter("session:120;burst:150");
    assert_eq!(admitted(&limiter, "session-new", None, 100, at_seconds(5.0)), 100);
    assert_eq!(admitted(&limiter, "session-new", None, 100, at_seconds(4.9)), 50);
}

#[test]
fn many_threads_get_no_more_than_one() {
    let limiter = limiter("user-list:100");
    let passed: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| admitted(&limiter, "user-list", None, 100, at_seconds(0.0))))
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no thread panicked")).sum()
    });
    assert_eq!(passed, 100);
}

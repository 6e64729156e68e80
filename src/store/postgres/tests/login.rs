//! How a connection is made: who proves what to whom.

use super::super::pool::Pool;
use super::super::target::Target;
use crate::clock::SystemClock;
use crate::rng::SeededRng;
use std::sync::Arc;

/// The URL of the same server over TCP and TLS, for a user with the password `open sesame`.
const TLS_VARIABLE: &str = "TEST_POSTGRES_TLS";

fn log_in(url: &str) -> Result<(), String> {
    let target = Target::parse(url).map_err(|problem| problem.to_string())?;
    let pool = Pool::new(target, Arc::new(SystemClock::new()), Arc::new(SeededRng::new(7)));
    pool.map_err(|error| error.to_string())?.lend().map(drop).map_err(|error| error.to_string())
}

#[test]
fn over_tls_both_sides_prove_themselves() {
    let Ok(url) = std::env::var(TLS_VARIABLE) else { return };
    log_in(&url).expect("the password is right, and bound to the certificate");
    let wrong = log_in(&url.replace("sesame", "says-me")).expect_err("the password is wrong");
    assert!(wrong.contains("refuses the user or the password"), "{wrong}");
    let none = log_in(&url.replace(":open%20sesame", "")).expect_err("there is no password");
    assert!(none.contains("wants a password"), "{none}");
    let (others, _) = url.split_once("&sslrootcert").expect("names its roots");
    let unknown = log_in(others).expect_err("nobody vouches for it");
    assert!(unknown.contains("certificate is refused"), "{unknown}");
    let unnamed =
        log_in(&url.replace("@localhost", "@127.0.0.1")).expect_err("its certificate is for a name");
    assert!(unnamed.contains("certificate is refused"), "{unnamed}");
    let first = url.replace("@localhost", "@localhost:1,localhost");
    log_in(&first).expect("the second host is asked when the first one does not answer");
}

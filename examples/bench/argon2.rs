//! Times our way to hash a password beside another implementation, in turn and in one process, so that whatever else
//! the machine does meets both. This one part looks at the program's own code and not at the wire.

use crate::{Options, Outcome, now};
use authnzerver::clock::SystemClock;
use authnzerver::guard::password::{Argon2Cost, Asker, HashLimits, Hasher, HasherSettings};
use authnzerver::guard::secret::{Password, PasswordForm};
use authnzerver::rng::OsRng;
use std::sync::Arc;
use std::time::Duration;

const PASSWORD: &str = "aROwQin9L8nNtPTEMLXd";
const SALT: &[u8] = b"sixteen bytes it";
/// Computations of each in a round.
const IN_A_ROUND: usize = 5;

/// Measures and prints.
pub fn run(options: &Options) -> Outcome<()> {
    let cost = Argon2Cost::default();
    let settings = HasherSettings {
        cost,
        form: PasswordForm::AsTyped,
        ceilings: HashLimits::default(),
        threads: 1,
        places: None,
        memory_free: || u64::MAX,
    };
    let hasher = Hasher::start(&settings, Arc::new(OsRng), Arc::new(SystemClock::new()));
    let hasher = hasher.map_err(|error| error.to_string())?;
    let password = Password::from(PASSWORD);
    let config = reference_argon2::Config {
        hash_length: 32,
        lanes: cost.lanes(),
        mem_cost: cost.memory_kib(),
        time_cost: cost.passes(),
        variant: reference_argon2::Variant::Argon2id,
        version: reference_argon2::Version::Version13,
        ..reference_argon2::Config::default()
    };
    let ours = || hasher.hash(&Asker::server(), &password).map(drop).map_err(|error| error.to_string());
    let theirs = || {
        let tag = reference_argon2::hash_raw(PASSWORD.as_bytes(), SALT, &config);
        tag.map(drop).map_err(|error| error.to_string())
    };
    // The first of each touches its memory.
    ours()?;
    theirs()?;
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds * IN_A_ROUND {
        our_times.push(time_of(ours)?);
        their_times.push(time_of(theirs)?);
    }
    let (our_median, their_median) = (median(our_times), median(their_times));
    let ratio = our_median.as_secs_f64() / their_median.as_secs_f64();
    println!("one hash of {cost}, median of {}, in turn:", options.rounds * IN_A_ROUND);
    println!("  ours, in the hashing thread's arena  {:8.1} ms", our_median.as_secs_f64() * 1000.0);
    println!("  rust-argon2                          {:8.1} ms", their_median.as_secs_f64() * 1000.0);
    println!("  ours takes {ratio:.2} of its time");
    Ok(())
}

fn time_of(work: impl Fn() -> Outcome<()>) -> Outcome<Duration> {
    let begun = now();
    work()?;
    Ok(now().duration_since(begun))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let times = [9, 1, 5].map(Duration::from_millis).to_vec();
        assert_eq!(median(times), Duration::from_millis(5));
        assert_eq!(median(Vec::new()), Duration::ZERO);
    }
}

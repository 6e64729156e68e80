//! `authnzerver calibrate`: how many logins a second this machine makes, and what hashing parameters fit it.

use super::command::{Arguments, CommandError, Context, EXIT_DONE};
use super::output::{Style, Table, show};
use crate::clock::Clock;
use crate::config;
use crate::guard::password::{Argon2Cost, Asker, HashLimits, Hasher, HasherSettings};
use crate::guard::secret::{Password, PasswordForm};
use crate::rng::OsRng;
use crate::server::memory::{self, Wanted};
use serde_json::{Value, json};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// So long each kind of hash is measured.
const MEASURING: Duration = Duration::from_secs(2);
/// So often at least, however long it takes.
const HASHES_MIN: u32 = 3;
/// The passes with which a hash can be strong although it takes less memory; more gain nothing.
const PASSES_MAX_IN_LITTLE_MEMORY: u32 = 5;
const TARGET_MILLIS_MAX: u32 = 60_000;
const MEMORY_MIB_MAX: u32 = 1024 * 1024;

/// What one kind of hash costs on this machine.
struct Measured {
    cost: Argon2Cost,
    threads: usize,
    /// From the beginning of one to its end, while all threads hash.
    each: Duration,
    per_second: f64,
}

/// Measures what the settings say and, if it has a target, what meets it.
///
/// # Errors
/// A wrong setting, a target that nothing strong enough meets, or too little memory.
pub fn run(arguments: &Arguments, context: &mut Context<'_, '_>) -> Result<u8, CommandError> {
    let target = number(arguments, "target", TARGET_MILLIS_MAX)?;
    let memory_mib = number(arguments, "memory", MEMORY_MIB_MAX)?;
    let settings = config::load_hashing(&arguments.invocation, context.environment);
    let (mut cost, threads) = settings.map_err(CommandError::usage)?;
    if let Some(mib) = memory_mib {
        cost = strong(mib * 1024, cost.passes(), cost.lanes())
            .ok_or_else(|| CommandError::refused("with so little memory, hashes would be too weak"))?;
    }
    let now = measure(cost, threads, context.parts.clock)?;
    let mut table = Table::of_pairs();
    now.tell(&mut table);
    let mut document = json!({ "measured": now.document() });
    if let Some(millis) = target {
        let target = Duration::from_millis(millis.into());
        let found = measure(fit(&now, target)?, threads, context.parts.clock)?;
        table.pair("", "");
        table.pair("target", format!("{millis} ms"));
        found.tell(&mut table);
        table.pair("to have it", format!("AUTHNZERVER_ARGON2={}", found.cost));
        document["suggested"] = found.document();
    }
    let text = table.text(Style::of(context));
    show(arguments, context, &document, &text);
    Ok(EXIT_DONE)
}

fn number(arguments: &Arguments, name: &str, max: u32) -> Result<Option<u32>, CommandError> {
    let Some(text) = arguments.option(name) else { return Ok(None) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number
        .map(Some)
        .ok_or_else(|| CommandError::cannot_tell(format!("--{name} takes a number from 1 to {max}")))
}

fn strong(memory_kib: u32, passes: u32, lanes: u32) -> Option<Argon2Cost> {
    Argon2Cost::parse(&format!("m={memory_kib},t={passes},p={lanes}"), false).ok()
}

/// The strongest hash that takes no longer than this: in the same memory if that can be, else in as much as can be.
fn fit(measured: &Measured, target: Duration) -> Result<Argon2Cost, CommandError> {
    let cost = measured.cost;
    let work = f64::from(cost.memory_kib()) * f64::from(cost.passes());
    // Time grows with memory and with passes.
    let affordable = work * target.as_secs_f64() / measured.each.as_secs_f64();
    let whole = |number: f64| format!("{:.0}", number.floor()).parse().unwrap_or(u32::MAX);
    let passes = whole(affordable / f64::from(cost.memory_kib()));
    let in_the_same_memory = strong(cost.memory_kib(), passes, cost.lanes());
    let in_less = (1..=PASSES_MAX_IN_LITTLE_MEMORY)
        .filter_map(|passes| strong(whole(affordable / f64::from(passes)), passes, cost.lanes()));
    in_the_same_memory.into_iter().chain(in_less).next().ok_or_else(|| {
        CommandError::refused(format!(
            "no hash that is strong enough takes only {} ms here; a longer --target is needed",
            target.as_millis()
        ))
    })
}

fn measure(
    cost: Argon2Cost,
    threads: Option<usize>,
    clock: &Arc<dyn Clock>,
) -> Result<Measured, CommandError> {
    let wanted = Wanted {
        pages_bytes: 0,
        mapped_bytes: 0,
        threads,
        cores: thread::available_parallelism().map_or(1, usize::from),
        arena_bytes: u64::from(cost.memory_kib()) * 1024,
        connections: 0,
        stack_bytes: 0,
        body_bytes: 0,
        bodies_bytes: 0,
        tls: false,
    };
    let plan = memory::plan(memory::room(), &wanted)
        .map_err(|problem| CommandError::refused(problem.to_string()))?;
    let settings = HasherSettings {
        cost,
        form: PasswordForm::AsTyped,
        ceilings: HashLimits { memory_kib: u32::MAX, passes: u32::MAX, lanes: u32::MAX },
        threads: plan.threads,
        places: Some(plan.threads),
        memory_free: || u64::MAX,
    };
    let hasher = Hasher::start(&settings, Arc::new(OsRng), Arc::clone(clock));
    let hasher = hasher.map_err(|error| CommandError::refused(error.to_string()))?;
    let password = Password::from("a password of the usual length");
    let hash = || {
        let done = hasher.hash(&Asker::server(), &password);
        done.map(drop).map_err(|busy| CommandError::refused(busy.to_string()))
    };
    let in_turn = || {
        // The first one has to be given its memory.
        hash()?;
        let begun = clock.monotonic();
        let mut count = 0;
        while count < HASHES_MIN || clock.monotonic().saturating_sub(begun) < MEASURING {
            hash()?;
            count += 1;
        }
        Ok(clock.monotonic().saturating_sub(begun) / count)
    };
    let each: Result<Vec<Duration>, CommandError> = thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads).map(|_| scope.spawn(in_turn)).collect();
        workers
            .into_iter()
            .map(|worker| {
                worker.join().unwrap_or_else(|_| Err(CommandError::refused("a measuring thread broke down")))
            })
            .collect()
    });
    let each = each?;
    let per_second = each.iter().map(|time| 1.0 / time.as_secs_f64()).sum();
    let mean = each.iter().sum::<Duration>() / u32::try_from(each.len()).unwrap_or(1).max(1);
    Ok(Measured { cost, threads: plan.threads, each: mean, per_second })
}

impl Measured {
    fn tell(&self, table: &mut Table) {
        table.pair("argon2", self.cost.to_string());
        table.pair("threads", format!("{}, with {} MiB each", self.threads, self.cost.memory_kib() / 1024));
        table.pair("one hash", format!("{} ms", self.each.as_millis()));
        table.pair("logins a second", format!("{:.1}", self.per_second));
    }

    fn document(&self) -> Value {
        json!({
            "argon2": self.cost.to_string(),
            "threads": self.threads,
            "kib_each": self.cost.memory_kib(),
            "milliseconds": self.each.as_secs_f64() * 1000.0,
            "logins_per_second": self.per_second,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cost: &str, millis: u64) -> Measured {
        let cost = Argon2Cost::parse(cost, false).expect("a strong cost");
        Measured { cost, threads: 2, each: Duration::from_millis(millis), per_second: 1.0 }
    }

    fn fitting(millis: u64) -> String {
        let found = fit(&measured("m=65536,t=3,p=4", 300), Duration::from_millis(millis));
        found.map_or_else(|error| error.problems.join(" "), |cost| cost.to_string())
    }

    #[test]
    fn more_time_is_more_passes_and_less_is_fewer_then_less_memory() {
        assert_eq!(fitting(300), "m=65536,t=3,p=4");
        assert_eq!(fitting(599), "m=65536,t=5,p=4");
        assert_eq!(fitting(100), "m=65536,t=1,p=4");
        assert_eq!(fitting(75), "m=49152,t=1,p=4");
        assert_eq!(fitting(60), "m=19660,t=2,p=4", "one pass in 39 MB would be too weak");
        assert_eq!(fitting(55), "m=7208,t=5,p=4");
        assert!(fitting(54).contains("a longer --target is needed"));
    }
}

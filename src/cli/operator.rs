//! Who types a command, by the name that the system knows them by.

use super::output::printable;
use crate::accounts::actor::Operator;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The number that Linux gives as nobody's.
const NOBODY_LOGGED_IN: u32 = u32::MAX;
/// Characters of a login name that are kept.
const NAME_CHARACTERS_MAX: usize = 64;

/// Who types a command here. What the kernel remembers of the login counts: it outlives `sudo` and `su`, and nobody sets
/// it like a variable. Without that, as in containers, it is the user that the process runs as.
#[must_use]
pub fn operator() -> Operator {
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let runs_as = std::fs::metadata("/proc/self").map(|metadata| metadata.uid()).ok();
    let name = name_of(&read("/proc/self/loginuid"), runs_as, &read("/etc/passwd"));
    Operator { login: printable(&name, NAME_CHARACTERS_MAX) }
}

fn name_of(login: &str, runs_as: Option<u32>, users: &str) -> String {
    let login = login.trim().parse().ok().filter(|number| *number != NOBODY_LOGGED_IN);
    let Some(number) = login.or(runs_as) else { return "unknown".to_owned() };
    let named = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(number) && !name.is_empty()).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("user {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:5:\nalice:x:1000:1000::/home/alice:/bin/sh\n";

    #[test]
    fn the_login_counts_and_otherwise_the_process() {
        assert_eq!(name_of("1000\n", Some(0), USERS), "alice");
        assert_eq!(name_of("4294967295", Some(0), USERS), "root");
        assert_eq!(name_of("", Some(1000), USERS), "alice");
        assert_eq!(name_of("", Some(77), USERS), "user 77");
        assert_eq!(name_of("", Some(5), USERS), "user 5");
        assert_eq!(name_of("", None, USERS), "unknown");
    }
}

//! How many threads may hash at once on this machine.

use super::Argon2Cost;
use std::fs;
use std::path::Path;

/// More threads than this are not taken unasked: the processor has other work too.
const THREADS_MAX: usize = 4;

/// Hashing may take this part of the available memory at most.
const MEMORY_SHARE: u64 = 2;

const KIB: u64 = 1024;

/// The number of hashing threads for a machine: one for each core, up to four, as long as all of them together
/// fit in half of the available memory; never less than one.
#[must_use]
pub fn threads_for(cores: usize, memory_available_bytes: u64, cost: &Argon2Cost) -> usize {
    let thread_bytes = u64::from(cost.memory_kib()) * KIB;
    let fitting = memory_available_bytes / MEMORY_SHARE / thread_bytes;
    usize::try_from(fitting).unwrap_or(usize::MAX).min(cores).clamp(1, THREADS_MAX)
}

/// The memory that this process may still take: what the machine has available, or the limit of its control group
/// or of one around it if that is less. Zero where the system does not tell.
#[must_use]
pub fn memory_available_bytes() -> u64 {
    let available =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_in(&text)).unwrap_or(0);
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(Path::new("/sys/fs/cgroup"), &group);
    limit.map_or(available, |limit| limit.min(available))
}

/// The line `MemAvailable:   12345 kB`.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(KIB)
}

/// The lowest memory limit on the way from the process's group, which the line `0::/some/path` names, up to the
/// root of the hierarchy.
fn group_limit(root: &Path, group: &str) -> Option<u64> {
    let path = group.lines().find_map(|line| line.strip_prefix("0::/"))?;
    root.join(path)
        .ancestors()
        .take_while(|directory| directory.starts_with(root))
        .filter_map(|directory| fs::read_to_string(directory.join("memory.max")).ok()?.trim().parse().ok())
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = KIB * KIB;

    #[test]
    fn takes_a_thread_for_each_core_if_memory_allows() {
        let cost = Argon2Cost::default(); // 64 MiB
        for (cores, memory_mib, threads) in [
            (1, 8192, 1),
            (2, 8192, 2),
            (4, 8192, 4),
            (64, 8192, 4),
            (4, 512, 4),
            (4, 511, 3),
            (4, 256, 2),
            (4, 255, 1),
            (4, 0, 1),
            (0, 8192, 1),
        ] {
            assert_eq!(
                threads_for(cores, memory_mib * MIB, &cost),
                threads,
                "{cores} cores, {memory_mib} MiB"
            );
        }
        assert_eq!(threads_for(usize::MAX, u64::MAX, &cost), 4);
    }

    #[test]
    fn finds_the_available_memory() {
        let meminfo = "MemTotal:       24683444 kB\nMemFree:        22874000 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(available_in(meminfo), Some(MIB));
        for broken in ["", "MemAvailable: x kB", "MemAvailable: 5", "MemAvailable: 99999999999999999999 kB"] {
            assert_eq!(available_in(broken), None, "{broken}");
        }
    }

    #[test]
    fn the_lowest_limit_around_the_process_counts() {
        let root = std::env::temp_dir().join(format!("authnzerver-capacity-{}", std::process::id()));
        let service = root.join("system.slice/authnzerver.service");
        fs::create_dir_all(&service).expect("a directory for the test");
        let limit = |directory: &Path, text: &str| {
            fs::write(directory.join("memory.max"), text).expect("a file for the test");
        };
        let group = "1:name=systemd:/elsewhere\n0::/system.slice/authnzerver.service\n";

        assert_eq!(group_limit(&root, group), None);
        limit(&service, "max\n");
        assert_eq!(group_limit(&root, group), None);
        limit(&root.join("system.slice"), "2000\n");
        assert_eq!(group_limit(&root, group), Some(2000));
        limit(&service, "1000\n");
        assert_eq!(group_limit(&root, group), Some(1000));
        limit(&root, "500\n");
        assert_eq!(group_limit(&root, group), Some(500));
        assert_eq!(group_limit(&root, "0::/\n"), Some(500));
        assert_eq!(group_limit(&root, ""), None);
        fs::remove_dir_all(&root).expect("the directory of the test");
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(memory_available_bytes() > 0);
    }
}

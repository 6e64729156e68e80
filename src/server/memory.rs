//! How much memory this process may take, and how it is shared out at the start: to the hashing threads, each with its
//! arena, and to connections. What does not fit is reported then, rather than by the kernel killing a busy process.
//!
//! Two things run out separately: what is really used, which the machine and control groups limit, and addresses,
//! which a limit of the process itself does (`ulimit -v`). A coroutine's stack takes many of these and uses few.

use crate::problem::Loggable;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The most hashing threads that are started by default: the processor has other work too.
const THREADS_AUTO_MAX: usize = 4;
/// Hashing gets this part of the memory at most, unless the operator said how many threads.
const HASHING_SHARE: u64 = 2;
/// What everything else takes as the server gets busy: the database's pages, queues, answers being made.
const BASE_BYTES: u64 = 24 * MIB;
/// What a connection uses at most while its request arrives: a head, a small body, and the touched part of its stack.
/// Measured with heads that are sent but for their last bytes.
const CONNECTION_BYTES: u64 = 40 * KIB;
/// Addresses of a connection beside its stack.
const CONNECTION_ADDRESS_BYTES: u64 = 128 * KIB;
/// Addresses of everything else: stacks of threads, and what the allocators reserve before it is used.
const BASE_ADDRESS_BYTES: u64 = 192 * MIB;
/// Behind TLS, a client has a connection inside and two more coroutines that carry bytes.
const TLS_FACTOR: u64 = 3;
/// Large bodies get this part of what connections could have, and at least what one of them takes.
const BODIES_SHARE: u64 = 4;
/// With fewer connections than this, the server does not start.
const CONNECTIONS_MIN: u64 = 16;

/// What this process may still take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that can really be used.
    pub bytes: u64,
    /// Bytes of addresses.
    pub address_bytes: u64,
}

/// What the operator wants to have room for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// What the database's pages and kept rows take beyond what is usual.
    pub pages_bytes: u64,
    /// Addresses under which the database's file is mapped.
    pub mapped_bytes: u64,
    /// Hashing threads; none to choose as many as fit.
    pub threads: Option<usize>,
    /// Processor cores.
    pub cores: usize,
    /// The memory of one hashing thread.
    pub arena_bytes: u64,
    /// Connections.
    pub connections: usize,
    /// The stack of one coroutine.
    pub stack_bytes: u64,
    /// The largest body.
    pub body_bytes: u64,
    /// What all large bodies take together.
    pub bodies_bytes: u64,
    /// Whether clients come over TLS.
    pub tls: bool,
}

/// How the memory is shared out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Hashing threads.
    pub threads: usize,
    /// Connections.
    pub connections: usize,
    /// What all large bodies may take together.
    pub bodies_bytes: u64,
}

/// Not even the smallest server fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLittle {
    needed_bytes: u64,
    room_bytes: u64,
    /// Whether addresses are what is short.
    addresses: bool,
}

impl Loggable for TooLittle {}

impl fmt::Display for TooLittle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, limit) = if self.addresses {
            ("address space", "`ulimit -v`, or LimitAS in the unit")
        } else {
            ("memory", "MemoryMax in the unit, or the container's limit")
        };
        let (needed, room) = (self.needed_bytes.div_ceil(MIB), self.room_bytes / MIB);
        write!(
            out,
            "too little {what}: the database's pages, one hashing thread and {CONNECTIONS_MIN} connections take {needed} MiB, \
             and {room} MiB are left ({limit}); give more, or lower argon2, cachesize or mmapsize"
        )
    }
}

impl std::error::Error for TooLittle {}

/// Shares out the memory: first to the hashing threads, then to connections.
///
/// # Errors
/// If there is not enough for one thread and a few connections.
pub fn plan(room: Room, wanted: &Wanted) -> Result<Plan, TooLittle> {
    let factor = if wanted.tls { TLS_FACTOR } else { 1 };
    let used = Kind {
        room: room.bytes,
        base: BASE_BYTES.saturating_add(wanted.pages_bytes),
        arena: wanted.arena_bytes,
        connection: CONNECTION_BYTES * factor,
        addresses: false,
    };
    let addresses = Kind {
        room: room.address_bytes,
        base: BASE_ADDRESS_BYTES.saturating_add(wanted.pages_bytes).saturating_add(wanted.mapped_bytes),
        arena: wanted.arena_bytes,
        connection: (wanted.stack_bytes + CONNECTION_ADDRESS_BYTES) * factor,
        addresses: true,
    };
    let kinds = [used, addresses];
    for kind in &kinds {
        kind.holds_the_least()?;
    }
    let most = |number: &dyn Fn(&Kind) -> u64| kinds.iter().map(number).min().unwrap_or(0);
    let fitting = most(&Kind::threads_max);
    let threads = if let Some(threads) = wanted.threads {
        fitting.min(threads as u64)
    } else {
        let share = most(&|kind| kind.free() / HASHING_SHARE / kind.arena);
        fitting.min(share).min(wanted.cores.min(THREADS_AUTO_MAX) as u64)
    }
    .max(1);
    let rest = most(&|kind| kind.free() - threads * kind.arena - CONNECTIONS_MIN * kind.connection);
    let bodies_bytes = wanted.bodies_bytes.min((rest / BODIES_SHARE).max(wanted.body_bytes)).min(rest);
    let connections = most(&|kind| (kind.free() - threads * kind.arena - bodies_bytes) / kind.connection);
    Ok(Plan {
        threads: usize::try_from(threads).unwrap_or(usize::MAX),
        connections: usize::try_from(connections).unwrap_or(usize::MAX).min(wanted.connections),
        bodies_bytes,
    })
}

/// One of the two things that may run out.
struct Kind {
    room: u64,
    base: u64,
    arena: u64,
    connection: u64,
    addresses: bool,
}

impl Kind {
    fn holds_the_least(&self) -> Result<(), TooLittle> {
        let least = self.arena + CONNECTIONS_MIN * self.connection;
        let needed_bytes = self.base.saturating_add(least);
        if needed_bytes <= self.room {
            return Ok(());
        }
        Err(TooLittle { needed_bytes, room_bytes: self.room, addresses: self.addresses })
    }

    fn free(&self) -> u64 {
        self.room.saturating_sub(self.base)
    }

    fn threads_max(&self) -> u64 {
        self.free().saturating_sub(CONNECTIONS_MIN * self.connection) / self.arena
    }
}

/// What this process may still take. What the system does not tell counts as without limit.
#[must_use]
pub fn room() -> Room {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let of_process = |file: &str| read(&Path::new("/proc/self").join(file)).unwrap_or_default();
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| kib_after(&text, "MemAvailable:"));
    let groups = room_in_groups(&of_process("mountinfo"), &of_process("cgroup"), &read);
    let (limits, status) = (of_process("limits"), of_process("status"));
    let below = |limit: &str, taken: &str| {
        let taken = kib_after(&status, taken).unwrap_or(0);
        soft_limit(&limits, limit).map(|limit| limit.saturating_sub(taken))
    };
    let (addresses, data) = (below("Max address space", "VmSize:"), below("Max data size", "VmData:"));
    let least = |rooms: [Option<u64>; 2]| rooms.into_iter().flatten().min().unwrap_or(u64::MAX);
    Room { bytes: least([machine, groups]), address_bytes: least([addresses, data]) }
}

/// The bytes that can really be used; see [`room`].
#[must_use]
pub fn free_bytes() -> u64 {
    let room = room();
    room.bytes.min(room.address_bytes)
}

/// A line such as `MemAvailable:   12345 kB`, in bytes.
fn kib_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(KIB)
}

/// The soft limit in a line such as `Max address space     1048576     unlimited     bytes`.
fn soft_limit(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// What is left in the control group of this process or in one around it, whichever is least; of version 1 and 2.
fn room_in_groups(mountinfo: &str, groups: &str, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
    let group_of = |is_it: &dyn Fn(&str, &str) -> bool| {
        groups.lines().find_map(|line| {
            let (number, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            is_it(number, controllers).then_some(path)
        })
    };
    let mut least: Option<u64> = None;
    for mount in mountinfo.lines().filter_map(Mount::read) {
        let group = match mount.version {
            Version::One => group_of(&|_, controllers| controllers.split(',').any(|name| name == "memory")),
            Version::Two => group_of(&|number, _| number == "0"),
        };
        // Where a container shows a part of the tree only, the group's path begins with what is not shown.
        let below =
            group.and_then(|group| Path::new(group).strip_prefix(mount.root).ok()).unwrap_or(Path::new(""));
        let own = mount.point.join(below);
        let around = own.ancestors().take_while(|directory| directory.starts_with(&mount.point));
        least = around.filter_map(|directory| mount.version.room_in(directory, read)).chain(least).min();
    }
    least
}

/// Where a tree of control groups can be seen.
struct Mount<'text> {
    version: Version,
    root: &'text str,
    point: PathBuf,
}

impl<'text> Mount<'text> {
    /// Reads a line such as `35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory`.
    fn read(line: &'text str) -> Option<Self> {
        let (place, system) = line.split_once(" - ")?;
        let mut place = place.split(' ').skip(3);
        let (root, point) = (place.next()?, place.next()?);
        let mut system = system.split(' ');
        let (kind, options) = (system.next()?, system.nth(1)?);
        let version = match kind {
            "cgroup2" => Version::Two,
            "cgroup" if options.split(',').any(|option| option == "memory") => Version::One,
            _ => return None,
        };
        Some(Self { version, root, point: PathBuf::from(point) })
    }
}

/// Of control groups.
#[derive(Clone, Copy)]
enum Version {
    One,
    Two,
}

impl Version {
    fn room_in(self, directory: &Path, read: &dyn Fn(&Path) -> Option<String>) -> Option<u64> {
        let number = |file: &str| -> Option<u64> { read(&directory.join(file))?.trim().parse().ok() };
        let (limits, usage, cache): (&[&str], _, _) = match self {
            Self::One => (
                &["memory.limit_in_bytes"],
                "memory.usage_in_bytes",
                ["total_active_file ", "total_inactive_file "],
            ),
            Self::Two => {
                (&["memory.max", "memory.high"], "memory.current", ["active_file ", "inactive_file "])
            }
        };
        let limit = limits.iter().filter_map(|file| number(file)).min()?;
        // Pages of files are given up when memory is needed.
        let stat = read(&directory.join("memory.stat")).unwrap_or_default();
        let cached = |name: &str| -> Option<u64> {
            stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
        };
        let cached: u64 = cache.iter().filter_map(|name| cached(name)).sum();
        Some(limit.saturating_sub(number(usage).unwrap_or(0).saturating_sub(cached)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const WANTED: Wanted = Wanted {
        pages_bytes: 0,
        mapped_bytes: 0,
        threads: None,
        cores: 2,
        arena_bytes: 64 * MIB,
        connections: 2048,
        stack_bytes: 512 * KIB,
        body_bytes: MIB,
        bodies_bytes: 32 * MIB,
        tls: false,
    };

    fn used(mib: u64) -> Room {
        Room { bytes: mib * MIB, address_bytes: u64::MAX }
    }

    #[test]
    fn there_is_a_thread_for_each_core_if_memory_allows() {
        for (cores, mib, threads) in [
            (1, 8192, 1),
            (2, 8192, 2),
            (4, 8192, 4),
            (64, 8192, 4),
            (4, 540, 4),
            (4, 530, 3),
            (4, 280, 2),
            (4, 150, 1),
        ] {
            let planned = plan(used(mib), &Wanted { cores, ..WANTED }).expect("it fits");
            assert_eq!(planned.threads, threads, "{cores} cores, {mib} MiB");
        }
        let all = Room { bytes: u64::MAX, address_bytes: u64::MAX };
        let planned = plan(all, &Wanted { cores: usize::MAX, ..WANTED }).expect("it fits");
        assert_eq!(planned, Plan { threads: 4, connections: 2048, bodies_bytes: 32 * MIB });
    }

    #[test]
    fn what_does_not_fit_is_lowered_or_refused_and_the_sum_always_fits() {
        let mut random = fastrand::Rng::with_seed(26);
        for _ in 0..20_000 {
            let room = Room { bytes: random.u64(..1 << 32), address_bytes: random.u64(..1 << 36) };
            let wanted = Wanted {
                pages_bytes: random.u64(..256) * MIB,
                mapped_bytes: random.u64(..2048) * MIB,
                threads: random.bool().then(|| random.usize(1..=64)),
                cores: random.usize(1..=64),
                arena_bytes: random.u64(8..=512 * KIB) * KIB,
                connections: random.usize(1..=20_000),
                tls: random.bool(),
                ..WANTED
            };
            let factor = if wanted.tls { TLS_FACTOR } else { 1 };
            match plan(room, &wanted) {
                Ok(planned) => {
                    let threads = planned.threads as u64;
                    let connections = planned.connections as u64;
                    assert!(threads >= 1 && connections >= CONNECTIONS_MIN.min(wanted.connections as u64));
                    assert!(wanted.threads.is_none_or(|asked| planned.threads <= asked));
                    let hashing = threads * wanted.arena_bytes;
                    let connected = connections * CONNECTION_BYTES * factor + planned.bodies_bytes;
                    assert!(
                        BASE_BYTES + wanted.pages_bytes + hashing + connected <= room.bytes,
                        "{room:?} {wanted:?} {planned:?}"
                    );
                    let stacks = connections * (wanted.stack_bytes + CONNECTION_ADDRESS_BYTES) * factor;
                    let pages = wanted.pages_bytes + wanted.mapped_bytes;
                    assert!(BASE_ADDRESS_BYTES + pages + hashing + stacks <= room.address_bytes);
                }
                Err(refused) => {
                    let least = BASE_BYTES + wanted.arena_bytes + CONNECTIONS_MIN * CONNECTION_BYTES * factor;
                    assert!(
                        refused.addresses || room.bytes < least + wanted.pages_bytes,
                        "{room:?} {wanted:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_refusal_says_what_is_short() {
        let refused = plan(used(64), &WANTED).expect_err("too little").to_string();
        assert!(
            refused.starts_with("too little memory: the database's pages, one hashing thread"),
            "{refused}"
        );
        let room = Room { bytes: u64::MAX, address_bytes: 100 * MIB };
        let refused = plan(room, &WANTED).expect_err("too little").to_string();
        assert!(refused.contains("address space") && refused.contains("100 MiB are left"), "{refused}");
    }

    #[test]
    fn limits_and_use_of_a_process_are_read() {
        let meminfo = "MemTotal:       24683444 kB\nMemAvailable:   1024 kB\n";
        assert_eq!(kib_after(meminfo, "MemAvailable:"), Some(MIB));
        for broken in ["", "MemAvailable: x kB", "MemAvailable: 5", "MemAvailable: 99999999999999999999 kB"] {
            assert_eq!(kib_after(broken, "MemAvailable:"), None, "{broken}");
        }
        let limits = "Max data size    unlimited    unlimited    bytes\nMax address space   1048576   unlimited  bytes\n";
        assert_eq!(soft_limit(limits, "Max address space"), Some(MIB));
        assert_eq!(soft_limit(limits, "Max data size"), None);
        assert!(room().bytes > 0);
    }

    /// What is left in these groups; each file is a path and its content.
    fn left(mountinfo: &str, groups: &str, files: &[(&str, &str)]) -> Option<u64> {
        let files: BTreeMap<&Path, &str> =
            files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
        room_in_groups(mountinfo, groups, &|path| files.get(path).map(|text| (*text).to_owned()))
    }

    #[test]
    fn the_least_room_around_the_process_counts_in_version_2() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let group = "1:name=systemd:/elsewhere\n0::/system.slice/a.service\n";
        let inner = "/sys/fs/cgroup/system.slice/a.service";
        let of = |file: &str| format!("{inner}/{file}");
        assert_eq!(left(mounts, group, &[]), None);
        assert_eq!(left(mounts, group, &[(&of("memory.max"), "max\n")]), None);
        let files = [
            (of("memory.max"), "5000\n"),
            (of("memory.high"), "max\n"),
            (of("memory.current"), "3000\n"),
            (of("memory.stat"), "anon 1000\ninactive_file 600\nactive_file 400\n"),
            ("/sys/fs/cgroup/system.slice/memory.max".to_owned(), "4000\n"),
            ("/sys/fs/cgroup/system.slice/memory.current".to_owned(), "500\n"),
        ];
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        assert_eq!(left(mounts, group, &files), Some(3000), "its own, without what is only cached");
        let tight = [files.as_slice(), &[("/sys/fs/cgroup/memory.max", "2000")]].concat();
        assert_eq!(left(mounts, group, &tight), Some(2000), "the root of a container");
        let [high, current] = ["memory.high", "memory.current"].map(of);
        let throttled = [files.as_slice(), &[(high.as_str(), "2500")]].concat();
        assert_eq!(left(mounts, group, &throttled), Some(500));
        let full = [files.as_slice(), &[(current.as_str(), "9000")]].concat();
        assert_eq!(left(mounts, group, &full), Some(0));
    }

    #[test]
    fn the_least_room_around_the_process_counts_in_version_1() {
        let mounts = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let group = "9:name=systemd:/\n4:memory:/outer/inner\n0::/\n";
        let files = [
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
            ("/sys/fs/cgroup/memory/outer/memory.limit_in_bytes", "268435456"),
            ("/sys/fs/cgroup/memory/outer/memory.usage_in_bytes", "8435456"),
            ("/sys/fs/cgroup/memory/outer/inner/memory.limit_in_bytes", "536870912"),
        ];
        assert_eq!(left(mounts, group, &files), Some(260_000_000));
    }

    #[test]
    fn a_container_that_sees_a_part_of_the_tree_finds_its_own_group() {
        let mounts = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let own = [
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000"),
            ("/sys/fs/cgroup/memory/nested/memory.limit_in_bytes", "6000"),
        ];
        assert_eq!(left(mounts, "4:cpu,memory:/docker/abc\n", &own), Some(7000));
        assert_eq!(left(mounts, "4:memory:/docker/abc/nested\n", &own), Some(6000));
        assert_eq!(left(mounts, "4:memory:/somewhere/else\n", &own), Some(7000));
    }
}

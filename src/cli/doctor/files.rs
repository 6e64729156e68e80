//! The files around the database: whose they are, who may read them, and how much room there is.

use super::finding::{Findings, Level};
use crate::config::Config;
use crate::files::{is_open_to_others, with_suffix};
use crate::os::disk_free_bytes;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

const MIB: u64 = 1024 * 1024;
/// Below this nothing can be relied on to be written.
const FREE_BYTES_MIN: u64 = 32 * MIB;
/// Below this it is time to look.
const FREE_BYTES_LOW: u64 = 256 * MIB;
/// A log beside the database that is larger than this could not be moved into it for long.
const WAL_BYTES_MAX: u64 = 128 * MIB;

/// Looks at them.
pub(super) fn look(config: &Config, database: &Path, key_file: Option<&Path>, findings: &mut Findings) {
    let wal = with_suffix(database, "-wal");
    owners(database, &[wal.clone(), with_suffix(database, "-shm")], key_file, findings);
    let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let (size, log) = (bytes(database), bytes(&wal));
    if log > WAL_BYTES_MAX {
        findings.add(
            Level::Warning,
            format!("the database's log {} has {} MiB", wal.display(), log / MIB),
            "something reads from the database without end; see which command runs, and restart the server",
        );
    } else {
        findings.ok(format!(
            "the database has {} KiB and its log {} KiB",
            size.div_ceil(1024),
            log.div_ceil(1024)
        ));
    }
    let place = database.parent().filter(|place| place.is_dir()).unwrap_or(&config.base_directory);
    match disk_free_bytes(place) {
        Err(error) => {
            findings.add(
                Level::Warning,
                format!("the room on the disk is not known: {error}"),
                "look at it yourself",
            );
        }
        Ok(free) => room(place, free, size, findings),
    }
}

fn room(place: &Path, free: u64, database_bytes: u64, findings: &mut Findings) {
    let what = format!("{} MiB are free where {} lies", free / MIB, place.display());
    let advice = "make room, or move the base directory to a larger disk";
    if free < FREE_BYTES_MIN {
        findings.add(Level::Problem, what, advice);
    } else if free < FREE_BYTES_LOW.max(database_bytes) {
        findings.add(Level::Warning, what, advice);
    } else {
        findings.ok(what);
    }
}

/// A file that a command of root's has made is one that the server cannot write.
fn owners(database: &Path, companions: &[PathBuf], key_file: Option<&Path>, findings: &mut Findings) {
    let Ok(about) = std::fs::metadata(database) else { return };
    let mut is_well = true;
    for path in std::iter::once(database).chain(companions.iter().map(PathBuf::as_path)).chain(key_file) {
        let Ok(found) = std::fs::metadata(path) else { continue };
        let shown = path.display();
        if found.uid() != about.uid() {
            is_well = false;
            let what =
                format!("{shown} belongs to user {}, and the database to user {}", found.uid(), about.uid());
            findings.add(Level::Warning, what, format!("chown --reference={} {shown}", database.display()));
        }
        if is_open_to_others(&found) {
            is_well = false;
            findings.add(
                Level::Problem,
                format!("others have rights on {shown}"),
                format!("chmod go= {shown}"),
            );
        }
    }
    if is_well {
        findings.ok("database and key belong to one user, and nobody else may read them");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(free: u64, database_bytes: u64) -> Level {
        let mut findings = Findings::default();
        room(Path::new("/x"), free, database_bytes, &mut findings);
        findings.worst()
    }

    #[test]
    fn a_full_disk_is_a_problem_and_a_small_one_a_warning() {
        assert_eq!(level(FREE_BYTES_MIN - 1, 0), Level::Problem);
        assert_eq!(level(FREE_BYTES_LOW - 1, 0), Level::Warning);
        assert_eq!(level(FREE_BYTES_LOW, 0), Level::Ok);
        assert_eq!(level(FREE_BYTES_LOW, FREE_BYTES_LOW + 1), Level::Warning, "a backup would not fit");
    }
}

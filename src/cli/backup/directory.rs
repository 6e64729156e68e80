//! A directory of backups: each is named by its time, so that their names are in the order of time.

use crate::clock::Timestamp;
use crate::files::with_suffix;
use crate::store::checksum::CHECKSUM_SUFFIX;
use std::io;
use std::path::{Path, PathBuf};

/// What the names of copies of key and salt end in: the names of their settings.
pub(crate) const SECRET_SUFFIXES: [&str; 2] = [".secret", ".piisalt"];

const PREFIX: &str = "authnzerver-";
const SUFFIX: &str = ".sqlite";
/// The length of `20261123T140611Z`.
const STAMP_CHARACTERS: usize = 16;

/// Names behind those of all backups of the same second, in their order.
pub(super) fn free_names(directory: &Path, now: Timestamp) -> io::Result<impl Iterator<Item = PathBuf>> {
    let stamp = now.file_stamp();
    let taken = list(directory)?.into_iter().filter(|((other, _), _)| *other == stamp);
    let last = taken.map(|((_, number), _)| number).max().unwrap_or(0);
    let directory = directory.to_owned();
    Ok((last.saturating_add(1)..).map(move |number| {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        directory.join(format!("{PREFIX}{stamp}{more}{SUFFIX}"))
    }))
}

/// Removes all backups but the newest, with their checksums and the copies of key and salt beside them; tells how many. The one that was just
/// made stays, whatever time the clock showed, and so does whatever has another name.
pub(super) fn remove_older(directory: &Path, keep: usize, just_made: &Path) -> io::Result<usize> {
    let mut backups = list(directory)?;
    backups.retain(|(_, path)| path != just_made);
    backups.sort();
    let count = backups.len().saturating_sub(keep.saturating_sub(1));
    for (_, path) in backups.drain(..count) {
        // Another backup may be removing the same ones.
        for suffix in [""].into_iter().chain(SECRET_SUFFIXES).chain([CHECKSUM_SUFFIX]) {
            match std::fs::remove_file(with_suffix(&path, suffix)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(count)
}

/// The backups in a directory, each with its place in time.
fn list(directory: &Path) -> io::Result<Vec<(Place, PathBuf)>> {
    let mut backups = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if let Some(place) = entry.file_name().to_str().and_then(place) {
            backups.push((place, entry.path()));
        }
    }
    Ok(backups)
}

/// The second that a backup was made in, and its number among those of that second.
type Place = (String, u32);

fn place(name: &str) -> Option<Place> {
    let inner = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    let (stamp, more) = inner.split_at_checked(STAMP_CHARACTERS)?;
    let is_stamp = stamp.char_indices().all(|(place, character)| match place {
        8 => character == 'T',
        15 => character == 'Z',
        _ => character.is_ascii_digit(),
    });
    let number = match more.strip_prefix('-') {
        None if more.is_empty() => 1,
        None => return None,
        Some(number) => number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?,
    };
    is_stamp.then(|| (stamp.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_so_does_what_is_no_backup() {
        let room = tempfile::tempdir().expect("a directory");
        let stamp = "20261123T140611Z";
        let names =
            |stamps: &[&str]| stamps.iter().map(|name| format!("authnzerver-{name}.sqlite")).collect();
        let backups: Vec<String> = names(&[
            "20251123T140611Z",
            stamp,
            "20261123T140611Z-2",
            "20261123T140611Z-10",
            "20261123T140612Z",
        ]);
        let others: Vec<String> =
            names(&["2025", "20251123T140611", "20251123T140611Z-x", "20251123T140611Zx"]);
        let notes = ["authnzerver-20251123T140611Z.sqlite.gz".to_owned(), "x".to_owned()];
        for name in backups.iter().chain(&others).chain(&notes) {
            std::fs::write(room.path().join(name), name).expect("writes");
        }
        let secret = room.path().join(format!("{}.secret", backups[0]));
        std::fs::write(&secret, "").expect("writes");
        let path = |name: &String| room.path().join(name);
        let sum = room.path().join(format!("{}.sha256", backups[0]));
        std::fs::write(&sum, "").expect("writes");
        assert_eq!(remove_older(room.path(), 2, &path(&backups[4])).expect("removes"), 3);
        assert!(!secret.exists() && !sum.exists());
        let left = |names: &[String]| names.iter().filter(|name| path(name).exists()).count();
        assert_eq!((left(&backups), left(&backups[3..]), left(&others), left(&notes)), (2, 2, 4, 2));
        assert_eq!(remove_older(room.path(), 2, &path(&backups[4])).expect("removes"), 0);
        // The clock was set back.
        assert_eq!(remove_older(room.path(), 1, &path(&backups[3])).expect("removes"), 1);
        assert!(path(&backups[3]).exists());
    }

    #[test]
    fn two_backups_of_one_second_have_two_names() {
        let room = tempfile::tempdir().expect("a directory");
        let now = Timestamp::parse("2026-11-23 14:06:11").expect("a time");
        let names = ["", "-2", "-3", "-4"].map(|more| format!("authnzerver-20261123T140611Z{more}.sqlite"));
        for name in names {
            let free = free_names(room.path(), now).expect("reads").next().expect("there is no end of them");
            assert_eq!(free, room.path().join(name));
            std::fs::write(&free, "").expect("writes");
            remove_older(room.path(), 2, &free).expect("removes");
        }
    }
}

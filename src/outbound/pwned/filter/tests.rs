//! Lookups agree with the library that fills the filters, and no file, however hostile, does harm.

use super::*;
use std::path::PathBuf;
use tempfile::TempDir;
use xorf::{BinaryFuse16, Filter};

/// The bytes of a filter file with these shards, and the library's own filters.
fn assemble(key_sets: &[Vec<u64>]) -> (Vec<u8>, Vec<BinaryFuse16>) {
    let (mut shards, mut data, mut filters) = (Vec::new(), Vec::new(), Vec::new());
    for keys in key_sets {
        let filter = BinaryFuse16::try_from(keys).expect("distinct keys");
        shards.push(Shard {
            first_key: *keys.iter().min().expect("a key"),
            seed: filter.descriptor.seed,
            segment_length: filter.descriptor.segment_length,
            first_positions: filter.descriptor.segment_count_length,
        });
        data.extend(filter.fingerprints.iter().flat_map(|fingerprint| fingerprint.to_le_bytes()));
        filters.push(filter);
    }
    let hashes = key_sets.iter().map(Vec::len).sum::<usize>() as u64;
    let (header, index) = encode(&shards, hashes, 7);
    ([&header[..], &data, &index].concat(), filters)
}

fn file_of(bytes: &[u8]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("filter");
    std::fs::write(&path, bytes).expect("a file");
    (directory, path)
}

fn open(bytes: &[u8]) -> Result<PwnedFilter, FilterError> {
    let (_directory, path) = file_of(bytes);
    PwnedFilter::open(&path)
}

fn sha1_of(key: u64) -> [u8; 20] {
    let mut sha1 = [0xa5; 20];
    sha1[..8].copy_from_slice(&key.to_be_bytes());
    sha1
}

fn error_of(bytes: &[u8]) -> String {
    open(bytes).err().expect("a file that is refused").to_string()
}

#[test]
fn a_look_up_agrees_with_the_filter_library_on_a_million_keys() {
    let mut random = fastrand::Rng::with_seed(1);
    let keys: Vec<u64> = (0..500_000).map(|_| random.u64(..)).collect();
    let (bytes, filters) = assemble(std::slice::from_ref(&keys));
    let filter = open(&bytes).expect("a sound file");
    assert_eq!(filter.hashes(), 500_000);
    assert!(keys.iter().all(|key| filter.contains(&sha1_of(*key)).expect("a read")));
    let smallest = filter.shards[0].shard.first_key;
    for _ in 0..500_000 {
        let key = random.u64(smallest..);
        assert_eq!(filter.contains(&sha1_of(key)).expect("a read"), filters[0].contains(&key));
    }
}

#[test]
fn shards_of_any_size_hold_their_own_keys() {
    let mut random = fastrand::Rng::with_seed(2);
    let mut keys: Vec<u64> = (0..5050).map(|_| random.u64(..)).collect();
    keys.sort_unstable();
    let mut rest = keys.as_slice();
    let sets: Vec<Vec<u64>> =
        (1..=100).filter_map(|size| rest.split_off(..size)).map(<[u64]>::to_vec).collect();
    assert_eq!(sets.len(), 100);
    let filter = open(&assemble(&sets).0).expect("a sound file");
    assert!(keys.iter().all(|key| filter.contains(&sha1_of(*key)).expect("a read")));
    assert_eq!(filter.leaked(&sha1_of(keys[0])), Breach::Found { times: None });
    assert_eq!(filter.leaked(&sha1_of(keys[0] - 1)), Breach::NotFound, "below the first shard");
}

#[test]
fn other_files_are_refused() {
    let (sound, _) = assemble(&[vec![1, 2, 3], vec![10, 11]]);
    assert!(open(&sound).is_ok());
    assert!(error_of(b"").contains("not a leaked-password filter"));
    assert!(error_of(&[b'x'; 1000]).contains("not a leaked-password filter"));
    let mut later = sound.clone();
    later[8] = 2;
    assert!(error_of(&later).contains("format 2"));

    let directory = TempDir::new().expect("a directory");
    assert!(matches!(PwnedFilter::open(directory.path()), Err(FilterError::Io(_))));
    assert!(matches!(PwnedFilter::open(Path::new("/dev/zero")), Err(FilterError::Io(_))));
    assert!(matches!(PwnedFilter::open(&directory.path().join("none")), Err(FilterError::Io(_))));
}

#[test]
fn a_file_that_was_cut_short_or_goes_on_is_refused() {
    let (sound, _) = assemble(&[vec![1, 2, 3], vec![10, 11]]);
    for length in 0..sound.len() {
        assert!(open(&sound[..length]).is_err(), "{length} of {} bytes", sound.len());
    }
    assert!(error_of(&[sound.as_slice(), &[0]].concat()).contains("damaged"));
}

#[test]
fn changes_to_header_or_index_are_noticed() {
    let (sound, _) = assemble(&[vec![1, 2, 3], vec![10, 11]]);
    let index_offset = sound.len() - 2 * ENTRY_BYTES;
    for at in (0..HEADER_BYTES).chain(index_offset..sound.len()) {
        for bit in 0..8 {
            let mut changed = sound.clone();
            changed[at] ^= 1 << bit;
            assert!(open(&changed).is_err(), "bit {bit} of byte {at}");
        }
    }
}

#[test]
fn a_hostile_file_with_a_right_checksum_is_refused_or_read_within_bounds() {
    let mut random = fastrand::Rng::with_seed(3);
    let (sound, _) = assemble(&[(0..50).collect(), vec![100, 101, 102], vec![1000, 1 << 60]]);
    let mut opened = 0;
    for round in 0..20_000 {
        let mut bytes = sound.clone();
        for _ in 0..random.usize(1..4) {
            // Mostly where it matters: in the header behind magic and version, and in the index.
            let at = match random.u8(..3) {
                0 => random.usize(12..CHECKSUM_OFFSET),
                1 => random.usize(bytes.len() - 3 * ENTRY_BYTES..bytes.len()),
                _ => random.usize(..bytes.len()),
            };
            bytes[at] = if random.bool() { random.u8(..) } else { bytes[at] ^ (1 << random.u8(..8)) };
        }
        let shards = (u32_at(&bytes, 12) as usize).min(bytes.len() / ENTRY_BYTES);
        let index = bytes.split_off(bytes.len() - shards * ENTRY_BYTES);
        if let Some(header) = bytes.first_chunk_mut::<HEADER_BYTES>() {
            let checksum = checksum(header, &index);
            header[CHECKSUM_OFFSET..].copy_from_slice(&checksum);
        }
        bytes.extend_from_slice(&index);
        let Ok(filter) = open(&bytes) else { continue };
        opened += 1;
        for key in [0, 49, 100, 1000, u64::MAX, random.u64(..)] {
            assert!(filter.contains(&sha1_of(key)).is_ok(), "round {round}, key {key}");
        }
    }
    assert!(opened > 1000, "some have to get as far as a lookup: {opened}");
}

#[test]
fn nonsense_that_adds_up_is_refused() {
    let shard = Shard { first_key: 5, seed: 1, segment_length: 4, first_positions: 8 };
    let file = |shards: &[Shard], fingerprints: usize| {
        let (header, index) = encode(shards, 1, 1);
        [&header[..], &vec![0; 2 * fingerprints], &index].concat()
    };
    assert!(open(&file(&[shard], 16)).is_ok());
    assert!(error_of(&file(&[shard], 15)).contains("(length)"));
    assert!(error_of(&file(&[shard, shard], 32)).contains("(order of shards)"));
    assert!(error_of(&file(&[], 0)).contains("(number of shards)"));
    for (segment_length, first_positions) in
        [(0, 8), (3, 9), (4, 0), (4, 6), (1 << 31, 1 << 31), (4, 1 << 30)]
    {
        let broken = Shard { segment_length, first_positions, ..shard };
        assert!(error_of(&file(&[broken], 16)).contains("(shard)"), "{broken:?}");
    }
}

#[test]
fn a_file_that_shrinks_while_in_use_answers_nothing() {
    let (bytes, _) = assemble(&[vec![1, 2, 3]]);
    let (_directory, path) = file_of(&bytes);
    let filter = PwnedFilter::open(&path).expect("a sound file");
    File::options()
        .write(true)
        .open(&path)
        .and_then(|file| file.set_len(HEADER_BYTES as u64))
        .expect("a cut file");
    let reason = UnknownReason::FilterUnreadable(io::ErrorKind::UnexpectedEof);
    assert_eq!(filter.leaked(&sha1_of(2)), Breach::Unknown(reason));
}

//! Hashes of other software: those that it made match, and none costs more than is allowed.

use super::*;

/// Kind, password and hash, made by other software: see `make.py` beside it.
const HASHES: &str = include_str!("../../../../tests/data/foreign-hashes/hashes.tsv");

const REHASH: Verification = Verification::Matches { needs_rehash: true };

#[test]
fn what_other_software_made_is_imported_matches_its_password_only_and_is_to_be_replaced() {
    let hasher = hasher();
    let mut count = 0;
    for line in HASHES.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, password, hash] = fields[..] else { panic!("three fields: {line}") };
        let imported = hasher.read_imported(hash).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(imported.kind(), kind, "{line}");
        let is_wrapped = imported.is_wrapped();
        let stored = hasher.store_imported(ANYBODY, imported).expect("room in the queue");
        assert_eq!(is_wrapped, kind.ends_with("without salt"), "{line}");
        if is_wrapped {
            assert!(stored.as_str().starts_with("$argon2id$v=19$m=32,t=1,p=2,of="), "{}", stored.as_str());
            let digest = hash.rsplit('$').next().unwrap_or_default().to_ascii_lowercase();
            assert!(!stored.as_str().to_ascii_lowercase().contains(&digest), "a digest is never kept");
        }
        assert_eq!(verified(&hasher, password, stored.as_str()), (REHASH, 1), "{line}");
        let wrong = format!("!{}", &password[1..]);
        assert_eq!(verified(&hasher, &wrong, stored.as_str()), (DIFFERS, 1), "{line}");
        assert_eq!(verified(&hasher, "", stored.as_str()), (DIFFERS, 1), "{line}");
        count += 1;
    }
    assert_eq!(count, 110);
}

/// Those of the table with a sound tag and salt, but other numbers.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuuEg3kN6ISFHqEBlDvNCV6vEmSEgKH8Rq";
const TAG: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_hash_at_its_ceiling_is_read_and_one_beyond_is_never_computed() {
    let hasher = hasher();
    let shared = &hasher.shared;
    let table = [
        (BCRYPT.replace("$04$", "$14$"), BCRYPT.replace("$04$", "$15$")),
        (format!("$pbkdf2-sha256$4000000$c2FsdA${TAG}"), format!("$pbkdf2-sha256$4000001$c2FsdA${TAG}")),
        (format!("$5$rounds=1000000$salt${}", &TAG[..43]), format!("$5$rounds=1000001$salt${}", &TAG[..43])),
        (format!("$6$rounds=1000000$salt${TAG}{TAG}"), format!("$6$rounds=999999999$salt${TAG}{TAG}")),
        // OWASP's recommendation, and twice the memory; then the work of many lanes.
        (format!("$scrypt$ln=17,r=8,p=1$c2FsdA${TAG}"), format!("$scrypt$ln=18,r=8,p=1$c2FsdA${TAG}")),
        (format!("$scrypt$ln=14,r=8,p=16$c2FsdA${TAG}"), format!("$scrypt$ln=14,r=8,p=17$c2FsdA${TAG}")),
    ];
    for (at, beyond) in table {
        assert!(shared.read(Some(&at)).is_ok(), "{at}");
        assert_eq!(shared.read(Some(&beyond)), Err(HashError::OverCeiling), "{beyond}");
        assert_eq!(hasher.read_imported(&beyond).err(), Some(HashError::OverCeiling), "{beyond}");
        let differs = Verification::Differs { hash_error: Some(HashError::OverCeiling) };
        assert_eq!(verified(&hasher, PASSWORD, &beyond), (differs, 1), "{beyond}");
    }
}

#[test]
fn memory_beyond_what_the_operator_allows_or_there_is_is_not_taken() {
    let ceilings = HashLimits { memory_kib: 1024, ..HashLimits::default() };
    let small = started(HasherSettings { ceilings, ..settings() });
    let stored = format!("$scrypt$ln=10,r=8,p=1$c2FsdA${TAG}");
    assert_eq!(small.shared.read(Some(&stored)), Err(HashError::OverCeiling));
    let full = started(HasherSettings { memory_free: || 1024 * 1024, ..settings() });
    assert_eq!(full.verify(ANYBODY, &PASSWORD.into(), Some(&stored)), Err(HasherBusy::Memory));
    assert_eq!(verified(&hasher(), PASSWORD, &stored), (DIFFERS, 1));
}

#[test]
fn what_has_another_form_is_refused() {
    let hasher = hasher();
    let table = [
        String::new(),
        "$".repeat(1 << 20),
        "0".repeat(1 << 20),
        "secret".into(),
        "0123456789abcdef".into(),
        format!("{}g", "0".repeat(31)),
        BCRYPT[1..].into(),
        format!("{BCRYPT}A"),
        BCRYPT.replace("2b", "2x"),
        BCRYPT.replace("$04$", "$4$"),
        BCRYPT.replace("$04$", "$03$"),
        BCRYPT.replace("$04$", "$32$"),
        BCRYPT.replace("$04$", "$+4$"),
        BCRYPT.replace('u', "é"),
        format!("$pbkdf2-sha256$0$c2FsdA${TAG}"),
        format!("$pbkdf2-sha256$i=1,l=31$c2FsdA${TAG}"),
        format!("$pbkdf2-sha256$1$${TAG}"),
        "$pbkdf2-sha256$1$c2FsdA$AAAA".into(),
        format!("$pbkdf2-sha256$1$c2FsdA${TAG}$"),
        format!("$pbkdf2-sha512$1$c2FsdA${TAG}"),
        format!("pbkdf2_sha1$1$c2FsdA${TAG}="),
        format!("$scrypt$ln=0,r=8,p=1$c2FsdA${TAG}"),
        format!("$scrypt$ln=64,r=8,p=1$c2FsdA${TAG}"),
        format!("$scrypt$ln=4,r=0,p=1$c2FsdA${TAG}"),
        format!("$scrypt$ln=4,r=8,p=0$c2FsdA${TAG}"),
        format!("$scrypt$r=8,ln=4,p=1$c2FsdA${TAG}"),
        format!("scrypt$1000$salt$8$1${TAG}="),
        format!("$5$rounds=999$salt${TAG}"),
        format!("$5$rounds=01000$salt${TAG}"),
        format!("$5$saltsaltsaltsalts${TAG}"),
        format!("$6$salt${TAG}"),
        format!("$1$salt${TAG}"),
        "$argon2id$v=19$m=32,t=1,p=2,of=md4$eCHylzm26QlNNtZNOWh80w$M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8".into(),
        "$argon2id$v=19$m=32,t=1,p=2,of=md5,norm=nfkc$eCHylzm26QlNNtZNOWh80w$M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8".into(),
    ];
    for text in table {
        let shown: String = text.chars().take(120).collect();
        assert_eq!(hasher.read_imported(&text).err(), Some(HashError::Malformed), "{shown}");
    }
}

#[test]
fn every_damaged_hash_is_read_or_refused_without_a_fault() {
    let hasher = hasher();
    let mut random = fastrand::Rng::with_seed(5);
    let lines: Vec<&str> = HASHES.lines().filter_map(|line| line.split('\t').nth(2)).collect();
    for _ in 0..20_000 {
        let mut text: Vec<char> = random.choice(&lines).expect("lines").chars().collect();
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..text.len());
            match random.u8(..3) {
                0 => text[place] = random.char(..),
                1 => drop(text.remove(place)),
                _ => text
                    .insert(place, random.choice(['$', '=', ',', ':', '0', '9', 'p']).expect("a character")),
            }
        }
        let _ = hasher.read_imported(&text.into_iter().collect::<String>());
    }
}

//! The written form of a password hash, and what one may cost to compute. Reads strictly and computes nothing, so
//! that a hostile line in the database is seen for what it is before it costs memory or time.

use super::digest::PlainDigest;
use crate::guard::secret::PasswordForm;
use crate::problem::Loggable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::fmt;
use std::ops::RangeInclusive;

/// The salt of a new hash (RFC 9106, section 3.1).
pub(super) const SALT_BYTES: usize = 16;
/// The tag of a new hash.
pub(super) const TAG_BYTES: usize = 32;

/// Marks a hash that was made from the password in NFKC, behind the parameters of Argon2.
const NFKC_MARK: &str = ",norm=nfkc";
/// Marks a hash that was made from a digest of the password; the digest's name stands behind it.
const DIGEST_MARK: &str = ",of=";

/// Longer lines are not looked at; the longest sensible one has about 200 characters.
const WRITTEN_BYTES_MAX: usize = 512;
/// The lengths that the PHC string format allows for Argon2.
const SALT_BYTES_ALLOWED: RangeInclusive<usize> = 8..=48;
const TAG_BYTES_ALLOWED: RangeInclusive<usize> = 12..=64;

/// RFC 9106 allows so many lanes, and asks for so much memory for each.
const LANES_MAX: u32 = 0x00ff_ffff;
const LANE_KIB_MIN: u32 = 8;

/// OWASP's password storage cheat sheet calls these equally strong, and nothing below them strong enough:
/// memory in KiB, passes.
const OWASP_MINIMUM: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// What one Argon2 computation costs. Any value of this type can be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Argon2Cost {
    /// Reads the form `m=65536,t=3,p=4`: memory in KiB, passes, lanes.
    ///
    /// # Errors
    /// If it has another form or can't be computed, or if it is below OWASP's minimum and `allow_weak`, which is for
    /// tests, is not set.
    pub fn parse(text: &str, allow_weak: bool) -> Result<Self, CostError> {
        let cost = Self::read(text.trim()).ok_or(CostError::NotReadable)?;
        if allow_weak || cost.is_strong() { Ok(cost) } else { Err(CostError::TooWeak) }
    }

    /// The memory that one computation takes, in KiB.
    #[must_use]
    pub const fn memory_kib(&self) -> u32 {
        self.memory_kib
    }

    /// How often it goes over the memory.
    #[must_use]
    pub const fn passes(&self) -> u32 {
        self.passes
    }

    /// How many lanes the memory is divided into.
    #[must_use]
    pub const fn lanes(&self) -> u32 {
        self.lanes
    }

    fn read(text: &str) -> Option<Self> {
        let mut fields = text.split(',');
        let mut number = |name| read_number(fields.next()?.strip_prefix(name)?);
        let cost = Self { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
        let computable = cost.passes > 0
            && (1..=LANES_MAX).contains(&cost.lanes)
            && cost.memory_kib / LANE_KIB_MIN >= cost.lanes;
        (computable && fields.next().is_none()).then_some(cost)
    }

    fn is_strong(&self) -> bool {
        OWASP_MINIMUM
            .iter()
            .any(|&(memory_kib, passes)| self.memory_kib >= memory_kib && self.passes >= passes)
    }
}

/// RFC 9106's second recommendation, which is also what the original writes.
impl Default for Argon2Cost {
    fn default() -> Self {
        Self { memory_kib: 65_536, passes: 3, lanes: 4 }
    }
}

impl fmt::Display for Argon2Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "m={},t={},p={}", self.memory_kib, self.passes, self.lanes)
    }
}

/// Why a text is not the cost of new hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CostError {
    /// It has another form, or numbers that Argon2 does not allow.
    NotReadable,
    /// It is below OWASP's minimum.
    TooWeak,
}

impl Loggable for CostError {}

impl fmt::Display for CostError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReadable => write!(
                out,
                "write it like m=65536,t=3,p=4: KiB of memory (at least {LANE_KIB_MIN} for each lane), passes, lanes"
            ),
            Self::TooWeak => write!(out, "too weak; choose at least the memory and passes of one of:")
                .and_then(|()| OWASP_MINIMUM.iter().try_for_each(|(m, t)| write!(out, " m={m},t={t}"))),
        }
    }
}

impl std::error::Error for CostError {}

/// What a stored hash may cost at most. Whoever can write to the database must not be able to make a login take
/// all the memory or an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLimits {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl HashLimits {
    /// Whether a computation keeps to them.
    #[must_use]
    pub const fn allow(&self, cost: &Argon2Cost) -> bool {
        cost.memory_kib <= self.memory_kib && cost.passes <= self.passes && cost.lanes <= self.lanes
    }
}

impl Default for HashLimits {
    fn default() -> Self {
        Self { memory_kib: 524_288, passes: 16, lanes: 64 }
    }
}

/// Which way Argon2 chooses the memory it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    Argon2d,
    Argon2i,
    Argon2id,
}

/// Which version of Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V16,
    V19,
}

/// A hash that can be computed and compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StoredHash {
    pub(super) variant: Variant,
    pub(super) version: Version,
    pub(super) cost: Argon2Cost,
    pub(super) form: PasswordForm,
    /// What the password goes through first. Only imported hashes have it.
    pub(super) digest: Option<PlainDigest>,
    pub(super) salt: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl StoredHash {
    /// Reads `$argon2id$v=19$m=65536,t=3,p=4$salt$tag`; the version may be missing, as it was in the beginning,
    /// and the parameters may end in [`NFKC_MARK`], or in [`DIGEST_MARK`] and a name.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > WRITTEN_BYTES_MAX {
            return None;
        }
        let mut fields = text.strip_prefix('$')?.split('$').peekable();
        let variant = match fields.next()? {
            "argon2d" => Variant::Argon2d,
            "argon2i" => Variant::Argon2i,
            "argon2id" => Variant::Argon2id,
            _ => return None,
        };
        let version = match fields.next_if(|field| field.starts_with("v=")) {
            None | Some("v=16") => Version::V16,
            Some("v=19") => Version::V19,
            Some(_) => return None,
        };
        let parameters = fields.next()?;
        let (parameters, form) = match parameters.strip_suffix(NFKC_MARK) {
            Some(parameters) => (parameters, PasswordForm::Nfkc),
            None => (parameters, PasswordForm::AsTyped),
        };
        let (parameters, digest) = match parameters.split_once(DIGEST_MARK) {
            Some((parameters, name)) if form == PasswordForm::AsTyped => {
                (parameters, Some(PlainDigest::of_name(name)?))
            }
            _ => (parameters, None),
        };
        let cost = Argon2Cost::read(parameters)?;
        let salt = read_bytes(fields.next()?, &SALT_BYTES_ALLOWED)?;
        let tag = read_bytes(fields.next()?, &TAG_BYTES_ALLOWED)?;
        fields.next().is_none().then_some(Self { variant, version, cost, form, digest, salt, tag })
    }

    /// A hash that no password has: its tag is all zeros. It costs as much to verify against as a new one.
    pub(super) fn of_no_password(cost: Argon2Cost) -> Self {
        let (variant, version, form) = (Variant::Argon2id, Version::V19, PasswordForm::AsTyped);
        Self {
            variant,
            version,
            cost,
            form,
            digest: None,
            salt: vec![0; SALT_BYTES],
            tag: vec![0; TAG_BYTES],
        }
    }

    /// The written form of a hash of today's variant and version.
    pub(super) fn written(&self) -> String {
        let (salt, tag) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.tag));
        let mark = if self.form == PasswordForm::Nfkc { NFKC_MARK } else { "" };
        let (digest_mark, digest) = self.digest.map_or(("", ""), |digest| (DIGEST_MARK, digest.name()));
        format!("$argon2id$v=19${}{mark}{digest_mark}{digest}${salt}${tag}", self.cost)
    }

    /// Whether it differs in anything but its mark from what a new hash of this cost would look like.
    pub(super) fn needs_rehash(&self, current: &Argon2Cost) -> bool {
        self.variant != Variant::Argon2id
            || self.version != Version::V19
            || self.cost != *current
            || self.digest.is_some()
            || self.salt.len() != SALT_BYTES
            || self.tag.len() != TAG_BYTES
    }
}

/// A decimal number without sign or leading zeros, as the format wants it.
fn read_number(text: &str) -> Option<u32> {
    let canonical = text == "0" || text.starts_with(|c: char| matches!(c, '1'..='9'));
    canonical.then(|| text.parse().ok()).flatten()
}

fn read_bytes(text: &str, length: &RangeInclusive<usize>) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text).ok().filter(|bytes| length.contains(&bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: &str =
        "$argon2id$v=19$m=65536,t=3,p=4$eCHylzm26QlNNtZNOWh80w$M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8";

    fn cost(text: &str) -> Argon2Cost {
        Argon2Cost::parse(text, true).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn reads_the_current_form() {
        let hash = StoredHash::read(CURRENT).expect("a good hash");
        assert_eq!((hash.variant, hash.version), (Variant::Argon2id, Version::V19));
        assert_eq!(hash.cost, Argon2Cost::default());
        assert_eq!((hash.salt.len(), hash.tag.len()), (16, 32));
        assert!(!hash.needs_rehash(&Argon2Cost::default()));
    }

    #[test]
    fn a_mark_says_what_a_hash_was_made_from() {
        let marked = CURRENT.replace("p=4", "p=4,norm=nfkc");
        let plain = StoredHash::read(CURRENT).expect("a good hash");
        assert_eq!(plain.form, PasswordForm::AsTyped);
        let hash = StoredHash::read(&marked).expect("a good hash");
        assert_eq!(hash, StoredHash { form: PasswordForm::Nfkc, ..plain });
        assert_eq!(hash.written(), marked);
        assert!(!hash.needs_rehash(&Argon2Cost::default()));
    }

    #[test]
    fn anything_else_than_the_current_form_needs_a_rehash() {
        let old = "$argon2id$v=19$m=102400,t=2,p=8$veAgwxMYCRYM2f2fV8tqbg$pQGuSoy8MmEPQ9lo93fCtQ";
        let table = [
            old.to_owned(),
            CURRENT.replace("argon2id", "argon2i"),
            CURRENT.replace("argon2id", "argon2d"),
            CURRENT.replace("v=19", "v=16"),
            CURRENT.replace("$v=19", ""),
            CURRENT.replace("m=65536", "m=65537"),
            CURRENT.replace("t=3", "t=4"),
            CURRENT.replace("p=4", "p=1"),
            CURRENT.replace("eCHylzm26QlNNtZNOWh80w", "eCHylzm26QlNNtZNOWh8"),
            CURRENT.replace("M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8", "M6MpMsieD2jCZSVKbHPZCZbqowRh"),
        ];
        for text in table {
            let hash = StoredHash::read(&text).unwrap_or_else(|| panic!("{text} can be read"));
            assert!(hash.needs_rehash(&Argon2Cost::default()), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_another_form() {
        let table = [
            String::new(),
            "$".repeat(1 << 20),
            "a".repeat(1 << 20),
            CURRENT[1..].to_owned(),
            format!("x{CURRENT}"),
            format!("{CURRENT}$"),
            format!("{CURRENT}$AAAA"),
            format!("{CURRENT}="),
            format!("{CURRENT}\n"),
            CURRENT.replace("argon2id", "Argon2id"),
            CURRENT.replace("argon2id", "2b"),
            CURRENT.replace("v=19", "v=13"),
            CURRENT.replace("v=19", "v="),
            CURRENT.replace("v=19", "v=19$v=19"),
            CURRENT.replace("m=65536", "m=+65536"),
            CURRENT.replace("m=65536", "m=065536"),
            CURRENT.replace("m=65536", "m=-1"),
            CURRENT.replace("m=65536", "m=4294967296"),
            CURRENT.replace("m=65536", "m="),
            CURRENT.replace("m=65536", "m=31"),
            CURRENT.replace("m=65536", "m=６５５３６"),
            CURRENT.replace("t=3", "t=0"),
            CURRENT.replace("p=4", "p=0"),
            CURRENT.replace("p=4", "p=16777216"),
            CURRENT.replace("p=4", "p=4,data=AAAA"),
            CURRENT.replace("p=4", "p=4,"),
            CURRENT.replace("p=4", "p=4,norm=nfc"),
            CURRENT.replace("p=4", "p=4,norm=nfkc,norm=nfkc"),
            CURRENT.replace("m=65536", "norm=nfkc,m=65536"),
            CURRENT.replace("v=19", "v=19,norm=nfkc"),
            CURRENT.replace("m=65536,t=3", "t=3,m=65536"),
            CURRENT.replace(",p=4", ""),
            CURRENT.replace("eCHylzm26QlNNtZNOWh80w", ""),
            CURRENT.replace("eCHylzm26QlNNtZNOWh80w", "eCHylzm2"),
            CURRENT.replace("eCHylzm26QlNNtZNOWh80w", "eCHylzm26QlNNtZNOWh80é"),
            CURRENT.replace("eCHylzm26QlNNtZNOWh80w", "eCHylzm26QlNNtZNOWh80x"),
            CURRENT.replace("M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8", ""),
            CURRENT.replace("M6MpMsieD2jCZSVKbHPZCZbqowRhTus/SN1xncevAR8", "M6Mp"),
            CURRENT.replace('/', "_"),
        ];
        for text in table {
            assert_eq!(StoredHash::read(&text), None, "{}", text.chars().take(120).collect::<String>());
        }
    }

    #[test]
    fn every_damaged_hash_is_read_or_refused_without_a_fault() {
        let mut random = fastrand::Rng::with_seed(12);
        for _ in 0..20_000 {
            let mut text: Vec<char> = CURRENT.chars().collect();
            for _ in 0..random.usize(1..4) {
                let place = random.usize(..text.len());
                match random.u8(..3) {
                    0 => text[place] = random.char(..),
                    1 => drop(text.remove(place)),
                    _ => text.insert(
                        place,
                        random.choice(['$', '=', ',', '0', '9', 'm', 'v']).expect("a character"),
                    ),
                }
            }
            let _ = StoredHash::read(&text.into_iter().collect::<String>());
        }
    }

    #[test]
    fn writes_a_cost_as_it_reads_it() {
        assert_eq!(Argon2Cost::parse(" m=65536,t=3,p=4\n", false), Ok(Argon2Cost::default()));
        assert_eq!(Argon2Cost::default().to_string(), "m=65536,t=3,p=4");
        assert_eq!(cost("m=8,t=1,p=1").to_string(), "m=8,t=1,p=1");
        for text in
            ["", "65536,3,4", "m=7,t=1,p=1", "m=16,t=1,p=3", "m=64,t=0,p=1", "m=64,t=1,p=0", "m=64,t=1"]
        {
            assert_eq!(Argon2Cost::parse(text, true), Err(CostError::NotReadable), "{text}");
        }
    }

    #[test]
    fn refuses_a_weak_cost_unless_told_otherwise() {
        for (memory_kib, passes) in OWASP_MINIMUM {
            let enough = format!("m={memory_kib},t={passes},p=1");
            assert!(Argon2Cost::parse(&enough, false).is_ok(), "{enough}");
            let weak = format!("m={},t={passes},p=1", memory_kib - 1);
            assert_eq!(Argon2Cost::parse(&weak, false), Err(CostError::TooWeak), "{weak}");
            assert!(Argon2Cost::parse(&weak, true).is_ok(), "{weak}");
        }
        assert_eq!(Argon2Cost::parse("m=7167,t=1000,p=4", false), Err(CostError::TooWeak));
        assert!(CostError::TooWeak.to_string().contains("m=19456,t=2"));
    }

    #[test]
    fn a_ceiling_is_still_allowed() {
        let ceilings = HashLimits::default();
        assert!(ceilings.allow(&cost("m=524288,t=16,p=64")));
        for text in ["m=524289,t=16,p=64", "m=524288,t=17,p=64", "m=524288,t=16,p=65"] {
            assert!(!ceilings.allow(&cost(text)), "{text}");
        }
    }
}

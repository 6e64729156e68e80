//! Password hashes that other software made, which imported accounts have until their first login. Reads their written
//! forms strictly, bounds what each may cost, and computes them. Nothing new is ever hashed this way.

use super::digest::hex_bytes;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD, STANDARD_NO_PAD};
use sha_crypt::{Sha256Params, Sha512Params, sha256_crypt_b64, sha512_crypt_b64};
use sha2::Sha256;
use std::ops::RangeInclusive;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Longer lines are not looked at.
const WRITTEN_BYTES_MAX: usize = 512;
/// What a hash may cost, so that a hostile one takes a thread for about as long as an Argon2 hash at its ceilings: the
/// exponent of bcrypt, iterations, rounds, and for scrypt its work `N * r * p` and its memory.
const BCRYPT_COST: RangeInclusive<u32> = 4..=14;
const PBKDF2_ITERATIONS: RangeInclusive<u32> = 1..=4_000_000;
const SHA_CRYPT_ROUNDS: RangeInclusive<u32> = 1_000..=1_000_000;
const SCRYPT_WORK_MAX: u64 = 1 << 21;
/// 128 MiB, as OWASP recommends, and a few blocks for the lanes.
const SCRYPT_MEMORY_KIB_MAX: u64 = 129 * 1024;

/// The lengths of salts and tags that are looked at.
const SALT_BYTES_MAX: usize = 128;
const TAG_BYTES: RangeInclusive<usize> = 16..=64;
/// So many bytes of a password bcrypt looks at.
const BCRYPT_PASSWORD_BYTES_MAX: usize = 72;
const BCRYPT_SALT_CHARACTERS: usize = 22;
const BCRYPT_TAG_BYTES: usize = 23;
const SHA_CRYPT_SALT_BYTES_MAX: usize = 16;
/// What SHA-crypt takes where nothing else is written.
const SHA_CRYPT_ROUNDS_USUAL: u32 = 5_000;

/// bcrypt's alphabet. Some software leaves bits in the last character that mean nothing.
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
);

/// A hash of other software that can be computed and compared.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ForeignHash {
    method: Method,
    salt: Vec<u8>,
    /// What has to come out; for SHA-crypt in its written form.
    tag: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Bcrypt { cost: u32 },
    Pbkdf2 { iterations: u32 },
    Scrypt { log_n: u8, block: u32, lanes: u32 },
    Sha256Crypt { rounds: u32 },
    Sha512Crypt { rounds: u32 },
}

impl ForeignHash {
    /// Reads what bcrypt, passlib, Django, Werkzeug or a Unix system write. `None` for any other form.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text.len() > WRITTEN_BYTES_MAX {
            return None;
        }
        let read = if let Some(rest) = text.strip_prefix('$') {
            let (name, rest) = rest.split_once('$')?;
            match name {
                "2a" | "2b" | "2y" => bcrypt(rest),
                "pbkdf2-sha256" => pbkdf2_phc(rest),
                "scrypt" => scrypt_phc(rest),
                "5" | "6" => sha_crypt(name, rest),
                _ => None,
            }
        } else {
            let (name, rest) = text.split_once(['$', ':'])?;
            match name {
                "pbkdf2_sha256" => pbkdf2_django(rest),
                "pbkdf2" => pbkdf2_werkzeug(rest),
                "scrypt" if text.starts_with("scrypt$") => scrypt_django(rest),
                "scrypt" => scrypt_werkzeug(rest),
                _ => None,
            }
        }?;
        let lengths_fit = (1..=SALT_BYTES_MAX).contains(&read.salt.len());
        let tag_fits = matches!(read.method, Method::Sha256Crypt { .. } | Method::Sha512Crypt { .. })
            || TAG_BYTES.contains(&read.tag.len());
        (lengths_fit && tag_fits && read.is_computable()).then_some(read)
    }

    /// What it is, for people.
    pub(super) const fn kind(&self) -> &'static str {
        match self.method {
            Method::Bcrypt { .. } => "bcrypt",
            Method::Pbkdf2 { .. } => "PBKDF2-SHA256",
            Method::Scrypt { .. } => "scrypt",
            Method::Sha256Crypt { .. } => "SHA-256-crypt",
            Method::Sha512Crypt { .. } => "SHA-512-crypt",
        }
    }

    /// Whether a computation keeps to the ceilings.
    pub(super) fn is_affordable(&self) -> bool {
        match self.method {
            Method::Bcrypt { cost } => cost <= *BCRYPT_COST.end(),
            Method::Pbkdf2 { iterations } => iterations <= *PBKDF2_ITERATIONS.end(),
            Method::Sha256Crypt { rounds } | Method::Sha512Crypt { rounds } => {
                rounds <= *SHA_CRYPT_ROUNDS.end()
            }
            Method::Scrypt { log_n, block, lanes } => {
                let work = (u128::from(block) * u128::from(lanes)) << log_n;
                work <= u128::from(SCRYPT_WORK_MAX) && self.memory_kib() <= SCRYPT_MEMORY_KIB_MAX
            }
        }
    }

    /// The memory that a computation takes, in KiB.
    pub(super) fn memory_kib(&self) -> u64 {
        let Method::Scrypt { log_n, block, lanes } = self.method else { return 0 };
        let blocks = (1_u128 << log_n) + u128::from(lanes) + 1;
        u64::try_from(blocks * u128::from(block) / 8 + 1).unwrap_or(u64::MAX)
    }

    /// Whether this is the password. Not to be asked of one that is not affordable.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        let mut computed = Zeroizing::new(vec![0; self.tag.len()]);
        match self.method {
            Method::Bcrypt { cost } => {
                let mut key = Zeroizing::new([password, &[0]].concat());
                key.truncate(BCRYPT_PASSWORD_BYTES_MAX);
                let Ok(salt) = self.salt.as_slice().try_into() else { return false };
                computed.copy_from_slice(&bcrypt::bcrypt(cost, salt, &key)[..BCRYPT_TAG_BYTES]);
            }
            Method::Pbkdf2 { iterations } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(password, &self.salt, iterations, &mut computed);
            }
            Method::Scrypt { log_n, block, lanes } => {
                let Ok(params) = scrypt::Params::new(log_n, block, lanes, self.tag.len()) else {
                    return false;
                };
                if scrypt::scrypt(password, &self.salt, &params, &mut computed).is_err() {
                    return false;
                }
            }
            Method::Sha256Crypt { rounds } => {
                let Ok(params) = Sha256Params::new(rounds as usize) else { return false };
                let Ok(written) = sha256_crypt_b64(password, &self.salt, &params) else { return false };
                *computed = written.into_bytes();
            }
            Method::Sha512Crypt { rounds } => {
                let Ok(params) = Sha512Params::new(rounds as usize) else { return false };
                let Ok(written) = sha512_crypt_b64(password, &self.salt, &params) else { return false };
                *computed = written.into_bytes();
            }
        }
        computed.ct_eq(&self.tag).into()
    }

    /// Whether the numbers are such that there is a computation, at whatever cost.
    fn is_computable(&self) -> bool {
        match self.method {
            Method::Bcrypt { cost } => (*BCRYPT_COST.start()..32).contains(&cost),
            Method::Pbkdf2 { iterations } => iterations >= *PBKDF2_ITERATIONS.start(),
            Method::Sha256Crypt { rounds } | Method::Sha512Crypt { rounds } => {
                rounds >= *SHA_CRYPT_ROUNDS.start()
            }
            Method::Scrypt { log_n, block, lanes } => {
                log_n > 0 && scrypt::Params::new(log_n, block, lanes, self.tag.len()).is_ok()
            }
        }
    }
}

/// `12$`, and salt and tag without anything between them.
fn bcrypt(rest: &str) -> Option<ForeignHash> {
    let (cost, both) = rest.split_once('$')?;
    let (salt, tag) = both.split_at_checked(BCRYPT_SALT_CHARACTERS)?;
    let is_cost = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
    let cost = is_cost.then(|| cost.parse().ok()).flatten()?;
    let salt = BCRYPT_BASE64.decode(salt).ok()?;
    let tag = BCRYPT_BASE64.decode(tag).ok().filter(|tag| tag.len() == BCRYPT_TAG_BYTES)?;
    Some(ForeignHash { method: Method::Bcrypt { cost }, salt, tag })
}

/// `29000$salt$tag` as passlib writes it, or `i=29000$…` and `i=29000,l=32$…` as the PHC form has it.
fn pbkdf2_phc(rest: &str) -> Option<ForeignHash> {
    let [parameters, salt, tag] = fields(rest)?;
    let tag = base64_of(tag)?;
    let iterations = match parameters.strip_prefix("i=") {
        None => parameters,
        Some(named) => match named.split_once(",l=") {
            None => named,
            Some((iterations, length)) if number::<usize>(length)? == tag.len() => iterations,
            Some(_) => return None,
        },
    };
    let method = Method::Pbkdf2 { iterations: number(iterations)? };
    Some(ForeignHash { method, salt: base64_of(salt)?, tag })
}

/// `260000$salt$tag`, the salt as it stands there.
fn pbkdf2_django(rest: &str) -> Option<ForeignHash> {
    let [iterations, salt, tag] = fields(rest)?;
    let method = Method::Pbkdf2 { iterations: number(iterations)? };
    Some(ForeignHash { method, salt: salt.as_bytes().to_vec(), tag: STANDARD.decode(tag).ok()? })
}

/// `sha256:600000$salt$tag`, the salt as it stands there.
fn pbkdf2_werkzeug(rest: &str) -> Option<ForeignHash> {
    let [parameters, salt, tag] = fields(rest)?;
    let method = Method::Pbkdf2 { iterations: number(parameters.strip_prefix("sha256:")?)? };
    Some(ForeignHash { method, salt: salt.as_bytes().to_vec(), tag: hex_bytes(tag)? })
}

/// `ln=16,r=8,p=1$salt$tag`.
fn scrypt_phc(rest: &str) -> Option<ForeignHash> {
    let [parameters, salt, tag] = fields(rest)?;
    let mut parameters = parameters.split(',');
    let mut named = |name| parameters.next()?.strip_prefix(name);
    let (log_n, block, lanes) = (number(named("ln=")?)?, number(named("r=")?)?, number(named("p=")?)?);
    let method = Method::Scrypt { log_n, block, lanes };
    parameters.next().is_none().then_some(ForeignHash {
        method,
        salt: base64_of(salt)?,
        tag: base64_of(tag)?,
    })
}

/// `16384$salt$8$1$tag`, the salt as it stands there.
fn scrypt_django(rest: &str) -> Option<ForeignHash> {
    let [n, salt, block, lanes, tag] = fields(rest)?;
    let method = Method::Scrypt { log_n: log_2(n)?, block: number(block)?, lanes: number(lanes)? };
    Some(ForeignHash { method, salt: salt.as_bytes().to_vec(), tag: STANDARD.decode(tag).ok()? })
}

/// `32768:8:1$salt$tag`, the salt as it stands there.
fn scrypt_werkzeug(rest: &str) -> Option<ForeignHash> {
    let [parameters, salt, tag] = fields(rest)?;
    let mut parameters = parameters.split(':');
    let (n, block, lanes) = (parameters.next()?, parameters.next()?, parameters.next()?);
    let method = Method::Scrypt { log_n: log_2(n)?, block: number(block)?, lanes: number(lanes)? };
    let salt = salt.as_bytes().to_vec();
    parameters.next().is_none().then_some(ForeignHash { method, salt, tag: hex_bytes(tag)? })
}

/// `salt$tag`, perhaps with `rounds=5000$` before it.
fn sha_crypt(name: &str, rest: &str) -> Option<ForeignHash> {
    let (rounds, rest) = match rest.strip_prefix("rounds=") {
        None => (SHA_CRYPT_ROUNDS_USUAL, rest),
        Some(rest) => {
            let (rounds, rest) = rest.split_once('$')?;
            (number(rounds)?, rest)
        }
    };
    let [salt, tag] = fields(rest)?;
    let (method, characters) = match name {
        "5" => (Method::Sha256Crypt { rounds }, 43),
        _ => (Method::Sha512Crypt { rounds }, 86),
    };
    let fits = salt.len() <= SHA_CRYPT_SALT_BYTES_MAX && tag.len() == characters;
    fits.then(|| ForeignHash { method, salt: salt.as_bytes().to_vec(), tag: tag.as_bytes().to_vec() })
}

/// So many fields, and no more.
fn fields<const COUNT: usize>(text: &str) -> Option<[&str; COUNT]> {
    let mut fields = text.split('$');
    let mut found = [""; COUNT];
    for field in &mut found {
        *field = fields.next()?;
    }
    fields.next().is_none().then_some(found)
}

/// A decimal number without a sign or leading zeros.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.starts_with(|first: char| matches!(first, '1'..='9')).then(|| text.parse().ok()).flatten()
}

fn log_2(text: &str) -> Option<u8> {
    let number: u64 = number(text)?;
    number.is_power_of_two().then(|| u8::try_from(number.trailing_zeros()).ok()).flatten()
}

/// Base64 without padding. passlib writes a dot for the plus.
fn base64_of(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.replace('.', "+")).ok()
}

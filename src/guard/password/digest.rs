//! Plain digests of passwords, as some software stores them. Anybody can try millions a second against one, so none is
//! ever kept: an import hashes the digest itself with Argon2, and marks the result with the name of the digest.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// What a password went through before Argon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlainDigest {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

impl PlainDigest {
    const ALL: [Self; 4] = [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512];

    /// The one of this name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|digest| digest.name() == name)
    }

    /// The one whose hexadecimal form this is.
    pub(super) fn of_hex(text: &str) -> Option<Self> {
        let bytes = hex_bytes(text)?.len();
        Self::ALL.into_iter().find(|digest| digest.bytes() == bytes)
    }

    /// What it is called in a written hash.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// What it is, for people.
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Md5 => "MD5 without salt",
            Self::Sha1 => "SHA-1 without salt",
            Self::Sha256 => "SHA-256 without salt",
            Self::Sha512 => "SHA-512 without salt",
        }
    }

    /// The digest in lower-case hexadecimal digits.
    pub(super) fn hex(self, password: &[u8]) -> Zeroizing<Vec<u8>> {
        let digest = Zeroizing::new(match self {
            Self::Md5 => Md5::digest(password).to_vec(),
            Self::Sha1 => Sha1::digest(password).to_vec(),
            Self::Sha256 => Sha256::digest(password).to_vec(),
            Self::Sha512 => Sha512::digest(password).to_vec(),
        });
        let mut hex = Zeroizing::new(String::with_capacity(digest.len() * 2));
        for byte in digest.iter() {
            write!(hex, "{byte:02x}").expect("a String takes all that is written to it");
        }
        Zeroizing::new(std::mem::take(&mut *hex).into_bytes())
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

/// The bytes that hexadecimal digits of either case stand for.
pub(super) fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| digit.to_digit(16)?.try_into().ok()).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

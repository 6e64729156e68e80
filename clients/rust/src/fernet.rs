//! Fernet tokens: a version, the time in seconds, an initialization vector, what is encrypted by AES in CBC mode, and an
//! HMAC of all that; in base64. The first half of a key signs, the second encrypts.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use hmac::{Hmac, Mac};
use sha2::Sha256;

pub(crate) const KEY_BYTES: usize = 32;
const VERSION: u8 = 0x80;
const TIME_END: usize = 1 + 8;
const HEAD_END: usize = TIME_END + 16;
const SIGNATURE_BYTES: usize = 32;
const KEY_MIDDLE: usize = KEY_BYTES / 2;

pub(crate) fn seal(key: &[u8; KEY_BYTES], plain: &[u8], iv: [u8; 16], seconds: u64) -> String {
    let (signs, encrypts) = key.split_at(KEY_MIDDLE);
    let mut raw = vec![VERSION];
    raw.extend(seconds.to_be_bytes());
    raw.extend(iv);
    // Each half of a key is as long as AES-128 has it.
    let cipher = cbc::Encryptor::<Aes128>::new_from_slices(encrypts, &iv).expect("16 bytes each");
    raw.extend(cipher.encrypt_padded_vec_mut::<Pkcs7>(plain));
    let signature = hmac_of(signs).chain_update(&raw).finalize().into_bytes();
    raw.extend(signature);
    URL_SAFE.encode(raw)
}

/// Looks at nothing that the signature does not vouch for, and compares that in constant time. How old a token is does
/// not matter here: each answer carries the random ID of its request.
pub(crate) fn open(key: &[u8; KEY_BYTES], token: &[u8]) -> Option<Vec<u8>> {
    let (signs, encrypts) = key.split_at(KEY_MIDDLE);
    let raw = URL_SAFE.decode(token).ok()?;
    let (signed, signature) = raw.split_at_checked(raw.len().checked_sub(SIGNATURE_BYTES)?)?;
    if signed.len() < HEAD_END || signed[0] != VERSION {
        return None;
    }
    hmac_of(signs).chain_update(signed).verify_slice(signature).ok()?;
    let cipher = cbc::Decryptor::<Aes128>::new_from_slices(encrypts, &signed[TIME_END..HEAD_END]).ok()?;
    cipher.decrypt_padded_vec_mut::<Pkcs7>(&signed[HEAD_END..]).ok()
}

/// An HMAC with SHA-256, for a key of any length.
pub(crate) fn hmac_of(key: &[u8]) -> Hmac<Sha256> {
    // HMAC hashes what is too long and fills up what is too short, so no length is wrong.
    Hmac::new_from_slice(key).expect("HMAC takes keys of every length")
}

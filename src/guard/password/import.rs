//! What becomes of password hashes that an import brings along.

use super::context::{HashContext, Stored};
use super::digest::PlainDigest;
use super::types::{HashError, PasswordHash};

/// What Django puts before the forms of others.
const DJANGO_NAMES: [&str; 2] = ["argon2$", "bcrypt$$"];

/// A hash that an import brings along.
pub struct ImportedHash {
    kind: &'static str,
    pub(super) form: Form,
}

pub(super) enum Form {
    /// It is stored as it is. The next login replaces it.
    Kept(PasswordHash),
    /// It is hashed first.
    Wrapped(PlainDigest, PasswordHash),
}

impl ImportedHash {
    /// What it is, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether it takes a computation before it can be stored.
    #[must_use]
    pub const fn is_wrapped(&self) -> bool {
        matches!(self.form, Form::Wrapped(..))
    }

    /// Reads what an import brings along.
    pub(super) fn read(context: &HashContext, text: &str) -> Result<Self, HashError> {
        // Django's names end where the other form begins, which has a `$` of its own.
        let named = DJANGO_NAMES.iter().find_map(|name| text.strip_prefix(name).map(|_| name.len() - 1));
        let unmarked = text.strip_prefix("md5$$").or_else(|| text.strip_prefix("sha1$$"));
        let text = unmarked.unwrap_or_else(|| &text[named.unwrap_or(0)..]);
        if let Some(digest) = PlainDigest::of_hex(text) {
            let hex = PasswordHash::stored(text.to_ascii_lowercase());
            return Ok(Self { kind: digest.kind(), form: Form::Wrapped(digest, hex) });
        }
        let kind = match context.read(Some(text))? {
            Stored::Argon2(_) => "Argon2",
            Stored::Foreign(hash) => hash.kind(),
        };
        Ok(Self { kind, form: Form::Kept(PasswordHash::stored(text.to_owned())) })
    }
}

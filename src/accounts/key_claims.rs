//! The claims that the server writes into a new API key, and what it needs of those that come back.

use crate::app::Context;
use crate::clock::Timestamp;
use crate::guard::token::{StoredToken, Token};
use crate::json::{self, Limits};
use crate::store::apikeys::{KeyName, KeyTimes};
use crate::user_id::UserId;
use crate::wire::{FromWire, Object, StrOrInt, StrOrList, ascii_json};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The claims of a key, in the order in which they are written.
#[derive(Serialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// The version of the API it is for.
    pub ver: StrOrInt,
    /// Whose key it is.
    pub uid: UserId,
    /// The role it was issued for.
    pub rol: String,
    /// The browser it was issued to; a key without a session has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usa: Option<String>,
    /// Who it is for.
    pub aud: String,
    /// What it is for.
    pub sub: StrOrList,
    /// The address it was issued to.
    pub ipa: String,
    /// What proves that it is this key.
    pub tkn: String,
    /// When it was issued.
    pub iat: Timestamp,
    /// From when on it may be used.
    pub nbf: Timestamp,
    /// When it ends.
    pub exp: Timestamp,
}

/// A key just made.
pub struct NewKey {
    /// Its name for the database.
    pub name: KeyName,
    /// Its times.
    pub times: KeyTimes,
    /// SHA-256 of its claims.
    pub claims_hash: [u8; 32],
    /// Its claims as JSON text: what the caller gets.
    pub text: String,
}

/// Whose key it is to be, as the calling server says.
pub struct KeyHolder {
    /// The user's number.
    pub user_id: UserId,
    /// The role that the key is for.
    pub user_role: String,
    /// The user's address in canonical form.
    pub ip_address: String,
}

/// What else a key says.
pub struct KeyContent {
    /// See [`Claims::iss`].
    pub issuer: String,
    /// See [`Claims::ver`].
    pub version: StrOrInt,
    /// See [`Claims::aud`].
    pub audience: String,
    /// See [`Claims::sub`].
    pub subject: StrOrList,
}

impl KeyContent {
    /// What a presented key says, for the next one to say too; `None` when it does not say all of it.
    #[must_use]
    pub fn of(claims: &Object) -> Option<Self> {
        Some(Self {
            issuer: claim(claims, "iss")?,
            version: claim(claims, "ver")?,
            audience: claim(claims, "aud")?,
            subject: claim(claims, "sub")?,
        })
    }
}

impl NewKey {
    /// Makes a key with a new token. Only a key that ends with a session names the browser.
    ///
    /// # Panics
    ///
    /// Never: what was just serialised is a JSON object.
    #[must_use]
    pub fn new(
        context: &Context<'_>,
        holder: &KeyHolder,
        content: KeyContent,
        user_agent: Option<String>,
        times: KeyTimes,
    ) -> Self {
        let token = Token::new(context.rng());
        let claims = Claims {
            iss: content.issuer,
            ver: content.version,
            uid: holder.user_id,
            rol: holder.user_role.clone(),
            usa: user_agent,
            aud: content.audience,
            sub: content.subject,
            ipa: holder.ip_address.clone(),
            tkn: token.reveal().to_owned(),
            iat: times.issued,
            nbf: times.not_valid_before,
            exp: times.expires,
        };
        let text = ascii_json(&claims);
        let claims_hash = json::read_object(&text, &Limits::REQUEST)
            .map(|claims| hash_of(&claims))
            .expect("what was just serialised is a JSON object, and made of less than a request");
        let name =
            KeyName { token: token.stored(), user_id: holder.user_id, user_role: holder.user_role.clone() };
        Self { name, times, claims_hash, text }
    }
}

/// A key that somebody presents.
pub struct Presented {
    /// Its name for the database.
    pub name: KeyName,
    /// SHA-256 of the claims that came with it.
    claims_hash: [u8; 32],
}

impl Presented {
    /// Takes the claims that a caller gives; `None` when they cannot be those of a key.
    #[must_use]
    pub fn of(claims: &Object) -> Option<Self> {
        let name = KeyName {
            token: StoredToken::of(claims.get("tkn")?.as_str()?),
            user_id: claim(claims, "uid")?,
            user_role: claims.get("rol")?.as_str()?.to_owned(),
        };
        Some(Self { name, claims_hash: hash_of(claims) })
    }

    /// Whether the claims are those that the key was issued with. Keys from a Python-made file have none stored.
    #[must_use]
    pub fn is_unaltered(&self, issued_with: Option<&[u8; 32]>) -> bool {
        issued_with
            .is_none_or(|hash| StoredToken::from_bytes(*hash) == StoredToken::from_bytes(self.claims_hash))
    }
}

fn claim<T: FromWire>(claims: &Object, name: &str) -> Option<T> {
    T::from_wire(claims.get(name)?.clone()).ok()
}

/// The claims that the server writes. What a calling server adds for itself does not count.
const NAMES: [&str; 12] =
    ["aud", "exp", "iat", "ipa", "iss", "nbf", "rol", "sub", "tkn", "uid", "usa", "ver"];

/// The same claims give the same hash, in whatever order they come and whatever else comes along.
fn hash_of(claims: &Object) -> [u8; 32] {
    let known: Vec<Option<&Value>> = NAMES.iter().map(|name| claims.get(*name)).collect();
    Sha256::digest(ascii_json(&known)).into()
}

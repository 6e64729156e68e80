//! The sealed form in which requests and answers travel, written here a second time, so that the server is
//! not tested against itself.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads its own server's answers")]

use crate::Outcome;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fernet::Fernet;
use serde_json::Value;

/// The key that both sides hold.
pub struct Seal {
    key: String,
    fernet: Fernet,
}

impl Seal {
    /// A new random key.
    pub fn random() -> Self {
        Self::with_key(Fernet::generate_key()).expect("a key from its own generator is a key")
    }

    fn with_key(key: String) -> Option<Self> {
        Fernet::new(&key).map(|fernet| Self { key, fernet })
    }

    /// The key as text, for the server's settings.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The body of a request that carries `message`.
    pub fn seal(&self, message: &Value) -> String {
        STANDARD.encode(self.fernet.encrypt(message.to_string().as_bytes()))
    }

    /// What the body of an answer carries.
    pub fn open(&self, body: &[u8]) -> Outcome<Value> {
        let token = STANDARD.decode(body).map_err(|error| format!("an answer is not base64: {error}"))?;
        let token = String::from_utf8(token).map_err(|_| "an answer's token is not text")?;
        let plain = self.fernet.decrypt(&token).map_err(|_| "an answer is not sealed with our key")?;
        serde_json::from_slice(&plain).map_err(|error| format!("an answer is not JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    /// What a client written in Python puts on the wire with that key.
    const BODY: &str = concat!(
        "Z0FBQUFBQmZYaEFBQUFFQ0F3UUZCZ2NJQ1FvTERBME9EXzRRLU1Qd2pJdlI2RHN0RXFmN2otblQzS3E1ZnhScVROaD",
        "lrY3BycDlXUTJNQlplSkJCYVRkVDMzaURuUVlTaU1XbHQzWjN6dWg4UXBySUNITGF4SWNjOW1VUlpHM3FGZ05ldW5U",
        "SkI2NTZERGNsVDNHSmloVm0xSnhXMEFZY3VpS1NOazZRSEZvcXpLMEU0a19BREhwanAyTHBJZ2k0QXJueUF5WEwwdW",
        "t5Y2MxMWxJS0lqZlI3WHJ0UDRKOV9aUT09",
    );

    #[test]
    fn opens_what_another_implementation_sealed() {
        let seal = Seal::with_key(KEY.to_owned()).expect("a key");
        let message = json!({
            "request": "session-exists",
            "body": {"session_token": "x"},
            "reqid": 5,
            "client_ipaddr": "9.9.9.9",
        });
        assert_eq!(seal.open(BODY.as_bytes()), Ok(message));
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let (ours, theirs) = (Seal::random(), Seal::random());
        let message = json!({"request": "echo", "reqid": "a"});
        let body = ours.seal(&message);
        assert_eq!(ours.open(body.as_bytes()), Ok(message));
        assert!(theirs.open(body.as_bytes()).is_err());
        assert!(ours.open(b"not base64!").is_err());
    }
}

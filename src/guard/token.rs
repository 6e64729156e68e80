//! tmp
use sha2::{Digest, Sha256};
/// x
pub struct StoredToken([u8; 32]);
impl StoredToken {
    /// x
    #[must_use]
    pub fn of(t: &str) -> Self {
        Self(Sha256::digest(t).into())
    }
    /// x
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

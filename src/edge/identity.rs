//! What the server proves itself with under TLS: a certificate, those above it, and the private key. Both are PEM
//! files, as every tool for certificates writes them.

use crate::files::read_small;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Far more than a chain of certificates takes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The one protocol that is spoken inside.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate and its key, ready for TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    key_is_open_to_others: bool,
}

/// Why two files are no identity. Shows paths and what the system says, nothing of what the files hold.
#[derive(Debug)]
pub struct IdentityFault {
    path: PathBuf,
    cause: String,
}

impl fmt::Display for IdentityFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path.display(), self.cause)
    }
}

impl std::error::Error for IdentityFault {}

impl Identity {
    /// Reads both files. The certificate file begins with the server's own certificate; those above it follow.
    ///
    /// # Errors
    /// A file cannot be read, does not hold what it should, or the two do not belong together.
    pub fn read(certificate_path: &Path, key_path: &Path) -> Result<Self, IdentityFault> {
        let of_certificate = |cause: String| IdentityFault { path: certificate_path.to_owned(), cause };
        let of_key = |cause: String| IdentityFault { path: key_path.to_owned(), cause };

        let pem = read_small(certificate_path, FILE_BYTES_MAX)
            .map_err(|error| of_certificate(error.to_string()))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem.bytes)
            .collect::<Result<_, _>>()
            .map_err(|_| of_certificate("it is damaged".to_owned()))?;
        if chain.is_empty() {
            return Err(of_certificate("it holds no certificate in PEM form".to_owned()));
        }
        let file = read_small(key_path, FILE_BYTES_MAX).map_err(|error| of_key(error.to_string()))?;
        let key_is_open_to_others = file.open_to_others;
        let pem = Zeroizing::new(file.bytes);
        let key =
            PrivateKeyDer::from_pem_slice(&pem).map_err(|error| of_key(key_fault(&error).to_owned()))?;

        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| of_certificate(error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(|error| pair_fault(&error, &of_certificate, &of_key))?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self { config: Arc::new(config), key_is_open_to_others })
    }

    /// Whether others on this machine may read the private key.
    #[must_use]
    pub const fn key_is_open_to_others(&self) -> bool {
        self.key_is_open_to_others
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

const fn key_fault(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::NoItemsFound => {
            "it holds no private key in PEM form that can be used without a passphrase"
        }
        _ => "it is damaged",
    }
}

fn pair_fault(
    error: &rustls::Error,
    of_certificate: &dyn Fn(String) -> IdentityFault,
    of_key: &dyn Fn(String) -> IdentityFault,
) -> IdentityFault {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            of_key("it is not the key of the certificate".to_owned())
        }
        rustls::Error::InvalidCertificate(_) => {
            of_certificate("its first certificate cannot be read".to_owned())
        }
        _ => of_key(
            "this kind of key is not supported (RSA, ECDSA on P-256 or P-384, and Ed25519 are)".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Pair {
        room: tempfile::TempDir,
    }

    impl Pair {
        fn of(certificate: &str, key: &str) -> Self {
            let room = tempfile::tempdir().expect("a directory");
            fs::write(room.path().join("certificate"), certificate).expect("written");
            fs::write(room.path().join("key"), key).expect("written");
            Self { room }
        }

        fn read(&self) -> Result<Identity, String> {
            let path = |name: &str| self.room.path().join(name);
            Identity::read(&path("certificate"), &path("key")).map_err(|fault| fault.to_string())
        }

        fn fault(&self) -> String {
            self.read().err().expect("refused")
        }
    }

    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_with_its_key_is_an_identity() {
        let (certificate, key) = pair();
        let (above, _) = pair();
        let identity = Pair::of(&format!("# a remark\n{certificate}{above}"), &key).read();
        assert!(identity.is_ok_and(|identity| identity.key_is_open_to_others()), "the umask leaves it open");
    }

    #[test]
    fn whatever_is_wrong_is_told_with_the_file_and_without_its_content() {
        let (certificate, key) = pair();
        let (_, other_key) = pair();
        for (certificate, key, what) in [
            ("", key.as_str(), "certificate: it holds no certificate"),
            (key.as_str(), key.as_str(), "certificate: it holds no certificate"),
            (certificate.as_str(), certificate.as_str(), "key: it holds no private key"),
            (certificate.as_str(), other_key.as_str(), "key: it is not the key of the certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                key.as_str(),
                "certificate: its first certificate cannot be read",
            ),
            ("-----BEGIN CERTIFICATE-----\n???\n", key.as_str(), "certificate: it is damaged"),
            (
                certificate.as_str(),
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "key: this kind of key is not supported",
            ),
        ] {
            let fault = Pair::of(certificate, key).fault();
            assert!(fault.contains(what), "{fault}");
            assert!(!fault.contains("AAAA") && !fault.contains("BEGIN"), "{fault}");
        }
        let missing = Identity::read(Path::new("/nowhere/certificate"), Path::new("/nowhere/key"));
        assert!(missing.err().expect("refused").to_string().starts_with("/nowhere/certificate: "));
    }
}

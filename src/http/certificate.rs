//! What the server proves itself with under TLS: a certificate, its intermediates, and the private key. Both are PEM
//! files, as every tool for certificates writes them.

use super::validity;
use crate::clock::Timestamp;
use crate::files::read_small;
use crate::problem::{Loggable, Problem};
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
const DAMAGED: &str = "it is damaged";

/// A certificate and its key, ready for TLS 1.2 and 1.3.
#[derive(Clone)]
pub struct TlsCertificate {
    config: Arc<ServerConfig>,
    key_is_open_to_others: bool,
    ends: Option<Timestamp>,
}

/// One of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFile {
    /// The one that holds the certificates.
    Certificate,
    /// The one that holds the private key.
    Key,
}

/// Why two files are no identity. Shows paths and what the system says, nothing of what the files hold.
#[derive(Debug)]
pub struct CertificateError {
    file: CertificateFile,
    path: PathBuf,
    cause: Problem,
}

impl CertificateError {
    /// The file to look at.
    #[must_use]
    pub const fn file(&self) -> CertificateFile {
        self.file
    }
}

impl Loggable for CertificateError {}

impl fmt::Display for CertificateError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path.display(), self.cause)
    }
}

impl std::error::Error for CertificateError {}

impl TlsCertificate {
    /// Reads both files. The certificate file begins with the server's own certificate; its intermediates follow.
    ///
    /// # Errors
    /// A file cannot be read, does not hold what it should, or the two do not belong together.
    pub fn read(certificate_path: &Path, key_path: &Path) -> Result<Self, CertificateError> {
        let refused = |(file, cause)| {
            let path = match file {
                CertificateFile::Certificate => certificate_path,
                CertificateFile::Key => key_path,
            };
            CertificateError { file, path: path.to_owned(), cause }
        };
        let chain =
            read_chain(certificate_path).map_err(|cause| refused((CertificateFile::Certificate, cause)))?;
        let (key, key_is_open_to_others) =
            read_key(key_path).map_err(|cause| refused((CertificateFile::Key, cause)))?;
        let ends = chain.first().and_then(|certificate| validity::ends(certificate));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| refused(error_in_pair(&error)))?;
        config.alpn_protocols = vec![HTTP_1_1.to_vec()];
        Ok(Self { config: Arc::new(config), key_is_open_to_others, ends })
    }

    /// Whether others on this machine may read the private key.
    #[must_use]
    pub const fn key_is_open_to_others(&self) -> bool {
        self.key_is_open_to_others
    }

    /// When the certificate ends, if that can be read.
    #[must_use]
    pub const fn ends(&self) -> Option<Timestamp> {
        self.ends
    }

    pub(super) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, Problem> {
    let pem = read_small(path, FILE_BYTES_MAX).map_err(|error| Problem::of(&error))?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::from(DAMAGED))?;
    if chain.is_empty() { Err("it holds no certificate in PEM form".into()) } else { Ok(chain) }
}

/// The key, and whether others may read its file.
fn read_key(path: &Path) -> Result<(PrivateKeyDer<'static>, bool), Problem> {
    let file = read_small(path, FILE_BYTES_MAX).map_err(|error| Problem::of(&error))?;
    let pem = Zeroizing::new(file.bytes);
    match PrivateKeyDer::from_pem_slice(&pem) {
        Ok(key) => Ok((key, file.open_to_others)),
        Err(pem::Error::NoItemsFound) => {
            Err("it holds no private key in PEM form that can be used without a passphrase".into())
        }
        Err(_) => Err(DAMAGED.into()),
    }
}

/// Which of two files that can be read is wrong, and why.
fn error_in_pair(error: &rustls::Error) -> (CertificateFile, Problem) {
    let (file, cause) = match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            (CertificateFile::Key, "it is not the key of the certificate")
        }
        rustls::Error::InvalidCertificate(_) => {
            (CertificateFile::Certificate, "its first certificate cannot be read")
        }
        _ => (
            CertificateFile::Key,
            "this kind of key is not supported (RSA, ECDSA on P-256 or P-384, and Ed25519 are)",
        ),
    };
    (file, cause.into())
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

        fn read(&self) -> Result<TlsCertificate, Problem> {
            let path = |name: &str| self.room.path().join(name);
            TlsCertificate::read(&path("certificate"), &path("key")).map_err(|error| Problem::of(&error))
        }

        fn error(&self) -> String {
            self.read().err().expect("refused").to_string()
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
            let error = Pair::of(certificate, key).error();
            assert!(error.contains(what), "{error}");
            assert!(!error.contains("AAAA") && !error.contains("BEGIN"), "{error}");
        }
        let missing = TlsCertificate::read(Path::new("/nowhere/certificate"), Path::new("/nowhere/key"));
        assert!(missing.err().expect("refused").to_string().starts_with("/nowhere/certificate: "));
    }
}

//! Somebody who signs certificates, for servers under test and for those who shall trust them.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::{Path, PathBuf};

/// An authority of its own, with a directory for what it has signed.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: tempfile::TempDir,
}

/// A certificate and its key.
pub struct Identity {
    /// The file of the certificate.
    pub certificate: PathBuf,
    /// The file of the key.
    pub key: PathBuf,
}

#[expect(clippy::new_without_default, reason = "it makes a directory, which nobody expects of a default")]
impl Authority {
    /// A new authority, which nobody trusts yet.
    pub fn new() -> Self {
        let mut about = CertificateParams::default();
        about.distinguished_name.push(DnType::CommonName, "An authority under test");
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let directory = tempfile::tempdir().expect("a directory");
        let root = about.self_signed(&key).expect("a certificate");
        std::fs::write(directory.path().join("root.pem"), root.pem()).expect("writes");
        Self { issuer: Issuer::new(about, key), directory }
    }

    /// The file that a program must be given to trust this authority.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }

    /// Signs that the server of this name is who it says.
    pub fn certifies(&self, name: &str) -> Identity {
        let identity = Identity {
            certificate: self.directory.path().join(format!("{name}.pem")),
            key: self.directory.path().join(format!("{name}.key")),
        };
        self.certifies_into(name, &identity.certificate, &identity.key);
        identity
    }

    /// The same, into these files.
    pub fn certifies_into(&self, name: &str, certificate_path: &Path, key_path: &Path) {
        let key = KeyPair::generate().expect("a key");
        let mut about = CertificateParams::new([name.to_owned()]).expect("a name");
        // With the authority's own name, OpenSSL would take it for signed by itself.
        about.distinguished_name.push(DnType::CommonName, name);
        let certificate = about.signed_by(&key, &self.issuer).expect("a certificate");
        std::fs::write(certificate_path, certificate.pem()).expect("writes");
        std::fs::write(key_path, key.serialize_pem()).expect("writes");
    }
}

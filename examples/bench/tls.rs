//! A certificate for the server under test, and a client's side of TLS that trusts it.

use crate::Outcome;
use may::net::TcpStream;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const NAME: &str = "localhost";

/// What both sides need to speak TLS with each other.
pub struct Tls {
    /// The server's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    client: Arc<ClientConfig>,
}

impl Tls {
    /// Makes a certificate (ECDSA on P-256) in this folder.
    pub fn new(folder: &Path) -> Outcome<Self> {
        let told = |what: &dyn std::fmt::Display| format!("cannot make a certificate: {what}");
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).map_err(|error| told(&error))?;
        let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
        fs::write(&certificate, made.cert.pem())
            .and_then(|()| fs::write(&key, made.signing_key.serialize_pem()))
            .map_err(|error| told(&error))?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::clone(made.cert.der())).map_err(|error| told(&error))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| told(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { certificate, key, client: Arc::new(client) })
    }

    /// Shakes hands on a connection.
    pub fn handshake(&self, mut socket: TcpStream) -> Outcome<StreamOwned<ClientConnection, TcpStream>> {
        let failed = |error: &dyn std::fmt::Display| format!("hands cannot be shaken: {error}");
        let name = ServerName::try_from(NAME).map_err(|error| failed(&error))?;
        let mut tls =
            ClientConnection::new(Arc::clone(&self.client), name).map_err(|error| failed(&error))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).map_err(|error| failed(&error))?;
        }
        Ok(StreamOwned::new(tls, socket))
    }
}

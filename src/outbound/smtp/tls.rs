//! TLS towards mail servers: whom it trusts, and what the operator may switch off.

use crate::files::read_small;
use crate::outbound::delivery::MailError;
use crate::problem::Problem;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// The largest file of certificates that is read.
const ROOTS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// TLS with the mail server of this name or address, not yet begun.
///
/// # Errors
///
/// The name is none, or a certificate among the extra roots is damaged.
pub fn client(server: &str, verify: bool, extra_roots: Option<&[u8]>) -> Result<ClientConnection, MailError> {
    let name = ServerName::try_from(server.to_owned()).map_err(|_| MailError::Tls)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| MailError::Tls)?;
    let config = if verify {
        let roots = roots(extra_roots).map_err(|()| MailError::Tls)?;
        builder.with_root_certificates(roots).with_no_client_auth()
    } else {
        let anybody = Arc::new(Anybody(provider));
        builder.dangerous().with_custom_certificate_verifier(anybody).with_no_client_auth()
    };
    ClientConnection::new(Arc::new(config), name).map_err(|_| MailError::Tls)
}

/// The built-in roots and those of the operator.
fn roots(extra: Option<&[u8]>) -> Result<RootCertStore, ()> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    for certificate in extra.map(CertificateDer::pem_slice_iter).into_iter().flatten() {
        roots.add(certificate.map_err(drop)?).map_err(drop)?;
    }
    Ok(roots)
}

/// Reads certificates to trust beside the built-in ones.
///
/// # Errors
///
/// When the file cannot be read, holds none, or holds one that no connection could be made with.
pub fn read_extra_roots(path: &Path) -> Result<Vec<u8>, Problem> {
    let pem = read_small(path, ROOTS_BYTES_MAX).map_err(|error| Problem::of(&error))?.bytes;
    if CertificateDer::pem_slice_iter(&pem).next().is_none() {
        return Err("it holds no certificate".into());
    }
    roots(Some(&pem)).map_err(|()| "it holds a damaged certificate")?;
    Ok(pem.clone())
}

/// Takes every certificate, because the operator says so. Signatures are still checked: whoever shows a certificate
/// has its key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_good_certificates_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("roots.pem");
        assert!(read_extra_roots(&path).is_err(), "there is no file");
        let key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "no PEM at all", key, damaged] {
            std::fs::write(&path, text).expect("writes");
            assert!(read_extra_roots(&path).is_err(), "{text}");
        }
    }
}

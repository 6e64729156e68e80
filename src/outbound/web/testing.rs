//! The other end of a TLS connection, for tests of whoever asks something of the web.

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// A server certificate for `localhost`, and a file with which it is trusted.
pub(crate) struct TestIdentity {
    tls: Arc<ServerConfig>,
    roots: tempfile::NamedTempFile,
}

impl TestIdentity {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let mut roots = tempfile::NamedTempFile::new().expect("a file");
        roots.write_all(made.cert.pem().as_bytes()).expect("a file");
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a matching key");
        Self { tls: Arc::new(tls), roots }
    }

    /// The file to trust.
    pub(crate) fn roots(&self) -> &Path {
        self.roots.path()
    }

    /// Shakes hands with clients, wherever that is wanted; nothing if one of them does not trust this server.
    pub(crate) fn host(
        &self,
    ) -> impl Fn(TcpStream) -> Option<StreamOwned<ServerConnection, TcpStream>> + Send + 'static {
        let tls = Arc::clone(&self.tls);
        move |mut socket| {
            let mut connection = ServerConnection::new(Arc::clone(&tls)).expect("a connection");
            connection.complete_io(&mut socket).ok()?;
            Some(StreamOwned::new(connection, socket))
        }
    }
}

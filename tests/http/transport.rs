//! What a client's bytes travel over: a bare connection, or one under TLS.

use authnzerver::http::TlsCertificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, OnceLock};
use support::second_run;
use support::test_ca::Authority;

const NAME: &str = "localhost";

/// What servers and clients speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Plaintext,
    Tls,
}

impl Protocol {
    /// What they speak in this run, unless a test says otherwise.
    pub fn of_this_run() -> Self {
        if second_run::is_over("tls") { Self::Tls } else { Self::Plaintext }
    }

    /// The identity that a server needs for it.
    pub fn identity(self) -> Option<TlsCertificate> {
        (self == Self::Tls).then(|| Papers::shared().server.clone())
    }
}

/// A connection to the server, bare or under TLS.
pub enum Transport {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Transport {
    /// Shakes hands, if hands are to be shaken.
    pub fn over(mut socket: TcpStream, protocol: Protocol) -> io::Result<Self> {
        if protocol == Protocol::Plaintext {
            return Ok(Self::Plain(socket));
        }
        let name = NAME.try_into().expect("a name");
        let mut tls =
            ClientConnection::new(Arc::clone(&Papers::shared().client), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self::Tls(Box::new(StreamOwned::new(tls, socket))))
    }

    pub fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => &tls.sock,
        }
    }

    pub fn into_socket(self) -> TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.into_parts().1,
        }
    }

    /// Sends everything, as far as the server takes it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(tls) => {
                tls.write_all(bytes)?;
                tls.flush()
            }
        }
    }

    /// Says that nothing more will be sent.
    pub fn shut_sending(&mut self) -> io::Result<()> {
        if let Self::Tls(tls) = self {
            tls.conn.send_close_notify();
            tls.flush()?;
        }
        self.socket().shutdown(Shutdown::Write)
    }
}

impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

/// The certificate that all servers of these tests have, and what clients need to trust it.
struct Papers {
    server: TlsCertificate,
    client: Arc<ClientConfig>,
}

impl Papers {
    fn shared() -> &'static Self {
        static PAPERS: OnceLock<Papers> = OnceLock::new();
        PAPERS.get_or_init(|| {
            let authority = Authority::new();
            let signed = authority.certifies(NAME);
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_file(authority.root()).expect("a certificate"))
                .expect("a root");
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let client = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("versions of TLS")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Papers {
                server: TlsCertificate::read(&signed.certificate, &signed.key).expect("an identity"),
                client: Arc::new(client),
            }
        })
    }
}

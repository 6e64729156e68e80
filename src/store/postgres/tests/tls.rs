//! What stands before TLS, and certificates that prove nothing: nobody hears who we are.

use super::super::pool::Pool;
use super::super::target::Target;
use super::fake::{Listening, Peer, says};
use crate::clock::SystemClock;
use crate::rng::SeededRng;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Somebody who vouches for servers.
struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("a certificate");
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("ca.pem"), certificate.pem()).expect("writes");
        Self { directory, issuer: Issuer::new(params, key) }
    }

    fn roots(&self) -> std::path::PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// What a server of this name proves itself with, until this year.
    fn issues(&self, name: &str, until: i32) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_single_cert(chain, key);
        Arc::new(config.expect("a certificate and its key"))
    }
}

/// What comes of a login on a server of this name, and what it has heard in plaintext or after TLS.
fn log_in(
    name: &str,
    roots: &Path,
    serve: impl Fn(&mut Peer) -> Vec<u8> + Send + Sync + 'static,
) -> (Result<(), String>, Vec<u8>) {
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let (told, listening) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let writes = Arc::clone(&heard);
    let server = Listening::serve(move |_, mut peer| {
        assert_eq!(peer.bytes(8)?, [0, 0, 0, 8, 4, 210, 22, 47]);
        let bytes = serve(&mut peer);
        writes.lock().expect("no panic").extend(bytes);
        drop(peer);
        told.lock().expect("no panic").send(()).ok()
    });
    let url = format!(
        "postgresql://alice:hidden@{name}:{}/accounts?sslmode=verify-full&sslrootcert={}",
        server.port,
        roots.display()
    );
    let target = Target::parse(&url).unwrap_or_else(|problem| panic!("{problem}"));
    let pool = Pool::new(target, Arc::new(SystemClock::new()), Arc::new(SeededRng::new(7))).expect("starts");
    let made = pool.lend().map(drop).map_err(|error| error.to_string());
    drop(pool);
    listening.recv().expect("it has served");
    let heard = heard.lock().expect("no panic").clone();
    (made, heard)
}

fn rest(peer: &mut Peer) -> Vec<u8> {
    let mut heard = Vec::new();
    let _ = peer.0.read_to_end(&mut heard);
    heard
}

/// Whether somebody who hears this knows who we are.
fn tells(heard: &[u8]) -> bool {
    ["alice", "accounts", "hidden", "SCRAM"]
        .iter()
        .any(|word| heard.windows(word.len()).any(|at| at == word.as_bytes()))
}

#[test]
fn nothing_before_tls_counts_and_nothing_is_said_in_its_place() {
    let authority = Authority::new();
    let lets_in = [says(b'R', &[0; 4]), says(b'Z', b"I")].concat();
    let mut all_at_once = b"S".to_vec();
    all_at_once.extend(&lets_in);
    for (what, pieces) in [
        ("no TLS", vec![b"N".to_vec()]),
        ("no TLS, and a login", vec![[b"N".to_vec(), lets_in.clone()].concat()]),
        ("an error", vec![says(b'E', b"C57P03\0Malice\0\0")]),
        ("something at once", vec![all_at_once]),
        ("something afterwards", vec![b"S".to_vec(), lets_in.clone()]),
        ("a login", vec![lets_in]),
        ("nothing", Vec::new()),
    ] {
        let (made, heard) = log_in("localhost", &authority.roots(), move |peer| {
            for (number, piece) in pieces.iter().enumerate() {
                if number > 0 {
                    // It has begun with TLS.
                    let _ = peer.bytes(1);
                }
                let _ = peer.say(piece);
            }
            if pieces.is_empty() {
                return Vec::new();
            }
            rest(peer)
        });
        assert!(made.is_err(), "{what}");
        assert!(!tells(&heard), "{what}: {}", String::from_utf8_lossy(&heard));
    }
}

#[test]
fn a_certificate_has_to_be_for_the_name_and_good_today() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (what, name, config, is_good) in [
        ("as it should be", "localhost", authority.issues("localhost", 2100), true),
        ("another name", "localhost", authority.issues("db.example.org", 2100), false),
        ("a name below", "localhost", authority.issues("a.localhost", 2100), false),
        ("for an address", "127.0.0.1", authority.issues("127.0.0.1", 2100), true),
        ("for a name in place of an address", "127.0.0.1", authority.issues("localhost", 2100), false),
        ("over since 2021", "localhost", authority.issues("localhost", 2021), false),
        ("of somebody else", "localhost", other.issues("localhost", 2100), false),
    ] {
        let (made, heard) = log_in(name, &authority.roots(), move |peer| {
            let _ = peer.say(b"S");
            let Ok(mut tls) = ServerConnection::new(Arc::clone(&config)) else { return Vec::new() };
            let mut heard = [0; 200];
            let read = rustls::Stream::new(&mut tls, &mut peer.0).read(&mut heard).unwrap_or(0);
            // What is right so far goes no further.
            let _ = rustls::Stream::new(&mut tls, &mut peer.0).write_all(&says(b'R', &[0, 0, 0, 3]));
            heard[..read].to_vec()
        });
        let told = made.expect_err(what);
        assert_eq!(tells(&heard), is_good, "{what}: {told}");
        assert_eq!(told.contains("certificate is refused"), !is_good, "{what}: {told}");
    }
}

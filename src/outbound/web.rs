//! What our web clients share: whom they trust under TLS, and how they tell that nobody trusted answered.

use crate::files::read_small;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Error};

/// Far more than the roots of a whole system take.
const ROOTS_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a file of roots is of no use.
#[derive(Debug)]
pub enum RootsFault {
    /// It cannot be read.
    Unreadable(io::Error),
    /// There is no certificate in it.
    Empty,
}

impl fmt::Display for RootsFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(fault) => write!(out, "the file of root certificates cannot be read: {fault}"),
            Self::Empty => out.write_str("the file of root certificates holds no certificate in PEM form"),
        }
    }
}

impl std::error::Error for RootsFault {}

/// A web client that trusts the built-in roots and those of a file.
///
/// `ureq` trusts either its own roots or a list. Asking anew with the next set when TLS cannot be agreed on comes to
/// the same as trusting both, for nothing was sent by then.
pub struct WebClient(Vec<Agent>);

impl WebClient {
    /// Reads the file of extra roots, if there is one, and has an agent built for each set. Connects to nothing yet.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn new(extra_roots: Option<&Path>, build: impl Fn(TlsConfig) -> Agent) -> Result<Self, RootsFault> {
        let extra = extra_roots.map(read_roots).transpose()?;
        let sets = extra.into_iter().chain([RootCerts::WebPki]);
        Ok(Self(sets.map(|roots| build(TlsConfig::builder().root_certs(roots).build())).collect()))
    }

    /// Asks once more wherever the fault says that nobody trusted answered, and there is another set of roots.
    ///
    /// # Errors
    /// What the last one met with.
    pub fn ask<T, E>(
        &self,
        ask: impl Fn(&Agent) -> Result<T, E>,
        is_untrusted: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        let (last, others) = self.0.split_last().expect("the built-in roots are always there");
        for agent in others {
            match ask(agent) {
                Err(fault) if is_untrusted(&fault) => {}
                outcome => return outcome,
            }
        }
        ask(last)
    }
}

/// Whether there was no TLS connection to anybody who is trusted.
#[must_use]
pub fn is_untrusted(fault: &Error) -> bool {
    match fault {
        // This is how rustls reports a handshake that failed.
        Error::Io(fault) => fault.kind() == ErrorKind::InvalidData,
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => true,
        _ => false,
    }
}

fn read_roots(path: &Path) -> Result<RootCerts, RootsFault> {
    let file = read_small(path, ROOTS_BYTES_MAX).map_err(RootsFault::Unreadable)?;
    let roots: Vec<Certificate<'static>> = ureq::tls::parse_pem(&file.bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if roots.is_empty() { Err(RootsFault::Empty) } else { Ok(roots.into()) }
}

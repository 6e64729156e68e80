//! What our web clients share: whom they trust under TLS, and how they tell that nobody trusted answered.

#[cfg(test)]
pub(crate) mod testing;

use crate::files::read_small;
use crate::problem::{Loggable, Shown};
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::{Agent, Error};

/// The longest file of extra root certificates that is read.
const ROOTS_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a file of roots is of no use.
#[derive(Debug)]
pub enum RootsError {
    /// It cannot be read.
    Corrupt(PathBuf, io::Error),
    /// There is no certificate in it.
    Empty(PathBuf),
}

impl Loggable for RootsError {}

impl fmt::Display for RootsError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(path, error) => {
                write!(
                    out,
                    "the file of root certificates {} cannot be read: {}",
                    path.display(),
                    Shown(error)
                )
            }
            Self::Empty(path) => {
                let path = path.display();
                write!(out, "the file of root certificates {path} holds no certificate in PEM form")
            }
        }
    }
}

impl std::error::Error for RootsError {}

/// A web client that trusts the built-in roots and those of a file.
///
/// `ureq` trusts either its own roots or a list. Asking anew with the next set when TLS cannot be agreed on comes to
/// the same as trusting both, for nothing was sent by then.
pub struct WebClient {
    /// Trusts the roots of the file.
    extra: Option<Agent>,
    built_in: Agent,
}

impl WebClient {
    /// Reads the file of extra roots, if there is one, and has an agent built for each set. Connects to nothing yet.
    ///
    /// # Errors
    /// The file cannot be read, or holds no certificate.
    pub fn new(extra_roots: Option<&Path>, build: impl Fn(TlsConfig) -> Agent) -> Result<Self, RootsError> {
        let trusting = |roots| build(TlsConfig::builder().root_certs(roots).build());
        let extra = extra_roots.map(read_roots).transpose()?.map(trusting);
        Ok(Self { extra, built_in: trusting(RootCerts::WebPki) })
    }

    /// Asks once more if the error says that nobody answered whose certificate chains to a root of the file.
    ///
    /// # Errors
    /// What the last one met with.
    pub fn ask<T, E>(
        &self,
        ask: impl Fn(&Agent) -> Result<T, E>,
        is_untrusted: impl Fn(&E) -> bool,
    ) -> Result<T, E> {
        match self.extra.as_ref().map(&ask) {
            Some(Err(error)) if is_untrusted(&error) => ask(&self.built_in),
            Some(outcome) => outcome,
            None => ask(&self.built_in),
        }
    }
}

/// Whether there was no TLS connection to anybody who is trusted.
#[must_use]
pub fn is_untrusted(error: &Error) -> bool {
    match error {
        // This is how rustls reports a handshake that failed.
        Error::Io(error) => error.kind() == ErrorKind::InvalidData,
        Error::Tls(_) | Error::Rustls(_) | Error::Pem(_) | Error::TlsRequired => true,
        _ => false,
    }
}

fn read_roots(path: &Path) -> Result<RootCerts, RootsError> {
    let file =
        read_small(path, ROOTS_BYTES_MAX).map_err(|error| RootsError::Corrupt(path.to_owned(), error))?;
    let roots: Vec<Certificate<'static>> = ureq::tls::parse_pem(&file.bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if roots.is_empty() { Err(RootsError::Empty(path.to_owned())) } else { Ok(roots.into()) }
}

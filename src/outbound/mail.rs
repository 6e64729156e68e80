//! Sends letters by SMTP. Blocks; called on a thread for calls to the outside. What goes wrong is told in fixed words,
//! never with an address in them.

use super::letters::Letter;
use crate::clock::Moment;
use crate::guard::secret::Secret;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// How long each step of a delivery may take: connecting, and every answer of the mail server.
const STEP_SECONDS_MAX: Duration = Duration::from_secs(10);
/// How long a mail server has to say good-bye. The letter is taken by then, or it never will be.
const GOODBYE_MAX: Duration = Duration::from_secs(1);
/// Bytes of a line in a letter without its end (RFC 5322).
const LINE_BYTES_MAX: usize = 998;
/// How a certificate begins in a PEM file.
const CERTIFICATE_BEGINS: &[u8] = b"-----BEGIN CERTIFICATE-----";
/// The port on which mail servers speak TLS from the first byte.
const TLS_PORT: u16 = 465;

/// How to reach the mail server, and as whom to send.
#[derive(Clone)]
pub struct MailSettings {
    /// The server's name or address.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// Who logs in; nobody does where this or the password is empty.
    pub user: String,
    /// The password.
    pub password: Secret<String>,
    /// `Name <address>` or just an address.
    pub sender: String,
    /// How the connection is protected.
    pub protection: Protection,
    /// Whether the server's certificate must be good.
    pub verify: bool,
    /// Certificates that are trusted beside the built-in ones, as PEM.
    pub extra_roots: Option<Vec<u8>>,
}

/// How the connection to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS on port 465, STARTTLS on every other one; in clear only to this very machine.
    Automatic,
    /// Begins in clear and must change to TLS.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// In clear, because the operator says so.
    None,
}

/// Why a letter was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailError {
    /// The sender or the recipient is no address, or the text cannot be sent as it is.
    Unwritable,
    /// There is no way to the server.
    Unreachable,
    /// The server took too long.
    TimedOut,
    /// The connection could not be protected as it must be.
    Tls,
    /// The server refused for good, with this code.
    Refused(u16),
    /// The server refused for now, with this code.
    Deferred(u16),
    /// The server or this side did something unexpected.
    Protocol,
}

impl MailError {
    /// The error in fixed words, for the log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Unwritable => "the letter cannot be written",
            Self::Unreachable => "the mail server cannot be reached",
            Self::TimedOut => "the mail server took too long",
            Self::Tls => "the connection could not be protected",
            Self::Refused(_) => "the mail server refused",
            Self::Deferred(_) => "the mail server refused for now",
            Self::Protocol => "the mail server did not follow the protocol",
        }
    }

    /// The mail server's code, or 0.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Refused(code) | Self::Deferred(code) => code,
            _ => 0,
        }
    }
}

/// Sends letters.
pub trait Mailer: Send + Sync {
    /// Sends a letter and waits until the mail server has taken it.
    ///
    /// # Errors
    ///
    /// Why it was not sent.
    fn send(&self, letter: &Letter, settings: &MailSettings, now: Moment) -> Result<(), MailError>;
}

/// Keeps letters in memory instead of sending them, for tests.
#[derive(Default)]
pub struct Outbox(Mutex<Vec<Letter>>);

impl Outbox {
    /// Takes out the letters that were sent since the last time.
    pub fn take(&self) -> Vec<Letter> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Mailer for Outbox {
    fn send(&self, letter: &Letter, _settings: &MailSettings, _now: Moment) -> Result<(), MailError> {
        let letter =
            Letter { to: letter.to.clone(), subject: letter.subject.clone(), text: letter.text.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        Ok(())
    }
}

/// Sends letters by SMTP.
pub struct SmtpMailer;

impl Mailer for SmtpMailer {
    fn send(&self, letter: &Letter, settings: &MailSettings, now: Moment) -> Result<(), MailError> {
        let message = message(letter, settings, now)?;
        let mut connection = connect(settings)?;
        let sent = log_in(&mut connection, settings)
            .and_then(|()| connection.send(message.envelope(), &message.formatted()).map(drop));
        take_leave(connection);
        sent.map_err(|error| kind_of(&error))
    }
}

/// A connection to the mail server, protected as it must be.
fn connect(settings: &MailSettings) -> Result<SmtpConnection, MailError> {
    let name = ClientId::default();
    let open = |tls: Option<&TlsParameters>| {
        let address = (settings.server.as_str(), settings.port);
        SmtpConnection::connect(address, Some(STEP_SECONDS_MAX), &name, tls, None)
            .map_err(|error| kind_of(&error))
    };
    match protection(settings)? {
        Protection::None | Protection::Automatic => open(None),
        Protection::Tls => open(Some(&tls_parameters(settings)?)),
        Protection::StartTls => {
            let parameters = tls_parameters(settings)?;
            let mut connection = open(None)?;
            if !connection.can_starttls() {
                take_leave(connection);
                return Err(MailError::Tls);
            }
            connection.starttls(&parameters, &name).map_err(|error| kind_of(&error))?;
            Ok(connection)
        }
    }
}

/// Logs in, where there is a log-in. A mail server that asks nobody to is sent the letter without one, as the Python
/// authnzerver did; if it minds, it refuses the letter.
fn log_in(connection: &mut SmtpConnection, settings: &MailSettings) -> Result<(), SmtpError> {
    let password = settings.password.expose();
    let is_asked = connection.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_some();
    if !is_asked || settings.user.is_empty() || password.is_empty() {
        return Ok(());
    }
    let credentials = Credentials::new(settings.user.clone(), password.clone());
    connection.auth(DEFAULT_MECHANISMS, &credentials).map(drop)
}

/// Ends a connection politely, but without waiting long for thanks.
fn take_leave(mut connection: SmtpConnection) {
    // A time-out that cannot be set leaves the longer one in place.
    let _ = connection.set_timeout(Some(GOODBYE_MAX));
    connection.abort();
}

/// What the automatic protection comes to: never in clear to another machine.
fn protection(settings: &MailSettings) -> Result<Protection, MailError> {
    match settings.protection {
        Protection::Automatic if settings.port == TLS_PORT => Ok(Protection::Tls),
        Protection::Automatic => {
            let addresses = (settings.server.as_str(), settings.port).to_socket_addrs();
            let mut addresses = addresses.map_err(|_| MailError::Unreachable)?;
            let is_here = addresses.all(|address| is_loopback(address.ip()));
            Ok(if is_here { Protection::None } else { Protection::StartTls })
        }
        given => Ok(given),
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

fn tls_parameters(settings: &MailSettings) -> Result<TlsParameters, MailError> {
    let mut parameters = TlsParameters::builder(settings.server.clone());
    if let Some(pem) = &settings.extra_roots {
        parameters = parameters.add_root_certificate(Certificate::from_pem(pem).map_err(|_| MailError::Tls)?);
    }
    if !settings.verify {
        parameters = parameters.dangerous_accept_invalid_certs(true).dangerous_accept_invalid_hostnames(true);
    }
    parameters.build_rustls().map_err(|_| MailError::Tls)
}

/// The letter as it travels. The text is neither folded nor encoded, so that the code in it stays whole.
fn message(letter: &Letter, settings: &MailSettings, now: Moment) -> Result<Message, MailError> {
    let address = |text: &str| text.parse::<Mailbox>().map_err(|_| MailError::Unwritable);
    let sender = address(&settings.sender)?;
    let domain = sender.email.domain().to_owned();
    let encoding = if letter.text.is_ascii() {
        ContentTransferEncoding::SevenBit
    } else {
        ContentTransferEncoding::EightBit
    };
    // Left to itself, the crate folds every line of more than 76 characters. What this asks for in return, that no line
    // exceeds 998 bytes, is checked here.
    if letter.text.contains('\0') || letter.text.lines().any(|line| line.len() > LINE_BYTES_MAX) {
        return Err(MailError::Unwritable);
    }
    let body = Body::dangerous_pre_encoded(letter.text.replace('\n', "\r\n").into_bytes(), encoding);
    let date = UNIX_EPOCH + Duration::from_secs(u64::try_from(now.unix_seconds()).unwrap_or(0));
    // Nobody else sends at this microsecond with this code; of the code itself nothing can be read from it.
    let unique =
        u64::from_be_bytes(Sha256::digest(&letter.text)[..8].try_into().expect("eight bytes of a hash"));
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(sender)
        .to(address(&letter.to)?)
        .subject(letter.subject.clone())
        .date(date)
        .message_id(Some(format!("<{}.{unique}@{domain}>", now.micros())))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(MIME_VERSION_1_0)
        .header(ContentType::TEXT_PLAIN)
        .body(body)
        .map_err(|_| MailError::Unwritable)
}

fn kind_of(error: &SmtpError) -> MailError {
    let code = error.status().map_or(0, u16::from);
    if error.is_permanent() {
        MailError::Refused(code)
    } else if error.is_transient() {
        MailError::Deferred(code)
    } else if error.is_response() || error.is_client() {
        MailError::Protocol
    } else if error.is_tls() {
        MailError::Tls
    } else {
        network_kind_of(error)
    }
}

/// What went wrong on the network. The crate tells neither a time that is over from a server that is not there, nor a
/// certificate that is not good: that is found out only when the first byte is read.
fn network_kind_of(error: &SmtpError) -> MailError {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let Some(cause) = causes.find_map(|cause| cause.downcast_ref::<io::Error>()) else {
        return MailError::Unreachable;
    };
    match cause.kind() {
        // A connection that is not made in time ends with the first, an answer that is not read in time with the second.
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => MailError::TimedOut,
        // Faults of TLS carry a cause of their own; an answer that is no text does not.
        io::ErrorKind::InvalidData if cause.get_ref().is_some() => MailError::Tls,
        io::ErrorKind::InvalidData => MailError::Protocol,
        _ => MailError::Unreachable,
    }
}

/// Reads certificates to trust beside the built-in ones.
///
/// # Errors
///
/// When the file cannot be read, holds none, or holds one that no connection could be made with.
pub fn read_extra_roots(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    // The crate is content with a file of no certificates, which then fails at every delivery.
    if !pem.windows(CERTIFICATE_BEGINS.len()).any(|bytes| bytes == CERTIFICATE_BEGINS) {
        return Err("it holds no certificate".to_owned());
    }
    let parameters = |roots| TlsParameters::builder(String::new()).add_root_certificate(roots).build_rustls();
    let usable = Certificate::from_pem(&pem).and_then(parameters);
    usable.map(|_| pem).map_err(|_| "it holds a damaged certificate".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(server: &str, port: u16) -> MailSettings {
        MailSettings {
            server: server.to_owned(),
            port,
            user: String::new(),
            password: Secret::new(String::new()),
            sender: "post@recipes.example".to_owned(),
            protection: Protection::Automatic,
            verify: true,
            extra_roots: None,
        }
    }

    #[test]
    fn letters_leave_this_machine_only_under_tls_unless_the_operator_says_otherwise() {
        for (server, port, expected) in [
            ("127.0.0.1", 25, Protection::None),
            ("::1", 587, Protection::None),
            ("::ffff:127.0.0.1", 25, Protection::None),
            ("192.0.2.1", 25, Protection::StartTls),
            ("192.0.2.1", 587, Protection::StartTls),
            ("192.0.2.1", 465, Protection::Tls),
            ("127.0.0.1", 465, Protection::Tls),
        ] {
            assert_eq!(protection(&settings(server, port)), Ok(expected), "{server} {port}");
        }
        let told = MailSettings { protection: Protection::None, ..settings("192.0.2.1", 25) };
        assert_eq!(protection(&told), Ok(Protection::None));
    }

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

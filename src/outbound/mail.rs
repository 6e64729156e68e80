//! Sends letters by SMTP. Blocks; called on a thread for calls to the outside. What goes wrong is told in fixed words,
//! never with an address in them.

use super::letters::Letter;
use crate::clock::Moment;
use crate::guard::secret::Secret;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message};
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{SmtpTransport, Transport};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// How long each step of a delivery may take: connecting, and every answer of the mail server.
const STEP_SECONDS_MAX: Duration = Duration::from_secs(10);
/// Bytes of a line in a letter without its end (RFC 5322).
const LINE_BYTES_MAX: usize = 998;
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
        let tls = match protection(settings)? {
            Protection::None | Protection::Automatic => Tls::None,
            Protection::StartTls => Tls::Required(tls_parameters(settings)?),
            Protection::Tls => Tls::Wrapper(tls_parameters(settings)?),
        };
        let mut transport = SmtpTransport::builder_dangerous(&settings.server)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(STEP_SECONDS_MAX));
        if !settings.user.is_empty() && !settings.password.expose().is_empty() {
            let password = settings.password.expose().clone();
            transport = transport.credentials(Credentials::new(settings.user.clone(), password));
        }
        transport.build().send(&message).map(drop).map_err(|error| kind_of(&error))
    }
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
        .header(ContentType::TEXT_PLAIN)
        .body(body)
        .map_err(|_| MailError::Unwritable)
}

fn kind_of(error: &SmtpError) -> MailError {
    let code = error.status().map_or(0, u16::from);
    if error.is_timeout() {
        MailError::TimedOut
    } else if error.is_tls() {
        MailError::Tls
    } else if error.is_permanent() {
        MailError::Refused(code)
    } else if error.is_transient() {
        MailError::Deferred(code)
    } else if error.is_response() || error.is_client() {
        MailError::Protocol
    } else {
        MailError::Unreachable
    }
}

/// Reads certificates to trust beside the built-in ones.
///
/// # Errors
///
/// When the file cannot be read or holds none.
pub fn read_extra_roots(path: &Path) -> Result<Vec<u8>, String> {
    let pem = std::fs::read(path).map_err(|error| error.to_string())?;
    Certificate::from_pem(&pem).map(|_| pem).map_err(|_| "it holds no certificate".to_owned())
}

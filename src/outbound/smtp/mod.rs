//! Speaks SMTP (RFC 5321) with a mail server, one delivery at a time, on a thread that may wait. Replies are judged by
//! their codes alone. Whatever goes wrong before the dot that ends the letter, the letter was not delivered; whatever
//! goes wrong behind it but a refusal, it may have been, and counts as sent.

mod auth;
mod connection;
mod reply;
mod tls;

pub use tls::read_extra_roots;

use super::letters::Letter;
use super::mail::{MailError, MailSettings, Protection};
use super::mailbox::{Address, Sender};
use super::message;
use crate::clock::{Clock, Moment};
use connection::Connection;
use reply::Extensions;
pub use reply::Reply;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long the server may take to greet, and to answer a command (RFC 5321, 4.5.3.2.1 to 3).
const COMMAND_SECONDS_MAX: Duration = Duration::from_secs(5 * 60);
/// To answer DATA (4.5.3.2.4).
const DATA_SECONDS_MAX: Duration = Duration::from_secs(2 * 60);
/// To take the letter's text (4.5.3.2.5).
const TEXT_SECONDS_MAX: Duration = Duration::from_secs(3 * 60);
/// To answer the final dot (4.5.3.2.6): servers look for viruses and spam meanwhile.
const DOT_SECONDS_MAX: Duration = Duration::from_secs(10 * 60);
/// To answer QUIT. The letter is taken by then, or it never will be.
const QUIT_SECONDS_MAX: Duration = Duration::from_secs(1);
/// The port on which mail servers speak TLS from the first byte.
const TLS_PORT: u16 = 465;

/// What ends a delivery early, and who wants to know how it goes.
pub struct Watch<'a> {
    /// The server stops: what is not handed over yet is not sent.
    pub stopping: &'a AtomicBool,
    /// Somebody waits: no step takes longer than this, whatever the protocol allows.
    pub patience: Option<Duration>,
    /// Called once when the letter is handed over and the server takes longer than `patience` to say that it has it.
    pub handed_over: &'a dyn Fn(),
}

impl Watch<'_> {
    fn is_over(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn at_most(&self, limit: Duration) -> Duration {
        self.patience.map_or(limit, |patience| patience.min(limit))
    }
}

/// How sure it is that a letter was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The mail server said that it has it.
    Confirmed,
    /// It got the whole letter and said nothing that could be understood.
    Unconfirmed,
}

/// Delivers one letter.
///
/// # Errors
///
/// Why it was certainly not delivered.
pub fn deliver(
    letter: &Letter,
    settings: &MailSettings,
    now: Moment,
    clock: &dyn Clock,
    watch: &Watch<'_>,
) -> Result<Receipt, MailError> {
    let sender = Sender::parse(&settings.sender).ok_or(MailError::Unwritable)?;
    let recipient = Address::parse(&letter.to).ok_or(MailError::Unwritable)?;
    // What cannot be sent to anybody needs no connection.
    message::is_sendable(&letter.text).then_some(()).ok_or(MailError::Unwritable)?;
    let addresses = resolve(settings)?;
    let protection = protection(settings, &addresses);
    let connection = Connection::open(addresses.into_iter(), clock, watch)?;
    let name = client_name(settings, &sender, connection.local().ip());
    let mut dialogue = Dialogue { connection, watch };
    let delivered = dialogue.begin(settings, protection, &name).and_then(|extensions| {
        // A server that asks nobody to log in gets the letter without; if it minds, it refuses the letter.
        if !settings.user.is_empty() && !settings.password.expose().is_empty() {
            auth::log_in(&mut dialogue, &extensions, &settings.user, &settings.password)?;
        }
        dialogue.hand_over(letter, &sender, &recipient, &extensions, now)
    });
    // A server that is gone, or has no time, is left without a word.
    if !matches!(delivered, Err(MailError::TimedOut | MailError::Closed | MailError::Stopped)) {
        dialogue.quit();
    }
    delivered
}

fn resolve(settings: &MailSettings) -> Result<Vec<SocketAddr>, MailError> {
    let addresses = (settings.server.as_str(), settings.port).to_socket_addrs();
    Ok(addresses.map_err(|_| MailError::Unreachable)?.collect())
}

/// What the automatic protection comes to: never in clear to another machine.
fn protection(settings: &MailSettings, addresses: &[SocketAddr]) -> Protection {
    let is_here = |address: &SocketAddr| address.ip().to_canonical().is_loopback();
    match settings.protection {
        Protection::Automatic if settings.port == TLS_PORT => Protection::Tls,
        Protection::Automatic if addresses.iter().all(is_here) => Protection::None,
        Protection::Automatic => Protection::StartTls,
        given => given,
    }
}

/// What we call ourselves: what the operator says, else the sender's domain, else our own address. A name without a
/// dot means nothing to another machine.
fn client_name(settings: &MailSettings, sender: &Sender, local: IpAddr) -> String {
    let domain = Some(sender.address.domain()).filter(|domain| domain.contains('.')).map(str::to_owned);
    settings.client_name.clone().or(domain).unwrap_or_else(|| match local.to_canonical() {
        IpAddr::V4(address) => format!("[{address}]"),
        IpAddr::V6(address) => format!("[IPv6:{address}]"),
    })
}

/// One conversation with a mail server.
struct Dialogue<'a> {
    connection: Connection<'a>,
    watch: &'a Watch<'a>,
}

impl Dialogue<'_> {
    /// Sends a command and waits for the reply.
    fn ask(&mut self, command: &str, limit: Duration) -> Result<Reply, MailError> {
        // Nothing that comes in from outside may end a command and begin another.
        if command.contains(['\r', '\n', '\0']) {
            return Err(MailError::Unwritable);
        }
        let limit = self.watch.at_most(limit);
        self.connection.send(format!("{command}\r\n").as_bytes(), limit)?;
        self.connection.reply(limit)
    }

    /// The same for a command that must succeed.
    fn tell(&mut self, command: &str) -> Result<(), MailError> {
        let reply = self.ask(command, COMMAND_SECONDS_MAX)?;
        if reply.is_positive() { Ok(()) } else { Err(MailError::of(&reply)) }
    }

    /// From the greeting to where letters are taken, protected as it must be.
    fn begin(
        &mut self,
        settings: &MailSettings,
        protection: Protection,
        name: &str,
    ) -> Result<Extensions, MailError> {
        let limit = self.watch.at_most(COMMAND_SECONDS_MAX);
        if protection == Protection::Tls {
            self.connection.secure(settings, limit)?;
        }
        let greeting = self.connection.reply(limit)?;
        if !greeting.is_positive() {
            return Err(MailError::of(&greeting));
        }
        let extensions = self.greet(name)?;
        if protection != Protection::StartTls {
            return Ok(extensions);
        }
        // Somebody in between can take the offer out, but not make us go on without it.
        if !extensions.starttls {
            return Err(MailError::Tls);
        }
        let reply = self.ask("STARTTLS", COMMAND_SECONDS_MAX)?;
        if !reply.is_positive() {
            return Err(MailError::Tls);
        }
        self.connection.secure(settings, limit)?;
        self.greet(name)
    }

    /// Says who we are; in the old way where the server does not know the new one.
    fn greet(&mut self, name: &str) -> Result<Extensions, MailError> {
        let reply = self.ask(&format!("EHLO {name}"), COMMAND_SECONDS_MAX)?;
        if reply.is_positive() {
            return Ok(Extensions::of(&reply));
        }
        if reply.code == 421 {
            return Err(MailError::Deferred(421));
        }
        self.tell(&format!("HELO {name}"))?;
        Ok(Extensions::default())
    }

    /// Sends the letter.
    fn hand_over(
        &mut self,
        letter: &Letter,
        sender: &Sender,
        recipient: &Address,
        extensions: &Extensions,
        now: Moment,
    ) -> Result<Receipt, MailError> {
        if recipient.needs_utf8() && !(extensions.utf8 && extensions.eight_bit) {
            return Err(MailError::NeedsUtf8);
        }
        let message = message::write(letter, sender, recipient, now, extensions.eight_bit)?;
        let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
        if extensions.size.flatten().is_some_and(|largest| largest < bytes) {
            // What it would answer (RFC 1870).
            return Err(MailError::Refused(552));
        }
        let mut from = format!("MAIL FROM:<{}>", sender.address.path());
        if extensions.size.is_some() {
            from.push_str(&format!(" SIZE={bytes}"));
        }
        if message.iter().any(|byte| !byte.is_ascii()) {
            from.push_str(" BODY=8BITMIME");
        }
        if recipient.needs_utf8() {
            from.push_str(" SMTPUTF8");
        }
        self.tell(&from)?;
        self.tell(&format!("RCPT TO:<{}>", recipient.path()))?;
        let reply = self.ask("DATA", DATA_SECONDS_MAX)?;
        if reply.code / 100 != 3 {
            return Err(MailError::of(&reply));
        }
        self.connection.send(&dot_stuffed(&message), self.watch.at_most(TEXT_SECONDS_MAX))?;
        if self.watch.is_over() {
            return Err(MailError::Stopped);
        }
        self.end_with_a_dot()
    }

    /// Sends the dot that makes the server responsible for the letter. From here on only its refusal says that it was
    /// not delivered.
    fn end_with_a_dot(&mut self) -> Result<Receipt, MailError> {
        let sent = self.connection.send(b".\r\n", TEXT_SECONDS_MAX);
        let patience = self.watch.at_most(DOT_SECONDS_MAX);
        let reply = sent.and_then(|()| self.connection.reply(patience)).or_else(|fault| {
            let rest = DOT_SECONDS_MAX.saturating_sub(patience);
            if fault != MailError::TimedOut || rest.is_zero() {
                return Err(fault);
            }
            (self.watch.handed_over)();
            self.connection.reply(rest)
        });
        match reply {
            Ok(reply) if reply.is_positive() => Ok(Receipt::Confirmed),
            Ok(reply) if matches!(reply.code / 100, 4 | 5) => Err(MailError::of(&reply)),
            Ok(_) | Err(_) => Ok(Receipt::Unconfirmed),
        }
    }

    /// Ends the conversation politely, but without waiting long for thanks.
    fn quit(&mut self) {
        // Whatever is said now changes nothing.
        if self.connection.send(b"QUIT\r\n", QUIT_SECONDS_MAX).is_ok() {
            let _ = self.connection.reply(QUIT_SECONDS_MAX);
        }
    }
}

/// A letter as it travels behind DATA: a line that begins with a dot gets another one. Ends with a line end.
fn dot_stuffed(message: &[u8]) -> Vec<u8> {
    let mut stuffed = Vec::with_capacity(message.len() + 16);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            stuffed.push(b'.');
        }
        stuffed.extend_from_slice(line);
    }
    if !stuffed.ends_with(b"\r\n") {
        stuffed.extend_from_slice(b"\r\n");
    }
    stuffed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::secret::Secret;

    fn settings(server: &str, port: u16) -> MailSettings {
        MailSettings {
            server: server.to_owned(),
            port,
            client_name: None,
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
            let settings = settings(server, port);
            let addresses = resolve(&settings).expect("an address");
            assert_eq!(protection(&settings, &addresses), expected, "{server} {port}");
        }
        let told = MailSettings { protection: Protection::None, ..settings("192.0.2.1", 25) };
        assert_eq!(protection(&told, &resolve(&told).expect("an address")), Protection::None);
    }

    #[test]
    fn the_server_introduces_itself_by_a_name_that_means_something_elsewhere() {
        let name = |client_name: Option<&str>, sender: &str, local: &str| {
            let settings =
                MailSettings { client_name: client_name.map(str::to_owned), ..settings("127.0.0.1", 25) };
            let sender = Sender::parse(sender).expect("a sender");
            super::client_name(&settings, &sender, local.parse().expect("an address"))
        };
        assert_eq!(name(Some("auth.example"), "a@b.example", "192.0.2.1"), "auth.example");
        assert_eq!(name(None, "a@b\u{fc}cher.example", "192.0.2.1"), "xn--bcher-kva.example");
        assert_eq!(name(None, "a@localhost", "192.0.2.1"), "[192.0.2.1]");
        assert_eq!(name(None, "a@localhost", "2001:db8::1"), "[IPv6:2001:db8::1]");
        assert_eq!(name(None, "a@localhost", "::ffff:127.0.0.1"), "[127.0.0.1]");
    }

    #[test]
    fn a_dot_at_the_beginning_of_a_line_ends_nothing() {
        assert_eq!(dot_stuffed(b".\r\n..\r\na.\r\n"), b"..\r\n...\r\na.\r\n");
        assert_eq!(dot_stuffed(b".x"), b"..x\r\n");
        assert_eq!(dot_stuffed(b""), b"\r\n");
    }
}

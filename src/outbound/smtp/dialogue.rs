//! One conversation with a mail server, from its greeting to our good-bye.

use super::connection::Connection;
use super::reply::{Extensions, Reply};
use crate::clock::Timestamp;
use crate::outbound::delivery::{MailError, MailSettings, Protection, Receipt, Watch};
use crate::outbound::mailbox::{Address, Sender};
use crate::outbound::message;
use crate::outbound::templates::Email;
use std::fmt::Write as _;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long the server may take to greet, and to answer a command (RFC 5321, 4.5.3.2.1 to 3).
pub(super) const COMMAND_SECONDS_MAX: Duration = Duration::from_secs(5 * 60);
/// To answer DATA (4.5.3.2.4).
const DATA_SECONDS_MAX: Duration = Duration::from_secs(2 * 60);
/// To take the email's text (4.5.3.2.5).
const TEXT_SECONDS_MAX: Duration = Duration::from_secs(3 * 60);
/// To answer the final dot (4.5.3.2.6): servers look for viruses and spam meanwhile.
const DOT_SECONDS_MAX: Duration = Duration::from_secs(10 * 60);
/// To answer QUIT. The email is taken by then, or it never will be.
const QUIT_SECONDS_MAX: Duration = Duration::from_secs(1);

/// One conversation with a mail server.
pub(super) struct Dialogue<'a> {
    connection: Connection<'a>,
    watch: &'a Watch<'a>,
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(connection: Connection<'a>, watch: &'a Watch<'a>) -> Self {
        Self { connection, watch }
    }

    /// Sends a command and waits for the reply.
    pub(super) fn ask(&mut self, command: &str, limit: Duration) -> Result<Reply, MailError> {
        // Nothing that comes in from outside may end a command and begin another.
        if command.contains(['\r', '\n', '\0']) {
            return Err(MailError::InvalidMessage);
        }
        let limit = self.watch.at_most(limit);
        self.connection.send(format!("{command}\r\n").as_bytes(), limit)?;
        let reply = self.connection.reply(limit)?;
        self.trace(shown(command), &reply);
        Ok(reply)
    }

    fn trace(&self, command: &str, reply: &Reply) {
        self.watch.tell(|| {
            let text = reply.lines.last().map(|text| String::from_utf8_lossy(text)).unwrap_or_default();
            format!("{command}: {} {text}", reply.code)
        });
    }

    /// The same for a command that must succeed.
    fn tell(&mut self, command: &str) -> Result<(), MailError> {
        let reply = self.ask(command, COMMAND_SECONDS_MAX)?;
        if reply.is_positive() { Ok(()) } else { Err(reply.error()) }
    }

    /// From the greeting to where emails are taken, protected as it must be.
    pub(super) fn begin(
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
        self.trace("greeting", &greeting);
        if !greeting.is_positive() {
            return Err(greeting.error());
        }
        let extensions = self.greet(name)?;
        if protection != Protection::StartTls {
            return Ok(extensions);
        }
        // Somebody in between can take the offer out, but not make us go on without it.
        if !extensions.starttls {
            self.watch.tell(|| "the mail server does not offer STARTTLS".to_owned());
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

    /// Sends the email.
    pub(super) fn hand_over(
        &mut self,
        email: &Email,
        sender: &Sender,
        recipient: &Address,
        extensions: &Extensions,
        now: Timestamp,
    ) -> Result<Receipt, MailError> {
        if recipient.needs_utf8() && !(extensions.utf8 && extensions.eight_bit) {
            return Err(MailError::NeedsUtf8);
        }
        let message = message::write(email, sender, recipient, now, extensions.eight_bit)?;
        let bytes = u64::try_from(message.len()).unwrap_or(u64::MAX);
        if extensions.size.flatten().is_some_and(|largest| largest < bytes) {
            // What it would answer (RFC 1870).
            return Err(MailError::Refused(552));
        }
        let mut from = format!("MAIL FROM:<{}>", sender.address.path());
        if extensions.size.is_some() {
            let _ = write!(from, " SIZE={bytes}"); // a String takes everything
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
            return Err(reply.error());
        }
        self.connection.send(&dot_stuffed(&message), self.watch.at_most(TEXT_SECONDS_MAX))?;
        if self.watch.is_over() {
            return Err(MailError::Stopped);
        }
        self.end_with_a_dot()
    }

    /// Sends the dot that makes the server responsible for the email. From here on only its refusal says that it was
    /// not delivered.
    fn end_with_a_dot(&mut self) -> Result<Receipt, MailError> {
        let sent = self.connection.send(b".\r\n", TEXT_SECONDS_MAX);
        let patience = self.watch.at_most(DOT_SECONDS_MAX);
        let reply = sent.and_then(|()| self.connection.reply(patience)).or_else(|error| {
            let rest = DOT_SECONDS_MAX.saturating_sub(patience);
            if error != MailError::TimedOut || rest.is_zero() {
                return Err(error);
            }
            (self.watch.handed_over)();
            self.connection.reply(rest)
        });
        if let Ok(reply) = &reply {
            self.trace("the email", reply);
        }
        match reply {
            Ok(reply) if reply.is_positive() => Ok(Receipt::Confirmed),
            Ok(reply) if matches!(reply.code / 100, 4 | 5) => Err(reply.error()),
            Ok(_) | Err(_) => Ok(Receipt::Unconfirmed),
        }
    }

    /// Ends the conversation politely, but without waiting long for thanks.
    pub(super) fn quit(&mut self) {
        // Whatever is said now changes nothing.
        if self.connection.send(b"QUIT\r\n", QUIT_SECONDS_MAX).is_ok() {
            let _ = self.connection.reply(QUIT_SECONDS_MAX);
        }
    }
}

/// A command as it may be shown: of a login, only the way of it.
fn shown(command: &str) -> &str {
    let is_login = command.starts_with("AUTH ");
    let known = ["EHLO ", "HELO ", "STARTTLS", "MAIL ", "RCPT ", "DATA"];
    if is_login {
        command.split(' ').nth(1).unwrap_or_default()
    } else if known.iter().any(|known| command.starts_with(known)) {
        command
    } else {
        "the login"
    }
}

/// An email as it travels behind DATA: a line that begins with a dot gets another one. Ends with a line end.
/// In memory that is made once and wiped, for there is a code in it.
fn dot_stuffed(message: &[u8]) -> Zeroizing<Vec<u8>> {
    let dots = message.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b".")).count();
    let mut stuffed = Zeroizing::new(Vec::with_capacity(message.len() + dots + 2));
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

    #[test]
    fn no_password_is_shown() {
        assert_eq!(shown("MAIL FROM:<a@b.example> SIZE=1"), "MAIL FROM:<a@b.example> SIZE=1");
        assert_eq!((shown("AUTH PLAIN AGEAYg=="), shown("AUTH LOGIN")), ("PLAIN", "LOGIN"));
        assert_eq!((shown("YWxpY2U="), shown("*")), ("the login", "the login"));
    }

    #[test]
    fn a_dot_at_the_beginning_of_a_line_ends_nothing() {
        assert_eq!(*dot_stuffed(b".\r\n..\r\na.\r\n"), b"..\r\n...\r\na.\r\n");
        assert_eq!(*dot_stuffed(b".x"), b"..x\r\n");
        assert_eq!(*dot_stuffed(b""), b"\r\n");
    }
}

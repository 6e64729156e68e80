//! Speaks SMTP (RFC 5321) with a mail server, one delivery at a time, on a thread that may wait. Replies are judged by
//! their codes alone. Whatever goes wrong before the dot that ends the email, the email was not delivered; whatever
//! goes wrong behind it but a refusal, it may have been, and counts as sent.

mod auth;
mod connection;
mod dialogue;
mod reply;
mod tls;

pub use tls::read_extra_roots;

use super::delivery::{MailError, MailSettings, Protection, Receipt, Watch};
use super::mailbox::{Address, Sender};
use super::message;
use super::names;
use super::templates::Email;
use crate::clock::{Clock, Timestamp};
use connection::Connection;
use dialogue::Dialogue;
use reply::Extensions;
use std::net::{IpAddr, SocketAddr};

/// The port on which mail servers speak TLS from the first byte.
const TLS_PORT: u16 = 465;

/// Delivers one email.
///
/// # Errors
///
/// Why it was certainly not delivered.
pub fn deliver(
    email: &Email,
    settings: &MailSettings,
    now: Timestamp,
    clock: &dyn Clock,
    watch: &Watch<'_>,
) -> Result<Receipt, MailError> {
    let sender = Sender::parse(&settings.sender).ok_or(MailError::InvalidMessage)?;
    let recipient = Address::parse(&email.to).ok_or(MailError::InvalidMessage)?;
    // What cannot be sent to anybody needs no connection.
    message::is_sendable(&email.text).then_some(()).ok_or(MailError::InvalidMessage)?;
    converse(settings, &sender, clock, watch, |dialogue, extensions| {
        dialogue.hand_over(email, &sender, &recipient, extensions, now)
    })
}

/// Comes as far as an email would be handed over.
///
/// # Errors
///
/// Why not.
pub fn probe(settings: &MailSettings, clock: &dyn Clock, watch: &Watch<'_>) -> Result<(), MailError> {
    let sender = Sender::parse(&settings.sender).ok_or(MailError::InvalidMessage)?;
    converse(settings, &sender, clock, watch, |_, _| Ok(()))
}

/// Connects, logs in, does the work, and leaves.
fn converse<'a, T>(
    settings: &MailSettings,
    sender: &Sender,
    clock: &'a dyn Clock,
    watch: &'a Watch<'a>,
    work: impl FnOnce(&mut Dialogue<'a>, &Extensions) -> Result<T, MailError>,
) -> Result<T, MailError> {
    let addresses = resolve(settings, watch)?;
    let protection = protection(settings, &addresses);
    let connection = Connection::open(addresses.into_iter(), clock, watch)?;
    let name = client_name(settings, sender, connection.local().ip());
    let mut dialogue = Dialogue::new(connection, watch);
    let done = dialogue.begin(settings, protection, &name).and_then(|extensions| {
        // A server that asks nobody to log in gets the email without; if it minds, it refuses the email.
        if !settings.user.is_empty() && !settings.password.expose().is_empty() {
            auth::log_in(&mut dialogue, &extensions, &settings.user, &settings.password)?;
        }
        work(&mut dialogue, &extensions)
    });
    // A server that is gone, or has no time, is left without a word.
    if !matches!(done, Err(MailError::TimedOut | MailError::Closed | MailError::Stopped)) {
        dialogue.quit();
    }
    done
}

fn resolve(settings: &MailSettings, watch: &Watch<'_>) -> Result<Vec<SocketAddr>, MailError> {
    let found = names::addresses(&settings.server, settings.port);
    watch.tell(|| match &found {
        Ok(addresses) => {
            let shown: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("{} is at {}", settings.server, shown.join(", "))
        }
        Err(error) => format!("{} is not found: {error}", settings.server),
    });
    found.map_err(|_| MailError::Unreachable)
}

/// What the automatic protection comes to: never in plaintext to another machine.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::secret::Secret;
    use std::sync::atomic::AtomicBool;

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

    fn addresses(settings: &MailSettings) -> Result<Vec<SocketAddr>, MailError> {
        let stopping = AtomicBool::new(false);
        resolve(settings, &Watch { stopping: &stopping, patience: None, handed_over: &|| (), trace: None })
    }

    #[test]
    fn emails_leave_this_machine_only_under_tls_unless_the_operator_says_otherwise() {
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
            let addresses = addresses(&settings).expect("an address");
            assert_eq!(protection(&settings, &addresses), expected, "{server} {port}");
        }
        let told = MailSettings { protection: Protection::None, ..settings("192.0.2.1", 25) };
        assert_eq!(protection(&told, &addresses(&told).expect("an address")), Protection::None);
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
}

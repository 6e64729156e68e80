//! Logging in at a mail server. What its prompts say is not looked at: the order of the answers is fixed.

use super::dialogue::{COMMAND_SECONDS_MAX, Dialogue};
use super::reply::{Extensions, Mechanism, Reply};
use crate::guard::secret::Secret;
use crate::outbound::delivery::MailError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use md5::Md5;
use std::fmt::Write;
use zeroize::Zeroizing;

/// Bytes of a command with its line end that every server takes (RFC 5321, 4.5.3.1.4).
const COMMAND_BYTES_MAX: usize = 512;
/// "Go on with the login".
const CONTINUE: u16 = 334;
/// "You have logged in already".
const ALREADY: u16 = 503;

/// Logs in by the first way that works, as Python's smtplib does: some servers offer ways that they then refuse.
///
/// # Errors
///
/// What the server said to the last way, or what went wrong with the connection.
pub fn log_in(
    dialogue: &mut Dialogue<'_>,
    offered: &Extensions,
    user: &str,
    password: &Secret<String>,
) -> Result<(), MailError> {
    let mut refused = Ok(());
    for mechanism in &offered.mechanisms {
        let reply = match mechanism {
            Mechanism::Plain => plain(dialogue, user, password)?,
            Mechanism::Login => login(dialogue, user, password)?,
            Mechanism::CramMd5 => cram_md5(dialogue, user, password)?,
        };
        match reply.code {
            ALREADY | 200..300 => return Ok(()),
            421 => return Err(MailError::Deferred(421)),
            // The server waits for more than this way of logging in has: an empty line with a star ends it.
            CONTINUE => refused = Err(dialogue.ask("*", COMMAND_SECONDS_MAX)?.error()),
            _ => refused = Err(reply.error()),
        }
    }
    refused
}

fn plain(dialogue: &mut Dialogue<'_>, user: &str, password: &Secret<String>) -> Result<Reply, MailError> {
    let both = Zeroizing::new(format!("\0{user}\0{}", password.expose()));
    let both = encoded(both.as_bytes());
    let at_once = Zeroizing::new(format!("AUTH PLAIN {}", *both));
    let fits = at_once.len() + 2 <= COMMAND_BYTES_MAX;
    let reply = dialogue.ask(if fits { &at_once } else { "AUTH PLAIN" }, COMMAND_SECONDS_MAX)?;
    answer(dialogue, reply, &both)
}

fn login(dialogue: &mut Dialogue<'_>, user: &str, password: &Secret<String>) -> Result<Reply, MailError> {
    let reply = dialogue.ask("AUTH LOGIN", COMMAND_SECONDS_MAX)?;
    let reply = answer(dialogue, reply, &encoded(user.as_bytes()))?;
    answer(dialogue, reply, &encoded(password.expose().as_bytes()))
}

fn cram_md5(dialogue: &mut Dialogue<'_>, user: &str, password: &Secret<String>) -> Result<Reply, MailError> {
    let reply = dialogue.ask("AUTH CRAM-MD5", COMMAND_SECONDS_MAX)?;
    let challenge = reply.lines.last().and_then(|text| STANDARD.decode(text.trim_ascii()).ok());
    let Some(challenge) = challenge.filter(|_| reply.code == CONTINUE) else { return Ok(reply) };
    let response = Zeroizing::new(cram_md5_response(user, password, &challenge));
    answer(dialogue, reply, &encoded(response.as_bytes()))
}

fn cram_md5_response(user: &str, password: &Secret<String>, challenge: &[u8]) -> String {
    let mut hmac =
        Hmac::<Md5>::new_from_slice(password.expose().as_bytes()).expect("a key of any length will do");
    hmac.update(challenge);
    let mut response = format!("{user} ");
    for byte in hmac.finalize().into_bytes() {
        write!(response, "{byte:02x}").expect("writing to a text cannot fail");
    }
    response
}

/// Answers a prompt; what is no prompt is the server's last word.
fn answer(dialogue: &mut Dialogue<'_>, reply: Reply, text: &str) -> Result<Reply, MailError> {
    if reply.code == CONTINUE { dialogue.ask(text, COMMAND_SECONDS_MAX) } else { Ok(reply) }
}

fn encoded(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 2195.
    #[test]
    fn cram_md5_is_what_the_standard_says() {
        let challenge = b"<1896.697170952@postoffice.reston.mci.net>";
        let password = Secret::new("tanstaaftanstaaf".to_owned());
        let response = cram_md5_response("tim", &password, challenge);
        assert_eq!(response, "tim b913a602c7eda7a495b4e6e7334d3890");
    }
}

//! Logging in at mail servers, old and odd ones too.

use crate::scripted::{email, mail_server, send, settings_with_password, texts};
use authnzerver::outbound::mail::{MailError, Receipt};

const TAKEN: Result<Receipt, MailError> = Ok(Receipt::Confirmed);
/// `\0somebody\0a secret`, `somebody` and `a secret` in base64.
const BOTH: &str = "AHNvbWVib2R5AGEgc2VjcmV0";
const NAME: &str = "c29tZWJvZHk=";
const PASSWORD: &str = "YSBzZWNyZXQ=";

/// Sends an email to a server with this offer, which answers the login with these replies, one after the other; what it
/// was told of the login.
fn logs_in(
    offer: &'static [u8],
    replies: &[&'static [u8]],
    expected: Result<Receipt, MailError>,
) -> Vec<String> {
    let replies: Vec<&[u8]> = replies.into();
    let mut replies = replies.into_iter();
    let mut logging_in = false;
    let (port, server) = mail_server(move |command| {
        if command.starts_with("EHLO") {
            return Some(offer);
        }
        logging_in |= command.starts_with("AUTH");
        logging_in &= !command.starts_with("MAIL") && command != "QUIT";
        if logging_in { replies.next() } else { None }
    });
    assert_eq!(send(&settings_with_password(port), &email()), expected);
    let told = texts(server).into_iter().skip(1);
    told.take_while(|line| !line.starts_with("MAIL") && line != "QUIT").collect()
}

#[test]
fn plain_goes_at_once_and_again_if_the_server_asks() {
    let offer = b"250-here\r\n250 AUTH LOGIN PLAIN CRAM-MD5\r\n";
    assert_eq!(logs_in(offer, &[b"235\r\n"], TAKEN), [format!("AUTH PLAIN {BOTH}")]);
    let told = logs_in(offer, &[b"334 \r\n", b"235 in\r\n"], TAKEN);
    assert_eq!(told, [format!("AUTH PLAIN {BOTH}"), BOTH.to_owned()]);
}

#[test]
fn login_is_answered_in_its_order_whatever_the_prompts_say() {
    for offer in [&b"250-here\r\n250 AUTH=LOGIN\r\n"[..], b"250-here\r\n250 auth login\r\n"] {
        for prompts in [
            [&b"334 VXNlcm5hbWU6\r\n"[..], b"334 UGFzc3dvcmQ6\r\n"],
            [b"334 UGFzc3dvcmQ6\r\n", b"334 VXNlcm5hbWU6\r\n"],
            [b"334\n", b"334 Benutzername?\r\n"],
            [b"334 \xff\xfe\r\n", b"334-\r\n334\r\n"],
        ] {
            let told = logs_in(offer, &[prompts[0], prompts[1], b"235\r\n"], TAKEN);
            assert_eq!(told, ["AUTH LOGIN", NAME, PASSWORD], "{prompts:?}");
        }
    }
}

#[test]
fn cram_md5_is_used_if_it_is_all_there_is() {
    let offer = b"250-here\r\n250-AUTH GSSAPI\r\n250 AUTH cram-md5\r\n";
    let told = logs_in(offer, &[b"334 PDEyMy40QG1haWwuZXhhbXBsZT4=\r\n", b"235\r\n"], TAKEN);
    assert_eq!(told[0], "AUTH CRAM-MD5");
    // HMAC-MD5 of `<123.4@mail.example>` under `a secret`, as Python computes it.
    let response = "c29tZWJvZHkgNWExMjBlY2U5Njc1Y2EzNjU3OTJmYmM5Yjk1N2ZlOTE=";
    assert_eq!(told[1], response);
}

#[test]
fn the_next_way_is_tried_when_one_is_refused() {
    let offer = b"250-here\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n";
    let replies: [&[u8]; 4] = [b"504 not that\r\n", b"334\r\n", b"334\r\n", b"235\r\n"];
    assert_eq!(
        logs_in(offer, &replies, TAKEN),
        [&format!("AUTH PLAIN {BOTH}"), "AUTH LOGIN", NAME, PASSWORD]
    );
    let refused = [&b"535 no\r\n"[..], b"535 no\r\n", b"535 no\r\n"];
    let told = logs_in(offer, &refused, Err(MailError::Refused(535)));
    assert_eq!(told.len(), 3, "and the email is not sent without: {told:?}");
    logs_in(offer, &[b"421 enough\r\n"], Err(MailError::Deferred(421)));
}

#[test]
fn a_way_to_log_in_that_never_ends_is_ended() {
    let offer = b"250-here\r\n250 AUTH PLAIN\r\n";
    let told = logs_in(offer, &[b"334 a\r\n", b"334 b\r\n", b"501 ended\r\n"], Err(MailError::Refused(501)));
    assert_eq!(told.last().map(String::as_str), Some("*"));
    let offer = b"250-here\r\n250 AUTH CRAM-MD5\r\n";
    let told = logs_in(offer, &[b"334 not base64!\r\n", b"501 ended\r\n"], Err(MailError::Refused(501)));
    assert_eq!(told, ["AUTH CRAM-MD5", "*"]);
}

#[test]
fn a_server_that_offers_only_what_we_do_not_know_gets_the_email_without() {
    assert!(logs_in(b"250-here\r\n250 AUTH XOAUTH2\r\n", &[], TAKEN).is_empty());
}

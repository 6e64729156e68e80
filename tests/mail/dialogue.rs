//! What a delivery says, line by line, to a mail server that only listens and answers.

use crate::scripted::{Answer, HANG_UP, email, mail_server, send, settings, settings_with_password, texts};
use authnzerver::outbound::mail::{MailError, MailSettings, Protection, Receipt};
use authnzerver::outbound::templates::Email;

const TAKEN: Result<Receipt, MailError> = Ok(Receipt::Confirmed);

fn nothing_special(_: &str) -> Answer {
    None
}

/// A mail server that says this after commands that begin so.
fn says(to: &'static str, what: &'static [u8]) -> impl FnMut(&str) -> Answer {
    move |command| command.starts_with(to).then_some(what)
}

/// Sends the email to a mail server that says this to EHLO; what it was told.
fn told_by(ehlo: &'static [u8], settings: impl Fn(u16) -> MailSettings, email: &Email) -> Vec<String> {
    let (port, server) = mail_server(says("EHLO", ehlo));
    assert_eq!(send(&settings(port), email), TAKEN);
    texts(server)
}

fn to(address: &str) -> Email {
    Email { to: address.to_owned(), ..email() }
}

#[test]
fn an_email_arrives_whole() {
    let (port, server) = mail_server(nothing_special);
    assert_eq!(send(&settings(port), &email()), TAKEN);
    let told = texts(server);
    assert_eq!(told[0], "EHLO recipes.example", "the sender's domain, for want of a better name");
    assert!(told.contains(&"MAIL FROM:<kitchen@recipes.example> BODY=8BITMIME".to_owned()), "{told:?}");
    assert!(told.contains(&"RCPT TO:<alice@example.org>".to_owned()));
    assert!(!told.iter().any(|line| line.starts_with("AUTH")), "nobody logs in without a password");
    for line in [
        "Z0FBQUFBQmZYaEFB".repeat(40).as_str(),
        "..a line that begins with a dot",
        "Küche",
        "From: =?utf-8?b?S8O8Y2hl?= <kitchen@recipes.example>",
        "To: alice@example.org",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit",
        "Date: Mon, 23 Nov 2026 15:00:00 +0000",
    ] {
        assert!(told.iter().any(|told| told == line), "{line} in {told:#?}");
    }
    assert!(told.iter().any(|line| line.starts_with("Subject: =?utf-8?")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("Message-ID: <") && line.ends_with("@recipes.example>")));
    assert_eq!(told.iter().filter(|line| *line == ".").count(), 1);
    assert_eq!(told.last().map(String::as_str), Some("QUIT"));
}

#[test]
fn replies_count_by_their_codes_alone() {
    for what in [&b"\n"[..], b"\r\n", b" \r\n", b" gr\xfc\xdf dich\xff\r\n", b"-one\n", b"-\r\n"] {
        let (port, server) = mail_server(move |command| {
            let code = match command {
                "" => "220",
                "DATA" => "354",
                "QUIT" => "221",
                _ => "250",
            };
            let end = if what.starts_with(b"-") { format!("{code}\n") } else { String::new() };
            Some([code.as_bytes(), what, end.as_bytes()].concat().leak())
        });
        assert_eq!(send(&settings(port), &email()), TAKEN, "{what:?}");
        texts(server);
    }
}

#[test]
fn a_server_that_does_not_know_ehlo_is_greeted_in_the_old_way() {
    for refusal in [&b"500 what?\r\n"[..], b"502\r\n", b"504 no\r\n", b"554 no\r\n"] {
        let (port, server) = mail_server(says("EHLO", refusal));
        assert_eq!(send(&settings(port), &email()), TAKEN);
        let told = texts(server);
        assert_eq!(told[1], "HELO recipes.example");
        assert!(told.contains(&"MAIL FROM:<kitchen@recipes.example>".to_owned()), "no extensions: {told:?}");
        assert!(told.iter().all(|line| line.is_ascii()), "{told:?}");
    }
    let (port, server) = mail_server(|command| match command.get(..4) {
        Some("EHLO") => Some(b"500\n"),
        Some("HELO") => Some(b"550\n"),
        _ => None,
    });
    assert_eq!(send(&settings(port), &email()), Err(MailError::Refused(550)));
    texts(server);
}

#[test]
fn the_operator_says_what_the_server_calls_itself() {
    let (port, server) = mail_server(nothing_special);
    let named = MailSettings { client_name: Some("auth.example".to_owned()), ..settings(port) };
    assert_eq!(send(&named, &email()), TAKEN);
    assert_eq!(texts(server)[0], "EHLO auth.example");
    let (port, server) = mail_server(nothing_special);
    let nameless = MailSettings { sender: "root@localhost".to_owned(), ..settings(port) };
    assert_eq!(send(&nameless, &email()), TAKEN);
    assert_eq!(texts(server)[0], "EHLO [127.0.0.1]");
}

#[test]
fn an_email_that_the_server_could_not_carry_as_it_is_goes_as_quoted_printable() {
    let told = told_by(b"250 here\r\n", settings, &email());
    assert!(told.iter().all(|line| line.is_ascii() && line.len() <= 998), "{told:?}");
    assert!(told.contains(&"Content-Transfer-Encoding: quoted-printable".to_owned()));
    assert!(told.contains(&"K=C3=BCche".to_owned()), "{told:?}");
    let plain = Email { text: "Hello,\n\nhttps://a.example/?a=b\n".to_owned().into(), ..email() };
    let told = told_by(b"250 here\r\n", settings, &plain);
    assert!(told.contains(&"https://a.example/?a=b".to_owned()), "ASCII stays as it is: {told:?}");
    assert!(told.contains(&"Content-Transfer-Encoding: 7bit".to_owned()));
}

#[test]
fn every_address_that_may_sign_up_can_be_written_to() {
    for (address, path) in [
        ("a.b@example.org", "a.b@example.org"),
        ("..@example.org", "\"..\"@example.org"),
        ("a..b@example.org", "\"a..b\"@example.org"),
        ("a.@example.org", "\"a.\"@example.org"),
        ("!#$%&'*+/=?^_`{|}~-@example.org", "!#$%&'*+/=?^_`{|}~-@example.org"),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@localhost", "a@localhost"),
    ] {
        let told = told_by(b"250 here\r\n", settings, &to(address));
        assert!(told.contains(&format!("RCPT TO:<{path}>")), "{address} in {told:?}");
        assert!(told.contains(&format!("To: {path}")), "{address} in {told:?}");
    }
    let long = format!("{}@example.org", "a".repeat(64));
    assert!(told_by(b"250 here\r\n", settings, &to(&long)).contains(&format!("RCPT TO:<{long}>")));
}

#[test]
fn an_address_that_is_not_ascii_goes_only_to_a_server_that_takes_it() {
    let address = "o\u{2019}neil@example.org";
    let told = told_by(b"250-here\r\n250-smtputf8\r\n250 8bitmime\r\n", settings, &to(address));
    let from = "MAIL FROM:<kitchen@recipes.example> BODY=8BITMIME SMTPUTF8".to_owned();
    assert!(told.contains(&from), "{told:?}");
    assert!(told.contains(&format!("RCPT TO:<{address}>")) && told.contains(&format!("To: {address}")));
    let (port, server) = mail_server(nothing_special);
    assert_eq!(send(&settings(port), &to(address)), Err(MailError::NeedsUtf8));
    assert!(!texts(server).iter().any(|line| line.starts_with("MAIL")));
}

#[test]
fn a_size_is_told_where_it_is_wanted_and_what_is_too_large_is_not_begun() {
    let told = told_by(b"250-here\r\n250 Size 100000\r\n", settings, &email());
    let from = told.iter().find(|line| line.starts_with("MAIL")).expect("a sender");
    let size: usize = from.split_once(" SIZE=").expect("the size").1.parse().expect("a number");
    let after_data = told.iter().skip_while(|line| *line != "DATA").skip(1).take_while(|line| *line != ".");
    let bytes: usize = after_data.map(|line| line.len() + 2 - usize::from(line.starts_with('.'))).sum();
    assert_eq!(size, bytes);
    let (port, server) = mail_server(says("EHLO", b"250-here\r\n250 SIZE 100\r\n"));
    assert_eq!(send(&settings(port), &email()), Err(MailError::Refused(552)));
    assert!(!texts(server).iter().any(|line| line.starts_with("MAIL")));
    told_by(b"250-here\r\n250 SIZE 0\r\n", settings, &email());
}

#[test]
fn a_refusal_is_told_by_its_code_wherever_it_comes() {
    for step in ["", "MAIL", "RCPT", "DATA", "."] {
        let is_step =
            move |command: &str| if step.is_empty() { command.is_empty() } else { command.starts_with(step) };
        for (reply, expected) in [
            (&b"550 nobody of that name\r\n"[..], MailError::Refused(550)),
            (b"451 later\r\n", MailError::Deferred(451)),
            (b"421\n", MailError::Deferred(421)),
        ] {
            let (port, server) = mail_server(move |command| is_step(command).then_some(reply));
            assert_eq!(send(&settings(port), &email()), Err(expected), "{step}");
            let told = texts(server);
            assert_eq!(told.contains(&".".to_owned()), step == ".", "{step}: {told:?}");
        }
    }
}

#[test]
fn an_email_that_may_have_been_delivered_counts_as_sent() {
    for reply in
        [HANG_UP, Some(b"garbage\r\n"), Some(b"\xff\xfe\r\n"), Some(b"199\r\n"), Some(b"334 what\r\n")]
    {
        let (port, server) = mail_server(move |command| (command == ".").then_some(reply).flatten());
        assert_eq!(send(&settings(port), &email()), Ok(Receipt::Unconfirmed), "{reply:?}");
        texts(server);
    }
    // Before the dot, it certainly was not.
    for (reply, expected) in [
        (HANG_UP, MailError::Closed),
        (Some(&b"garbage\r\n"[..]), MailError::Protocol),
        (Some(b"250\n"), MailError::Protocol),
    ] {
        let (port, server) = mail_server(move |command| (command == "DATA").then_some(reply).flatten());
        assert_eq!(send(&settings(port), &email()), Err(expected), "{reply:?}");
        texts(server);
    }
}

#[test]
fn a_server_that_talks_without_end_is_left() {
    let endless: &'static [u8] = b"250-and\r\n".repeat(100_000).leak();
    let without_line_end: &'static [u8] = vec![b'2'; 1_000_000].leak();
    for flood in [endless, without_line_end] {
        let (port, server) = mail_server(says("EHLO", flood));
        assert_eq!(send(&settings(port), &email()), Err(MailError::Protocol));
        server.join().expect("the mail server ends");
    }
}

#[test]
fn nothing_is_sent_in_clear_where_tls_is_required() {
    let asks_for_tls =
        |port| MailSettings { protection: Protection::StartTls, ..settings_with_password(port) };
    let (port, server) = mail_server(nothing_special);
    assert_eq!(send(&asks_for_tls(port), &email()), Err(MailError::Tls));
    let polite = |line: &String| line.starts_with("EHLO") || line == "QUIT" || line == "STARTTLS";
    let told = texts(server);
    assert!(told.iter().all(polite), "{told:?}");
    // Nor is it believed what came in plaintext before TLS began.
    for reply in [&b"220 go\r\n250 injected\r\n"[..], b"220 go\r\n250", b"454 not now\r\n", b"500\r\n"] {
        let (port, server) = mail_server(move |command| match command.get(..4) {
            Some("EHLO") => Some(b"250-here\r\n250 STARTTLS\r\n"),
            Some("STAR") => Some(reply),
            _ => None,
        });
        assert_eq!(send(&asks_for_tls(port), &email()), Err(MailError::Tls), "{reply:?}");
        let told = texts(server);
        assert!(told.iter().all(polite), "{told:?}");
    }
}

#[test]
fn a_mail_server_that_is_not_there_is_unreachable() {
    // Port 1 of an address where no test listens.
    let settings = MailSettings { server: "127.0.0.2".to_owned(), ..settings(1) };
    assert_eq!(send(&settings, &email()), Err(MailError::Unreachable));
}

#[test]
fn what_cannot_be_written_is_not_sent() {
    for address in ["alice@example.org\r\nBcc: eve@example.org", "alice", "a\r\nRCPT TO:<b@c>@d", "a@b> <c"] {
        assert_eq!(send(&settings(1), &to(address)), Err(MailError::InvalidMessage));
    }
    let long = Email { text: "x".repeat(999).into(), ..email() };
    assert_eq!(send(&settings(1), &long), Err(MailError::InvalidMessage));
    let odd = MailSettings { sender: "nobody".to_owned(), ..settings(1) };
    assert_eq!(send(&odd, &email()), Err(MailError::InvalidMessage));
}

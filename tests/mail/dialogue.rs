//! What a delivery says, line by line, to a mail server that only listens and answers.

use authnzerver::clock::Moment;
use authnzerver::guard::secret::Secret;
use authnzerver::outbound::letters::Letter;
use authnzerver::outbound::mail::{MailError, MailSettings, Mailer, Protection, SmtpMailer};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

/// A mail server for one delivery. It answers each command by its first word, and gives back all that it was told.
fn mail_server(recipient: &'static str) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        let mut lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
        let (mut told, mut in_data) = (Vec::new(), false);
        stream.write_all(b"220 here\r\n").expect("sent");
        while let Some(Ok(line)) = lines.next() {
            let answer = match line.split([' ', ':']).next() {
                _ if in_data && line != "." => "",
                _ if in_data => "250 taken\r\n",
                Some("EHLO") => "250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
                Some("RCPT") => recipient,
                Some("DATA") => "354 go on\r\n",
                Some("QUIT") => "221 bye\r\n",
                _ => "250 fine\r\n",
            };
            in_data = line == "DATA" || in_data && line != ".";
            told.push(line);
            if stream.write_all(answer.as_bytes()).is_err() {
                break;
            }
        }
        told
    });
    (port, thread)
}

fn settings(port: u16) -> MailSettings {
    MailSettings {
        server: "127.0.0.1".to_owned(),
        port,
        user: "somebody".to_owned(),
        password: Secret::new(String::new()),
        sender: "Küche <kitchen@recipes.example>".to_owned(),
        protection: Protection::Automatic,
        verify: true,
        extra_roots: None,
    }
}

fn letter() -> Letter {
    let code = "Z0FBQUFBQmZYaEFB".repeat(40);
    Letter {
        to: "alice@example.org".to_owned(),
        subject: "[Küche] Please verify".to_owned(),
        text: format!("Hello,\n\n{code}\n\n.a line that begins with a dot\nKüche\n"),
    }
}

fn send(settings: &MailSettings, letter: &Letter) -> Result<(), MailError> {
    SmtpMailer.send(letter, settings, Moment::parse("2026-11-23T15:00:00").expect("a time"))
}

#[test]
fn a_letter_arrives_whole() {
    let (port, server) = mail_server("250 fine\r\n");
    send(&settings(port), &letter()).expect("the letter is taken");
    let told = server.join().expect("the mail server ends");
    assert!(told.iter().any(|line| line.starts_with("MAIL FROM:<kitchen@recipes.example>")), "{told:?}");
    assert!(told.contains(&"RCPT TO:<alice@example.org>".to_owned()));
    assert!(!told.iter().any(|line| line.starts_with("AUTH")), "nobody logs in without a password");
    for line in [
        "Z0FBQUFBQmZYaEFB".repeat(40).as_str(),
        "..a line that begins with a dot",
        "Küche",
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
}

#[test]
fn a_refused_recipient_is_told_by_its_code() {
    let (port, server) = mail_server("550 nobody of that name\r\n");
    assert_eq!(send(&settings(port), &letter()), Err(MailError::Refused(550)));
    assert!(!server.join().expect("the mail server ends").contains(&"DATA".to_owned()));
    let (port, server) = mail_server("451 later\r\n");
    assert_eq!(send(&settings(port), &letter()), Err(MailError::Deferred(451)));
    server.join().expect("the mail server ends");
}

#[test]
fn nothing_is_sent_in_clear_where_tls_is_required() {
    let (port, server) = mail_server("250 fine\r\n");
    let password = Secret::new("a password".to_owned());
    let settings = MailSettings { protection: Protection::StartTls, password, ..settings(port) };
    assert_eq!(send(&settings, &letter()), Err(MailError::Tls));
    let told = server.join().expect("the mail server ends");
    let polite = |line: &String| line.starts_with("EHLO") || line == "QUIT";
    assert!(told.iter().all(polite), "{told:?}");
}

#[test]
fn a_mail_server_that_is_not_there_is_unreachable() {
    // Port 1 of an address where no test listens.
    let settings = MailSettings { server: "127.0.0.2".to_owned(), ..settings(1) };
    assert_eq!(send(&settings, &letter()), Err(MailError::Unreachable));
}

#[test]
fn what_cannot_be_written_is_not_sent() {
    let mut odd = letter();
    odd.to = "alice@example.org\r\nBcc: eve@example.org".to_owned();
    assert_eq!(send(&settings(1), &odd), Err(MailError::Unwritable));
    let long = Letter { text: "x".repeat(999), ..letter() };
    assert_eq!(send(&settings(1), &long), Err(MailError::Unwritable));
}

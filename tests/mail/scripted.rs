//! A mail server that says what a test wants it to say, and what it was told.

use authnzerver::clock::{Clock, SystemClock, Timestamp};
use authnzerver::guard::secret::Secret;
use authnzerver::outbound::mail::{MailError, MailSettings, Mailer, Protection, Receipt, SmtpMailer, Watch};
use authnzerver::outbound::templates::Email;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;

/// What the server says to the greeting (an empty text), to a command, and, to a dot, to the whole email. `None` for
/// what [`usual`] says; an empty text for nothing, and [`HANG_UP`] for the end.
pub type Answer = Option<&'static [u8]>;

/// Ends the connection without a word.
pub const HANG_UP: Answer = Some(b"\0");

/// What a mail server mostly says.
fn usual(command: &str) -> &'static [u8] {
    match command.split([' ', ':']).next() {
        Some("") => b"220 here\r\n",
        Some("EHLO") => b"250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
        Some("AUTH") => b"235 welcome\r\n",
        Some("DATA") => b"354 go on\r\n",
        Some("QUIT") => b"221 bye\r\n",
        Some(".") => b"250 taken\r\n",
        _ => b"250 fine\r\n",
    }
}

/// Starts a mail server for one delivery. It gives back all that it was told, as bytes, line by line.
pub fn mail_server(
    mut answer: impl FnMut(&str) -> Answer + Send + 'static,
) -> (u16, JoinHandle<Vec<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let (mut told, mut in_data) = (Vec::new(), false);
        let mut command = String::new();
        loop {
            let said =
                if in_data && command != "." { b"" } else { answer(&command).unwrap_or(usual(&command)) };
            if Some(said) == HANG_UP || stream.write_all(said).is_err() {
                return told;
            }
            in_data = (command == "DATA" && said.starts_with(b"3")) || in_data && command != ".";
            let mut line = Vec::new();
            if !matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                return told;
            }
            assert!(line.ends_with(b"\r\n"), "every line ends as it must: {line:?}");
            line.truncate(line.len() - 2);
            command = String::from_utf8_lossy(&line).into_owned();
            told.push(line);
        }
    });
    (port, thread)
}

/// What it was told, as text.
pub fn texts(server: JoinHandle<Vec<Vec<u8>>>) -> Vec<String> {
    let told = server.join().expect("the mail server ends");
    told.into_iter().map(|line| String::from_utf8(line).expect("these emails are UTF-8")).collect()
}

pub fn settings(port: u16) -> MailSettings {
    MailSettings {
        server: "127.0.0.1".to_owned(),
        port,
        client_name: None,
        user: "somebody".to_owned(),
        password: Secret::new(String::new()),
        sender: "Küche <kitchen@recipes.example>".to_owned(),
        protection: Protection::Automatic,
        verify: true,
        extra_roots: None,
    }
}

/// The same with a password.
pub fn settings_with_password(port: u16) -> MailSettings {
    MailSettings { password: Secret::new("a secret".to_owned()), ..settings(port) }
}

pub fn email() -> Email {
    let code = "Z0FBQUFBQmZYaEFB".repeat(40);
    Email {
        to: "alice@example.org".to_owned(),
        subject: "[Küche] Please verify".to_owned(),
        text: format!("Hello,\n\n{code}\n\n.a line that begins with a dot\nKüche\n").into(),
        html: None,
    }
}

/// Somebody waits for a minute at each step, and nobody stops the delivery.
pub fn send(settings: &MailSettings, email: &Email) -> Result<Receipt, MailError> {
    send_with(settings, email, Some(Duration::from_secs(60)), &AtomicBool::new(false), &|| ())
}

pub fn send_with(
    settings: &MailSettings,
    email: &Email,
    patience: Option<Duration>,
    stopping: &AtomicBool,
    handed_over: &dyn Fn(),
) -> Result<Receipt, MailError> {
    let watch = Watch { stopping, patience, handed_over, trace: None };
    send_by(Arc::new(SystemClock::new()), settings, email, &watch)
}

pub fn send_by(
    clock: Arc<dyn Clock>,
    settings: &MailSettings,
    email: &Email,
    watch: &Watch<'_>,
) -> Result<Receipt, MailError> {
    let now = Timestamp::parse("2026-11-23T15:00:00").expect("a time");
    SmtpMailer { clock }.send(email, settings, now, watch)
}

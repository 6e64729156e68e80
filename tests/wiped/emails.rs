//! Codes do not stay behind in memory once their emails were sent.

use crate::{ALONE, ARMED, FOUND, NEEDLE};
use authnzerver::outbound::mail::SmtpMailer;
use authnzerver::rng::Rng;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use support::TestServer;

/// Has every code for a link begin with the needle.
struct Needles([u8; 20]);

impl Rng for Needles {
    fn fill(&self, buffer: &mut [u8]) {
        buffer.fill(b'x');
        if buffer.len() == self.0.len() {
            buffer.copy_from_slice(&self.0);
        }
    }
}

/// A mail server for one email, which leaks what it is sent: its own memory is not what is searched. Returns its port.
fn mail_server(eight_bit: bool) -> (u16, std::thread::JoinHandle<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let serves = move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        let mut says = &stream;
        let mut hears = std::mem::ManuallyDrop::new(BufReader::new(&stream));
        let (mut is_text, mut has_code) = (false, false);
        says.write_all(b"220 ready\r\n").expect("is heard");
        loop {
            let line: &mut Vec<u8> = Box::leak(Box::new(Vec::with_capacity(4096)));
            if hears.read_until(b'\n', line).unwrap_or(0) == 0 {
                return has_code;
            }
            has_code |= line.windows(NEEDLE.len()).any(|window| window == NEEDLE.as_bytes());
            let reply: &[u8] = match (is_text, &line[..]) {
                (true, b".\r\n") => b"250 taken\r\n",
                (true, _) => continue,
                (false, b"DATA\r\n") => b"354 go on\r\n",
                (false, line) if line.starts_with(b"EHLO") && eight_bit => b"250-here\r\n250 8BITMIME\r\n",
                (false, _) => b"250 fine\r\n",
            };
            is_text = reply.starts_with(b"354");
            says.write_all(reply).expect("is heard");
        }
    };
    (port, std::thread::spawn(serves))
}

#[test]
fn no_code_is_left_once_its_email_was_sent() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    for (site, eight_bit) in [("Recipes", true), ("K\u{fc}che", true), ("K\u{fc}che", false)] {
        let (port, mail_server) = mail_server(eight_bit);
        let (port, templates) =
            (port.to_string(), format!("{}/tests/wiped/templates", env!("CARGO_MANIFEST_DIR")));
        let settings =
            [("EMAILSERVER", "127.0.0.1"), ("EMAILPORT", port.as_str()), ("TEMPLATES", templates.as_str())];
        // The last one has HTML beside the text.
        let settings = if eight_bit { &settings[..2] } else { &settings[..] };
        let mut server = TestServer::start_with(settings);
        let (alice, _) = server.member("alice");
        let email = alice.email;
        let clock = server.clock.clone();
        let app = server.app_mut();
        app.mailer = Arc::new(SmtpMailer { clock });
        let raw = URL_SAFE_NO_PAD.decode(format!("{NEEDLE}-violet-kiA")).expect("base64");
        app.rng = Arc::new(Needles(raw.try_into().expect("20 bytes")));
        let body = json!({
            "email": email, "link": "https://recipes.example/reset", "site_name": site,
            "ip_address": "192.0.2.7", "user_agent": "Browser/1.0",
        });
        server.holds_emails();
        server.ask("reset-start", body).done();
        ARMED.store(true, Ordering::SeqCst);
        server.emails();
        ARMED.store(false, Ordering::SeqCst);
        let found = std::mem::take(&mut *FOUND.lock().expect("nobody panics with it"));
        assert!(mail_server.join().expect("it ends"), "the code was sent");
        assert!(found.is_empty(), "{} blocks, {site}:\n{}", found.len(), found.join("\n\n"));
    }
}

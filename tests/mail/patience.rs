//! How long a delivery waits for a mail server, and what ends it early.

use crate::scripted::{email, mail_server, send_by, send_with, settings, texts};
use authnzerver::clock::{Clock, SystemClock, Timestamp};
use authnzerver::outbound::mail::{MailError, MailSettings, Protection, Receipt, Watch};
use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

/// A clock on which a second of the test is a minute.
struct Hurried(SystemClock);

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.monotonic() * 60
    }
}

/// Waits for something that never comes: for so long.
fn wait(time: Duration) {
    let (_sender, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}

#[test]
fn a_slow_server_gets_the_time_that_the_protocol_gives_it() {
    // Half a minute for each reply and three minutes for the last one, on the hurried clock.
    let (port, server) = mail_server(|command| {
        if command == "." {
            wait(Duration::from_secs(3));
        } else if !command.starts_with("QUIT") {
            wait(Duration::from_millis(500));
        }
        None
    });
    let watch = Watch { stopping: &AtomicBool::new(false), patience: None, handed_over: &|| (), trace: None };
    let sent = send_by(Arc::new(Hurried(SystemClock::new())), &settings(port), &email(), &watch);
    assert_eq!(sent, Ok(Receipt::Confirmed));
    texts(server);
}

#[test]
fn while_somebody_waits_no_step_takes_longer_than_they_will() {
    for step in ["", "EHLO", "RCPT", "DATA"] {
        let (give_up, given_up) = channel::<()>();
        let (port, server) = mail_server(move |command| {
            if command.is_empty() == step.is_empty() && command.starts_with(step) {
                let _ = given_up.recv();
            }
            None
        });
        let patience = Some(Duration::from_millis(600));
        let sent = send_with(&settings(port), &email(), patience, &AtomicBool::new(false), &|| ());
        assert_eq!(sent, Err(MailError::TimedOut), "{step}");
        drop(give_up);
        server.join().expect("the mail server ends");
    }
}

/// A server that sends a byte now and then, of a reply or of a TLS record that is never complete.
#[test]
fn bytes_that_trickle_in_buy_no_time() {
    for (protection, begins) in [
        (Protection::None, &b"220-"[..]),
        // A handshake record of 16 KiB, and in it a ServerHello of as many.
        (Protection::Tls, b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            stream.set_nodelay(true).expect("set");
            stream.write_all(begins).expect("sent");
            // Ends by itself, should it never be left.
            (0..600).find(|_| {
                wait(Duration::from_millis(50));
                stream.write_all(b"x").is_err()
            })
        });
        let settings = MailSettings { protection, ..settings(port) };
        let patience = Some(Duration::from_secs(1));
        let sent = send_with(&settings, &email(), patience, &AtomicBool::new(false), &|| ());
        assert_eq!(sent, Err(MailError::TimedOut), "{protection:?}");
        assert!(server.join().expect("the server ends").is_some(), "it was left");
    }
}

#[test]
fn who_waits_is_told_when_the_email_is_handed_over_and_the_answer_still_counts() {
    for (answer, expected) in
        [(&b"250 taken\r\n"[..], Ok(Receipt::Confirmed)), (b"554 spam\r\n", Err(MailError::Refused(554)))]
    {
        let (tell, told) = channel::<()>();
        let (port, server) = mail_server(move |command| {
            (command == ".").then(|| {
                told.recv().expect("the sender is told before it is answered");
                answer
            })
        });
        let patience = Some(Duration::from_millis(600));
        let handed_over = || tell.send(()).expect("the mail server waits for this");
        let sent = send_with(&settings(port), &email(), patience, &AtomicBool::new(false), &handed_over);
        assert_eq!(sent, expected);
        texts(server);
    }
}

#[test]
fn a_stop_ends_a_delivery_and_only_one_that_was_handed_over_counts() {
    for (step, expected) in
        [("", Err(MailError::Stopped)), ("RCPT", Err(MailError::Stopped)), (".", Ok(Receipt::Unconfirmed))]
    {
        let stopping = Arc::new(AtomicBool::new(false));
        let (end, ended) = channel::<()>();
        let (port, server) = mail_server({
            let stopping = Arc::clone(&stopping);
            move |command| {
                if command.is_empty() == step.is_empty() && command.starts_with(step) {
                    stopping.store(true, Ordering::Relaxed);
                    let _ = ended.recv();
                }
                None
            }
        });
        let sent = send_with(&settings(port), &email(), None, &stopping, &|| ());
        assert_eq!(sent, expected, "{step}");
        drop(end);
        server.join().expect("the mail server ends");
    }
}

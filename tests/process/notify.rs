//! What systemd hears from the server: that it serves, that it is alive, and that it stops.

use std::os::unix::net::UnixDatagram;
use support::machine::{Machine, PATIENCE};

/// Where systemd listens.
struct Manager(UnixDatagram);

impl Manager {
    fn hears(&self) -> String {
        let mut told = [0; 64];
        let length = self.0.recv(&mut told).expect("the server says something");
        String::from_utf8_lossy(&told[..length]).into_owned()
    }
}

#[test]
fn systemd_is_told_that_the_server_serves_lives_and_stops() {
    let machine = Machine::new();
    let path = machine.path("notify");
    let manager = Manager(UnixDatagram::bind(&path).expect("is free"));
    manager.0.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    let mut command = machine.command(&[("ALLOWEDHOSTS", "auth.example.org")]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "3000000");
    let server = machine.serves(command);
    let heard = [manager.hears(), manager.hears()];
    assert!(heard.contains(&"READY=1".to_owned()) && heard.contains(&"WATCHDOG=1".to_owned()), "{heard:?}");
    assert_eq!(manager.hears(), "WATCHDOG=1");
    let log = server.stops();
    let last = std::iter::repeat_with(|| manager.hears()).find(|told| told != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    // Its visits are nobody's requests.
    let (_, since) = log.split_once("serving").expect("it served");
    assert!(!since.contains("WARN") && !since.contains("ERROR"), "{log}");
}

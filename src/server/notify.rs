//! What systemd is told: that the server serves, that it stops, and again and again that it is alive.
//!
//! Alive means that the listener takes a connection and sees to it, and that the database can be read. Where one of them
//! does not come back, nothing more is told, and systemd starts the server again. A disk that is full is no such case: a
//! restart would not mend it.

use super::process::Process;
use crate::app::App;
use crate::log;
use crate::problem;
use std::ffi::OsStr;
use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// How often within systemd's patience it is told that the server is alive.
const TELLS_PER_PATIENCE: u32 = 3;
/// What each step of a connection may take of that patience.
const STEPS_PER_PATIENCE: u32 = 4;

/// Tells systemd one thing, where it wants to know. It is told no second time: systemd has a time limit for that.
pub fn tell(process: &Process, what: &str) {
    let Some(name) = &process.notify_socket else { return };
    let sent = address(name).and_then(|address| {
        let socket = net::UnixDatagram::unbound()?;
        // A manager that does not read must not keep the server.
        socket.set_nonblocking(true)?;
        socket.send_to_addr(what.as_bytes(), &address)
    });
    if let Err(error) = sent {
        log::warning("systemd could not be told", &[("cause", log::cause(&problem!("{}", error)))]);
    }
}

/// A name that begins with @ is one of Linux's that are no files.
fn address(name: &OsStr) -> std::io::Result<net::SocketAddr> {
    match name.as_bytes() {
        [b'@', rest @ ..] => net::SocketAddr::from_abstract_name(rest),
        _ => net::SocketAddr::from_pathname(name),
    }
}

/// A thread that tells systemd that the server is alive, for as long as it is.
pub struct Watchdog {
    stop: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Watchdog {
    /// Starts it, if systemd wants that.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub fn start(process: &Process, app: &Arc<App>, listener: SocketAddr) -> std::io::Result<Option<Self>> {
        let Some(patience) = process.watchdog else { return Ok(None) };
        let (process, app, (stop, stopped)) = (process.clone(), Arc::clone(app), channel());
        let reads = move || app.store.last_seen_time().is_ok();
        let watch = move || feed(patience, &stopped, &|| is_alive(listener, patience, &reads), &process);
        let thread = thread::Builder::new().name("watchdog".to_owned()).spawn(watch)?;
        Ok(Some(Self { stop, thread }))
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self.stop);
        // A panic in it has been logged already.
        let _ = self.thread.join();
    }
}

fn feed(patience: Duration, stopped: &Receiver<()>, is_alive: &dyn Fn() -> bool, process: &Process) {
    loop {
        if is_alive() {
            tell(process, "WATCHDOG=1");
        } else {
            log::error("systemd is not told that the server is alive, for it does not seem to be", &[]);
        }
        if stopped.recv_timeout(patience / TELLS_PER_PATIENCE) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

fn is_alive(listener: SocketAddr, patience: Duration, reads: &dyn Fn() -> bool) -> bool {
    reads() && takes_connections(listener, patience / STEPS_PER_PATIENCE).is_ok()
}

/// Whether a connection that asks nothing is taken, and ended. That is no request, and nothing is logged of it.
fn takes_connections(listener: SocketAddr, patience: Duration) -> std::io::Result<()> {
    let mut connection = TcpStream::connect_timeout(&reachable(listener), patience)?;
    connection.set_read_timeout(Some(patience))?;
    connection.shutdown(Shutdown::Write)?;
    match connection.read(&mut [0]) {
        Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => Err(error),
        _ => Ok(()),
    }
}

/// Where one gets to a listener from this machine.
fn reachable(mut listener: SocketAddr) -> SocketAddr {
    match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listener.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listener.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listener
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use std::net::TcpListener;
    use std::os::unix::net::UnixDatagram;

    const PATIENCE: Duration = Duration::from_millis(400);

    /// A listener that hangs: the system takes connections for it, and nobody comes for them.
    fn hangs() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        (listener, address)
    }

    #[test]
    fn a_server_is_alive_that_takes_connections_and_can_read_its_database() {
        let (listener, address) = hangs();
        assert!(!is_alive(address, PATIENCE, &|| true), "nobody takes the connection");
        let _ends_with_the_test = thread::spawn(move || listener.incoming().for_each(drop));
        let patience = Duration::from_secs(600);
        assert!(is_alive(address, patience, &|| true));
        assert!(!is_alive(address, patience, &|| false), "the database cannot be read");
    }

    #[test]
    fn a_listener_for_all_addresses_is_reached_at_loopback() {
        for (listener, from_here) in
            [("0.0.0.0:1", "127.0.0.1:1"), ("[::]:1", "[::1]:1"), ("192.0.2.1:1", "192.0.2.1:1")]
        {
            assert_eq!(reachable(listener.parse().expect("an address")).to_string(), from_here);
        }
    }

    #[test]
    fn systemd_is_told_by_a_file_or_by_a_name() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let name = format!("@authnzerver-test-{}", std::process::id());
        for socket in [path.to_str().expect("text"), name.as_str()] {
            let manager =
                UnixDatagram::bind_addr(&address(OsStr::new(socket)).expect("a name")).expect("is free");
            let variables = [("NOTIFY_SOCKET".into(), socket.into())].into();
            let process = Process::new(&Environment { arguments: vec![], variables, directory: "/".into() });
            tell(&process, "READY=1");
            let mut told = [0; 20];
            let length = manager.recv(&mut told).expect("told");
            assert_eq!(&told[..length], b"READY=1");
        }
    }
}

//! A restart that no client notices: systemd listens, and hands its socket to one server after the other.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use support::machine::{Machine, PATIENCE, Running};

const CLIENTS: usize = 6;
const RESTARTS: usize = 4;

/// Starts the server as systemd does for a socket unit: with the socket as descriptor 3.
fn starts_with(machine: &Machine, socket: &TcpListener, sockets: usize) -> std::process::Command {
    let settings = [("PORT", "1")];
    let bare = machine.command(&settings);
    let script = format!("exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS={sockets}; exec \"$@\"");
    let mut command = super::log::in_shell(&bare, &script);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().expect("a descriptor"))));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Asks on one connection for as long as the server keeps it, then on the next; counts what was answered.
struct Client<'t> {
    machine: &'t Machine,
    address: SocketAddr,
    pause: Duration,
    connection: Option<BufReader<TcpStream>>,
}

impl Client<'_> {
    /// Asks once; an error says what the client saw instead of an answer.
    fn asks(&mut self) -> std::io::Result<()> {
        let body = self.machine.seal(&serde_json::json!({
            "request": "session-exists", "reqid": 1, "client_ipaddr": "192.0.2.1", "body": { "session_token": "x" }
        }));
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => BufReader::new(TcpStream::connect(self.address)?),
        };
        connection.get_ref().set_read_timeout(Some(PATIENCE))?;
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
        connection.get_mut().write_all(&[head.as_bytes(), &body].concat())?;
        let (mut length, mut is_last, mut line) = (0, false, String::new());
        connection.read_line(&mut line)?;
        if !line.starts_with("HTTP/1.1 200 ") {
            return Err(std::io::Error::other(format!("{line:?} instead of an answer")));
        }
        while line != "\r\n" {
            line.clear();
            connection.read_line(&mut line)?;
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().expect("a number");
            }
            is_last |= line == "Connection: close\r\n";
        }
        connection.read_exact(&mut vec![0; length])?;
        self.connection = (!is_last).then_some(connection);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "this client asks seldom")]
    fn asks_until(&mut self, ended: &AtomicBool, answered: &AtomicUsize) -> std::io::Result<()> {
        while !ended.load(Ordering::Acquire) {
            self.asks()?;
            answered.fetch_add(1, Ordering::AcqRel);
            thread::sleep(self.pause);
        }
        Ok(())
    }
}

/// The server's restarts under load: each client's end.
fn restarts(machine: &Machine, socket: &TcpListener) -> Vec<std::io::Result<()>> {
    let address = socket.local_addr().expect("bound");
    let (ended, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let start = || -> Running { machine.serves(starts_with(machine, socket, 1)) };
    let mut server = start();
    thread::scope(|scope| {
        let (ended, answered) = (&ended, &answered);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                // Some ask without a break, others now and then.
                let pause = Duration::from_millis([0, 0, 1, 5, 40, 150][number]);
                let mut client = Client { machine, address, pause, connection: None };
                scope.spawn(move || client.asks_until(ended, answered))
            })
            .collect();
        for _ in 0..RESTARTS {
            let before = answered.load(Ordering::Acquire);
            let is_over = || clients.iter().any(thread::ScopedJoinHandle::is_finished);
            server.waits_until(|| answered.load(Ordering::Acquire) > before + 200 || is_over());
            server.stops();
            server = start();
        }
        let before = answered.load(Ordering::Acquire);
        server.waits_until(|| answered.load(Ordering::Acquire) > before + 200);
        ended.store(true, Ordering::Release);
        clients.into_iter().map(|client| client.join().expect("no panic")).collect()
    })
}

#[test]
fn a_restart_under_load_fails_no_request() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for (number, end) in restarts(&machine, &socket).into_iter().enumerate() {
        assert!(end.is_ok(), "client {number}: {end:?}");
    }
}

#[test]
fn clients_wait_at_the_socket_while_no_server_runs() {
    let machine = Machine::new();
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = socket.local_addr().expect("bound");
    machine.serves(starts_with(&machine, &socket, 1)).stops();
    let mut early = TcpStream::connect(address).expect("the socket is open");
    early.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("writes");
    let _server = machine.serves(starts_with(&machine, &socket, 1));
    let mut answer = String::new();
    early.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn what_is_handed_over_and_cannot_be_listened_on_stops_the_start() {
    let machine = Machine::new();
    machine.starts(&[]).stops();
    let fails = |mut command: std::process::Command| {
        let output = command.output().expect("starts");
        assert_ne!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).expect("text")
    };
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let log = fails(starts_with(&machine, &socket, 2));
    assert!(log.contains("several sockets"), "{log}");
    let mut no_socket = starts_with(&machine, &socket, 1);
    no_socket.stdin(Stdio::null());
    let log = fails(no_socket);
    assert!(log.contains("cannot listen on the socket that systemd handed over"), "{log}");
}

//! The language of these tests: a `Server` with a trivial handler, and a `Client` that speaks raw bytes.

use crate::transport::{Protocol, Transport};
use authnzerver::clock::SystemClock;
use authnzerver::http::{
    Handler, HttpLimits, HttpRequest, ListenError, Listener, Response, Workers, error_response,
};
use authnzerver::presence::Presence;
use authnzerver::wait::{Receiver, Sender, oneshot};
use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpStream};
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// No wait in these tests comes near this; it only keeps a broken one from hanging.
const PATIENCE: Duration = Duration::from_secs(15);
/// A server that reads no more for so long does not want to.
const SEND_PATIENCE: Duration = Duration::from_secs(1);
pub const BIG_ANSWER_BYTES: usize = 6 * 1024 * 1024;

/// What the handler was asked, and the gate at which it waits.
#[derive(Default)]
struct Desk {
    asked: Mutex<Vec<String>>,
    gate: Mutex<Option<Receiver<()>>>,
    seen: Mutex<Option<Presence>>,
}

impl Handler for Desk {
    fn handle(&self, request: &HttpRequest<'_>) -> Response {
        *self.seen.lock().expect("never poisoned") = Some(request.presence.clone());
        let is_gate = request.path == "/gate";
        let gate = if is_gate { self.gate.lock().expect("never poisoned").take() } else { None };
        let asked = format!("{} {} {:?} {}", request.method, request.path, request.host, request.body.len());
        self.asked.lock().expect("never poisoned").push(asked.clone());
        match request.path {
            "/hello" => Response::text(200, "hello"),
            "/echo" => Response::text(200, request.body),
            "/who" => Response::text(200, format!("{asked} {}", request.peer)),
            "/big" => Response::text(200, vec![b'b'; BIG_ANSWER_BYTES]),
            // Unlike `panic!` this prints nothing.
            "/panic" => resume_unwind(Box::new("a handler that breaks")),
            "/gate" => {
                gate.and_then(Receiver::wait);
                Response::text(200, "through the gate")
            }
            _ => error_response(404),
        }
    }
}

/// A listening server. It is stopped when dropped.
pub struct Server {
    listener: Option<Listener>,
    protocol: Protocol,
    desk: Arc<Desk>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start() -> Self {
        Self::with(HttpLimits::default())
    }

    pub fn with(limits: HttpLimits) -> Self {
        Self::at("127.0.0.1", limits)
    }

    pub fn at(host: &str, limits: HttpLimits) -> Self {
        Self::speaking(Protocol::of_this_run(), host, limits)
    }

    /// One that speaks TLS, also when its test is run for the first time.
    pub fn over_tls(limits: HttpLimits) -> Self {
        Self::speaking(Protocol::Tls, "127.0.0.1", limits)
    }

    fn speaking(protocol: Protocol, host: &str, limits: HttpLimits) -> Self {
        let desk = Arc::new(Desk::default());
        let listener = listen_for(protocol, host, 0, limits, Arc::clone(&desk) as _).expect("a free port");
        let address = listener.local_addr();
        Self { listener: Some(listener), protocol, desk, address }
    }

    pub fn client(&self) -> Client {
        Client::speaking(self.protocol, self.socket())
    }

    /// A bare connection, on which nothing was said.
    pub fn socket(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
        stream.set_write_timeout(Some(SEND_PATIENCE)).expect("a socket option");
        stream.set_nodelay(true).expect("a socket option");
        stream
    }

    pub fn hangs_up_on_a_newcomer(&self) {
        assert!(Transport::over(self.socket(), self.protocol).is_err());
    }

    /// Sends bytes on a fresh connection and returns its only answer.
    pub fn only_answer_to(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client();
        client.send(bytes);
        let answer = client.answer();
        client.is_closed();
        answer
    }

    /// What the handler was asked so far: method, path, host and length of the body.
    pub fn asked(&self) -> Vec<String> {
        self.desk.asked.lock().expect("never poisoned").clone()
    }

    pub fn still_answers(&self) {
        assert!(self.listener.as_ref().expect("runs").is_accepting());
        let mut client = self.client();
        client.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
        client.answer().is(200, "hello");
    }

    /// The next request for `/gate` waits until the sender is used or dropped.
    pub fn close_gate(&self) -> Sender<()> {
        let (sender, receiver) = oneshot();
        *self.desk.gate.lock().expect("never poisoned") = Some(receiver);
        sender
    }

    /// Whether the client of the newest request is still there.
    pub fn presence(&self) -> Presence {
        self.desk.seen.lock().expect("never poisoned").clone().expect("a request came")
    }

    pub fn waits_for_request(&self) {
        until(|| !self.asked().is_empty());
    }

    pub fn waits_for_connections(&self, number: usize) {
        until(|| self.listener.as_ref().expect("runs").connections() == number);
    }

    pub fn stop(&mut self, patience: Duration) {
        self.listener.take().expect("runs").stop(patience);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.stop(Duration::from_millis(200));
        }
    }
}

pub fn listen(
    host: &str,
    port: u16,
    limits: HttpLimits,
    handler: Arc<dyn Handler>,
) -> Result<Listener, ListenError> {
    listen_for(Protocol::of_this_run(), host, port, limits, handler)
}

fn listen_for(
    protocol: Protocol,
    host: &str,
    port: u16,
    limits: HttpLimits,
    handler: Arc<dyn Handler>,
) -> Result<Listener, ListenError> {
    let workers = Workers { threads: 2, stack_bytes: 256 * 1024 };
    Listener::start((host, port), workers, limits, Arc::new(SystemClock::new()), handler, protocol.identity())
}

pub fn trivial_handler() -> Arc<dyn Handler> {
    Arc::new(Desk::default())
}

/// Waits until it is so.
pub fn until(condition: impl Fn() -> bool) {
    let step = Duration::from_millis(2);
    for _ in 0..PATIENCE.as_millis() / step.as_millis() {
        if condition() {
            return;
        }
        thread::park_timeout(step);
    }
    panic!("waited in vain");
}

/// A connection, from the other side.
pub struct Client {
    stream: Transport,
    received: Vec<u8>,
}

impl Client {
    pub fn over(socket: TcpStream) -> Self {
        Self::speaking(Protocol::of_this_run(), socket)
    }

    fn speaking(protocol: Protocol, socket: TcpStream) -> Self {
        let stream = Transport::over(socket, protocol).expect("the server shakes hands");
        Self { stream, received: Vec::new() }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.send(bytes.as_ref()).expect("the server takes bytes");
    }

    /// Sends as much as the server takes; it may hang up or stop reading before the end.
    pub fn tries_to_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.send(bytes.as_ref()).is_ok()
    }

    pub fn shuts_sending(&mut self) {
        self.stream.shut_sending().expect("the connection stands");
    }

    pub fn shuts_sending_if_it_can(&mut self) {
        let _ = self.stream.shut_sending();
    }

    /// Waits for the next bytes, or for the end, but not for long.
    pub fn has_answer_within(&mut self, patience: Duration) -> bool {
        self.stream.socket().set_read_timeout(Some(patience)).expect("a socket option");
        let mut buffer = [0; 1024];
        let result = self.stream.read(&mut buffer);
        self.stream.socket().set_read_timeout(Some(PATIENCE)).expect("a socket option");
        result.map(|bytes| self.received.extend_from_slice(&buffer[..bytes])).is_ok()
    }

    /// Reads one answer with a body of the length it names.
    pub fn answer(&mut self) -> Answer {
        let head = self.head();
        let length = head.header("Content-Length").expect("a length").parse().expect("a number");
        while self.received.len() < length {
            assert!(self.receive(), "the body ends early");
        }
        Answer { body: self.received.drain(..length).collect(), ..head }
    }

    /// Reads one answer's head, and nothing behind.
    pub fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(self.receive(), "no answer, only {:?}", String::from_utf8_lossy(&self.received));
        };
        let head = self.received.drain(..end + 4).take(end).collect();
        Answer { head: String::from_utf8(head).expect("text"), body: Vec::new() }
    }

    /// Nothing more comes, because the server has ended the connection.
    pub fn is_closed(&mut self) {
        while self.receive() {}
        assert_eq!(String::from_utf8_lossy(&self.received), "");
    }

    /// The server has ended the connection, whatever it said before.
    pub fn is_closed_somehow(&mut self) {
        while self.receive() {
            self.received.clear();
        }
    }

    /// Breaks the connection off, as the system does for a process that dies while an answer lies unread.
    pub fn breaks_off_with_an_answer_unread(self) {
        let socket = self.stream.into_socket();
        assert!(socket.peek(&mut [0]).expect("an answer comes") > 0);
    }

    /// The connection itself, without what is spoken over it.
    pub fn into_socket(self) -> TcpStream {
        self.stream.into_socket()
    }

    fn receive(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(bytes) => {
                self.received.extend_from_slice(&buffer[..bytes]);
                bytes > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
}

/// An answer as it came.
pub struct Answer {
    head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.split(' ').nth(1).expect("a status line").parse().expect("a number")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }

    pub fn is(&self, status: u16, body: &str) {
        assert_eq!((self.status(), String::from_utf8_lossy(&self.body).as_ref()), (status, body));
        assert!(self.header("Date").is_some());
    }

    /// It is the error page of this status, and says that the connection ends.
    pub fn refuses_with(&self, status: u16) {
        let page = error_response(status);
        self.is(status, std::str::from_utf8(&page.body).expect("text"));
        assert_eq!(self.header("Content-Type"), Some("text/plain; charset=UTF-8"));
        assert_eq!(self.header("Connection"), Some("close"));
    }
}

//! Lookups against servers on loopback that answer well, badly, or not at all.

use super::*;
use crate::outbound::pwned::password_sha1;
use crate::outbound::web::testing::TestIdentity;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// `password`, in two parts.
const PREFIX: &str = "5BAA6";
const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";
const OTHER: &str = "0018A45C4D1DEF81644B54AB7F969B88D65";

/// A connection to one of our servers, as the server sees it.
trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// What a server does with one connection, once the request has been read.
type Reaction = Box<dyn FnOnce(&mut dyn Wire) + Send>;

fn reply(head: &str, body: &[u8]) -> Reaction {
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    raw([head.as_bytes(), body].concat())
}

/// Sends these bytes. The client may have had enough before the end.
fn raw(bytes: Vec<u8>) -> Reaction {
    Box::new(move |wire| {
        let _ = wire.write_all(&bytes).and_then(|()| wire.flush());
    })
}

/// Sends these bytes, and then nothing until the client gives up.
fn stall_after(bytes: Vec<u8>) -> Reaction {
    Box::new(move |wire| {
        raw(bytes)(wire);
        let _ = wire.read(&mut [0]);
    })
}

/// Serves one connection for each reaction, and keeps the requests.
struct Server {
    address: SocketAddr,
    thread: JoinHandle<Vec<String>>,
}

impl Server {
    fn plain(reactions: Vec<Reaction>) -> Self {
        Self::start(reactions, |stream| Some(Box::new(stream)))
    }

    fn start(
        reactions: Vec<Reaction>,
        secure: impl Fn(TcpStream) -> Option<Box<dyn Wire>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let thread = std::thread::spawn(move || {
            let mut requests = Vec::new();
            for react in reactions {
                let (stream, _) = listener.accept().expect("a client");
                let Some(mut wire) = secure(stream) else { continue };
                let mut request = Vec::new();
                let mut byte = [0];
                while !request.ends_with(b"\r\n\r\n") && wire.read(&mut byte).is_ok_and(|bytes| bytes > 0) {
                    request.push(byte[0]);
                }
                if !request.is_empty() {
                    react(&mut *wire);
                    requests.push(String::from_utf8(request).expect("an ASCII request"));
                }
            }
            requests
        });
        Self { address, thread }
    }

    fn requests(self) -> Vec<String> {
        self.thread.join().expect("a server that did not fail")
    }
}

fn settings(base_url: &str) -> RangeSettings {
    RangeSettings { proxy_from_environment: false, ..RangeSettings::at(base_url) }
}

fn look_up(settings: &RangeSettings) -> Breach {
    RangeClient::new(settings).expect("sound settings").leaked(password_sha1(b"password").expose())
}

/// Looks `password` up at a server that reacts like this.
fn ask(reaction: Reaction) -> Breach {
    let server = Server::plain(vec![reaction]);
    let leak = look_up(&settings(&format!("http://{}", server.address)));
    server.requests();
    leak
}

fn ok(body: &str) -> Reaction {
    reply("200 OK", body.as_bytes())
}

#[test]
fn the_known_hashes() {
    for (password, digits) in [
        ("password", "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"),
        ("passwordpassword123", "790DED072BD34C11328E0165BA583493E89EFAD7"),
    ] {
        assert_eq!(*hex(password_sha1(password.as_bytes()).expose()), digits);
    }
}

#[test]
fn only_five_digits_leave_and_padding_is_asked_for() {
    let server = Server::plain(vec![ok(&format!("{OTHER}:3\r\n{SUFFIX}:9545824"))]);
    let leak = look_up(&settings(&format!("http://{}", server.address)));
    assert_eq!(leak, Breach::Found { times: Some(9_545_824) });
    let request = server.requests().concat();
    assert!(request.starts_with(&format!("GET /range/{PREFIX} HTTP/1.1\r\n")), "{request}");
    assert!(request.to_ascii_lowercase().contains("\r\nadd-padding: true\r\n"), "{request}");
    assert!(request.to_ascii_lowercase().contains("\r\nuser-agent: authnzerver\r\n"), "{request}");
    assert!(!request.to_ascii_uppercase().contains(&SUFFIX[..4]), "{request}");
}

#[test]
fn the_address_may_lie_deeper_and_may_name_the_range_itself() {
    for path in ["/mirror", "/mirror/", "/mirror/range", "/mirror/range/"] {
        let server = Server::plain(vec![ok(&format!("{SUFFIX}:4"))]);
        let leak = look_up(&settings(&format!("http://{}{path}", server.address)));
        assert_eq!(leak, Breach::Found { times: Some(4) });
        assert!(server.requests()[0].starts_with(&format!("GET /mirror/range/{PREFIX} ")), "{path}");
    }
}

#[test]
fn lines_are_read_leniently_but_an_answer_without_any_is_none() {
    let found = |times| Breach::Found { times: Some(times) };
    let unknown = Breach::Unknown(UnknownReason::Malformed);
    let cases: [(String, Breach); 13] = [
        (format!("{OTHER}:3"), Breach::NotFound),
        (format!("{}:7\n", SUFFIX.to_lowercase()), found(7)),
        (format!("\n\n  {SUFFIX} : 7\r\n"), unknown),
        (format!("  {SUFFIX}: 7 \r\n\r\n"), found(7)),
        (format!("{SUFFIX}:0\r\n{OTHER}:0"), Breach::NotFound),
        (format!("{SUFFIX}:0\r\n{SUFFIX}:4"), found(4)),
        (format!("{OTHER}:x\n{OTHER}\n:::\n\u{fffd}é\n{SUFFIX}:4\n"), found(4)),
        (format!("{OTHER}:2\n{SUFFIX}:-4\n{SUFFIX}:+4\n{SUFFIX}:\n{SUFFIX}"), Breach::NotFound),
        (format!("{SUFFIX}:18446744073709551616\n"), unknown),
        (format!("{PREFIX}{SUFFIX}:4\n"), unknown),
        ("<html>Please log in to this network".to_owned(), unknown),
        ("\r\n".to_owned(), unknown),
        (String::new(), unknown),
    ];
    for (body, expected) in cases {
        assert_eq!(ask(ok(&body)), expected, "{body:?}");
    }
    assert_eq!(ask(reply("200 OK", &[0xff; 5000])), unknown);
}

#[test]
fn other_statuses_leave_it_unknown() {
    for status in [204, 304, 400, 401, 404, 429, 500, 503] {
        let body = if matches!(status, 204 | 304) { String::new() } else { format!("{SUFFIX}:3") };
        let leak = ask(reply(&format!("{status} Whatever"), body.as_bytes()));
        assert_eq!(leak, Breach::Unknown(UnknownReason::Status(status)));
    }
}

#[test]
fn an_endless_answer_is_not_read_to_its_end() {
    let line = format!("{OTHER}:3\r\n");
    let body = line.repeat(10 * 1024 * 1024 / line.len());
    assert_eq!(ask(ok(&body)), Breach::Unknown(UnknownReason::TooLong));
    let without_length = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
    assert_eq!(ask(raw(without_length.into_bytes())), Breach::Unknown(UnknownReason::TooLong));
}

#[test]
fn answers_that_are_not_http_or_break_off_leave_it_unknown() {
    let garbled = Breach::Unknown(UnknownReason::Malformed);
    assert_eq!(ask(raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())), garbled);
    assert_eq!(ask(raw([&b"HTTP/1.1 200 OK\r\nX: "[..], &b"x".repeat(200_000)].concat())), garbled);
    let no_connection = Breach::Unknown(UnknownReason::NoConnection);
    assert_eq!(ask(raw(Vec::new())), no_connection);
    let short = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{SUFFIX}:4\r\n");
    assert_eq!(ask(raw(short.into_bytes())), no_connection);
}

#[test]
fn nobody_there_leaves_it_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let leak = look_up(&settings(&format!("http://{address}")));
    assert_eq!(leak, Breach::Unknown(UnknownReason::NoConnection));
}

#[test]
fn a_server_that_stalls_is_given_up() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(600));
    for (read, total) in [(short, long), (long, short)] {
        for sent in [Vec::new(), b"HTTP/1.1 200".to_vec(), head.clone(), [&head[..], b"0018A"].concat()] {
            let server = Server::plain(vec![stall_after(sent)]);
            let mut settings = settings(&format!("http://{}", server.address));
            settings.limits = TimeLimits { connect: Duration::from_secs(60), read, total };
            assert_eq!(look_up(&settings), Breach::Unknown(UnknownReason::TimedOut));
            server.thread.join().expect("a server that saw the client leave");
        }
    }
}

#[test]
fn redirects_are_followed_within_limits() {
    let target = Server::plain(vec![ok(&format!("{SUFFIX}:4"))]);
    let location = format!("302 Found\r\nLocation: http://{}/range/{PREFIX}", target.address);
    assert_eq!(ask(reply(&location, b"")), Breach::Found { times: Some(4) });
    assert!(target.requests()[0].starts_with(&format!("GET /range/{PREFIX} ")));

    let circle = (0..=REDIRECTS_MAX).map(|_| reply("302 Found\r\nLocation: /round", b"")).collect();
    let server = Server::plain(circle);
    let leak = look_up(&settings(&format!("http://{}", server.address)));
    assert_eq!(leak, Breach::Unknown(UnknownReason::Redirect));
    assert_eq!(server.requests().len(), REDIRECTS_MAX as usize + 1);
}

/// A server of this identity.
fn server_of(identity: &TestIdentity, reactions: Vec<Reaction>) -> Server {
    let handshake = identity.host();
    Server::start(reactions, move |socket| Some(Box::new(handshake(socket)?)))
}

/// What it takes to ask this server, and to trust this identity.
fn settings_of(identity: &TestIdentity, server: &Server) -> RangeSettings {
    let base = format!("https://localhost:{}", server.address.port());
    RangeSettings { extra_roots: Some(identity.roots().to_owned()), ..settings(&base) }
}

#[test]
fn extra_roots_are_trusted_and_strangers_are_not() {
    let identity = TestIdentity::new();
    let server = server_of(&identity, vec![ok(&format!("{SUFFIX}:4"))]);
    assert_eq!(look_up(&settings_of(&identity, &server)), Breach::Found { times: Some(4) });
    server.requests();

    let server = server_of(&identity, vec![ok("never sent")]);
    let built_in = RangeSettings { extra_roots: None, ..settings_of(&identity, &server) };
    assert_eq!(look_up(&built_in), Breach::Unknown(UnknownReason::Tls));
    assert!(server.requests().is_empty());

    let server = server_of(&identity, vec![ok("never sent"), ok("never sent")]);
    let other = TestIdentity::new();
    let stranger = RangeSettings {
        extra_roots: settings_of(&other, &server).extra_roots,
        ..settings_of(&identity, &server)
    };
    assert_eq!(look_up(&stranger), Breach::Unknown(UnknownReason::Tls));
    assert!(server.requests().is_empty(), "asked with either set of roots, and told nothing");
}

#[test]
fn https_is_never_left_for_http() {
    let target = TcpListener::bind("127.0.0.1:0").expect("a free port");
    target.set_nonblocking(true).expect("a socket");
    let location = format!("302 Found\r\nLocation: http://{}/", target.local_addr().expect("an address"));
    let identity = TestIdentity::new();
    let server = server_of(&identity, vec![reply(&location, b"")]);
    assert_eq!(look_up(&settings_of(&identity, &server)), Breach::Unknown(UnknownReason::Redirect));
    assert_eq!(server.requests().len(), 1);
    assert_eq!(target.accept().expect_err("nobody came").kind(), ErrorKind::WouldBlock);
}

#[test]
fn settings_that_cannot_work_are_refused_at_the_start() {
    let refused = |settings: &RangeSettings| RangeClient::new(settings).err().expect("a fault");
    for base in [
        "",
        "none",
        "api.pwnedpasswords.com",
        "ftp://x",
        "http://",
        "https:///range",
        "http://x/?key=1",
        "http://a b",
    ] {
        assert!(matches!(refused(&settings(base)), RangeError::BaseUrl), "{base}");
    }
    let with_roots =
        |path: &str| RangeSettings { extra_roots: Some(path.into()), ..settings("https://api.example") };
    assert!(matches!(refused(&with_roots("/nowhere/roots.pem")), RangeError::Roots(RootsError::Corrupt(..))));
    assert!(matches!(refused(&with_roots("/dev/null")), RangeError::Roots(RootsError::Corrupt(..))));
    assert!(RangeClient::new(&settings("https://api.example")).is_ok());
}

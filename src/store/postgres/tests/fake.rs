//! A server that says what a test has it say, and a relay that passes on what a real server says, or does not.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A port on which something listens for as long as the test runs.
pub(super) struct Listening {
    pub(super) port: u16,
    /// How many connections came in.
    pub(super) count: Arc<AtomicUsize>,
}

impl Listening {
    /// Has each connection served on a thread of its own, under its number. Its end closes it.
    pub(super) fn serve(serve: impl Fn(usize, Peer) -> Option<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("is bound").port();
        let count = Arc::<AtomicUsize>::default();
        let (counted, serve) = (Arc::clone(&count), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), serve) = (stream, Arc::clone(&serve)) else { return };
                let number = counted.fetch_add(1, Ordering::SeqCst);
                // So that no thread outlives a test that failed by much.
                stream.set_read_timeout(Some(Duration::from_secs(60))).expect("is a socket");
                std::thread::spawn(move || serve(number, Peer(stream)));
            }
        });
        Self { port, count }
    }

    /// A server that logs everybody in, and answers every statement as `answer` says.
    pub(super) fn answering(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serve(move |_, mut peer| {
            peer.log_in()?;
            peer.answer_each(&answer)
        })
    }

    pub(super) fn url(&self) -> String {
        format!("postgresql://tests@127.0.0.1:{}/db?sslmode=disable", self.port)
    }

    pub(super) fn connections(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// What a client asks, up to where it wants an answer.
pub(super) struct Asked {
    /// The kinds of its messages.
    pub(super) kinds: Vec<u8>,
    /// The last message's text, without the zero that ends it.
    pub(super) text: String,
}

/// A client as a server sees it. Nothing when it has gone.
pub(super) struct Peer(pub(super) TcpStream);

impl Peer {
    pub(super) fn bytes(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }

    fn sized(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_be_bytes(self.bytes(4)?.try_into().ok()?);
        self.bytes(usize::try_from(length).ok()?.checked_sub(4)?)
    }

    /// What it begins with.
    pub(super) fn startup(&mut self) -> Option<Vec<u8>> {
        self.sized()
    }

    pub(super) fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = self.bytes(1)?[0];
        Some((kind, self.sized()?))
    }

    pub(super) fn say(&mut self, bytes: &[u8]) -> Option<()> {
        self.0.write_all(bytes).ok()
    }

    /// Waits until the client goes, and says nothing.
    pub(super) fn ignore(&mut self) -> Option<()> {
        while self.bytes(1).is_some() {}
        None
    }

    pub(super) fn log_in(&mut self) -> Option<()> {
        self.startup()?;
        self.say(&[says(b'R', &[0; 4]), ready()].concat())
    }

    /// Answers what a new connection is set to and asks, and then all else as `answer` says.
    pub(super) fn answer_each(&mut self, answer: &dyn Fn(&Asked) -> Vec<u8>) -> Option<()> {
        loop {
            let mut asked = Asked { kinds: Vec::new(), text: String::new() };
            while !matches!(asked.kinds.last(), Some(b'Q' | b'S')) {
                let (kind, contents) = self.message()?;
                asked.kinds.push(kind);
                if kind != b'S' {
                    asked.text = String::from_utf8_lossy(&contents).replace('\0', " ").trim().to_owned();
                }
            }
            let said = match asked.text.as_str() {
                text if text.starts_with("SET ") => [done("SET"), ready()].concat(),
                text if text.contains("pg_is_in_recovery()") => {
                    [row(&[Some(b"primary")]), done("SELECT 1"), ready()].concat()
                }
                _ => answer(&asked),
            };
            self.say(&said)?;
        }
    }
}

/// A message.
pub(super) fn says(kind: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len() + 4).expect("fits");
    [&[kind][..], &length.to_be_bytes(), contents].concat()
}

pub(super) fn ready() -> Vec<u8> {
    says(b'Z', b"I")
}

pub(super) fn done(tag: &str) -> Vec<u8> {
    says(b'C', &[tag.as_bytes(), &[0]].concat())
}

pub(super) fn row(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut contents = u16::try_from(values.len()).expect("fits").to_be_bytes().to_vec();
    for value in values {
        let length = value.map_or(-1, |value| i32::try_from(value.len()).expect("fits"));
        contents.extend(length.to_be_bytes());
        contents.extend(value.unwrap_or_default());
    }
    says(b'D', &contents)
}

/// What a statement takes and gives: texts.
pub(super) fn prepared(parameters: u16, columns: &[&str]) -> Vec<u8> {
    let mut takes = parameters.to_be_bytes().to_vec();
    (0..parameters).for_each(|_| takes.extend(25_u32.to_be_bytes()));
    let mut gives = u16::try_from(columns.len()).expect("fits").to_be_bytes().to_vec();
    for column in columns {
        gives.extend([column.as_bytes(), &[0; 7], &25_u32.to_be_bytes(), &[0; 8]].concat());
    }
    [says(b'1', b""), says(b't', &takes), says(b'T', &gives), ready()].concat()
}

/// An error with this code and some other fields.
pub(super) fn error(code: &str, others: &[(u8, &str)]) -> Vec<u8> {
    let mut contents = [b"SFATAL\0C", code.as_bytes(), &[0]].concat();
    for (kind, text) in others {
        contents.extend([&[*kind], text.as_bytes(), &[0]].concat());
    }
    contents.push(0);
    says(b'E', &contents)
}

/// What becomes of a message on its way to the real server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives.
    Passes,
    /// It does not, and the connection is cut.
    CutBefore,
    /// It does, and the connection is cut when the answer comes.
    CutAfter,
    /// It does, and the answer never comes.
    Silence,
}

/// Relays connections to the real server behind this socket. `fate` decides on each message, given with its connection's number.
pub(super) fn relay(
    socket: String,
    fate: impl Fn(usize, u8, &str) -> Fate + Send + Sync + 'static,
) -> Listening {
    Listening::serve(move |number, mut client| {
        let mut server = UnixStream::connect(&socket).ok()?;
        let startup = client.startup()?;
        let length = u32::try_from(startup.len() + 4).ok()?;
        server.write_all(&[&length.to_be_bytes(), &startup[..]].concat()).ok()?;
        let (mut from_server, mut to_client) = (server.try_clone().ok()?, client.0.try_clone().ok()?);
        let fates = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&fates);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = from_server.read(&mut buffer) {
                match seen.load(Ordering::SeqCst) {
                    1 => break,
                    2 => {}
                    _ if to_client.write_all(&buffer[..length]).is_err() => break,
                    _ => {}
                }
            }
            let _ = to_client.shutdown(Shutdown::Both);
        });
        while let Some((kind, contents)) = client.message() {
            let fate = fate(number, kind, String::from_utf8_lossy(&contents).trim_end_matches('\0'));
            match fate {
                Fate::Passes => {}
                Fate::CutBefore => break,
                Fate::CutAfter => fates.store(1, Ordering::SeqCst),
                Fate::Silence => fates.store(2, Ordering::SeqCst),
            }
            server.write_all(&says(kind, &contents)).ok()?;
            if fate == Fate::CutAfter {
                let _ = client.ignore();
            }
        }
        let _ = (server.shutdown(Shutdown::Both), client.0.shutdown(Shutdown::Both));
        None
    })
}

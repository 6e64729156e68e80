//! A server that answers over HTTP as it is told to, the last reply again and again.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub(super) struct Scripted {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    replies: Vec<Written>,
    asked: Vec<String>,
    connections: usize,
}

/// The bytes of a reply, and whether the connection is closed behind them.
#[derive(Clone)]
pub(super) struct Written {
    pub(super) bytes: Vec<u8>,
    pub(super) closes: bool,
}

impl Written {
    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), closes: false }
    }

    pub(super) fn status(status: u16, headers: &str, body: &str) -> Self {
        Self::raw(format!("HTTP/1.1 {status} Words\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
    }

    /// As it stands in the vectors.
    pub(super) fn of_vector(reply: &Value) -> Self {
        let mut body = reply["body"].as_str().unwrap().to_owned();
        if let Some(repeat) = reply.get("repeat") {
            body = repeat[0].as_str().unwrap().repeat(repeat[1].as_u64().unwrap() as usize);
        }
        let length = reply.get("claimed").map_or(body.len(), |claimed| claimed.as_u64().unwrap() as usize);
        let mut bytes = format!("HTTP/1.1 {} Words\r\nContent-Length: {length}\r\n", reply["status"]);
        for (name, value) in reply["headers"].as_object().unwrap() {
            bytes.push_str(&format!("{name}: {}\r\n", value.as_str().unwrap()));
        }
        let cut = reply.get("cut").map(|cut| cut.as_u64().unwrap() as usize);
        bytes.push_str("\r\n");
        bytes.push_str(&body[..cut.unwrap_or(body.len())]);
        Self { bytes: bytes.into_bytes(), closes: cut.is_some() }
    }
}

impl Scripted {
    pub(super) fn new(replies: impl Into<Vec<Written>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            Arc::new(Mutex::new(State { replies: replies.into(), asked: Vec::new(), connections: 0 }));
        let shared = state.clone();
        // It ends with the tests.
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let state = shared.clone();
                state.lock().unwrap().connections += 1;
                std::thread::spawn(move || talk(&connection.unwrap(), &state));
            }
        });
        Self { url, state }
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// The bodies that came.
    pub(super) fn asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }
}

/// Ends when the client has closed the connection.
fn talk(connection: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.strip_prefix("Content-Length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let reply = {
            let mut state = state.lock().unwrap();
            let place = state.asked.len().min(state.replies.len() - 1);
            state.asked.push(String::from_utf8(body).unwrap());
            state.replies[place].clone()
        };
        let mut writer = connection;
        writer.write_all(&reply.bytes).ok()?;
        if reply.closes {
            return None;
        }
    }
}

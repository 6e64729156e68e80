//! What a client has sent and nobody has used yet: a buffer of bounded size, from which the heads of requests are read.

use super::head::{self, Head};
use super::limits::HttpLimits;
use httparse::{Error, Request, Status};
use std::mem::MaybeUninit;

/// Header lines that a request may have. Browsers behind several proxies send about thirty.
const HEADER_LINES_MAX: usize = 64;
/// The buffer's size until a head needs more. Most requests fit.
const BUFFER_BYTES: usize = 4 * 1024;

/// What lies at the front of the buffer.
pub(super) enum Next {
    /// A whole head, which has been taken out.
    Head(Head),
    /// Perhaps the beginning of one.
    Incomplete,
    /// Nothing that can be served; the status says why. Nothing behind it can be trusted.
    Refused(u16),
}

/// Bytes that were received and not used yet.
pub(super) struct Received {
    /// All of it is initialised; `start..end` is what was received.
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Received {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES], start: 0, end: 0 }
    }

    /// Gives the memory back until more is received, if nothing lies in it.
    pub(super) fn release(&mut self) {
        if self.len() == 0 {
            *self = Self { bytes: Vec::new(), start: 0, end: 0 };
        }
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    /// Reads the next head. Each reading begins anew at the front.
    #[inline(never)]
    pub(super) fn next_head(&mut self, limits: &HttpLimits) -> Next {
        let mut lines = [const { MaybeUninit::uninit() }; HEADER_LINES_MAX];
        let mut request = Request::new(&mut []);
        let unused = &self.bytes[self.start..self.end];
        let head_bytes = match request.parse_with_uninit_headers(unused, &mut lines) {
            Ok(Status::Complete(bytes)) if bytes <= limits.head_bytes_max => bytes,
            Ok(Status::Partial) if unused.len() <= limits.head_bytes_max => return Next::Incomplete,
            Ok(_) | Err(Error::TooManyHeaders) => return Next::Refused(431),
            Err(_) => return Next::Refused(400),
        };
        // A whole head has all three, so nothing else can come of this.
        let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version)
        else {
            return Next::Refused(400);
        };
        let headers = request.headers.iter().map(|header| (header.name, header.value));
        let head = head::read(method, target, version, headers, limits);
        self.start += head_bytes;
        head.map_or_else(Next::Refused, Next::Head)
    }

    /// Takes out as many bytes as there are, up to this number.
    pub(super) fn take(&mut self, bytes_max: usize) -> &[u8] {
        let start = self.start;
        self.start += self.len().min(bytes_max);
        &self.bytes[start..self.start]
    }

    /// Where more can be received: at least one byte, as long as no whole head of the largest size lies here. Tell
    /// with [`Received::add`] how many came.
    pub(super) fn spare(&mut self, limits: &HttpLimits) -> &mut [u8] {
        if self.len() == 0 && self.bytes.len() != BUFFER_BYTES {
            // Somebody who had one large head shall not keep the memory for it; and who has given all back gets it again.
            *self = Self::new();
        }
        self.bytes.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.len());
        if self.end == self.bytes.len() {
            // One byte more than a head may have, so that a longer one is noticed.
            let bytes = (2 * self.end).min(limits.head_bytes_max + 1).max(self.end + 1);
            self.bytes.resize(bytes, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes were received into the spare part.
    pub(super) fn add(&mut self, bytes: usize) {
        self.end = self.bytes.len().min(self.end + bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HttpLimits = HttpLimits {
        connections_max: 1,
        head_bytes_max: 10_000,
        body_bytes_max: 1_000_000,
        large_bodies_bytes_max: 0,
        head_seconds_max: 1,
        body_seconds_max: 1,
        idle_seconds_max: 1,
        send_seconds_max: 1,
    };

    fn receive(received: &mut Received, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let spare = received.spare(&LIMITS);
            let count = bytes.len().min(spare.len());
            spare[..count].copy_from_slice(&bytes[..count]);
            received.add(count);
            bytes = &bytes[count..];
        }
    }

    fn status(bytes: &[u8]) -> Option<u16> {
        let mut received = Received::new();
        receive(&mut received, bytes);
        match received.next_head(&LIMITS) {
            Next::Head(_) => Some(200),
            Next::Incomplete => None,
            Next::Refused(status) => Some(status),
        }
    }

    fn head_of(bytes: usize) -> String {
        let (start, end) = ("GET / HTTP/1.1\r\nHost: x\r\nX: ", "\r\n\r\n");
        format!("{start}{}{end}", "x".repeat(bytes - start.len() - end.len()))
    }

    #[test]
    fn what_was_given_back_is_there_again_when_it_is_needed() {
        let mut received = Received::new();
        receive(&mut received, b"GET / HT");
        received.release();
        assert_eq!(received.len(), 8, "what was received stays");
        receive(&mut received, b"TP/1.1\r\nHost: x\r\n\r\n");
        assert!(matches!(received.next_head(&LIMITS), Next::Head(_)));
        received.release();
        assert_eq!(received.bytes.capacity(), 0);
        assert_eq!(received.spare(&LIMITS).len(), BUFFER_BYTES);
    }

    #[test]
    fn heads_and_bodies_are_taken_in_turn_wherever_they_are_cut() {
        let text = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello".repeat(200);
        for step in [1, 7, 4096, 9_000] {
            let mut received = Received::new();
            let (mut heads, mut bodies, mut missing) = (0, Vec::new(), 0);
            for piece in text.as_bytes().chunks(step) {
                receive(&mut received, piece);
                loop {
                    let taken = received.take(missing);
                    missing -= taken.len();
                    bodies.extend_from_slice(taken);
                    let Next::Head(head) = received.next_head(&LIMITS) else { break };
                    assert_eq!((head.path.as_str(), head.body_bytes), ("/a", 5));
                    heads += 1;
                    missing = 5;
                }
            }
            assert_eq!((heads, bodies), (200, b"hello".repeat(200)), "in pieces of {step}");
        }
    }

    #[test]
    fn a_head_has_a_largest_size_whether_it_ends_or_not() {
        assert_eq!(status(head_of(10_000).as_bytes()), Some(200));
        assert_eq!(status(head_of(10_001).as_bytes()), Some(431));
        assert_eq!(status(&head_of(10_500).as_bytes()[..10_000]), None);
        assert_eq!(status(&head_of(10_500).as_bytes()[..10_001]), Some(431));
    }

    #[test]
    fn a_head_has_at_most_64_lines() {
        let lines =
            |number: usize| format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(number - 1));
        assert_eq!(status(lines(64).as_bytes()), Some(200));
        assert_eq!(status(lines(65).as_bytes()), Some(431));
    }

    #[test]
    fn the_memory_for_a_large_head_is_given_back() {
        let mut received = Received::new();
        receive(&mut received, head_of(9_000).as_bytes());
        assert!(received.bytes.len() >= 9_000);
        assert!(matches!(received.next_head(&LIMITS), Next::Head(_)));
        assert_eq!(received.spare(&LIMITS).len(), BUFFER_BYTES);
    }
}

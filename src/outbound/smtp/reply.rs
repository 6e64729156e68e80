//! Replies of a mail server, read by their codes alone: the text may be missing, in any encoding, or a lie. What
//! comes is bounded, and none of it is kept but what a greeting offers.

use crate::outbound::delivery::MailError;

/// Bytes of one line. Python's smtplib reads as many.
const LINE_BYTES_MAX: usize = 8192;
/// Bytes of one reply of any number of lines.
const REPLY_BYTES_MAX: usize = 64 * 1024;

/// What came is no reply, or one without end.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// A reply.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// The code of its last line.
    pub code: u16,
    /// What stands behind the code on each line.
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// Whether the server did what it was asked to.
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// What a reply means that is not the one hoped for.
    pub const fn error(&self) -> MailError {
        match self.code / 100 {
            4 => MailError::Deferred(self.code),
            5 => MailError::Refused(self.code),
            _ => MailError::Protocol,
        }
    }
}

/// Puts replies together from what arrives.
#[derive(Default)]
pub struct Replies {
    received: Vec<u8>,
    /// How much of it has no line end for certain.
    searched: usize,
    lines: Vec<Vec<u8>>,
    reply_bytes: usize,
}

impl Replies {
    /// Takes in what has arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// Whether nothing has arrived that was not asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.received.is_empty() && self.lines.is_empty()
    }

    /// The next reply, once all of it has arrived. A line may end with a line feed alone.
    ///
    /// # Errors
    ///
    /// [`Malformed`].
    pub fn next(&mut self) -> Result<Option<Reply>, Malformed> {
        while let Some(found) = self.received[self.searched..].iter().position(|byte| *byte == b'\n') {
            let rest = self.received.split_off(self.searched + found + 1);
            let line = std::mem::replace(&mut self.received, rest);
            self.searched = 0;
            self.reply_bytes += line.len();
            if line.len() > LINE_BYTES_MAX || self.reply_bytes > REPLY_BYTES_MAX {
                return Err(Malformed);
            }
            let (code, goes_on, text) = parts(&line).ok_or(Malformed)?;
            self.lines.push(text.to_vec());
            if !goes_on {
                self.reply_bytes = 0;
                return Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }));
            }
        }
        self.searched = self.received.len();
        if self.searched > LINE_BYTES_MAX { Err(Malformed) } else { Ok(None) }
    }
}

/// A line's code, whether another line follows, and its text.
fn parts(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let line = line.trim_ascii_end();
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    let (goes_on, text) = match rest.split_first() {
        None => (false, rest),
        Some((b'-', text)) => (true, text),
        Some((_, text)) => (false, text),
    };
    (200..600).contains(&code).then_some((code, goes_on, text))
}

/// A way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// Name and password in one (RFC 4616).
    Plain,
    /// Name, then password; older than any standard.
    Login,
    /// The password as the key of a hash (RFC 2195).
    CramMd5,
}

/// What a mail server can do beyond the oldest protocol.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// It can change to TLS.
    pub starttls: bool,
    /// It takes bytes with the eighth bit set.
    pub eight_bit: bool,
    /// It takes addresses that are not ASCII.
    pub utf8: bool,
    /// It wants to know an email's size; and the largest that it takes, where it says so.
    #[expect(clippy::option_option, reason = "a server may want to know the size and name no largest one")]
    pub size: Option<Option<u64>>,
    /// Ways to log in that we know too, the one to prefer first.
    pub mechanisms: Vec<Mechanism>,
}

impl Extensions {
    /// Those that the reply to EHLO names. Its first line is a greeting.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        let mut found = Self::default();
        let mut offered = Vec::new();
        for line in reply.lines.iter().skip(1) {
            let line = String::from_utf8_lossy(line).to_ascii_uppercase();
            // Old servers write `AUTH=LOGIN` where it should be `AUTH LOGIN`.
            let mut words =
                line.split(|c: char| c.is_ascii_whitespace() || c == '=').filter(|w| !w.is_empty());
            match words.next() {
                Some("STARTTLS") => found.starttls = true,
                Some("8BITMIME") => found.eight_bit = true,
                Some("SMTPUTF8") => found.utf8 = true,
                Some("SIZE") => {
                    let largest = words.next().and_then(|size| size.parse().ok());
                    found.size = Some(largest.filter(|size| *size > 0));
                }
                Some("AUTH") => offered.extend(words.filter_map(mechanism)),
                _ => {}
            }
        }
        found.mechanisms = [Mechanism::Plain, Mechanism::Login, Mechanism::CramMd5].into();
        found.mechanisms.retain(|known| offered.contains(known));
        found
    }
}

fn mechanism(word: &str) -> Option<Mechanism> {
    match word {
        "PLAIN" => Some(Mechanism::Plain),
        "LOGIN" => Some(Mechanism::Login),
        "CRAM-MD5" => Some(Mechanism::CramMd5),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Option<Reply>, Malformed> {
        let mut replies = Replies::default();
        replies.push(bytes);
        replies.next()
    }

    fn code(bytes: &[u8]) -> Option<u16> {
        read(bytes).ok().flatten().map(|reply| reply.code)
    }

    #[test]
    fn the_code_alone_counts() {
        for (bytes, expected) in [
            (&b"250 fine\r\n"[..], 250),
            (b"250\r\n", 250),
            (b"250 \r\n", 250),
            (b"250\n", 250),
            (b"250 gr\xfc\xdfe\xff\r\n", 250),
            (b"250-\r\n250\r\n", 250),
            (b"250-one\r\n250-two\n550 three\r\n", 550),
            (b"354\tgo on\r\n", 354),
            (b"421 4.3.0 \0\x1b[31m\r\n", 421),
        ] {
            assert_eq!(code(bytes), Some(expected), "{bytes:?}");
        }
        for bytes in [&b""[..], b"250", b"250 fine\r", b"250-one\r\n", b"250-one\r\n250"] {
            assert_eq!(read(bytes), Ok(None), "{bytes:?}");
        }
        for bytes in
            [&b"\r\n"[..], b"25\r\n", b"ok\r\n", b"+250 x\r\n", b"199 x\r\n", b"600 x\r\n", b"250-a\r\nb\r\n"]
        {
            assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
        }
    }

    #[test]
    fn replies_come_in_pieces_and_one_behind_the_other() {
        let mut replies = Replies::default();
        for byte in b"220 he" {
            replies.push(&[*byte]);
            assert_eq!(replies.next(), Ok(None));
        }
        replies.push(b"re\r\n250-a\r\n");
        assert_eq!(replies.next().expect("a reply").map(|reply| reply.code), Some(220));
        assert!(!replies.is_empty(), "what was not asked for is noticed");
        assert_eq!(replies.next(), Ok(None));
        assert!(!replies.is_empty(), "half a reply too");
        replies.push(b"250 b\r\n");
        let reply = replies.next().expect("a reply").expect("whole");
        assert_eq!(reply.lines, [b"a", b"b"]);
        assert!(replies.is_empty());
    }

    #[test]
    fn replies_are_bounded() {
        assert_eq!(read(&[b'2'; LINE_BYTES_MAX + 1]), Err(Malformed));
        let line = [b"250-", &[b'x'; 1000][..], b"\r\n"].concat();
        assert_eq!(read(&line.repeat(10)), Ok(None));
        assert_eq!(read(&line.repeat(100)), Err(Malformed));
        assert_eq!(read(&b"250-\n".repeat(100_000)), Err(Malformed));
    }

    /// Bytes that look like replies now and then, in pieces of any length.
    #[test]
    fn whatever_comes_is_read_to_its_end_within_its_bounds() {
        let alphabet = b"2355 0-\r\n\n AUTHauth=SIZE 9\0\xff\xc3";
        let mut rng = fastrand::Rng::with_seed(10);
        let mut found = 0;
        for _ in 0..20_000 {
            let mut replies = Replies::default();
            for _ in 0..rng.usize(1..12) {
                let piece: Vec<u8> =
                    (0..rng.usize(..9)).map(|_| alphabet[rng.usize(..alphabet.len())]).collect();
                replies.push(&piece);
                match replies.next() {
                    Ok(Some(reply)) => {
                        found += 1;
                        assert!((200..600).contains(&reply.code) && !reply.lines.is_empty());
                        let _ = Extensions::of(&reply);
                    }
                    Ok(None) => {}
                    Err(Malformed) => break,
                }
            }
        }
        assert!(found > 10, "{found}");
    }

    #[test]
    fn keywords_come_in_any_case_and_in_their_old_form() {
        let extensions = |text: &str| Extensions::of(&read(text.as_bytes()).expect("sound").expect("whole"));
        let found = extensions(
            "250-Mail\r\n250-8BitMime\r\n250-SmtpUtf8\r\n250-size 1000\r\n250-StartTls\r\n250 auth=cram-md5 Login\r\n",
        );
        let mechanisms = vec![Mechanism::Login, Mechanism::CramMd5];
        let whole =
            Extensions { starttls: true, eight_bit: true, utf8: true, size: Some(Some(1000)), mechanisms };
        assert_eq!(found, whole);
        assert_eq!(extensions("250-STARTTLS\r\n250-\r\n250 \r\n"), Extensions::default());
        assert_eq!(extensions("250-x\r\n250 SIZE\r\n").size, Some(None));
        assert_eq!(extensions("250-x\r\n250 SIZE 0\r\n").size, Some(None));
        assert!(extensions("250-x\r\n250 AUTH XOAUTH2 GSSAPI\r\n").mechanisms.is_empty());
        let both = extensions("250-x\r\n250-AUTH LOGIN\r\n250 AUTH=PLAIN\r\n");
        assert_eq!(both.mechanisms, [Mechanism::Plain, Mechanism::Login]);
    }
}

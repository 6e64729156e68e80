//! The messages of PostgreSQL's protocol, version 3: how ours are written, and how the server's are read. What comes from the
//! server is bounded before it is looked at, and read by nobody but [`Reader`], which cannot read past the end.

/// Columns of a row, and parameters of a statement: far more than any statement of `sql/` has.
pub(super) const FIELDS_MAX: usize = 64;
/// Bytes of one message.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes before a message's contents: its kind and its length.
const HEADER_BYTES: usize = 5;
/// The protocol that we ask for: 3.0.
const PROTOCOL: i32 = 3 << 16;
/// Stands where a start-up message has the protocol, and asks for TLS instead.
pub(super) const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];
/// A length that stands for null.
const NULL: i32 = -1;
/// Says that every value is binary.
const ALL_BINARY: [u8; 4] = [0, 1, 0, 1];

/// The server said something that the protocol does not know, or not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// Messages of ours, one after another.
#[derive(Default)]
pub(super) struct Outgoing(pub(super) Vec<u8>);

impl Outgoing {
    /// A message of this kind, with what `write` puts into it.
    pub(super) fn message(&mut self, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        self.0.push(kind);
        self.sized(write);
    }

    /// Tells who we are and which database we want.
    pub(super) fn startup(&mut self, parameters: &[(&str, &str)]) {
        self.sized(|out| {
            out.extend(PROTOCOL.to_be_bytes());
            for (name, value) in parameters {
                text(out, name);
                text(out, value);
            }
            out.push(0);
        });
    }

    /// A statement without parameters, run at once.
    pub(super) fn query(&mut self, statement: &str) {
        self.message(b'Q', |out| text(out, statement));
    }

    /// Prepares a statement under a name and asks for what it takes and gives.
    pub(super) fn prepare(&mut self, name: &str, statement: &str) {
        self.message(b'P', |out| {
            text(out, name);
            text(out, statement);
            out.extend([0, 0]);
        });
        self.message(b'D', |out| {
            out.push(b'S');
            text(out, name);
        });
    }

    /// Runs a prepared statement. Of each value `write` makes the bytes, and tells whether it is one and not null.
    pub(super) fn run(
        &mut self,
        name: &str,
        values: usize,
        mut write: impl FnMut(usize, &mut Vec<u8>) -> bool,
    ) {
        self.message(b'B', |out| {
            text(out, "");
            text(out, name);
            out.extend(ALL_BINARY);
            out.extend(u16::try_from(values).unwrap_or(u16::MAX).to_be_bytes());
            for value in 0..values {
                let at = out.len();
                out.extend(NULL.to_be_bytes());
                if write(value, out) {
                    let length = out.len() - at - 4;
                    set_length(out, at, length);
                }
            }
            out.extend(ALL_BINARY);
        });
        // All rows.
        self.message(b'E', |out| out.extend([0; 5]));
    }

    /// Asks for the end of what was asked, also after an error.
    pub(super) fn sync(&mut self) {
        self.message(b'S', |_| {});
    }

    fn sized(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let at = self.0.len();
        self.0.extend([0; 4]);
        write(&mut self.0);
        let length = self.0.len() - at;
        set_length(&mut self.0, at, length);
    }
}

/// A text with its end. A zero would end it early, so that what comes after one is left out: names and statements are ours.
fn text(out: &mut Vec<u8>, text: &str) {
    out.extend(text.bytes().take_while(|byte| *byte != 0));
    out.push(0);
}

fn set_length(out: &mut [u8], at: usize, length: usize) {
    // What is too long for the protocol is refused by the server, as any length below zero is.
    out[at..at + 4].copy_from_slice(&i32::try_from(length).unwrap_or(i32::MIN).to_be_bytes());
}

/// A message of the server's: its kind, and its contents.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'b> {
    pub(super) kind: u8,
    pub(super) contents: &'b [u8],
}

/// The first message in `bytes`, if all of it is there, and how long it is.
pub(super) fn first(bytes: &[u8]) -> Result<Option<(Message<'_>, usize)>, Malformed> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER_BYTES) else { return Ok(None) };
    let mut reader = Reader(&header[1..]);
    let length = usize::try_from(reader.i32()?).map_err(|_| Malformed)?;
    let length = length.checked_sub(4).filter(|length| *length <= MESSAGE_BYTES_MAX).ok_or(Malformed)?;
    let message = rest.get(..length).map(|contents| Message { kind: header[0], contents });
    Ok(message.map(|message| (message, HEADER_BYTES + length)))
}

/// Reads what is in a message.
pub(super) struct Reader<'b>(pub(super) &'b [u8]);

impl<'b> Reader<'b> {
    pub(super) fn bytes(&mut self, length: usize) -> Result<&'b [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Malformed> {
        self.bytes(BYTES)?.try_into().map_err(|_| Malformed)
    }

    pub(super) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    /// A number of things that follow.
    fn count(&mut self) -> Result<usize, Malformed> {
        let count = usize::from(u16::from_be_bytes(self.array()?));
        if count > FIELDS_MAX { Err(Malformed) } else { Ok(count) }
    }

    pub(super) fn text(&mut self) -> Result<&'b str, Malformed> {
        let length = self.0.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
        let text = self.bytes(length)?;
        self.bytes(1)?;
        std::str::from_utf8(text).map_err(|_| Malformed)
    }

    /// There is nothing after what was read.
    fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

/// The types of a statement's parameters.
pub(super) fn parameters(contents: &[u8]) -> Result<Box<[u32]>, Malformed> {
    let mut reader = Reader(contents);
    let types =
        (0..reader.count()?).map(|_| reader.array().map(u32::from_be_bytes)).collect::<Result<_, _>>()?;
    reader.end()?;
    Ok(types)
}

/// What a statement's rows consist of.
#[derive(Default, Debug)]
pub(super) struct Columns {
    pub(super) names: Box<[Box<str>]>,
    pub(super) types: Box<[u32]>,
}

/// Reads what a statement's rows consist of.
pub(super) fn columns(contents: &[u8]) -> Result<Columns, Malformed> {
    let mut reader = Reader(contents);
    let (mut names, mut types) = (Vec::new(), Vec::new());
    for _ in 0..reader.count()? {
        names.push(Box::from(reader.text()?));
        // The table and the number of the column in it.
        reader.bytes(6)?;
        types.push(u32::from_be_bytes(reader.array()?));
        // The type's size and modifier, and the format, of which nothing is known before the statement is run.
        reader.bytes(8)?;
    }
    reader.end()?;
    Ok(Columns { names: names.into(), types: types.into() })
}

/// Reads the values of a row, which has as many as there are columns.
pub(super) fn row<'b>(
    contents: &'b [u8],
    columns: usize,
    values: &mut Vec<Option<&'b [u8]>>,
) -> Result<(), Malformed> {
    let mut reader = Reader(contents);
    values.clear();
    if reader.count()? != columns {
        return Err(Malformed);
    }
    for _ in 0..columns {
        let length = reader.i32()?;
        values.push(match usize::try_from(length) {
            Ok(length) => Some(reader.bytes(length)?),
            Err(_) if length == NULL => None,
            Err(_) => return Err(Malformed),
        });
    }
    reader.end()
}

/// How many rows a statement was about, by what the server says at its end: a word, and numbers of which the last one counts.
pub(super) fn rows_changed(contents: &[u8]) -> Result<(&str, usize), Malformed> {
    let mut reader = Reader(contents);
    let tag = reader.text()?;
    reader.end()?;
    Ok((tag, tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)))
}

/// What the server says of an error.
#[derive(Default)]
pub(super) struct ServerError {
    /// Five capital letters and digits.
    pub(super) code: String,
    /// The constraint that was violated.
    pub(super) constraint: String,
}

/// Characters of the name of a constraint that are kept: PostgreSQL's own limit.
const NAME_CHARACTERS_MAX: usize = 63;

/// Reads an error. What is meant for people is left behind, for it holds values of rows.
pub(super) fn error(contents: &[u8]) -> Result<ServerError, Malformed> {
    let mut reader = Reader(contents);
    let mut error = ServerError::default();
    loop {
        let field = match reader.bytes(1)? {
            [0] if is_code(&error.code) => return reader.end().map(|()| error),
            [0] => return Err(Malformed),
            [b'C'] => &mut error.code,
            [b'n'] => &mut error.constraint,
            _ => {
                reader.text()?;
                continue;
            }
        };
        *field = reader.text()?.chars().take(NAME_CHARACTERS_MAX).collect();
    }
}

fn is_code(text: &str) -> bool {
    text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Vec<u8> {
        let mut out = vec![0, 2];
        for (name, kind) in [("user_id", 20_u32), ("email", 25)] {
            out.extend(name.as_bytes());
            out.push(0);
            out.extend([0; 6]);
            out.extend(kind.to_be_bytes());
            out.extend([0; 8]);
        }
        out
    }

    fn read_as_everything(bytes: &[u8]) {
        let mut at = 0;
        while let Ok(Some((_, length))) = first(&bytes[at..]) {
            assert!(length >= HEADER_BYTES);
            at += length;
        }
        let _ = (parameters(bytes), columns(bytes), rows_changed(bytes).map(drop));
        if let Ok(error) = error(bytes) {
            assert!(is_code(&error.code) && error.constraint.chars().count() <= NAME_CHARACTERS_MAX);
        }
        let mut values = Vec::new();
        for width in [0, 1, 2, FIELDS_MAX] {
            if row(bytes, width, &mut values).is_ok() {
                assert_eq!(values.len(), width);
            }
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused_and_nothing_past_its_end() {
        let row = [&[0, 2, 0, 0, 0, 3][..], b"abc", &[255, 255, 255, 255]].concat();
        let error = b"SERROR\0C23505\0Mduplicate key\0nusers_email_key\0\0".to_vec();
        let samples = [described(), row, error, b"INSERT 0 1\0".to_vec(), vec![0, 1, 0, 0, 0, 25]];
        for sample in &samples {
            for end in 0..=sample.len() {
                read_as_everything(&sample[..end]);
            }
        }
        let mut random = fastrand::Rng::with_seed(10);
        for _ in 0..20_000 {
            let mut bytes = samples[random.usize(..samples.len())].clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.extend((0..random.usize(..3)).map(|_| random.u8(..)));
            read_as_everything(&bytes);
            read_as_everything(&[&[random.u8(..), 0, 0, 0, random.u8(..)], &bytes[..]].concat());
        }
    }

    #[test]
    fn what_is_too_long_too_wide_or_not_to_the_end_is_refused() {
        let header = |length: i32| [&[b'D'][..], &length.to_be_bytes()].concat();
        let most = i32::try_from(MESSAGE_BYTES_MAX).expect("fits");
        assert_eq!(first(&header(most + 4)), Ok(None), "the longest one is waited for");
        for length in [most + 5, 3, 0, -1, i32::MIN] {
            assert_eq!(first(&header(length)), Err(Malformed), "{length}");
        }
        let mut values = Vec::new();
        assert_eq!(row(&[0, 65], 65, &mut values), Err(Malformed), "more columns than any statement has");
        assert_eq!(row(&[0, 1, 255, 255, 255, 254], 1, &mut values), Err(Malformed), "a length below null's");
        assert_eq!(row(&[0, 1, 255, 255, 255, 255], 1, &mut values), Ok(()));
        assert_eq!(
            row(&[0, 1, 255, 255, 255, 255, 0], 1, &mut values),
            Err(Malformed),
            "and something after it"
        );
        assert_eq!(row(&[0, 1, 0, 0, 0, 2, 7], 1, &mut values), Err(Malformed), "past the end");
        let two = columns(&described()).expect("is sound");
        assert_eq!((&*two.names[1], two.types[1]), ("email", 25));
        assert_eq!(rows_changed(b"INSERT 0 7\0"), Ok(("INSERT 0 7", 7)));
    }
}

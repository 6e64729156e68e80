//! Cuts a JSON text into tokens, one call at a time. How deeply the text is nested costs a byte a level on the heap,
//! and nothing on the stack.

use super::error::JsonError;

/// A piece of a JSON text. Texts and keys come without their quotes and still escaped.
pub(super) enum Token<'t> {
    OpenObject,
    OpenArray,
    Close,
    Key(&'t str),
    Text(&'t str),
    Number(&'t str),
    Bool(bool),
    Null,
}

/// What may stand here.
enum Expected {
    /// A value.
    Value,
    /// The first item of what has just been opened, or its end.
    First,
    /// A comma and another item, or the end of what is open.
    Next,
}

enum Container {
    Object,
    Array,
}

pub(super) struct Scanner<'t> {
    text: &'t str,
    at: usize,
    /// Where the last token begins.
    start: usize,
    open: Vec<Container>,
    expected: Expected,
}

impl<'t> Scanner<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, at: 0, start: 0, open: Vec::new(), expected: Expected::Value }
    }

    /// How many arrays and objects are open.
    pub(super) const fn levels(&self) -> usize {
        self.open.len()
    }

    /// Where the last token begins.
    pub(super) const fn start(&self) -> usize {
        self.start
    }

    /// The text from a place up to the end of the last token.
    pub(super) fn since(&self, begin: usize) -> &'t str {
        &self.text[begin..self.at]
    }

    /// The next token, or nothing after the end of a whole value.
    pub(super) fn next(&mut self) -> Result<Option<Token<'t>>, JsonError> {
        self.skip_white_space();
        if matches!(self.expected, Expected::Value) {
            return self.value();
        }
        let Some(in_object) = self.open.last().map(|container| matches!(container, Container::Object)) else {
            return if self.byte().is_none() { Ok(None) } else { Err(self.syntax()) };
        };
        if self.byte() == Some(if in_object { b'}' } else { b']' }) {
            self.open.pop();
            self.start = self.at;
            self.at += 1;
            self.expected = Expected::Next;
            return Ok(Some(Token::Close));
        }
        if matches!(self.expected, Expected::Next) {
            if !self.skip_any(b",") {
                return Err(self.syntax());
            }
            self.skip_white_space();
        }
        if in_object { self.key() } else { self.value() }
    }

    fn value(&mut self) -> Result<Option<Token<'t>>, JsonError> {
        self.start = self.at;
        match self.byte() {
            Some(b'{') => Ok(Some(self.opened(Container::Object, Token::OpenObject))),
            Some(b'[') => Ok(Some(self.opened(Container::Array, Token::OpenArray))),
            Some(b'"') => {
                let text = self.quoted()?;
                self.expected = Expected::Next;
                Ok(Some(Token::Text(text)))
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Token::Bool(true)),
            Some(b'f') => self.word("false", Token::Bool(false)),
            Some(b'n') => self.word("null", Token::Null),
            _ if self.rest().starts_with("NaN") || self.rest().starts_with("Infinity") => {
                Err(self.python_number())
            }
            _ => Err(self.syntax()),
        }
    }

    fn key(&mut self) -> Result<Option<Token<'t>>, JsonError> {
        self.start = self.at;
        if self.byte() != Some(b'"') {
            return Err(self.syntax());
        }
        let key = self.quoted()?;
        self.skip_white_space();
        if self.byte() != Some(b':') {
            return Err(self.syntax());
        }
        self.at += 1;
        self.expected = Expected::Value;
        Ok(Some(Token::Key(key)))
    }

    fn opened(&mut self, container: Container, token: Token<'t>) -> Token<'t> {
        self.open.push(container);
        self.at += 1;
        self.expected = Expected::First;
        token
    }

    fn word(&mut self, word: &str, token: Token<'t>) -> Result<Option<Token<'t>>, JsonError> {
        if !self.rest().starts_with(word) {
            return Err(self.syntax());
        }
        self.at += word.len();
        self.expected = Expected::Next;
        Ok(Some(token))
    }

    fn number(&mut self) -> Result<Option<Token<'t>>, JsonError> {
        if self.rest().starts_with("-Infinity") {
            return Err(self.python_number());
        }
        self.skip_any(b"-");
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.skip_any(b".") {
            self.digits()?;
        }
        if self.skip_any(b"eE") {
            self.skip_any(b"+-");
            self.digits()?;
        }
        self.expected = Expected::Next;
        Ok(Some(Token::Number(&self.text[self.start..self.at])))
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.at += count;
        if count == 0 { Err(self.syntax()) } else { Ok(()) }
    }

    /// What stands between the quotes that open here. Ends behind the second one.
    fn quoted(&mut self) -> Result<&'t str, JsonError> {
        let begin = self.at + 1;
        self.at = begin;
        loop {
            self.at += plain_bytes(&self.text.as_bytes()[self.at..]);
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => self.skip_escape()?,
                _ => return Err(self.syntax()),
            }
        }
        self.at += 1;
        Ok(&self.text[begin..self.at - 1])
    }

    fn skip_escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.byte().is_some_and(|byte| byte.is_ascii_hexdigit()) {
                        return Err(self.syntax());
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.syntax()),
        }
        Ok(())
    }

    fn skip_any(&mut self, wanted: &[u8]) -> bool {
        let found = self.byte().is_some_and(|byte| wanted.contains(&byte));
        self.at += usize::from(found);
        found
    }

    fn skip_white_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t str {
        // Whoever asks stands before a token, and tokens begin with ASCII.
        self.text.get(self.at..).unwrap_or_default()
    }

    fn syntax(&self) -> JsonError {
        let (line, column) = self.place();
        JsonError::Syntax { line, column }
    }

    fn python_number(&self) -> JsonError {
        let (line, column) = self.place();
        JsonError::PythonNumber { line, column }
    }

    /// Line and column, in bytes, of where the scanner stands, counted from one.
    fn place(&self) -> (usize, usize) {
        let before = &self.text.as_bytes()[..self.at];
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        (1 + before.iter().filter(|byte| **byte == b'\n').count(), 1 + self.at - line_start)
    }
}

/// How many bytes stand at the beginning of a text between quotes before one that ends it, begins an escape, or may not be
/// there.
pub(super) fn plain_bytes(text: &[u8]) -> usize {
    let (words, last) = text.as_chunks();
    let mut plain = 0;
    for word in words {
        let plain_here = plain_in_word(u64::from_le_bytes(*word));
        plain += plain_here;
        if plain_here < size_of::<u64>() {
            return plain;
        }
    }
    plain + last.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | ..0x20)).count()
}

/// How many of eight bytes come before the first that is a quote, a backslash, or below a blank. All eight are compared at once:
/// the subtraction sets the high bit of a byte that is too small, and bytes beyond ASCII, which have it set already, are masked
/// out. What a byte that is too small borrows can only lead to mistakes behind it.
const fn plain_in_word(word: u64) -> usize {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH_BITS: u64 = ONES << 7;
    const QUOTES: u64 = ONES * b'"' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    const BLANKS: u64 = ONES * b' ' as u64;
    let quotes = (word ^ QUOTES).wrapping_sub(ONES) & !(word ^ QUOTES);
    let backslashes = (word ^ BACKSLASHES).wrapping_sub(ONES) & !(word ^ BACKSLASHES);
    let control = word.wrapping_sub(BLANKS) & !word;
    (((quotes | backslashes | control) & HIGH_BITS).trailing_zeros() / u8::BITS) as usize
}

#[cfg(test)]
mod tests {
    use super::plain_bytes;

    #[test]
    fn every_byte_counts_as_plain_wherever_it_stands_or_nowhere() {
        let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
        for around in [b'a', b'#', b']', b' ', 0xff, 0x80] {
            for (byte, place) in (0..=u8::MAX).flat_map(|byte| (0..20).map(move |place| (byte, place))) {
                let mut text = [around; 20];
                text[place] = byte;
                let expected = if is_plain(byte) { text.len() } else { place };
                assert_eq!(plain_bytes(&text), expected, "{byte:#x} at {place} among {around:#x}");
                assert_eq!(plain_bytes(&text[..place]), place);
            }
        }
    }
}

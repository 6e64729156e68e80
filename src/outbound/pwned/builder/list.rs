//! Reads lists of leaked hashes: a line for each, `SHA-1 in hexadecimal:count`, in any order and letter case,
//! with either line end. Never shows what a line holds, since a wrong file might hold anything.

use super::error::BuildError;
use crate::files::BYTE_ORDER_MARK;
use crate::outbound::pwned::filter::key;
use std::io::{BufRead, Read};

/// The longest line: 40 digits, a colon, a count, a line end, and room for blanks.
const LINE_BYTES_MAX: u64 = 128;

/// A list that is being read.
pub struct List<Source> {
    source: Source,
    min_count: u64,
    line: Vec<u8>,
    lines: u64,
}

impl<Source: BufRead> List<Source> {
    /// A list of which only hashes with a count of at least `min_count` matter.
    pub const fn new(source: Source, min_count: u64) -> Self {
        Self { source, min_count, line: Vec::new(), lines: 0 }
    }

    /// The next hash that matters, as the filter knows it; `None` at the end. Empty lines are passed over.
    ///
    /// # Errors
    /// The list cannot be read, or a line is none of such a list.
    pub fn next_key(&mut self) -> Result<Option<u64>, BuildError> {
        loop {
            self.line.clear();
            let mut source = self.source.by_ref().take(LINE_BYTES_MAX);
            if source.read_until(b'\n', &mut self.line).map_err(BuildError::ListUnreadable)? == 0 {
                return Ok(None);
            }
            self.lines += 1;
            let line = self.line.as_slice();
            let line =
                if self.lines == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let (sha1, count) = parse(line).ok_or(BuildError::BadLine(self.lines))?;
            if count >= self.min_count {
                return Ok(Some(key(&sha1)));
            }
        }
    }

    /// How many lines have been read.
    pub const fn lines(&self) -> u64 {
        self.lines
    }

    /// Gives the source back.
    pub fn into_source(self) -> Source {
        self.source
    }
}

fn parse(line: &[u8]) -> Option<([u8; 20], u64)> {
    let (digits, rest) = line.split_first_chunk::<40>()?;
    let mut sha1 = [0; 20];
    for (byte, pair) in sha1.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    let count = rest.strip_prefix(b":")?;
    if !count.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((sha1, std::str::from_utf8(count).ok()?.parse().ok()?))
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8";
    const KEY: u64 = 0x5baa_61e4_c9b9_3f3f;

    fn keys(text: &str, min_count: u64) -> Result<Vec<u64>, String> {
        let mut list = List::new(text.as_bytes(), min_count);
        let mut keys = Vec::new();
        while let Some(key) = list.next_key().map_err(|error| error.to_string())? {
            keys.push(key);
        }
        Ok(keys)
    }

    #[test]
    fn line_ends_letter_case_and_empty_lines_do_not_matter() {
        let text = format!("{PASSWORD}:3\r\n\r\n{}:4\n\n{PASSWORD}:5", PASSWORD.to_lowercase());
        assert_eq!(keys(&text, 1), Ok(vec![KEY; 3]));
        assert_eq!(keys("", 1), Ok(vec![]));
    }

    #[test]
    fn rare_hashes_and_padding_are_left_out() {
        let text = format!("{PASSWORD}:24\n{PASSWORD}:25\n{PASSWORD}:0\n");
        assert_eq!(keys(&text, 25), Ok(vec![KEY]));
        assert_eq!(keys(&text, 1), Ok(vec![KEY, KEY]));
    }

    #[test]
    fn a_line_of_another_kind_is_named_by_number_and_not_shown() {
        let suffix_only = &PASSWORD[5..];
        let long = format!("{PASSWORD}:{}", "1".repeat(200));
        let wrong = [
            PASSWORD,
            &format!("{suffix_only}:3"),
            &format!("{PASSWORD}:"),
            &format!("{PASSWORD}:-3"),
            &format!("{PASSWORD}:+3"),
            &format!("{PASSWORD}:99999999999999999999999"),
            &format!("{PASSWORD}0:3"),
            &format!("{}G:3", &PASSWORD[..39]),
            "hunter2",
            "\u{feff}",
            &long,
        ];
        for line in wrong {
            let text = format!("{PASSWORD}:3\n{line}\n");
            let error = keys(&text, 1).expect_err(line);
            assert!(error.contains("line 2 "), "{line}: {error}");
            assert!(!error.contains(line), "{error}");
        }
    }
}

//! What a command reads from and writes to. Handed in, so that a test can stand in for it.

use crate::guard::secret::Secret;
use std::io::{self, BufRead, Read as _, Write};
use zeroize::Zeroizing;

/// The longest line that is read from standard input.
const LINE_BYTES_MAX: usize = 4096;

/// Standard input, output and error.
pub struct Streams<'a> {
    /// Standard input.
    pub input: &'a mut dyn BufRead,
    /// Whether a person types it.
    pub input_is_terminal: bool,
    /// Asks the terminal for a line without showing what is typed.
    pub read_hidden: &'a dyn Fn() -> io::Result<String>,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Whether a person reads it.
    pub output_is_terminal: bool,
    /// Standard error.
    pub errors: &'a mut dyn Write,
    /// Whether something could not be written to standard output.
    pub output_failed: bool,
}

impl Streams<'_> {
    /// Writes to standard output. A reader who has left, as `head` does, is no fault of ours; of anything else, the
    /// exit status tells.
    pub fn print(&mut self, text: &str) {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.output_failed = true;
            self.warn(&format!("standard output: {error}"));
        }
    }

    /// Writes a line to standard error. If even that fails there is nobody to tell.
    pub fn warn(&mut self, line: &str) {
        let _ = writeln!(self.errors, "authnzerver: {line}");
    }

    /// Asks a person for a yes. Anything else means no.
    ///
    /// # Errors
    /// What the terminal says.
    pub fn confirm(&mut self, question: &str) -> io::Result<bool> {
        // Not to standard output, which may be a document for a program.
        write!(self.errors, "{question} [y/N] ")?;
        self.errors.flush()?;
        let answer = self.read_line()?;
        Ok(matches!(answer.expose().trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks a person for a new password, twice, without showing what is typed.
    ///
    /// # Errors
    /// What the terminal says; two different passwords.
    pub fn ask_new_password(&mut self) -> io::Result<Secret<String>> {
        let mut ask = |question: &str| {
            writeln!(self.errors, "{question} (What you type is not shown.)")?;
            (self.read_hidden)().map(Secret::new)
        };
        let password = ask("The new password?")?;
        if ask("Once more, please.")?.matches(password.expose().as_bytes()) {
            Ok(password)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "these were two different passwords"))
        }
    }

    /// A line of standard input, without its end.
    ///
    /// # Errors
    /// What the system says; no line, one that is too long, or no text.
    pub fn read_line(&mut self) -> io::Result<Secret<String>> {
        // All the room at once, since a growing buffer would leave pieces of a password behind.
        let mut line = Zeroizing::new(Vec::with_capacity(LINE_BYTES_MAX + 2));
        (&mut *self.input).take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before there was a line"));
        }
        let text = line.strip_suffix(b"\n").unwrap_or(&line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.len() > LINE_BYTES_MAX {
            let problem = format!("the line is longer than {LINE_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        let text = std::str::from_utf8(text);
        text.map(|text| Secret::new(text.to_owned()))
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the line is not UTF-8 text"))
    }
}

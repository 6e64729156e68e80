//! What a command reads from and writes to. Handed in, so that a test can stand in for it.

use std::io::{self, BufRead, Write};

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
}

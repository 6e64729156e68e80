//! The one way to a terminal: whatever is written there passes here, so that no file name, setting or stored text moves the
//! cursor, clears the screen or turns the direction of writing around.

use std::io::{self, Write};

/// What the program itself has a terminal do: colours, and their end. See [`super::output::Paint`].
const COLOURS: [&str; 6] = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[31m", "\u{1b}[32m", "\u{1b}[33m"];

/// Writes text to a terminal, with whatever the terminal might obey written out.
pub(super) struct ForTerminal<W> {
    terminal: W,
    /// The first bytes of a character whose others have not come yet.
    begun: Vec<u8>,
}

impl<W: Write> ForTerminal<W> {
    pub(super) const fn new(terminal: W) -> Self {
        Self { terminal, begun: Vec::new() }
    }
}

impl<W: Write> Write for ForTerminal<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut shown = String::with_capacity(all.len());
        let mut chunks = all.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            escape_into(&mut shown, chunk.valid());
            let rest = chunk.invalid();
            let may_go_on = chunks.peek().is_none()
                && std::str::from_utf8(rest).is_err_and(|error| error.error_len().is_none());
            if may_go_on {
                self.begun = rest.to_vec();
            } else if !rest.is_empty() {
                shown.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.terminal.write_all(shown.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.terminal.flush()
    }
}

fn escape_into(shown: &mut String, text: &str) {
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(colour) = COLOURS.iter().find(|colour| rest.starts_with(**colour)) {
            shown.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        if is_unprintable(character) && !matches!(character, '\n' | '\t') {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
        rest = &rest[character.len_utf8()..];
    }
}

/// Control characters, and what Unicode calls format characters, line separators and tags.
#[rustfmt::skip]
pub(super) fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pieces: &[&[u8]]) -> String {
        let mut terminal = ForTerminal::new(Vec::new());
        for piece in pieces {
            terminal.write_all(piece).expect("a Vec takes all");
        }
        String::from_utf8(terminal.terminal).expect("is text")
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_to_it_but_colours() {
        let hostile = "a\u{1b}[2J\u{1b}]0;title\u{7}\r\u{9b}31m\u{202e}gro\u{200b}";
        let expected = r"a\u{1b}[2J\u{1b}]0;title\u{7}\u{d}\u{9b}31m\u{202e}gro\u{200b}";
        assert_eq!(shown(&[hostile.as_bytes()]), expected);
        let own = "\u{1b}[31mred\u{1b}[0m\tand\nplain, M\u{fc}ller\n";
        assert_eq!(shown(&[own.as_bytes()]), own);
    }

    #[test]
    fn a_character_may_come_in_pieces_and_bytes_that_are_none_are_replaced() {
        assert_eq!(shown(&[b"M\xc3", b"\xbcller \xe2\x80", b"\xae!"]), "M\u{fc}ller \\u{202e}!");
        assert_eq!(shown(&[b"a\xff\x9bb", b"\xc3", b"("]), "a\u{fffd}\u{fffd}b\u{fffd}(");
    }
}

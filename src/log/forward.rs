//! Standard error, taken over: whatever this process prints goes into a pipe of its own, and from there to where the
//! log really belongs. A log that cannot be written, be it a closed pipe, a full disk or a reader who does not read,
//! holds up nobody and ends nothing: lines that find no room are dropped, counted, and told of when that is possible
//! again.
//!
//! One thread always reads the pipe, so that printing never waits for long; another one writes, and may wait for as
//! long as it likes. Our own lines do not go through the pipe but straight to the one that writes, which lets them
//! gather for some milliseconds while there are many. What did not come from our logger is escaped, cut, and put into a
//! line like all others.

use super::field::{Field, foreign};
use super::line::{Arrived, Mark, Style};
use crate::clock::{Clock, SystemClock};
use crate::os;
use log::Level;
use std::fs::File;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes of lines that wait to be written; what comes on top is dropped.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// The longest line that is read as one.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Characters that are shown of a line that did not come from our logger.
const FOREIGN_CHARACTERS_MAX: usize = 400;
/// Up to so many bytes, the kernel keeps what is written to a pipe in one piece, also between processes.
const PIECE_BYTES_MAX: usize = libc::PIPE_BUF;
const READ_BYTES: usize = 16 * 1024;
/// Neither thread calls anything deep.
const STACK_BYTES: usize = 128 * 1024;
/// How long to wait before a log that must not be waited for is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// After a write, lines gather for so long: one thread that wakes for each of them would cost a busy server more than
/// all that the lines tell about.
const GATHERING: Duration = Duration::from_millis(5);

/// The way from the pipe to the log.
pub(super) struct Forwarder {
    waiting: Arc<Waiting>,
    style: Style,
    mark: Mark,
}

impl Forwarder {
    /// Starts to read lines and to write them.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(super) fn start(from: PipeReader, to: File, style: Style, mark: Mark) -> io::Result<Self> {
        let waiting = Arc::new(Waiting::default());
        let thread = |name: &str| thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        let writing = Arc::clone(&waiting);
        thread("log-writer")
            .spawn(move || Writer { to, style, lost: 0, is_torn: false }.write_all(&writing))?;
        let reader =
            Reader { style, mark: mark.clone(), waiting: Arc::clone(&waiting), unfinished: Vec::new() };
        thread("log-reader").spawn(move || reader.read_all(from))?;
        Ok(Self { waiting, style, mark })
    }

    /// Writes a line without going through standard error.
    pub(super) fn write(&self, level: Level, what: &'static str, fields: &[(&'static str, Field)]) {
        self.waiting.add(&self.style.line(SystemClock::new().now(), level, what, fields));
    }

    /// Waits until all that was printed so far is written, but no longer than this.
    pub(super) fn finish(&self, patience: Duration) {
        // It goes the same way as all lines, so it comes after them. That it cannot be printed cannot happen, and
        // would cost those lines at most.
        let _ = io::stderr().write_all(format!("{}\n", self.mark.end()).as_bytes());
        self.waiting.wait_for_end(patience);
    }
}

/// Lines on their way between the two threads.
#[derive(Default)]
struct Waiting {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    text: Vec<u8>,
    lines: u64,
    /// Whether the one that writes has to be told of a line.
    is_awaited: bool,
    /// Lines that found no room since the last were taken out.
    dropped: u64,
    /// Nothing more is to come.
    is_ended: bool,
    /// All of it is written, or has failed to be.
    is_done: bool,
}

impl Waiting {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a line, or drops it. After a dropped one all others are dropped too until there is room again, so that the
    /// notice of it stands where they would have.
    fn add(&self, line: &str) {
        let mut state = self.state();
        if state.dropped > 0 || state.text.len() + line.len() >= WAITING_BYTES_MAX {
            state.dropped += 1;
        } else {
            state.text.extend_from_slice(line.as_bytes());
            state.text.push(b'\n');
            state.lines += 1;
            os::UNWRITTEN_LOG_BYTES.store(state.text.len(), Ordering::Relaxed);
        }
        let is_awaited = std::mem::take(&mut state.is_awaited);
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
    }

    fn end(&self) {
        self.state().is_ended = true;
        self.changed.notify_all();
    }

    /// Waits for lines and takes all there are; nothing after the last. The buffer that is handed in is used for the
    /// next ones.
    fn take(&self, emptied: Vec<u8>) -> Option<(Vec<u8>, u64, u64)> {
        let mut state = self.state();
        while state.lines == 0 && state.dropped == 0 {
            os::UNWRITTEN_LOG_BYTES.store(0, Ordering::Relaxed);
            if state.is_ended {
                state.is_done = true;
                self.changed.notify_all();
                return None;
            }
            state.is_awaited = true;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let text = std::mem::replace(&mut state.text, emptied);
        Some((text, std::mem::take(&mut state.lines), std::mem::take(&mut state.dropped)))
    }

    /// Lets lines gather, unless no more come.
    fn gather(&self) {
        let state = self.state();
        // Lines do not end this, for nobody is told of them meanwhile.
        drop(self.changed.wait_timeout_while(state, GATHERING, |state| !state.is_ended));
    }

    fn wait_for_end(&self, patience: Duration) {
        let waited = self.changed.wait_timeout_while(self.state(), patience, |state| !state.is_done);
        // Whether all was written or the time is over: the process ends now.
        drop(waited);
    }
}

/// Reads the pipe for as long as the process lives. It must never stop, for then printing would wait forever.
struct Reader {
    style: Style,
    mark: Mark,
    waiting: Arc<Waiting>,
    /// The beginning of a line whose end has not been read.
    unfinished: Vec<u8>,
}

impl Reader {
    fn read_all(mut self, mut from: PipeReader) {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            match from.read(&mut bytes) {
                // Nobody can print any more. This process keeps the other end open, so only a test sees it.
                Ok(0) => return self.waiting.end(),
                Ok(count) => self.cut_into_lines(&bytes[..count]),
                // Reading our own pipe fails only where a signal interrupts it.
                Err(_) => {}
            }
        }
    }

    fn cut_into_lines(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.unfinished.len() > LINE_BYTES_MAX {
                let line = std::mem::take(&mut self.unfinished);
                self.forward(line.strip_suffix(b"\n").unwrap_or(&line));
                self.unfinished = line;
                self.unfinished.clear();
            }
        }
    }

    fn forward(&self, line: &[u8]) {
        let Arrived { before, ours, is_end } = self.mark.split(line);
        let before = String::from_utf8_lossy(before);
        if !before.trim().is_empty() && log::max_level() >= Level::Warn {
            let text = foreign(before.trim(), FOREIGN_CHARACTERS_MAX);
            let now = SystemClock::new().now();
            self.waiting.add(&self.style.line(now, Level::Warn, "printed by a library", &[("text", text)]));
        }
        if let Some(ours) = ours {
            self.waiting.add(&String::from_utf8_lossy(ours));
        }
        if is_end {
            self.waiting.end();
        }
    }
}

/// Writes to where the log belongs.
struct Writer {
    to: File,
    style: Style,
    /// Lines that nobody got to see, and that nobody was told of yet.
    lost: u64,
    /// Whether the last thing that was written is half a line.
    is_torn: bool,
}

impl Writer {
    fn write_all(mut self, waiting: &Waiting) {
        let mut buffer = Vec::new();
        while let Some((text, lines, dropped)) = waiting.take(buffer) {
            // Where not even that can be written, the lines need not be tried.
            if self.tell_of_lost() {
                self.write(&text);
            } else {
                self.lost += lines;
            }
            self.lost += dropped;
            self.tell_of_lost();
            buffer = text;
            buffer.clear();
            buffer.shrink_to(LINE_BYTES_MAX);
            waiting.gather();
        }
    }

    /// Says how many lines are missing here. `false` if that cannot be said.
    fn tell_of_lost(&mut self) -> bool {
        if self.lost == 0 {
            return true;
        }
        let lost = std::mem::take(&mut self.lost);
        let now = SystemClock::new().now();
        let count = [("count", lost.into())];
        let line = self.style.line(now, Level::Error, "log lines could not be written", &count);
        self.write(format!("{line}\n").as_bytes());
        if self.lost > 0 {
            self.lost = lost;
            return false;
        }
        true
    }

    /// Writes whole lines, as many at a time as stay in one piece. Counts those that cannot be written.
    fn write(&mut self, text: &[u8]) {
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(piece_bytes(rest));
            if self.write_piece(piece).is_err() {
                let lines = rest.iter().filter(|byte| **byte == b'\n').count();
                self.lost += lines as u64;
                return;
            }
            rest = behind;
        }
    }

    fn write_piece(&mut self, piece: &[u8]) -> io::Result<()> {
        if self.is_torn {
            self.write_bytes(b"\n")?;
        }
        self.write_bytes(piece)
    }

    fn write_bytes(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.to.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.is_torn = bytes[count - 1] != b'\n';
                    bytes = &bytes[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Others who share it have set it so. It is not ours to change.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    os::wait_until_writable(self.to.as_fd(), RETRY);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// The bytes of the first lines that go out together.
fn piece_bytes(text: &[u8]) -> usize {
    let end = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
    let first = || text.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    end(&text[..text.len().min(PIECE_BYTES_MAX)]).or_else(first).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::line::LogFormat;

    const STYLE: Style = Style { format: LogFormat::Text, timestamps: false };

    /// Forwards what is printed to this log, and says so when all of it is written.
    struct Printer {
        forwarder: Forwarder,
        into: io::PipeWriter,
        mark: Mark,
    }

    impl Printer {
        fn to(log: File) -> Self {
            log::set_max_level(log::LevelFilter::Info);
            let mark = Mark::new([1; 8]);
            let (from, into) = io::pipe().expect("a pipe");
            let forwarder = Forwarder::start(from, log, STYLE, mark.clone()).expect("threads");
            Self { forwarder, into, mark }
        }

        fn logs(&mut self, line: &str) {
            self.prints(&format!("{line}{}\n", self.mark.after(line.len())));
        }

        fn prints(&mut self, text: &str) {
            self.into.write_all(text.as_bytes()).expect("the pipe is read");
        }

        fn ends(self) {
            drop(self.into);
            self.forwarder.waiting.wait_for_end(Duration::from_secs(60));
        }
    }

    #[test]
    fn lines_of_ours_pass_and_others_are_made_harmless() {
        let room = tempfile::tempdir().expect("a directory");
        let path = room.path().join("log");
        let mut printer = Printer::to(File::create(&path).expect("a file"));
        printer.logs("INFO  [authnzerver] first");
        printer.prints("raw \u{1b}[31m\"quoted\"\n\n");
        printer.prints("half ");
        printer.logs("INFO  [authnzerver] second");
        printer.prints(&format!("{}\nno end", "x".repeat(200_000)));
        printer.ends();
        let log = std::fs::read_to_string(path).expect("text");
        let lines: Vec<&str> = log.lines().collect();
        assert_eq!(lines[0], "INFO  [authnzerver] first");
        assert_eq!(lines[1], r#"WARN  [authnzerver] printed by a library text="raw \u{1b}[31m\"quoted\"""#);
        assert_eq!(lines[2], r#"WARN  [authnzerver] printed by a library text="half""#);
        assert_eq!(lines[3], "INFO  [authnzerver] second");
        assert!(lines[4..].iter().all(|line| line.len() < 500 && line.contains("xxx")), "{log}");
    }

    #[test]
    fn a_log_that_nobody_reads_loses_lines_and_counts_them() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let mut printer = Printer::to(File::from(std::os::fd::OwnedFd::from(writer)));
        let line = format!("INFO  [authnzerver] {}", "y".repeat(1000));
        let total = 3000_u64;
        for _ in 0..total {
            printer.logs(&line);
        }
        let mut log = Vec::new();
        let reading = thread::spawn(move || reader.read_to_end(&mut log).map(|_| log));
        printer.ends();
        let log = String::from_utf8(reading.join().expect("no panic").expect("reads")).expect("text");
        let kept = log.lines().filter(|written| *written == line).count() as u64;
        let notices: u64 = log
            .lines()
            .filter_map(|line| {
                line.split_once("log lines could not be written count=")?.1.parse::<u64>().ok()
            })
            .sum();
        assert!(notices > 0);
        assert_eq!(
            (kept + notices, log.lines().all(|line| line.starts_with("INFO") || line.contains("count="))),
            (total, true)
        );
    }

    #[test]
    fn what_a_full_disk_cut_off_does_not_run_into_the_next_line() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let to = File::from(std::os::fd::OwnedFd::from(writer));
        let mut writer = Writer { to, style: STYLE, lost: 0, is_torn: false };
        writer.write_bytes(b"half a li").expect("writes");
        writer.write(b"whole\n");
        drop(writer);
        let mut log = String::new();
        reader.read_to_string(&mut log).expect("reads");
        assert_eq!(log, "half a li\nwhole\n");
    }

    #[test]
    fn lines_stay_in_one_piece_where_others_write_too() {
        let line = format!("{}\n", "z".repeat(999));
        assert_eq!(piece_bytes(line.repeat(10).as_bytes()), 4000);
        assert_eq!(piece_bytes(format!("{}\nnext\n", "z".repeat(9999)).as_bytes()), 10_000);
        assert_eq!(piece_bytes(b"no end"), 6);
    }
}

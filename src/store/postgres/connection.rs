//! A connection: logs in, prepares each statement once, runs it, and reads the whole answer before anybody looks at it, so that
//! what is said and what is heard stay in step.

use super::error::PostgresError;
use super::message::{self, Columns, FIELDS_MAX, Message, Outgoing, Reader, ServerError};
use super::scram::{NONCE_BYTES, Scram};
use super::statement::number;
use super::stream::Stream;
use super::target::{Host, Target};
use super::value;
use crate::clock::Clock;
use crate::rng::Rng;
use crate::store::value::{Params, Value};
use rustls::ClientConfig;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Bytes of a whole answer: a few rows of the longest texts, or a slice of many rows.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long a host may take until a connection to it can be used.
const HOST_LIMIT: Duration = Duration::from_secs(3);
/// Bytes that are read at a time.
const READ_BYTES: usize = 8 * 1024;
/// Room that a buffer keeps from one answer to the next.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;
/// What every connection is set to. Whoever only reads cannot write by mistake; what takes too long, or is left behind, ends; and
/// times compare as texts, whatever the database's language. A scan of a whole table, though it were short, would be in the way of
/// whoever else writes into that table.
const SETTINGS: &str = "SET default_transaction_read_only = on; SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
                        SET idle_in_transaction_session_timeout = '20s'; SET client_min_messages = 'error'; \
                        SET synchronous_commit = on; SET enable_seqscan = off; SET jit = off";
/// Whether this server takes writes, and nobody copies the database; from now on, nobody does.
const STATE: &str = "SELECT CASE WHEN pg_is_in_recovery() THEN 'standby' \
                     WHEN NOT pg_try_advisory_lock_shared(1098152532, hashtext(current_schema())) THEN 'copied' \
                     ELSE 'primary' END";
/// What comes before rows that are sent: eleven fixed bytes, no options, and nothing more.
const ROWS_HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// What comes after them.
const ROWS_END: [u8; 2] = [0xff; 2];

/// What takes the bytes of a row; whether it wants more.
pub(super) type TakeRow<'t> = dyn FnMut(&[u8]) -> bool + 't;

/// What becomes of rows.
enum Rows<'t> {
    /// They are kept in the answer.
    Kept,
    /// They are handed over as they come.
    Taken(&'t mut TakeRow<'t>),
    /// They go the other way.
    Sent,
}

/// A connection that is logged in.
pub(super) struct Connection {
    stream: Stream,
    outgoing: Outgoing,
    incoming: Vec<u8>,
    /// As much of it has been looked at.
    read: usize,
    /// By the place of their text in the program.
    statements: HashMap<(usize, usize), Arc<Prepared>>,
    /// How many were prepared.
    prepared: u32,
    /// What the server said of the transaction last: `I` none, `T` one, `E` one that has failed.
    pub(super) status: u8,
}

/// A statement that the server has prepared.
pub(super) struct Prepared {
    name: String,
    names: Box<[Box<str>]>,
    parameters: Box<[u32]>,
    pub(super) columns: Columns,
}

/// What came of one or several statements: the rows of the last one.
#[derive(Default)]
pub(super) struct Answer {
    rows: Vec<Range<usize>>,
    /// How many rows the last one was about.
    pub(super) changed: usize,
    pub(super) end: End,
    described: Option<Range<usize>>,
    takes: Option<Range<usize>>,
}

/// How the last statement of several ended.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Not at all.
    #[default]
    Missing,
    /// Its transaction was committed.
    Commit,
    /// Its transaction was undone.
    Rollback,
    /// In another way.
    Other,
}

/// How far a login has come.
#[derive(Default)]
struct Login {
    scram: Option<Scram>,
    /// Whether the server has proven itself.
    is_proven: bool,
    is_done: bool,
}

impl Answer {
    /// The same if it has an end. Without one, nobody knows whether the rows are all that there are.
    fn whole(self) -> Result<Self, PostgresError> {
        if self.end == End::Missing { Err(message::Malformed.into()) } else { Ok(self) }
    }
}

impl Connection {
    /// Connects to the first host that takes writes, beginning with the one that did when `best` was set. Goes on to the next one
    /// for so long at most. Waits for what only plain threads may wait for.
    pub(super) fn open(
        target: &Target,
        tls: Option<&Arc<ClientConfig>>,
        (clock, limit): (&Arc<dyn Clock>, Duration),
        rng: &dyn Rng,
        best: &AtomicUsize,
    ) -> Result<Self, PostgresError> {
        let (begun, first) = (clock.monotonic(), best.load(Ordering::Relaxed));
        let mut last = PostgresError::read_only();
        for index in (first..target.hosts.len()).chain(0..first) {
            if clock.monotonic().saturating_sub(begun) > limit {
                break;
            }
            match Self::open_at(&target.hosts[index], target, tls, clock, rng) {
                Ok(connection) => {
                    best.store(index, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn open_at(
        host: &Host,
        target: &Target,
        tls: Option<&Arc<ClientConfig>>,
        clock: &Arc<dyn Clock>,
        rng: &dyn Rng,
    ) -> Result<Self, PostgresError> {
        let mut stream = Stream::connect(host, clock, HOST_LIMIT)?;
        if let (Some(config), Host::Tcp(name, _)) = (tls, host) {
            stream.write(&message::TLS_REQUEST)?;
            let mut answer = [0; 2];
            // More than the one byte would be somebody else's, sent before TLS.
            if stream.read(&mut answer)? != 1 || answer[0] != b'S' {
                return Err(PostgresError::login("it does not speak TLS"));
            }
            stream.start_tls(name, Arc::clone(config))?;
        }
        let mut connection = Self {
            stream,
            outgoing: Outgoing::default(),
            incoming: Vec::new(),
            read: 0,
            statements: HashMap::new(),
            prepared: 0,
            status: b'I',
        };
        connection.log_in(target, rng)?;
        connection.simple(SETTINGS)?;
        let answer = connection.simple(STATE)?;
        match connection.text(&answer)? {
            Some("primary") => {}
            Some("copied") => return Err(PostgresError::copied()),
            _ => return Err(PostgresError::read_only()),
        }
        connection.stream.limit = Some(target.answer_limit);
        Ok(connection)
    }

    fn log_in(&mut self, target: &Target, rng: &dyn Rng) -> Result<(), PostgresError> {
        let schema = target.schema.as_deref().map(|schema| ("search_path", schema));
        let usual = [
            ("user", target.user.as_str()),
            ("database", target.database.as_str()),
            ("application_name", "authnzerver"),
            ("client_encoding", "UTF8"),
        ];
        self.outgoing.startup(&usual.into_iter().chain(schema).collect::<Vec<_>>());
        let mut login = Login::default();
        self.send()?;
        loop {
            let (kind, contents) = loop {
                let found = message::first(&self.incoming)?;
                if let Some((Message { kind, contents }, length)) = found {
                    let found = (kind, contents.to_vec());
                    self.incoming.drain(..length);
                    break found;
                }
                self.more()?;
            };
            match kind {
                b'R' => {
                    if let Some(reply) = authenticate(&contents, target, &self.stream, &mut login, rng)? {
                        self.outgoing.message(b'p', |out| out.extend(reply));
                        self.send()?;
                    }
                }
                b'E' => return Err(PostgresError::server(message::error(&contents)?)),
                b'Z' if login.is_done => return Ok(()),
                // What it is set to, the key to cancel with, and remarks.
                b'S' | b'K' | b'N' | b'v' => {}
                _ => return Err(message::Malformed.into()),
            }
        }
    }

    /// Runs a statement, prepared before or just now; before it another one without parameters, such as one that begins a
    /// transaction.
    pub(super) fn run(
        &mut self,
        before: Option<&str>,
        text: &'static str,
        params: Params<'_>,
    ) -> Result<(Arc<Prepared>, Answer), PostgresError> {
        let place = (text.as_ptr().addr(), text.len());
        let mut ready = 0;
        if let Some(before) = before {
            self.outgoing.query(before);
            ready += 1;
        }
        let prepared = if let Some(prepared) = self.statements.get(&place) {
            Arc::clone(prepared)
        } else {
            let prepared = Arc::new(self.prepare(text, ready)?);
            self.statements.insert(place, Arc::clone(&prepared));
            ready = 0;
            prepared
        };
        let mut values = [Value::Null; FIELDS_MAX];
        for (expected, (name, value)) in params.iter().enumerate() {
            let is_it = |at: &usize| prepared.names.get(*at).is_some_and(|there| **there == **name);
            let at = Some(expected).filter(is_it).or_else(|| (0..prepared.names.len()).find(is_it));
            *at.and_then(|at| values.get_mut(at)).ok_or(message::Malformed)? = value.to_value();
        }
        let mut are_sound = true;
        self.outgoing.run(&prepared.name, prepared.parameters.len(), |at, out| {
            value::write(values[at], prepared.parameters[at], out).unwrap_or_else(|message::Malformed| {
                are_sound = false;
                false
            })
        });
        if !are_sound {
            self.outgoing.0.clear();
            return Err(message::Malformed.into());
        }
        self.outgoing.sync();
        let answer = self.exchange(ready + 1)?.whole()?;
        Ok((prepared, answer))
    }

    fn prepare(&mut self, text: &str, ready: usize) -> Result<Prepared, PostgresError> {
        let numbered = number(text);
        // Never one that was used before: that may have been prepared though an error came with it.
        let name = format!("s{}", self.prepared);
        self.prepared += 1;
        self.outgoing.prepare(&name, &numbered.text);
        self.outgoing.sync();
        let answer = self.exchange(ready + 1)?;
        let part = |range: Option<Range<usize>>| range.map(|range| &self.incoming[range]);
        let parameters = message::parameters(part(answer.takes).ok_or(message::Malformed)?)?;
        if parameters.len() != numbered.names.len() {
            return Err(message::Malformed.into());
        }
        let columns = part(answer.described).map(message::columns).transpose()?.unwrap_or_default();
        Ok(Prepared { name, names: numbered.names, parameters, columns })
    }

    /// The names and types of a statement's parameters.
    #[cfg(test)]
    pub(super) fn describe(&mut self, text: &str) -> Result<Vec<(String, u32)>, PostgresError> {
        let prepared = self.prepare(text, 0)?;
        let names = prepared.names.iter().map(ToString::to_string);
        Ok(names.zip(prepared.parameters.iter().copied()).collect())
    }

    /// Runs statements without parameters, whose values come as texts.
    pub(super) fn simple(&mut self, statements: &str) -> Result<Answer, PostgresError> {
        self.outgoing.query(statements);
        self.exchange(1)?.whole()
    }

    /// The only value of the first row, after [`Connection::simple`].
    pub(super) fn text(&self, answer: &Answer) -> Result<Option<&str>, PostgresError> {
        let Some(row) = answer.rows.first() else { return Ok(None) };
        let mut values = Vec::new();
        message::row(&self.incoming[row.clone()], 1, &mut values)?;
        let text = values.first().copied().flatten().map(std::str::from_utf8).transpose();
        text.map_err(|_| message::Malformed.into())
    }

    /// The bytes of each row of an answer.
    pub(super) fn rows<'a>(&'a self, answer: &'a Answer) -> impl Iterator<Item = &'a [u8]> {
        answer.rows.iter().map(|row| &self.incoming[row.clone()])
    }

    /// Runs a statement, and hands over the bytes of each row as it comes, until `take` says that it is enough: then this
    /// connection is of no more use.
    pub(super) fn stream<'t>(
        &mut self,
        statement: &str,
        take: &'t mut TakeRow<'t>,
    ) -> Result<(), PostgresError> {
        let prepared = self.prepare(statement, 0)?;
        self.outgoing.run(&prepared.name, 0, |_, _| false);
        self.outgoing.sync();
        self.exchange_with(1, Rows::Taken(take))?.whole().map(drop)
    }

    /// Sends rows, in the form in which they come, for a statement that takes them.
    pub(super) fn send_rows(&mut self, statement: &str, rows: &[u8]) -> Result<(), PostgresError> {
        self.outgoing.query(statement);
        self.outgoing.message(b'd', |out| {
            out.extend(ROWS_HEADER);
            out.extend(rows);
            out.extend(ROWS_END);
        });
        self.outgoing.message(b'c', |_| {});
        self.exchange_with(1, Rows::Sent)?.whole().map(drop)
    }

    /// Has each answer take so long at most from now on; how long it was before.
    pub(super) const fn limit(&mut self, limit: Option<Duration>) -> Option<Duration> {
        std::mem::replace(&mut self.stream.limit, limit)
    }

    fn exchange(&mut self, ready: usize) -> Result<Answer, PostgresError> {
        self.exchange_with(ready, Rows::Kept)
    }

    /// Sends what was written, and reads until the server has been ready so many times. An error that it reports is returned after
    /// that, so that the next answer is that of the next question. Rows are kept, or handed over.
    fn exchange_with(&mut self, ready: usize, mut rows: Rows<'_>) -> Result<Answer, PostgresError> {
        self.stream.begin();
        // A remark may have come after the last answer, perhaps not all of it yet.
        self.incoming.drain(..self.read);
        self.incoming.shrink_to(BUFFER_BYTES_KEPT);
        self.read = 0;
        self.send()?;
        let mut answer = Answer::default();
        let mut failed: Option<ServerError> = None;
        let (mut at, mut left) = (0, ready);
        while left > 0 {
            let Some((Message { kind, contents }, length)) = message::first(&self.incoming[at..])? else {
                if let Rows::Taken(_) = rows {
                    self.incoming.drain(..std::mem::take(&mut at));
                    self.stream.begin();
                }
                self.more()?;
                continue;
            };
            let place = at + length - contents.len()..at + length;
            match kind {
                b'D' => {
                    let columns = Reader(contents).bytes(2)?;
                    if usize::from(u16::from_be_bytes([columns[0], columns[1]])) > FIELDS_MAX {
                        return Err(message::Malformed.into());
                    }
                    let goes_on = match &mut rows {
                        Rows::Kept => {
                            answer.rows.push(place);
                            true
                        }
                        Rows::Taken(take) => take(contents),
                        Rows::Sent => false,
                    };
                    if !goes_on {
                        return Err(message::Malformed.into());
                    }
                }
                b'T' => answer.described = Some(place),
                b't' => answer.takes = Some(place),
                b'C' => {
                    let (tag, changed) = message::rows_changed(contents)?;
                    answer.changed = changed;
                    answer.end = match tag {
                        "COMMIT" => End::Commit,
                        "ROLLBACK" => End::Rollback,
                        _ => End::Other,
                    };
                }
                b'E' => {
                    let error = message::error(contents)?;
                    failed.get_or_insert(error);
                }
                b'Z' => {
                    self.status = *contents.first().ok_or(message::Malformed)?;
                    left -= 1;
                    if left > 0 {
                        answer = Answer::default();
                    }
                }
                b'1' | b'2' | b'n' | b'I' | b's' | b'S' | b'N' | b'A' => {}
                b'G' if matches!(rows, Rows::Sent) => {}
                _ => return Err(message::Malformed.into()),
            }
            at += length;
        }
        self.read = at;
        failed.map_or(Ok(answer), |error| Err(PostgresError::server(error)))
    }

    /// Reads some more of an answer.
    fn more(&mut self) -> Result<(), PostgresError> {
        if self.incoming.len() > ANSWER_BYTES_MAX {
            return Err(message::Malformed.into());
        }
        let before = self.incoming.len();
        self.incoming.resize(before + READ_BYTES, 0);
        let read = self.stream.read(&mut self.incoming[before..]);
        self.incoming.truncate(before + *read.as_ref().unwrap_or(&0));
        read?;
        Ok(())
    }

    fn send(&mut self) -> Result<(), PostgresError> {
        let sent = self.stream.write(&self.outgoing.0);
        self.outgoing.0.clear();
        self.outgoing.0.shrink_to(BUFFER_BYTES_KEPT);
        Ok(sent?)
    }
}

/// Answers what the server wants to know of us, and looks at what it says of itself.
fn authenticate(
    contents: &[u8],
    target: &Target,
    stream: &Stream,
    login: &mut Login,
    rng: &dyn Rng,
) -> Result<Option<Vec<u8>>, PostgresError> {
    let mut said = Reader(contents);
    match (said.i32()?, &mut login.scram) {
        // Whoever has a password to prove wants to know that the server knows it, too: else anybody could listen there.
        (0, _) if target.password.is_some() && !login.is_proven => {
            Err(PostgresError::login("it does not prove that it knows the password"))
        }
        (0, _) => {
            login.is_done = true;
            Ok(None)
        }
        (10, None) => {
            let password = target.password.clone();
            let password = password.ok_or(PostgresError::login("it wants a password, and there is none"))?;
            let mut methods = Vec::new();
            while said.0 != [0] {
                methods.push(said.text()?);
            }
            let mut nonce = [0; NONCE_BYTES];
            rng.fill(&mut nonce);
            let begun = Scram::new(&methods, password, stream.binding(), nonce);
            let (method, scram) = begun.ok_or(PostgresError::login("it does not offer SCRAM-SHA-256"))?;
            let first = scram.first();
            login.scram = Some(scram);
            let length = u32::try_from(first.len()).unwrap_or(u32::MAX).to_be_bytes();
            Ok(Some([method.as_bytes(), &[0], &length, first.as_bytes()].concat()))
        }
        (11, Some(scram)) => Ok(Some(scram.answer(said.0)?.into_bytes())),
        (12, Some(scram)) => {
            scram.finish(said.0)?;
            login.is_proven = true;
            Ok(None)
        }
        _ => Err(PostgresError::login("it wants a method other than SCRAM-SHA-256, which is not safe")),
    }
}

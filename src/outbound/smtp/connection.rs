//! The connection to a mail server: bytes out, replies in, each within its time. It waits in short pieces, so that a
//! delivery ends soon after the server is told to stop.

use super::reply::{Replies, Reply};
use super::{Watch, tls};
use crate::clock::Clock;
use crate::outbound::mail::{MailError, MailSettings};
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one address of the mail server may take to accept a connection. Then the next one is tried.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the delivery should end.
const LOOK_EVERY: Duration = Duration::from_millis(250);

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// Between the two, and after a handshake that failed.
    None,
}

/// A connection.
pub struct Connection<'a> {
    stream: Stream,
    replies: Replies,
    clock: &'a dyn Clock,
    watch: &'a Watch<'a>,
    local: SocketAddr,
}

impl<'a> Connection<'a> {
    /// Connects to the first of these addresses that answers.
    ///
    /// # Errors
    ///
    /// None does.
    pub fn open(
        addresses: impl Iterator<Item = SocketAddr>,
        clock: &'a dyn Clock,
        watch: &'a Watch<'a>,
    ) -> Result<Self, MailError> {
        let mut fault = MailError::Unreachable;
        for address in addresses {
            if watch.is_over() {
                return Err(MailError::Stopped);
            }
            let opened = TcpStream::connect_timeout(&address, CONNECT_SECONDS_MAX).and_then(|stream| {
                stream.set_read_timeout(Some(LOOK_EVERY))?;
                stream.set_write_timeout(Some(LOOK_EVERY))?;
                stream.set_nodelay(true)?;
                Ok((stream.local_addr()?, stream))
            });
            match opened {
                Ok((local, stream)) => {
                    let stream = Stream::Plain(stream);
                    return Ok(Self { stream, replies: Replies::default(), clock, watch, local });
                }
                Err(error) if is_over_time(&error) => fault = MailError::TimedOut,
                Err(_) => fault = MailError::Unreachable,
            }
        }
        Err(fault)
    }

    /// This end's address.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Changes to TLS.
    ///
    /// # Errors
    ///
    /// It cannot be agreed on; or something had arrived already, which somebody in between may have put there so that
    /// it would pass for having come under TLS.
    pub fn secure(&mut self, settings: &MailSettings, limit: Duration) -> Result<(), MailError> {
        if !self.replies.is_empty() {
            return Err(MailError::Tls);
        }
        let mut client = tls::client(&settings.server, settings.verify, settings.extra_roots.as_deref())?;
        let Stream::Plain(mut socket) = std::mem::replace(&mut self.stream, Stream::None) else {
            return Err(MailError::Tls);
        };
        let ends = self.clock.steady() + limit;
        while client.is_handshaking() {
            match client.complete_io(&mut socket) {
                Ok(_) => {}
                Err(error) if is_over_time(&error) => self.go_on_until(ends)?,
                Err(_) => return Err(MailError::Tls),
            }
        }
        self.stream = Stream::Tls(Box::new(StreamOwned::new(client, socket)));
        Ok(())
    }

    /// Sends bytes, all of them.
    ///
    /// # Errors
    ///
    /// They are not taken in time, or the connection is gone.
    pub fn send(&mut self, mut bytes: &[u8], limit: Duration) -> Result<(), MailError> {
        let ends = self.clock.steady() + limit;
        while !bytes.is_empty() {
            let written = match &mut self.stream {
                Stream::Plain(stream) => stream.write(bytes),
                Stream::Tls(stream) => stream.write(bytes),
                Stream::None => return Err(MailError::Closed),
            };
            match written {
                Ok(0) => return Err(MailError::Closed),
                Ok(count) => bytes = &bytes[count..],
                Err(error) => self.bear(&error, ends)?,
            }
        }
        loop {
            let flushed = match &mut self.stream {
                Stream::Tls(stream) => stream.flush(),
                Stream::Plain(_) | Stream::None => return Ok(()),
            };
            match flushed {
                Ok(()) => return Ok(()),
                Err(error) => self.bear(&error, ends)?,
            }
        }
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    ///
    /// It does not come in time, is none, or the connection is gone.
    pub fn reply(&mut self, limit: Duration) -> Result<Reply, MailError> {
        let ends = self.clock.steady() + limit;
        let mut bytes = [0; 4096];
        loop {
            if let Some(reply) = self.replies.next().map_err(|_| MailError::Protocol)? {
                return Ok(reply);
            }
            let read = match &mut self.stream {
                Stream::Plain(stream) => stream.read(&mut bytes),
                Stream::Tls(stream) => stream.read(&mut bytes),
                Stream::None => return Err(MailError::Closed),
            };
            match read {
                Ok(0) => return Err(MailError::Closed),
                Ok(count) => {
                    self.replies.push(&bytes[..count]);
                    // A server that sends a byte now and then does not get more time for it.
                    self.go_on_until(ends)?;
                }
                Err(error) => self.bear(&error, ends)?,
            }
        }
    }

    /// Bears with a wait that was only cut short.
    fn bear(&self, error: &io::Error, ends: Duration) -> Result<(), MailError> {
        match error.kind() {
            _ if is_over_time(error) => self.go_on_until(ends),
            ErrorKind::Interrupted => Ok(()),
            ErrorKind::InvalidData => Err(MailError::Tls),
            _ => Err(MailError::Closed),
        }
    }

    fn go_on_until(&self, ends: Duration) -> Result<(), MailError> {
        if self.watch.is_over() {
            Err(MailError::Stopped)
        } else if self.clock.steady() >= ends {
            Err(MailError::TimedOut)
        } else {
            Ok(())
        }
    }
}

/// Time that is over is told in two ways: of a connection by the first, of reading and writing by the second.
fn is_over_time(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

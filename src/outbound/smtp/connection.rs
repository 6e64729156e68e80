//! The connection to a mail server: bytes out, replies in, each within its time. It waits in short pieces, so that a
//! delivery ends soon after the server is told to stop.

use super::reply::{Replies, Reply};
use super::tls;
use crate::clock::Clock;
use crate::outbound::delivery::{MailError, MailSettings, Watch};
use rustls::ClientConnection;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long one address of the mail server may take to accept a connection. Then the next one is tried.
const CONNECT_SECONDS_MAX: Duration = Duration::from_secs(10);
/// How often it is looked whether the delivery should end.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A connection. Every wait for bytes is one system call, between two looks at the time: what `rustls` has to complete a
/// message by itself would let a server that sends a byte now and then hold on to us.
pub struct Connection<'a> {
    socket: TcpStream,
    tls: Option<Box<ClientConnection>>,
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
        let mut outcome = MailError::Unreachable;
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
                Ok((local, socket)) => {
                    watch.tell(|| format!("connected to {address}"));
                    return Ok(Self { socket, tls: None, replies: Replies::default(), clock, watch, local });
                }
                Err(error) => {
                    watch.tell(|| format!("cannot connect to {address}: {error}"));
                    outcome = if is_over_time(&error) { MailError::TimedOut } else { MailError::Unreachable };
                }
            }
        }
        Err(outcome)
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
        let client = tls::client(&settings.server, settings.verify, settings.extra_roots.as_deref())?;
        let client = self.tls.insert(Box::new(client));
        let ends = self.clock.monotonic() + limit;
        // The last word is ours, and a server that speaks next waits for it.
        while client.is_handshaking() || client.wants_write() {
            let done = if client.wants_write() {
                client.write_tls(&mut self.socket).map(drop)
            } else {
                read_tls(client, &mut self.socket)
            };
            match done {
                Err(error) if !is_over_time(&error) => {
                    self.watch.tell(|| format!("no TLS with {}: {error}", settings.server));
                    return Err(MailError::Tls);
                }
                _ => go_on_until(self.clock, self.watch, ends)?,
            }
        }
        self.watch.tell(|| "changed to TLS".to_owned());
        Ok(())
    }

    /// Sends bytes, all of them.
    ///
    /// # Errors
    ///
    /// They are not taken in time, or the connection is gone.
    pub fn send(&mut self, mut bytes: &[u8], limit: Duration) -> Result<(), MailError> {
        let ends = self.clock.monotonic() + limit;
        while !bytes.is_empty() || self.tls.as_ref().is_some_and(|client| client.wants_write()) {
            let taken = match &mut self.tls {
                None => self.socket.write(bytes),
                Some(client) if client.wants_write() => client.write_tls(&mut self.socket).map(|_| 0),
                Some(client) => client.writer().write(bytes),
            };
            match taken {
                Ok(count) => bytes = &bytes[count..],
                Err(error) => bear(&error)?,
            }
            go_on_until(self.clock, self.watch, ends)?;
        }
        Ok(())
    }

    /// Waits for the next reply.
    ///
    /// # Errors
    ///
    /// It does not come in time, is none, or the connection is gone.
    pub fn reply(&mut self, limit: Duration) -> Result<Reply, MailError> {
        let ends = self.clock.monotonic() + limit;
        let mut bytes = [0; 4096];
        loop {
            if let Some(reply) = self.replies.next().map_err(|_| MailError::Protocol)? {
                return Ok(reply);
            }
            go_on_until(self.clock, self.watch, ends)?;
            match self.read(&mut bytes) {
                Ok(0) => return Err(MailError::Closed),
                Ok(count) => self.replies.push(&bytes[..count]),
                Err(error) => bear(&error)?,
            }
        }
    }

    /// Reads what is there, or waits for the next bytes from the network.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(client) = &mut self.tls else { return self.socket.read(bytes) };
        match client.reader().read(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                read_tls(client, &mut self.socket)?;
                client.reader().read(bytes)
            }
            read => read,
        }
    }
}

/// Reads once from the network and opens what is complete.
fn read_tls(client: &mut ClientConnection, socket: &mut TcpStream) -> io::Result<()> {
    if client.read_tls(socket)? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    client.process_new_packets().map(drop).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Bears with a wait that was only cut short.
fn bear(error: &io::Error) -> Result<(), MailError> {
    match error.kind() {
        _ if is_over_time(error) => Ok(()),
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::InvalidData => Err(MailError::Tls),
        _ => Err(MailError::Closed),
    }
}

fn go_on_until(clock: &dyn Clock, watch: &Watch<'_>, ends: Duration) -> Result<(), MailError> {
    if watch.is_over() {
        Err(MailError::Stopped)
    } else if clock.monotonic() >= ends {
        Err(MailError::TimedOut)
    } else {
        Ok(())
    }
}

/// Time that is over is told in two ways: of a connection by the first, of reading and writing by the second.
fn is_over_time(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

//! The few calls to the operating system and to the coroutine library that the compiler cannot check.
//!
//! Everything `unsafe` of the listener stands here or, for the one promise that only it can give, in `supervisor.rs`.
#![expect(
    unsafe_code,
    reason = "socket options, process limits and the end of a coroutine have no safe interface"
)]

use may::coroutine::{Builder, JoinHandle};
use may::io::SplitWriter;
use std::io;
use std::mem::{self, ManuallyDrop};
use std::net::{TcpListener, TcpStream};
use std::ops::Deref;
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the kernel calls a connection that is no more.
const TCP_CLOSE: u8 = 7;
/// What the kernel calls a connection whose other side has nothing more to send, or is closed: that looks the same.
const TCP_CLOSE_WAIT: u8 = 8;

/// A connection's socket, used beside the code that owns it and never closed from here.
pub(super) struct Socket(ManuallyDrop<TcpStream>);

/// What has gone over a connection so far.
#[derive(Clone, Copy)]
pub(super) struct Traffic {
    /// Bytes that the kernel received, whether or not they were read.
    pub received_bytes: u64,
    /// Bytes that were written to the socket, whether or not they have left.
    pub written_bytes: u64,
}

impl Socket {
    /// Borrows a connection's descriptor.
    ///
    /// # Safety
    /// `descriptor` is an open TCP socket, and stays open for as long as the returned value lives.
    pub(super) unsafe fn borrow(descriptor: RawFd) -> Self {
        // SAFETY: the caller promises an open descriptor. `ManuallyDrop` leaves closing it to its owner.
        Self(ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(descriptor) }))
    }

    /// Whether the connection is broken or closed in both directions. It is not when the other side only has nothing
    /// more to send.
    fn is_closed(&self) -> bool {
        self.info().is_none_or(|(info, _)| info.tcpi_state == TCP_CLOSE)
    }

    /// Whether the other side has said that it has nothing more to send.
    pub(super) fn has_heard_the_end(&self) -> bool {
        self.info().is_some_and(|(info, _)| info.tcpi_state == TCP_CLOSE_WAIT)
    }

    /// Asks the kernel for its byte counts; `None` where it does not keep them (Linux before 4.19).
    pub(super) fn traffic(&self) -> Option<Traffic> {
        let (info, size) = self.info()?;
        let needed = mem::offset_of!(libc::tcp_info, tcpi_bytes_retrans) + size_of::<u64>();
        if size < needed {
            return None;
        }
        let sent_bytes = info.tcpi_bytes_sent.saturating_sub(info.tcpi_bytes_retrans);
        Some(Traffic {
            received_bytes: info.tcpi_bytes_received,
            written_bytes: sent_bytes + u64::from(info.tcpi_notsent_bytes),
        })
    }

    /// What the kernel knows of the connection, and how many bytes of that it filled in.
    fn info(&self) -> Option<(libc::tcp_info, usize)> {
        // SAFETY: the structure holds nothing but integers, for which zero is a valid value.
        let mut info: libc::tcp_info = unsafe { mem::zeroed() };
        let mut size = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).ok()?;
        // SAFETY: the pointers are to live values on this stack, and `size` is the length of the first.
        let result = unsafe {
            libc::getsockopt(
                self.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut size,
            )
        };
        (result == 0).then_some((info, size as usize))
    }

    /// How many received bytes wait to be read.
    pub(super) fn unread_bytes(&self) -> u64 {
        let mut bytes: libc::c_int = 0;
        // SAFETY: FIONREAD writes one integer to the given address, which is a live value on this stack.
        let result = unsafe { libc::ioctl(self.as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
        if result == 0 { u64::try_from(bytes).unwrap_or(0) } else { 0 }
    }
}

impl Deref for Socket {
    type Target = TcpStream;

    fn deref(&self) -> &TcpStream {
        &self.0
    }
}

/// A borrowed socket that several share. It is emptied before the descriptor is closed, so that nobody touches a
/// descriptor that is in use again elsewhere.
pub(super) struct Shared(Mutex<Option<Socket>>);

impl Shared {
    pub(super) fn new(socket: Socket) -> Self {
        Self(Mutex::new(Some(socket)))
    }

    /// The socket, while its owner has it. Whoever waits for this holds up the others.
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Socket>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the socket away from everybody.
    pub(super) fn withdraw(&self) {
        *self.lock() = None;
    }

    /// Whether nothing can be sent to the other side any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock().as_ref().is_none_or(Socket::is_closed)
    }
}

/// A connection on which somebody is written to, lent to others who only want to look at it.
pub(super) struct Lent {
    pub shared: Arc<Shared>,
    writer: SplitWriter<may::net::TcpStream>,
}

impl Lent {
    pub(super) fn new(writer: SplitWriter<may::net::TcpStream>) -> Self {
        // SAFETY: the descriptor is open for as long as `writer` lives, which nothing moves out of this value. The
        // drop of this value takes the borrowed socket away from everybody before `writer` is dropped.
        let socket = unsafe { Socket::borrow(writer.inner().as_raw_fd()) };
        Self { shared: Arc::new(Shared::new(socket)), writer }
    }

    /// The stream to write to. It must stay where it is.
    pub(super) fn stream(&mut self) -> &mut may::net::TcpStream {
        self.writer.inner_mut()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.shared.withdraw();
    }
}

/// Lets as many clients wait to be accepted as the system allows, but not more than this.
const ACCEPT_QUEUE: libc::c_int = 1024;

/// Makes room for clients that come all at once.
pub(super) fn lengthen_queue(listener: TcpListener) -> io::Result<TcpListener> {
    // SAFETY: the descriptor is open, and listens already; this call only changes a number.
    let result = unsafe { libc::listen(listener.as_raw_fd(), ACCEPT_QUEUE) };
    if result == 0 { Ok(listener) } else { Err(io::Error::last_os_error()) }
}

/// The descriptor of the first socket that systemd hands over.
const FIRST_HANDED_OVER: RawFd = 3;

/// Takes the listening socket that systemd handed over when it started this process.
pub(super) fn handed_over() -> io::Result<TcpListener> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::AcqRel) {
        return Err(io::Error::other("the socket was taken already"));
    }
    let mut accepts: libc::c_int = 0;
    let mut size = libc::socklen_t::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the pointers are to live values on this stack, and `size` is the length of the first. A descriptor that is
    // not open is an error.
    let result = unsafe {
        libc::getsockopt(
            FIRST_HANDED_OVER,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut accepts).cast(),
            &raw mut size,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    if accepts == 0 {
        return Err(io::Error::other("it does not listen"));
    }
    // SAFETY: whoever says so in the environment has opened this descriptor for us, and it listens. It is taken once.
    let listener = unsafe { TcpListener::from_raw_fd(FIRST_HANDED_OVER) };
    // A socket of another family has no such address.
    listener.local_addr()?;
    // SAFETY: the descriptor is open; this call only sets a flag.
    let result = unsafe { libc::fcntl(FIRST_HANDED_OVER, libc::F_SETFD, libc::FD_CLOEXEC) };
    if result == 0 { Ok(listener) } else { Err(io::Error::last_os_error()) }
}

/// Makes it a listener from which coroutines accept.
pub(super) fn on_coroutines(listener: TcpListener) -> io::Result<may::net::TcpListener> {
    // The library panics where the system refuses, so what it could refuse is tried before.
    listener.set_nonblocking(true)?;
    // SAFETY: the descriptor is open and listens, and its ownership goes over.
    Ok(unsafe { may::net::TcpListener::from_raw_fd(listener.into_raw_fd()) })
}

/// Keeps this process off huge pages. Of a connection's stack a few pages are ever touched. On small pages only those
/// take memory; the allocator and the kernel would make huge ones, where all of it does. Call it first of all.
pub fn avoid_huge_pages() {
    let (on, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: this call takes numbers only. Where it is refused, more memory is taken, and that is all.
    unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, on, unused, unused, unused) };
}

/// So much of a coroutine's stack is given back at most. None is as small.
pub(super) const STACK_GIVEN_BACK_BYTES: usize = 128 * 1024;
/// The call that gives it back needs less than this itself.
const STACK_IN_USE_BYTES: usize = 1024;

/// Where the stack of whoever asks has got to, about.
#[inline(never)]
pub(super) fn stack_position() -> usize {
    let here = 0_u8;
    std::hint::black_box(&raw const here).addr()
}

/// Gives the memory of a coroutine's stack back as far as it is not in use, where it begins at `top`, about. What is used of it
/// again is zero.
#[inline(never)]
pub(super) fn give_back_stack(top: usize) {
    // SAFETY: this call takes a number only.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
    let here = stack_position();
    // On a stack of a thread there is nothing to do, nor if the system does not say how long its pages are.
    if page.is_power_of_two() && here <= top && top - here < STACK_GIVEN_BACK_BYTES {
        let low = (top - STACK_GIVEN_BACK_BYTES).next_multiple_of(page);
        let high = (here - STACK_IN_USE_BYTES) & !(page - 1);
        if low < high {
            // SAFETY: these are whole pages of this coroutine's own stack, below everything that is in use on it: a stack grows
            // downwards, and has more than so many bytes. Nobody else knows of them.
            unsafe {
                libc::madvise(std::ptr::with_exposed_provenance_mut(low), high - low, libc::MADV_DONTNEED)
            };
        }
    }
}

/// Raises the number of descriptors that this process may have open as far as it is allowed to; returns the number.
pub(super) fn raise_descriptor_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live value on this stack.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: as above. A refusal is no harm, since the old limit then stays.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        limit.rlim_cur = before;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// Runs something on a coroutine of its own.
pub(super) fn spawn(body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    spawn_by(Builder::new(), body)
}

/// The same, at first on the thread that hears of the descriptor with this number.
pub(super) fn spawn_near(
    descriptor: usize,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    spawn_by(Builder::new().id(descriptor), body)
}

fn spawn_by(builder: Builder, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // SAFETY: nothing that runs on the listener's coroutines keeps a thread's own data across a wait, and the stack is
    // proven to be large enough for the deepest request, next to which TLS is shallow.
    unsafe { builder.spawn(body) }
}

/// Ends the coroutine that accepts connections, and so closes its listener.
pub(super) fn end_acceptor(acceptor: &JoinHandle<()>) {
    // SAFETY: the coroutine is unwound where it waits next. It then owns a listener, what all
    // connections share and perhaps a refused connection, whose `Drop`s are ordinary, and it never waits while it
    // holds a lock.
    unsafe { acceptor.coroutine().cancel() };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    #[test]
    fn counts_what_was_received_read_and_written() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (mut server, _) = listener.accept().expect("accepts");
        // SAFETY: `server` outlives `socket`.
        let socket = unsafe { Socket::borrow(server.as_raw_fd()) };

        let traffic = socket.traffic().expect("this kernel keeps the counts");
        assert_eq!((traffic.received_bytes, traffic.written_bytes), (0, 0));

        client.write_all(b"hello").expect("writes");
        server.read_exact(&mut [0; 2]).expect("reads");
        server.write_all(b"good day").expect("writes");
        client.read_exact(&mut [0; 8]).expect("reads");
        let traffic = socket.traffic().expect("this kernel keeps the counts");
        assert_eq!((traffic.received_bytes, traffic.written_bytes), (5, 8));
        assert_eq!(socket.unread_bytes(), 3);
    }

    #[test]
    fn counts_as_written_what_the_other_side_does_not_take() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("connects");
        let (mut server, _) = listener.accept().expect("accepts");
        server.set_nonblocking(true).expect("a socket option");
        let mut written = 0;
        while let Ok(bytes) = server.write(&[0; 10_000]) {
            written += bytes as u64;
        }
        // SAFETY: `server` outlives `socket`.
        let socket = unsafe { Socket::borrow(server.as_raw_fd()) };
        let traffic = socket.traffic().expect("this kernel keeps the counts");
        assert_eq!(traffic.written_bytes, written);
        drop(client);
    }

    #[test]
    fn the_descriptor_limit_is_as_high_as_it_may_be() {
        let first = raise_descriptor_limit().expect("a limit");
        assert!(first > 0);
        assert_eq!(raise_descriptor_limit().expect("a limit"), first);
    }
}

//! The few calls to the operating system about this process as a whole, and about connections that it makes, that the compiler
//! cannot check. What concerns the sockets of those who connect to it stands in `http/socket.rs`.
#![expect(unsafe_code, reason = "descriptors and signals of the process have no safe interface")]

#[cfg(any(test, all(target_env = "musl", target_arch = "x86_64")))]
mod bytes;

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::Duration;

/// Standard output.
pub const STDOUT: RawFd = libc::STDOUT_FILENO;
/// Standard error.
pub const STDERR: RawFd = libc::STDERR_FILENO;

/// How long an aborting process waits for its last words to be written, in steps.
const ABORT_STEPS: u32 = 40;
const ABORT_STEP_NANOS: libc::c_long = 5_000_000;

/// Bytes that were read from the pipe that [`linger_at_abort`] names and are not written to the log yet.
pub static UNWRITTEN_LOG_BYTES: AtomicUsize = AtomicUsize::new(0);
static LOG_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Makes one of the standard descriptors mean what `by` means. Nobody sees it closed in between.
///
/// # Errors
/// What the system says.
pub fn replace_standard(descriptor: RawFd, by: impl AsFd) -> io::Result<()> {
    debug_assert!((0..=STDERR).contains(&descriptor), "others have an owner, who would be robbed");
    // SAFETY: the source is open, as its borrow proves. The standard descriptors belong to the whole process: the
    // standard library neither owns nor closes them.
    if unsafe { libc::dup2(by.as_fd().as_raw_fd(), descriptor) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// For how long the other side of a connection may leave what it was sent without a sign that it is still there.
const LOST_MILLISECONDS: libc::c_int = 5000;
/// After how many seconds without any sign the system asks for one, and how often from then on.
const SILENT_SECONDS: libc::c_int = 5;
const ASK_SECONDS: libc::c_int = 1;
/// How long such a number is.
const INT_BYTES: libc::socklen_t = 4;
const _: () = assert!(size_of::<libc::c_int>() == 4);

/// Has the system end a connection whose other side is gone without a word, as when its machine or the way to it is lost. One that
/// only takes long to answer is still there.
///
/// # Errors
/// What the system says.
pub fn end_when_peer_is_lost(stream: &TcpStream) -> io::Result<()> {
    for (level, option, value) in [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, SILENT_SECONDS),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, ASK_SECONDS),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, LOST_MILLISECONDS),
    ] {
        let pointer = (&raw const value).cast();
        // SAFETY: the descriptor is open, as its borrow proves; the pointer is to a live value of this length.
        let result = unsafe { libc::setsockopt(stream.as_raw_fd(), level, option, pointer, INT_BYTES) };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The memory that the process takes now.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    pages.checked_mul(u64::try_from(page_bytes()?).ok()?)
}

fn page_bytes() -> Option<usize> {
    // SAFETY: it takes a number and gives one back.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()
}

/// Asks for this memory in large pages, which are found quicker. Whether it is, the system decides.
pub fn prefer_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    advise(memory, libc::MADV_HUGEPAGE);
}

/// Lets the system have back the whole pages of memory in which nothing is. They are there again once they are written to.
pub fn give_back<T>(memory: &mut [MaybeUninit<T>]) {
    advise(memory, libc::MADV_DONTNEED);
}

/// Advises the system about the whole pages of some memory, in which nothing needs to stay.
fn advise<T>(memory: &mut [MaybeUninit<T>], advice: libc::c_int) {
    let Some(page_bytes) = page_bytes() else { return };
    let bytes = size_of_val(memory);
    let start = memory.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(page_bytes);
    if let Some(pages) = bytes.checked_sub(before).map(|bytes| bytes / page_bytes).filter(|pages| *pages > 0)
    {
        // SAFETY: the pages lie within memory that is borrowed, and of which nobody expects to find what was there.
        // Whatever comes of an advice, nothing depends on it.
        unsafe { libc::madvise(start.add(before).cast(), pages * page_bytes, advice) };
    }
}

/// Bytes that this process may still write to the file system on which the path lies.
///
/// # Errors
/// What the system says.
pub fn disk_free_bytes(path: &Path) -> io::Result<u64> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the structure holds integers, for which zero is a valid value.
    let mut about: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: one pointer is to a text that ends with a zero byte, the other to a live value; both outlive the call.
    if unsafe { libc::statvfs(path.as_ptr(), &raw mut about) } < 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(clippy::useless_conversion, reason = "on 32 bits it is one of 32 bits")]
    Ok(about.f_bavail.saturating_mul(about.f_frsize.into()))
}

/// The numbers of the file to which a name leads, and of the file system that it lies on, the latter first. Nothing else is asked
/// for: once somebody has been told when a file was changed, the next write notes a time that differs from it, and the sync after
/// that write waits until this has reached the disk, too (Linux since 6.13).
///
/// # Errors
/// What the system says.
pub fn file_numbers(path: &Path) -> io::Result<(u64, u64)> {
    let name = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: the structure holds integers, for which zero is a valid value.
    let mut about: libc::statx = unsafe { std::mem::zeroed() };
    let (at, no_flags): (libc::c_int, libc::c_int) = (libc::AT_FDCWD, 0);
    // SAFETY: one pointer is to a text that ends with a zero byte, the other to a live value; both outlive the call. musl has a
    // function for it in its newer versions only, so the system is called.
    let result = unsafe {
        libc::syscall(libc::SYS_statx, at, name.as_ptr(), no_flags, libc::STATX_INO, &raw mut about)
    };
    if result == 0 {
        return Ok((libc::makedev(about.stx_dev_major, about.stx_dev_minor), about.stx_ino));
    }
    // Some filters of system calls do not know this one.
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// What the process wants to do with a file.
#[derive(Clone, Copy, Debug)]
pub enum Access {
    /// Read and write it.
    File,
    /// Read it as a directory, and make, remove and reach files in it.
    Directory,
}

/// Whether the process may do this, without opening anything.
///
/// # Errors
/// What the system would say.
pub fn may_access(path: &Path, access: Access) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mode = match access {
        Access::File => libc::R_OK | libc::W_OK,
        Access::Directory => libc::R_OK | libc::W_OK | libc::X_OK,
    };
    // SAFETY: the pointer is to a text that ends with a zero byte and lives until the call returns.
    if unsafe { libc::faccessat(libc::AT_FDCWD, path.as_ptr(), mode, libc::AT_EACCESS) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Waits until something may be written without waiting, or the other end has gone, or so much time has passed.
pub fn wait_until_writable(to: impl AsFd, time: Duration) {
    let mut wanted = libc::pollfd { fd: to.as_fd().as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    let millis = libc::c_int::try_from(time.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer is to one live value on this stack. Whatever comes of it, the next write will tell.
    unsafe { libc::poll(&raw mut wanted, 1, millis) };
}

/// By how much a thread that steps back is nicer than the others: where both want the processor, it gets a tenth of what they get.
const NICER: libc::c_int = 10;

/// Has this thread leave the processor to others who want it, and take what they leave. Where each service is a group of its own, as
/// under systemd or in a container, others are the threads of this process. A system that does not let it goes on as before.
pub fn step_back() {
    // SAFETY: no memory is involved. On Linux, this is about the thread that calls, not about the process.
    let _ = unsafe { libc::nice(NICER) };
}

/// Runs `start` while this thread is scheduled as a batch, which the threads that it starts meanwhile inherit (`SCHED_BATCH` of
/// sched(7)). As it becomes ready, such a thread takes the processor from nobody, unless one is free. Where the system refuses, or
/// the operator chose how the process is scheduled, they run like the others.
pub fn as_batch<T>(start: impl FnOnce() -> T) -> T {
    // SAFETY: no memory is involved.
    let is_ordinary =
        unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) } == libc::c_long::from(libc::SCHED_OTHER);
    if is_ordinary {
        schedule(libc::SCHED_BATCH);
    }
    let started = start();
    if is_ordinary {
        schedule(libc::SCHED_OTHER);
    }
    started
}

/// Chooses how this thread is scheduled. musl's function for it does nothing, so the system is called.
fn schedule(policy: libc::c_int) {
    let priority: libc::c_int = 0;
    // SAFETY: the pointer is to a live value, which is all that the system's `sched_param` holds.
    unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority) };
}

/// Lets an abort wait a little until its message, which others have to carry from this pipe to the log, has arrived
/// there. The pipe's reading end must stay open for as long as the process lives.
pub fn linger_at_abort(pipe: impl AsFd) {
    LOG_PIPE.store(pipe.as_fd().as_raw_fd(), Ordering::Relaxed);
    let handler: extern "C" fn(libc::c_int) = linger;
    // SAFETY: the structure holds integers and a set of signals, for which zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_RESETHAND;
    // SAFETY: the handler only makes calls that a handler may make, and the pointers are to live values.
    unsafe { libc::sigaction(libc::SIGABRT, &raw const action, std::ptr::null_mut()) };
}

/// Runs inside an abort, or where somebody sent its signal, and ends the process.
extern "C" fn linger(signal: libc::c_int) {
    let mut quiet = 0;
    for _ in 0..ABORT_STEPS {
        let mut unread: libc::c_int = 0;
        // SAFETY: FIONREAD writes one integer to the given address, which is a live value on this stack.
        let known =
            unsafe { libc::ioctl(LOG_PIPE.load(Ordering::Relaxed), libc::FIONREAD, &raw mut unread) } == 0;
        let is_quiet = unread == 0 && UNWRITTEN_LOG_BYTES.load(Ordering::Relaxed) == 0;
        // Between the pipe and the count, bytes are seen in neither for a moment.
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if !known || quiet == 2 {
            break;
        }
        let step = libc::timespec { tv_sec: 0, tv_nsec: ABORT_STEP_NANOS };
        // SAFETY: the pointer is to a live value, and the time that is left is not asked for.
        unsafe { libc::nanosleep(&raw const step, std::ptr::null_mut()) };
    }
    // SAFETY: a handler may do this. The default action is in place again and takes effect when this returns.
    unsafe { libc::raise(signal) };
}

//! A disk that fails when it is told to: SQLite's own file system layer, with a switch in front of each call.

#![expect(unsafe_code, reason = "SQLite takes a file system as tables of C functions")]

use rusqlite::ffi;
use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicPtr, AtomicU64, Ordering};

/// What can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Operation {
    Open,
    Write,
    Sync,
    Truncate,
    /// Writing, for want of room.
    Grow,
    Read,
}

const OPERATIONS: usize = 6;
/// How many more calls go well; none of those after. Below zero: all go well.
static LEFT: [AtomicI64; OPERATIONS] = [const { AtomicI64::new(-1) }; OPERATIONS];
/// The file system that is switched.
static REAL: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());
/// Whether one failure is all.
static ONCE: AtomicBool = AtomicBool::new(false);
/// How many more calls go well before one that ends the process; none does below zero.
static CALLS_TO_LIVE: AtomicI64 = AtomicI64::new(-1);
static FAILED: AtomicU64 = AtomicU64::new(0);
static SYNCS: AtomicU64 = AtomicU64::new(0);
static WRITES: AtomicU64 = AtomicU64::new(0);
/// Writes since data was last made to reach the disk.
static UNSYNCED: AtomicU64 = AtomicU64::new(0);

/// From the call after the next `good` ones on, this fails until [`heal`].
pub fn fail(operation: Operation, good: u64) {
    FAILED.store(0, Ordering::SeqCst);
    ONCE.store(false, Ordering::SeqCst);
    LEFT[operation as usize].store(good.cast_signed(), Ordering::SeqCst);
}

/// The call after the next `good` ones fails, and those after it go well again.
pub fn fail_once(operation: Operation, good: u64) {
    fail(operation, good);
    ONCE.store(true, Ordering::SeqCst);
}

/// The call after the next `good` ones that write, sync or open does not return: the process is killed, as by power or
/// by `kill -9`.
pub fn die_after(good: u64) {
    CALLS_TO_LIVE.store(good.cast_signed(), Ordering::SeqCst);
}

/// Lets everything go well again; how many calls have failed.
pub fn heal() -> u64 {
    for left in &LEFT {
        left.store(-1, Ordering::SeqCst);
    }
    FAILED.swap(0, Ordering::SeqCst)
}

/// How often data was made to reach the disk.
pub fn syncs() -> u64 {
    SYNCS.load(Ordering::SeqCst)
}

/// How often something was written, whether or not that worked.
pub fn writes() -> u64 {
    WRITES.load(Ordering::SeqCst)
}

/// How much of what was put into a log a power cut would take now.
pub fn unsynced() -> u64 {
    UNSYNCED.load(Ordering::SeqCst)
}

fn fails(operation: Operation) -> bool {
    let counts = matches!(operation, Operation::Write | Operation::Sync | Operation::Open);
    if counts
        && CALLS_TO_LIVE.load(Ordering::SeqCst) >= 0
        && CALLS_TO_LIVE.fetch_sub(1, Ordering::SeqCst) == 0
    {
        // SAFETY: a signal to ourselves; nothing is run after it.
        unsafe { libc::raise(libc::SIGKILL) };
    }
    let left = &LEFT[operation as usize];
    let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| (left > 0).then(|| left - 1));
    let fails = before == Err(0);
    if fails && ONCE.load(Ordering::SeqCst) {
        left.store(-1, Ordering::SeqCst);
    }
    FAILED.fetch_add(u64::from(fails), Ordering::SeqCst);
    fails
}

/// A file of ours in SQLite's memory; the real one lies behind it.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    real: *mut ffi::sqlite3_file,
    is_log: bool,
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

/// Hands a call on to the real file.
macro_rules! hand_on {
    ($($name:ident => $method:ident($($arg:ident: $type:ty),*) $(-> $result:ty)? $(, fails $operation:ident as $code:ident)*;)+) => {$(
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $arg: $type)*) $(-> $result)? {
            $(if fails(Operation::$operation) {
                return ffi::$code;
            })*
            // SAFETY: SQLite passes files that `open` has made, whose real file is open and has all methods.
            unsafe {
                let real = (*file.cast::<File>()).real;
                let method = (*(*real).pMethods).$method.expect("the file system of Unix has every method");
                method(real $(, $arg)*)
            }
        }
    )+};
}

hand_on! {
    close => xClose() -> c_int;
    read => xRead(into: *mut c_void, bytes: c_int, at: i64) -> c_int, fails Read as SQLITE_IOERR_READ;
    write_real => xWrite(from: *const c_void, bytes: c_int, at: i64) -> c_int,
        fails Write as SQLITE_IOERR_WRITE, fails Grow as SQLITE_FULL;
    truncate => xTruncate(bytes: i64) -> c_int, fails Truncate as SQLITE_IOERR_TRUNCATE;
    file_size => xFileSize(bytes: *mut i64) -> c_int;
    lock => xLock(level: c_int) -> c_int;
    unlock => xUnlock(level: c_int) -> c_int;
    check_reserved_lock => xCheckReservedLock(is_held: *mut c_int) -> c_int;
    file_control => xFileControl(code: c_int, argument: *mut c_void) -> c_int;
    sector_size => xSectorSize() -> c_int;
    device_characteristics => xDeviceCharacteristics() -> c_int;
    shm_map => xShmMap(page: c_int, bytes: c_int, extend: c_int, to: *mut *mut c_void) -> c_int;
    shm_lock => xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier => xShmBarrier();
    shm_unmap => xShmUnmap(remove: c_int) -> c_int;
    fetch => xFetch(at: i64, bytes: c_int, to: *mut *mut c_void) -> c_int;
    unfetch => xUnfetch(at: i64, page: *mut c_void) -> c_int;
}

/// Only notes it: no power is cut under a test, so none waits for the real disk.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _: c_int) -> c_int {
    SYNCS.fetch_add(1, Ordering::SeqCst);
    if fails(Operation::Sync) {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    // SAFETY: it is one of ours, and open.
    if unsafe { (*file.cast::<File>()).is_log } {
        UNSYNCED.store(0, Ordering::SeqCst);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    bytes: c_int,
    at: i64,
) -> c_int {
    WRITES.fetch_add(1, Ordering::SeqCst);
    // SAFETY: it is one of ours, and open.
    let is_log = unsafe { (*file.cast::<File>()).is_log };
    // What is moved out of the log stays there as well until that was synced.
    UNSYNCED.fetch_add(u64::from(is_log), Ordering::SeqCst);
    // SAFETY: as there.
    unsafe { write_real(file, from, bytes, at) }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite gives `szOsFile` bytes for the file, which is ours and the real one's together.
    unsafe {
        let ours = file.cast::<File>();
        (*ours).base.pMethods = std::ptr::null();
        (*ours).is_log = flags & ffi::SQLITE_OPEN_WAL != 0;
        if fails(Operation::Open) {
            return ffi::SQLITE_CANTOPEN;
        }
        let real_vfs = REAL.load(Ordering::SeqCst);
        (*ours).real = ours.add(1).cast();
        (*(*ours).real).pMethods = std::ptr::null();
        let result = (*real_vfs).xOpen.expect("it opens files")(real_vfs, name, (*ours).real, flags, out);
        if !(*(*ours).real).pMethods.is_null() {
            (*ours).base.pMethods = &raw const METHODS;
        }
        result
    }
}

/// Puts the switchable file system before the one of Unix, for every connection that is opened from now on.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the real file system lives as long as the program, and so does the leaked copy that is registered.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            REAL.store(real, Ordering::SeqCst);
            let ours = Box::leak(Box::new(*real));
            ours.zName = c"switchable".as_ptr();
            ours.pNext = std::ptr::null_mut();
            ours.szOsFile += c_int::try_from(size_of::<File>()).expect("a few bytes");
            ours.xOpen = Some(open);
            assert_eq!(ffi::sqlite3_vfs_register(ours, 1), ffi::SQLITE_OK);
        }
    });
}

//! http server implementation on top of `MAY`

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;

use crate::request::{self, Request};
use crate::response::{self, Response};

use bytes::{Buf, BufMut, BytesMut};
use may::coroutine;
use may::io::WaitIo;
use may::net::{TcpListener, TcpStream};

/// the http service trait
/// user code should supply a type that impl the `call` method for the http server
///
pub trait HttpService {
    fn call(&mut self, req: Request, rsp: &mut Response) -> io::Result<()>;

    /// A head may have so many bytes. Where more came without its end, it is refused.
    fn head_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// What came is no request. The connection ends once this has been answered.
    fn refuse(&mut self, fault: Fault, rsp: &mut Response);

    /// The last answer has been written. The connection ends after this.
    fn finish(&mut self) {}
}

/// Why something is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be parsed.
    Malformed,
    /// Its head is longer than [`HttpService::head_bytes_max`].
    TooLong,
}

pub trait HttpServiceFactory: Send + Sized + 'static {
    type Service: HttpService + Send + 'static;
    // create a new http service for each connection
    fn new_service(&self, id: usize) -> Self::Service;

    /// Spawns the http service, which accepts from a socket that listens already
    /// return a coroutine that you can cancel it when need to stop the service
    fn start_on(self, listener: TcpListener) -> io::Result<coroutine::JoinHandle<()>> {
        may::go!(
            coroutine::Builder::new().name("TcpServerFac".to_owned()),
            move || {
                use std::os::fd::AsRawFd;
                for stream in listener.incoming() {
                    let mut stream = match stream {
                        Ok(stream) => stream,
                        Err(err) => {
                            error!("accept err = {err:?}");
                            continue;
                        }
                    };
                    let id = stream.as_raw_fd() as usize;
                    let service = self.new_service(id);
                    let builder = coroutine::Builder::new().id(id);
                    // Without memory for another stack, this connection has to go.
                    let _ = may::go!(builder, move || {
                        if let Err(e) = each_connection_loop(&mut stream, service) {
                            error!("service err = {e:?}");
                            stream.shutdown(std::net::Shutdown::Both).ok();
                        }
                    });
                }
            }
        )
    }
}

#[inline]
#[cold]
pub(crate) fn err<T>(e: io::Error) -> io::Result<T> {
    Err(e)
}

#[inline]
fn nonblock_read(stream: &mut impl Read, req_buf: &mut BytesMut) -> io::Result<Received> {
    reserve_buf(req_buf);
    let read_buf: &mut [u8] = unsafe { std::mem::transmute(req_buf.chunk_mut()) };
    let len = read_buf.len();

    let mut read_cnt = 0;
    let mut received = Received::Some;
    while read_cnt < len {
        match stream.read(unsafe { read_buf.get_unchecked_mut(read_cnt..) }) {
            Ok(0) => {
                received = Received::TheEnd;
                break;
            }
            Ok(n) => read_cnt += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                received = Received::All;
                break;
            }
            Err(e) => return err(e),
        }
    }

    unsafe { req_buf.advance_mut(read_cnt) };
    Ok(received)
}

/// How far reading got.
#[derive(PartialEq, Eq)]
enum Received {
    /// The buffer is full; there may be more.
    Some,
    /// There is no more at the moment.
    All,
    /// There will be no more.
    TheEnd,
}

#[inline]
fn nonblock_write(stream: &mut impl Write, rsp_buf: &mut BytesMut) -> io::Result<usize> {
    let write_buf = rsp_buf.chunk();
    let len = write_buf.len();
    let mut write_cnt = 0;
    while write_cnt < len {
        match stream.write(unsafe { write_buf.get_unchecked(write_cnt..) }) {
            Ok(0) => return err(io::Error::new(io::ErrorKind::BrokenPipe, "write closed")),
            Ok(n) => write_cnt += n,
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
            Err(e) => return err(e),
        }
    }
    rsp_buf.advance(write_cnt);
    Ok(write_cnt)
}

/// Writes everything, and waits for the client where it must. Returns whether it waited, so that news of what can be
/// read may have been passed over.
fn write_all(stream: &mut TcpStream, rsp_buf: &mut BytesMut) -> io::Result<bool> {
    let mut waited = false;
    loop {
        nonblock_write(stream.inner_mut(), rsp_buf)?;
        if rsp_buf.is_empty() {
            if rsp_buf.capacity() > 2 * BUF_LEN {
                *rsp_buf = BytesMut::with_capacity(BUF_LEN);
            }
            // Begins anew at the front, where memory has been touched already.
            rsp_buf.reserve(BUF_LEN);
            return Ok(waited);
        }
        waited = true;
        stream.wait_io();
    }
}

/// So many bytes of answers are written before another request is served.
const FLUSH_LEN: usize = 4096 * 4;
const BUF_LEN: usize = 4096 * 8;
#[inline]
pub(crate) fn reserve_buf(buf: &mut BytesMut) {
    let rem = buf.capacity() - buf.len();
    if rem < 1024 {
        buf.reserve(BUF_LEN - rem);
    }
}

fn each_connection_loop<T: HttpService>(stream: &mut TcpStream, mut service: T) -> io::Result<()> {
    let mut req_buf = BytesMut::with_capacity(BUF_LEN);
    let mut rsp_buf = BytesMut::with_capacity(BUF_LEN);
    let mut body_buf = BytesMut::with_capacity(4096);

    loop {
        let received = nonblock_read(stream.inner_mut(), &mut req_buf)?;
        let mut waited = false;

        // prepare the requests, we should make sure the request is fully read
        loop {
            let mut headers = [MaybeUninit::uninit(); request::MAX_HEADERS];
            let fault = match request::decode(&mut headers, &mut req_buf, stream) {
                Ok(Some(req)) => {
                    reserve_buf(&mut rsp_buf);
                    let mut rsp = Response::new(&mut body_buf);
                    let is_last = match service.call(req, &mut rsp) {
                        Ok(()) => response::encode(rsp, &mut rsp_buf),
                        Err(e) => {
                            response::encode_error(e, &mut rsp_buf);
                            false
                        }
                    };
                    if is_last {
                        write_all(stream, &mut rsp_buf)?;
                        service.finish();
                        return Ok(());
                    }
                    if rsp_buf.len() >= FLUSH_LEN {
                        waited |= write_all(stream, &mut rsp_buf)?;
                    }
                    continue;
                }
                Ok(None) => None,
                Err(_) => Some(Fault::Malformed),
            };
            let too_long = req_buf.len() > service.head_bytes_max();
            match fault.or(too_long.then_some(Fault::TooLong)) {
                None => break,
                Some(fault) => {
                    let mut rsp = Response::new(&mut body_buf);
                    service.refuse(fault, &mut rsp);
                    response::encode(rsp, &mut rsp_buf);
                    write_all(stream, &mut rsp_buf)?;
                    service.finish();
                    return Ok(());
                }
            }
        }

        // write out the responses
        waited |= write_all(stream, &mut rsp_buf)?;

        if received == Received::TheEnd {
            return Ok(());
        }
        if received == Received::All && !waited {
            stream.wait_io();
        }
    }
}

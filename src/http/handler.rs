//! What the listener hands over once a request is whole, and to whom.

use super::response::Response;
use crate::presence::Presence;
use std::net::IpAddr;

/// A whole request.
pub struct HttpRequest<'a> {
    /// The address at the other end of the connection. An IPv4 address always looks like one.
    pub peer: IpAddr,
    /// The method, in the case in which it was sent.
    pub method: &'a str,
    /// The path, without query and fragment, otherwise as it was sent.
    pub path: &'a str,
    /// The `Host`, as it was sent; empty where HTTP/1.0 gives none.
    pub host: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Whether the client is still there.
    pub presence: Presence,
}

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request, on the connection's coroutine. It may wait by the means of [`crate::wait`] for as long as
    /// it likes. A panic is answered with 500; no `Drop` that runs during one may wait.
    fn handle(&self, request: &HttpRequest<'_>) -> Response;

    /// Hears of a request that was refused before it was whole, from the client at this address: why, in fixed words.
    fn refused(&self, _why: &'static str, _peer: IpAddr) {}
}

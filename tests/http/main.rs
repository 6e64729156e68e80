//! What the server does with good and bad HTTP, told over real sockets: a listener with a trivial handler behind it, and
//! clients that send whatever they like. Everything is told twice, in plaintext, and, in the second run that `over_tls`
//! starts, over TLS.
//!
//! All tests of a process share one set of coroutine workers, since that is set once for a process.

mod framing;
mod harness;
mod limits;
mod over_tls;
mod refusals;
mod shutdown;
mod transport;

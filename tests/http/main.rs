//! What the edge does with good and bad HTTP, told over real sockets: a listener with a trivial handler behind it,
//! and clients that send whatever they like. `http_over_tls.rs` tells the same over TLS.
//!
//! All tests of this file share one set of coroutine workers, since that is set once for a process.

mod framing;
mod limits;
mod refusals;
mod shutdown;
mod support;
#[path = "../process/test_ca.rs"]
mod test_ca;
mod transport;

/// Clients speak at once, in plaintext.
const OVER_TLS: bool = false;

//! What the edge does with good and bad HTTP, told over real sockets: a listener with a trivial handler behind it,
//! and clients that send whatever they like. `edge_over_tls.rs` tells the same over TLS.
//!
//! All tests of this file share one set of coroutine workers, since that is set once for a process.

#[path = "../binary/authority.rs"]
mod authority;
mod endings;
mod framing;
mod limits;
mod refusals;
mod support;
mod transport;

/// Clients speak at once, in clear.
const OVER_TLS: bool = false;

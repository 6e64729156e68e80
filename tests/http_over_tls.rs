//! Everything that holds of the edge holds under TLS: the same tests, told over TLS, and what only TLS has.

#[path = "http/framing.rs"]
mod framing;
#[path = "http/limits.rs"]
mod limits;
#[path = "http/refusals.rs"]
mod refusals;
#[path = "http/shutdown.rs"]
mod shutdown;
#[path = "http/support.rs"]
mod support;
#[path = "process/test_ca.rs"]
mod test_ca;
#[path = "http/tls.rs"]
mod tls;
#[path = "http/transport.rs"]
mod transport;

/// Clients shake hands before they say anything.
const OVER_TLS: bool = true;

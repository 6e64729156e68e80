//! Everything that holds of the edge holds under TLS: the same tests, told over TLS, and what only TLS has.

#[path = "binary/authority.rs"]
mod authority;
#[path = "edge/endings.rs"]
mod endings;
#[path = "edge/framing.rs"]
mod framing;
#[path = "edge/limits.rs"]
mod limits;
#[path = "edge/refusals.rs"]
mod refusals;
#[path = "edge/support.rs"]
mod support;
#[path = "edge/tls.rs"]
mod tls;
#[path = "edge/transport.rs"]
mod transport;

/// Clients shake hands before they say anything.
const OVER_TLS: bool = true;

//! The stories again, over a socket: through the edge, on coroutines with the stack of production, where answers are
//! really held back. And what shows only there.
//!
//! All stories of this file share one set of coroutine workers, since that is set once for a process.

#[path = "stories/at_the_edge.rs"]
mod at_the_edge;
#[path = "stories/mod.rs"]
mod stories;
mod support;

/// Requests come over a socket.
const OVER_THE_EDGE: bool = true;

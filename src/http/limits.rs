//! What a client may use up: connections, bytes and time.

/// What a client may use up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at one time. Where the process may not open as many descriptors, the number is lower.
    pub connections_max: usize,
    /// Bytes of a request's head.
    pub head_bytes_max: usize,
    /// Bytes of a request's body.
    pub body_bytes_max: usize,
    /// Bytes of all bodies together that are being received or handled, not counting small ones
    /// ([`Self::SMALL_BODY_BYTES_MAX`]).
    pub large_bodies_bytes_max: usize,
    /// Seconds from a head's first byte to its last.
    pub head_seconds_max: u32,
    /// Seconds from the end of a head to the end of the body.
    pub body_seconds_max: u32,
    /// Seconds without a request. When three of four connections are taken, only as long as for a head.
    pub idle_seconds_max: u32,
    /// Seconds in which a client must take an answer.
    pub send_seconds_max: u32,
}

impl HttpLimits {
    /// Enough for a pool of connections from each of many frontends.
    pub const CONNECTIONS_MAX: usize = 4096;
    /// What other servers take, too. Our own clients send a few hundred bytes.
    pub const HEAD_BYTES_MAX: usize = 16 * 1024;
    /// What a connection takes at most while it waits for its client: for a head, for a small body, or for its answers
    /// to be taken. Large bodies come on top ([`Self::large_bodies_bytes_max`]), as does what the kernel keeps for it.
    pub const CONNECTION_BYTES_MAX: usize = 96 * 1024;
    /// Far more than any request needs.
    pub const BODY_BYTES_MAX: usize = 1024 * 1024;
    /// Up to this size, a body needs no share of what large bodies have together.
    pub const SMALL_BODY_BYTES_MAX: usize = 16 * 1024;
    /// What a small host can spare.
    pub const LARGE_BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;
    /// A head is one packet or two.
    pub const HEAD_SECONDS_MAX: u32 = 10;
    /// A body of the largest size over a slow line.
    pub const BODY_SECONDS_MAX: u32 = 30;
    /// Long enough for a frontend to find its connection still open.
    pub const IDLE_SECONDS_MAX: u32 = 75;
    /// A large answer over a slow line.
    pub const SEND_SECONDS_MAX: u32 = 30;
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: Self::CONNECTIONS_MAX,
            head_bytes_max: Self::HEAD_BYTES_MAX,
            body_bytes_max: Self::BODY_BYTES_MAX,
            large_bodies_bytes_max: Self::LARGE_BODIES_BYTES_MAX,
            head_seconds_max: Self::HEAD_SECONDS_MAX,
            body_seconds_max: Self::BODY_SECONDS_MAX,
            idle_seconds_max: Self::IDLE_SECONDS_MAX,
            send_seconds_max: Self::SEND_SECONDS_MAX,
        }
    }
}

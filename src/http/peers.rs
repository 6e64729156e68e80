//! Who is really at the other end, where all connections to the plaintext listener come from the terminator of TLS.

use super::socket;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Who is at the other end of each connection that the terminator of TLS made, by the address from which it was made.
#[derive(Default)]
pub(super) struct Peers(Mutex<HashMap<SocketAddr, Client>>);

/// A client whose TLS handshake is done.
#[derive(Clone)]
pub(super) struct Client {
    pub address: IpAddr,
    pub socket: Arc<socket::Shared>,
}

impl Peers {
    /// The client behind a connection to the plaintext listener; nothing if the connection is not ours.
    pub(super) fn behind(&self, via: SocketAddr) -> Option<Client> {
        self.table().get(&via).cloned()
    }

    /// Enters a client until what is returned is dropped.
    pub(super) fn introduce(self: &Arc<Self>, via: SocketAddr, client: Client) -> PeerEntry {
        self.table().insert(via, client);
        PeerEntry { peers: Arc::clone(self), via }
    }

    pub(super) fn len(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<SocketAddr, Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An entry in the table of peers, removed on drop. It must go before the address can be somebody else's: before the
/// connection closes.
pub(super) struct PeerEntry {
    peers: Arc<Peers>,
    via: SocketAddr,
}

impl Drop for PeerEntry {
    fn drop(&mut self) {
        self.peers.table().remove(&self.via);
    }
}

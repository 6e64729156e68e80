//! Where a request waits before it writes, so that a story can have something happen meanwhile.

use authnzerver::wait::Receiver;
use std::sync::{Mutex, mpsc};

/// Keeps a request from writing until something else has happened.
pub(crate) struct Gate {
    /// So many writes pass before.
    pub(crate) writes: usize,
    /// Tells that a request has come to it.
    pub(crate) arrived: mpsc::Sender<()>,
    /// Lets that request pass, by a word or by its end.
    pub(crate) goes: Receiver<()>,
}

impl Gate {
    /// Waits where it is closed.
    pub(crate) fn pass(gate: &Mutex<Option<Self>>) {
        let mut closed = gate.lock().expect("no test panicked while it held this");
        match &mut *closed {
            Some(Self { writes, .. }) if *writes > 0 => *writes -= 1,
            _ => {
                if let Some(gate) = closed.take() {
                    drop(closed);
                    let _ = gate.arrived.send(());
                    // Ends when the other side drops its end. A coroutine waits here, so none of its threads may.
                    let _ = gate.goes.wait();
                }
            }
        }
    }
}

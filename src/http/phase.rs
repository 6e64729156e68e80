//! What a connection is doing, and the word in which it shares that with the supervisor.

const PHASE_BITS: u32 = 3;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// It waits for a head, or the answers before are still being written.
    Waiting = 0,
    /// A request is being handled, for as long as that takes.
    Handling = 1,
    /// It waits for the rest of a body.
    Body = 2,
    /// The supervisor gave up on that body; the connection answers so and ends.
    BodyLate = 3,
    /// It ends. Whoever set this has the only say.
    Closing = 4,
    /// The supervisor sends something while a request is being handled.
    Probed = 5,
}

/// The word that a connection shares with the supervisor: answered bytes, and the phase in the lowest bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(pub u64);

impl Word {
    pub(super) fn phase(self) -> Phase {
        let phases =
            [Phase::Waiting, Phase::Handling, Phase::Body, Phase::BodyLate, Phase::Closing, Phase::Probed];
        let number = self.0 & ((1 << PHASE_BITS) - 1);
        phases.into_iter().find(|phase| *phase as u64 == number).unwrap_or(Phase::Closing)
    }

    pub(super) fn answered_bytes(self) -> u64 {
        self.0 >> PHASE_BITS
    }

    pub(super) fn with(self, phase: Phase) -> Self {
        Self(self.answered_bytes() << PHASE_BITS | phase as u64)
    }

    /// The same after so many bytes more.
    pub(super) fn plus(self, bytes: u64) -> Self {
        Self(((self.answered_bytes() + bytes) << PHASE_BITS) | self.phase() as u64)
    }
}

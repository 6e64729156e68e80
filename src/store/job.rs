//! A write on its way to an engine: what it does, whoever waits for it, and how it went so far.

use super::db::Tx;
use super::error::StoreError;
use crate::wait::{Sender, oneshot};

/// What a write is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Something to keep. Whether such writes work is what health is about.
    Request,
    /// Finding out whether writing works. Proves nothing about other writes, so it is not counted among them.
    Probe,
}

/// One write.
pub(super) trait Job: Send {
    /// What it is for.
    fn purpose(&self) -> Purpose;
    /// Runs it, from the start, as often as an engine needs; whether it wants its changes to stay.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Tells whoever waits what came of the last run, once it is known whether its commit is safe.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Write<F, T: Send, E: Send> {
    purpose: Purpose,
    work: F,
    came_of_it: Option<Result<T, E>>,
    sender: Sender<Result<T, E>>,
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: Fn(&Tx<'_>) -> Result<T, E> + Send,
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    fn purpose(&self) -> Purpose {
        self.purpose
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let came_of_it = (self.work)(tx);
        let stays = came_of_it.is_ok();
        self.came_of_it = Some(came_of_it);
        stays
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { came_of_it, sender, .. } = *self;
        tell(sender, came_of_it, committed);
    }
}

/// Apart from the job, so that there is one of it for each kind of result and not for each write.
fn tell<T: Send, E: From<StoreError> + Send>(
    sender: Sender<Result<T, E>>,
    came_of_it: Option<Result<T, E>>,
    committed: Result<(), StoreError>,
) {
    sender.send(match (came_of_it, committed) {
        (Some(Err(error)), _) => Err(error),
        (_, Err(error)) => Err(error.into()),
        (Some(Ok(value)), Ok(())) => Ok(value),
        (None, Ok(())) => Err(StoreError::RolledBack.into()),
    });
}

/// Hands a write to an engine by `submit` and waits for what comes of it. A write that panics is dropped with its sender, which
/// tells the one who waits.
pub(super) fn write<T, E>(
    purpose: Purpose,
    work: impl Fn(&Tx<'_>) -> Result<T, E> + Send + 'static,
    submit: impl FnOnce(Box<dyn Job>) -> Result<(), StoreError>,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let (sender, answer) = oneshot();
    submit(Box::new(Write { purpose, work, came_of_it: None, sender }))?;
    answer.wait().unwrap_or_else(|| Err(StoreError::Panicked.into()))
}

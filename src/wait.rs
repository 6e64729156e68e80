//! Temporary.
use std::sync::mpsc;
use std::time::Duration;
/// x
pub struct AnswerSender<T>(mpsc::Sender<T>);
/// x
pub struct AnswerReceiver<T>(mpsc::Receiver<T>);
/// x
#[must_use]
pub fn answer_slot<T>() -> (AnswerSender<T>, AnswerReceiver<T>) {
    let (a, b) = mpsc::channel();
    (AnswerSender(a), AnswerReceiver(b))
}
impl<T> AnswerSender<T> {
    /// x
    pub fn send(self, v: T) {
        let _ = self.0.send(v);
    }
}
impl<T> AnswerReceiver<T> {
    /// x
    pub fn wait(self) -> Option<T> {
        self.0.recv().ok()
    }
}
/// x
pub fn pause(d: Duration) {
    may::coroutine::sleep(d);
}

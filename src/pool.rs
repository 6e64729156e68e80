//! A fixed number of threads for work that must not run where requests are answered: hashing, and calls to the
//! outside. What does not fit into the queue is refused at once.

use crate::wait::oneshot;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Threads and the queue before them. Dropping it waits until what is queued is done.
pub struct Pool {
    /// Taken only to let the threads end.
    queue: Mutex<Option<SyncSender<Job>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pool {
    /// Starts the threads, at least one. Up to `queue_length` pieces of work wait for one of them.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(name: &str, threads: usize, queue_length: usize) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(queue_length);
        let jobs = Arc::new(Mutex::new(jobs));
        let threads = (0..threads.max(1))
            .map(|number| {
                let jobs = Arc::clone(&jobs);
                thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&jobs))
            })
            .collect::<io::Result<_>>()?;
        Ok(Self { queue: Mutex::new(Some(queue)), threads: Mutex::new(threads) })
    }

    /// Has work done and waits for its result, on a coroutine or a thread. `None`, at once, if the queue is full;
    /// and if the work panicked, for then it has no result.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, answer) = oneshot();
        self.submit(move || sender.send(work()))?;
        answer.wait()
    }

    /// The same, but waits no longer than `limit`: `Some(None)`. Work that has begun goes on after that, with nobody to
    /// take its result; work that has not is left undone, for it was reported as failed.
    pub fn run_for<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Option<T>> {
        let (sender, answer) = oneshot();
        let work = move || {
            if sender.is_wanted() {
                sender.send(work());
            }
        };
        self.submit(work)?;
        Some(answer.wait_for(limit).ok())
    }

    /// Has work done some time. `None`, at once, if the queue is full.
    pub fn submit(&self, work: impl FnOnce() + Send + 'static) -> Option<()> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref()?.try_send(Box::new(work)).ok()
    }

    /// Waits until what is queued is done, and takes no more.
    pub fn finish(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic inside a job was caught; there is nothing else that could have ended it early.
            let _ = thread.join();
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.finish();
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // The lock goes before the work begins, so that the next thread can take the next piece.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic in one piece of work must not cost us the thread. What it leaves behind is gone with it.
        let _ = catch_unwind(AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn work_is_done_and_a_panic_costs_nothing_but_its_result() {
        let pool = Pool::start("test", 1, 4).expect("a thread");
        assert_eq!(pool.run(|| -> u8 { panic!("a fault in the work") }), None);
        assert_eq!(pool.run(|| 7), Some(7));
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_not_begun() {
        let pool = Pool::start("test", 1, 4).expect("a thread");
        let (go_on, may_go_on) = channel::<()>();
        let wait = move || {
            let _ = may_go_on.recv();
        };
        pool.submit(wait).expect("there is room");
        let (begun, has_begun) = channel();
        let late = pool.run_for(Duration::from_millis(1), move || begun.send(()));
        assert_eq!(late, Some(None));
        drop(go_on);
        assert_eq!(pool.run_for(Duration::from_secs(60), || 3), Some(Some(3)), "the thread is free again");
        assert!(has_begun.recv().is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused_at_once() {
        let pool = Pool::start("test", 1, 1).expect("a thread");
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let (leave_queue, left_queue) = channel();
        thread::scope(|scope| {
            scope.spawn(|| {
                pool.run(move || {
                    begun.send(()).expect("somebody waits");
                    may_go_on.recv()
                })
            });
            has_begun.recv().expect("the first piece is under way");
            pool.submit(move || leave_queue.send(()).expect("somebody waits")).expect("one may wait");
            assert_eq!(pool.run(|| 1), None);
            go_on.send(()).expect("the first piece waits");
        });
        left_queue.recv().expect("the second piece has its turn");
        assert_eq!(pool.run(|| 2), Some(2));
    }
}

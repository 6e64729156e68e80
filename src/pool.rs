//! A fixed number of threads for work that must not run where requests are answered: hashing, and calls to the
//! outside. What does not fit into the queue is refused at once.

use crate::log;
use crate::problem::Problem;
use crate::wait::oneshot;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

type Job = Box<dyn FnOnce() + Send>;

/// Threads and the queue before them. Dropping it waits until what is queued is done.
pub struct Pool {
    name: &'static str,
    threads_max: usize,
    queue_length: usize,
    /// Taken only to let the threads end.
    queue: Mutex<Option<Sender<Job>>>,
    jobs: Arc<Jobs>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Whether the system gave none when there was last work for one more.
    lacks_threads: AtomicBool,
}

/// What the threads share.
struct Jobs {
    queued: Mutex<Receiver<Job>>,
    /// How many are queued or under way.
    unfinished: AtomicUsize,
}

impl Pool {
    /// For so many threads, at least one. The first starts now, each of the others when there is work for it: most servers never need
    /// them, and each takes memory. Up to `queue_length` pieces of work wait for one of them.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub fn start(name: &'static str, threads: usize, queue_length: usize) -> io::Result<Self> {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Jobs { queued: Mutex::new(jobs), unfinished: AtomicUsize::new(0) });
        let first = start_thread(name, 0, &jobs)?;
        Ok(Self {
            name,
            threads_max: threads.max(1),
            queue_length,
            queue: Mutex::new(Some(queue)),
            jobs,
            threads: Mutex::new(vec![first]),
            lacks_threads: AtomicBool::new(false),
        })
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
        let queue = queue.as_ref()?;
        // It becomes more only here, under the lock.
        let unfinished = self.jobs.unfinished.load(Ordering::Acquire);
        if unfinished >= self.threads_max + self.queue_length {
            return None;
        }
        self.jobs.unfinished.fetch_add(1, Ordering::Relaxed);
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if threads.len() <= unfinished && threads.len() < self.threads_max {
            let started = start_thread(self.name, threads.len(), &self.jobs);
            let started = self.told(started, threads.len());
            threads.extend(started);
        }
        queue.send(Box::new(work)).ok()
    }

    /// If the system gives no thread, the `others` do the work. That is told once, until it gives one again.
    fn told<T>(&self, started: io::Result<T>, others: usize) -> Option<T> {
        let had_lacked = self.lacks_threads.swap(started.is_err(), Ordering::Relaxed);
        if let Err(error) = &started
            && !had_lacked
        {
            let fields = [
                ("name", self.name.into()),
                ("threads", others.into()),
                ("threads_max", self.threads_max.into()),
                ("cause", log::cause(&Problem::of(error))),
            ];
            log::warning("the system gives no more threads; the work takes longer", &fields);
        }
        started.ok()
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

fn start_thread(name: &str, number: usize, jobs: &Arc<Jobs>) -> io::Result<JoinHandle<()>> {
    let jobs = Arc::clone(jobs);
    thread::Builder::new().name(format!("{name}-{number}")).spawn(move || work(&jobs))
}

fn work(jobs: &Jobs) {
    loop {
        // The lock goes before the work begins, so that the next thread can take the next piece.
        let next = jobs.queued.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // A panic in one piece of work must not cost us the thread. What it leaves behind is gone with it.
        let _ = catch_unwind(AssertUnwindSafe(job));
        jobs.unfinished.fetch_sub(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_and_a_panic_costs_nothing_but_its_result() {
        let pool = Pool::start("test", 1, 4).expect("a thread");
        assert_eq!(pool.run(|| -> u8 { panic!("a fault in the work") }), None);
        assert_eq!(pool.run(|| 7), Some(7));
    }

    #[test]
    fn threads_start_as_there_is_work_for_them_and_no_more_than_allowed() {
        let pool = Pool::start("test", 3, 2).expect("a thread");
        let threads = || pool.threads.lock().expect("nobody panicked").len();
        let (begun, has_begun) = channel();
        let (go_on, may_go_on) = channel::<()>();
        let may_go_on = Arc::new(Mutex::new(may_go_on));
        let wait = || {
            let (begun, may_go_on) = (begun.clone(), Arc::clone(&may_go_on));
            pool.submit(move || {
                begun.send(()).expect("somebody counts");
                let _ = may_go_on.lock().expect("nobody panicked").recv();
            })
        };
        assert_eq!(threads(), 1);
        for busy in 1..=3 {
            assert_eq!(wait(), Some(()));
            assert_eq!(threads(), busy);
            has_begun.recv().expect("it has a thread of its own");
        }
        assert_eq!((wait(), wait(), wait()), (Some(()), Some(()), None), "two wait, no more");
        assert_eq!(threads(), 3);
        drop(go_on);
        pool.finish();
        assert_eq!(has_begun.try_iter().count(), 2, "what waited was done");
        assert_eq!(wait(), None);
    }

    #[test]
    fn a_system_that_gives_no_thread_is_told_of_once_until_it_gives_one() {
        let pool = Pool::start("post", 3, 2).expect("a thread");
        let refused = || Err(io::Error::from_raw_os_error(libc::EAGAIN));
        let warnings = |started: io::Result<u8>| log::collect(|| pool.told(started, 1));
        let (thread, told) = warnings(refused());
        assert!(thread.is_none() && told[0].contains("name=post threads=1 threads_max=3 cause="), "{told:?}");
        assert_eq!(warnings(refused()).1.len(), 0);
        assert_eq!(warnings(Ok(7)).0, Some(7));
        assert_eq!(warnings(refused()).1, told);
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

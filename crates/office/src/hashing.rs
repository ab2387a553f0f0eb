//! The threads that compute password hashes: few, always the same ones, each with memory of its
//! own.
//!
//! A hash takes some 19 MiB. Blocks of that size that are taken and given back again and again, now
//! in this thread and now in that, end as hundreds of megabytes that an allocator keeps.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

/// The memory of a thread, which hashes use one after the other.
pub(crate) type Memory = Vec<argon2::Block>;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// A few threads that end when this is dropped.
#[derive(Debug)]
pub(crate) struct Hashing {
    jobs: SyncSender<Job>,
}

impl Hashing {
    /// Starts so many threads.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let threads = threads.max(1);
        let (jobs, waiting) = sync_channel(threads);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let waiting = Arc::clone(&waiting);
            let builder = thread::Builder::new().name("password-hash".to_owned());
            builder.spawn(move || work(&waiting))?;
        }
        Ok(Self { jobs })
    }

    /// Computes in one of the threads; none if it panicked. Callers see to it that no more compute
    /// at once than there are threads, so this never blocks.
    ///
    /// Cancel safe: what was begun is computed for nobody.
    pub(crate) async fn compute<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, computed) = oneshot::channel();
        let job: Job = Box::new(move |memory| drop(answer.send(job(memory))));
        self.jobs.try_send(job).ok()?;
        computed.await.ok()
    }
}

fn work(waiting: &Mutex<Receiver<Job>>) {
    let mut memory = Memory::new();
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .recv();
        let Ok(job) = next else {
            return;
        };
        // Whoever waits for it sees that there is no answer; the thread goes on for others.
        let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_that_panics_is_no_answer_and_the_next_one_is_computed() {
        let hashing = Hashing::start(1).unwrap();
        let panicked = hashing.compute(|_| assert_eq!(1, 2)).await;
        assert_eq!(panicked, None);
        assert_eq!(hashing.compute(|_| 7).await, Some(7));
    }
}

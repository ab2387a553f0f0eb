//! The threads that compute password hashes: few, always the same ones, with as many memories that
//! they use one after the other.
//!
//! A hash takes some 19 MiB. Blocks of that size that are taken and given back again and again, now
//! in this thread and now in that, end as hundreds of megabytes that an allocator keeps; and to be
//! given them anew costs thousands of page faults. So they are kept while logins come, and given
//! back when none has come for a while: most logins need no hash.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

/// The memory of a hash, which the next one uses again.
pub(crate) type Memory = Vec<argon2::Block>;

type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// A few threads that end when this is dropped.
#[derive(Debug)]
pub(crate) struct Hashing {
    jobs: SyncSender<Job>,
}

/// What the threads share.
struct Shared {
    waiting: Mutex<Receiver<Job>>,
    /// Memories that no hash uses now.
    spare: Mutex<Vec<Memory>>,
    kept_for: Duration,
}

/// How long memory is kept when no hash needs it.
const KEPT_FOR: Duration = Duration::from_secs(10);

impl Hashing {
    /// Starts so many threads.
    ///
    /// # Errors
    /// The system has no more threads.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        Self::start_keeping(threads, KEPT_FOR)
    }

    fn start_keeping(threads: usize, kept_for: Duration) -> io::Result<Self> {
        let threads = threads.max(1);
        let (jobs, waiting) = sync_channel(threads);
        let shared = Arc::new(Shared {
            waiting: Mutex::new(waiting),
            spare: Mutex::default(),
            kept_for,
        });
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name("password-hash".to_owned());
            builder.spawn(move || work(&shared))?;
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

fn work(shared: &Shared) {
    loop {
        let next = locked(&shared.waiting).recv_timeout(shared.kept_for);
        match next {
            Ok(job) => {
                let mut memory = locked(&shared.spare).pop().unwrap_or_default();
                // Whoever waits for it sees that there is no answer; the thread goes on for others.
                let _ = catch_unwind(AssertUnwindSafe(|| job(&mut memory)));
                locked(&shared.spare).push(memory);
            }
            Err(RecvTimeoutError::Timeout) => locked(&shared.spare).clear(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// What is guarded is right after each step, so a panic elsewhere does not spoil it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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

    async fn blocks(hashing: &Hashing) -> usize {
        let job = |memory: &mut Memory| {
            let before = memory.len();
            memory.resize(8, argon2::Block::new());
            before
        };
        hashing.compute(job).await.unwrap()
    }

    #[tokio::test]
    async fn memory_is_used_again() {
        let hashing = Hashing::start(1).unwrap();
        assert_eq!(blocks(&hashing).await, 0);
        assert_eq!(blocks(&hashing).await, 8);
    }

    #[tokio::test]
    async fn memory_that_nobody_needs_is_given_back() {
        let hashing = Hashing::start_keeping(1, Duration::from_millis(1)).unwrap();
        blocks(&hashing).await;
        for _ in 0..10_000 {
            tokio::task::yield_now().await;
            thread::sleep(Duration::from_millis(2));
            if blocks(&hashing).await == 0 {
                return;
            }
        }
        panic!("it is kept");
    }
}

//! The one place where the tasks of connections are started and ended.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use tokio::task::JoinSet;

/// The tasks of one listener. Dropping it ends them.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    tasks: JoinSet<()>,
}

impl Crew {
    pub(crate) fn start(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Forgets a task that has ended; waits forever when there are none. Cancel safe.
    pub(crate) async fn reap(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the last has ended, or until `patience` is over. Cancel safe.
    pub(crate) async fn leave(&mut self, patience: impl Future<Output = ()>) {
        let mut patience = pin!(patience);
        loop {
            // Both branches are cancel safe: the loser is asked again, or was only a deadline.
            tokio::select! {
                left = self.tasks.join_next() => if left.is_none() { return },
                () = &mut patience => return,
            }
        }
    }

    /// Ends those that are left at their next `await`; gives their number.
    pub(crate) async fn abandon(&mut self) -> usize {
        let left = self.tasks.len();
        self.tasks.shutdown().await;
        left
    }
}

/// Runs a task of which a panic concerns nobody else: what was half done in it is never looked at
/// again, since the future is dropped. The error is what the panic said.
pub(crate) async fn contained<T>(task: impl Future<Output = T>) -> Result<T, String> {
    let mut task = pin!(task);
    poll_fn(
        |cx| match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))) {
            Ok(Poll::Ready(value)) => Poll::Ready(Ok(value)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(words(panic.as_ref()))),
        },
    )
    .await
}

fn words(panic: &(dyn Any + Send)) -> String {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    literal
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_its_words() {
        let outcome: Result<(), String> = contained(async { panic!("number {}", 7) }).await;
        assert_eq!(outcome, Err("number 7".to_owned()));
        assert_eq!(contained(ready(3)).await, Ok(3));
    }

    #[tokio::test]
    async fn a_crew_is_left_when_the_last_has_ended() {
        let mut crew = Crew::default();
        crew.start(ready(()));
        crew.start(ready(()));
        crew.leave(pending()).await;
        assert_eq!(crew.abandon().await, 0);
        crew.start(pending());
        crew.leave(ready(())).await;
        assert_eq!(crew.abandon().await, 1);
    }
}

//! How the word that the process ends reaches every session.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::watch;

/// How far the end of the process has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not at all.
    Serving,
    /// Nobody is let in any more; sessions finish what was begun.
    Finishing,
    /// The time for that is over; sessions that wait for their peer end at once.
    Leaving,
}

/// Gives the word. Sessions that listen to it never stop by themselves when it is dropped.
#[derive(Debug)]
pub struct StopOrder {
    stage: watch::Sender<Stage>,
}

impl Default for StopOrder {
    fn default() -> Self {
        Self {
            stage: watch::Sender::new(Stage::Serving),
        }
    }
}

impl StopOrder {
    /// Goes on to a stage. There is no way back.
    pub fn give(&self, stage: Stage) {
        self.stage.send_if_modified(|now| {
            let further = stage > *now;
            *now = stage.max(*now);
            further
        });
    }

    /// What hears it.
    pub fn signal(&self) -> StopSignal {
        StopSignal {
            stage: self.stage.subscribe(),
        }
    }
}

/// Hears the word.
#[derive(Debug, Clone)]
pub struct StopSignal {
    stage: watch::Receiver<Stage>,
}

impl StopSignal {
    /// Waits for this stage or a later one. Cancel safe.
    pub async fn reaches(&mut self, stage: Stage) {
        if self.stage.wait_for(|now| *now >= stage).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Hears the word for one session, from the beginning.
    pub(crate) fn ear(&self) -> Ear {
        let mut stage = self.stage.clone();
        stage.mark_changed();
        Ear {
            stage,
            obeyed: Stage::Serving,
            wake: None,
        }
    }
}

/// Tells a session each stage once.
pub(crate) struct Ear {
    stage: watch::Receiver<Stage>,
    obeyed: Stage,
    /// Kept while the session lives, so that waiting for the peer registers nothing anew.
    wake: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ear {
    /// The stage that has come and was not given out yet. Costs one atomic read if there is none.
    pub(crate) fn news(&mut self) -> Option<Stage> {
        if !self.stage.has_changed().unwrap_or(false) {
            return None;
        }
        let stage = *self.stage.borrow_and_update();
        (stage > self.obeyed).then(|| {
            self.obeyed = stage;
            stage
        })
    }

    /// Ready with the next stage when it has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stage> {
        loop {
            if let Some(stage) = self.news() {
                return Poll::Ready(stage);
            }
            ready!(self.poll_beyond(cx, self.obeyed));
        }
    }

    /// Ready when the last stage has come; leaves the news of an earlier one for later.
    pub(crate) fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let stage = *self.stage.borrow();
            if stage >= Stage::Leaving {
                return Poll::Ready(());
            }
            ready!(self.poll_beyond(cx, stage));
        }
    }

    /// Ready when a stage behind `seen` may have come.
    fn poll_beyond(&mut self, cx: &mut Context<'_>, seen: Stage) -> Poll<()> {
        let wake = self.wake.get_or_insert_with(|| {
            let mut stage = self.stage.clone();
            Box::pin(async move {
                if stage.wait_for(|now| *now > seen).await.is_err() {
                    pending::<()>().await;
                }
            })
        });
        ready!(wake.as_mut().poll(cx));
        self.wake = None;
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn poll(signal: &mut Ear) -> Poll<Stage> {
        poll_fn(|cx| Poll::Ready(signal.poll(cx))).await
    }

    #[tokio::test]
    async fn each_stage_is_told_once_and_never_taken_back() {
        let order = StopOrder::default();
        let mut signal = order.signal().ear();
        assert_eq!(poll(&mut signal).await, Poll::Pending);
        order.give(Stage::Finishing);
        assert_eq!(poll(&mut signal).await, Poll::Ready(Stage::Finishing));
        assert_eq!(poll(&mut signal).await, Poll::Pending);
        order.give(Stage::Leaving);
        order.give(Stage::Finishing);
        assert_eq!(poll(&mut signal).await, Poll::Ready(Stage::Leaving));
        assert_eq!(poll(&mut signal).await, Poll::Pending);
    }

    #[tokio::test]
    async fn who_comes_late_hears_it_too() {
        let order = StopOrder::default();
        order.give(Stage::Finishing);
        let mut late = order.signal().ear();
        assert_eq!(poll(&mut late).await, Poll::Ready(Stage::Finishing));
    }

    #[tokio::test]
    async fn nobody_stops_because_the_order_was_dropped() {
        let mut signal = StopOrder::default().signal().ear();
        assert_eq!(poll(&mut signal).await, Poll::Pending);
    }
}

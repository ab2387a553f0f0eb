//! How the word that the process ends reaches every session.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cassmail_wire::Load;
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

/// What sessions are told besides what concerns them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    stage: Stage,
    load: Load,
}

const AT_FIRST: Word = Word {
    stage: Stage::Serving,
    load: Load::Usual,
};

/// Gives the word. Sessions that listen to it never stop by themselves when it is dropped.
#[derive(Debug)]
pub struct StopOrder {
    word: watch::Sender<Word>,
}

impl Default for StopOrder {
    fn default() -> Self {
        Self {
            word: watch::Sender::new(AT_FIRST),
        }
    }
}

impl StopOrder {
    /// Goes on to a stage. There is no way back.
    pub fn give(&self, stage: Stage) {
        self.word.send_if_modified(|now| {
            let further = stage > now.stage;
            now.stage = stage.max(now.stage);
            further
        });
    }

    /// What hears it.
    pub fn signal(&self) -> StopSignal {
        StopSignal {
            word: self.word.subscribe(),
        }
    }

    /// Who tells the same sessions how full the process is.
    pub(crate) fn herald(&self) -> Herald {
        Herald {
            word: self.word.clone(),
        }
    }
}

/// Tells sessions how full the process is.
#[derive(Debug)]
pub(crate) struct Herald {
    word: watch::Sender<Word>,
}

impl Default for Herald {
    fn default() -> Self {
        StopOrder::default().herald()
    }
}

impl Herald {
    pub(crate) fn load(&self, load: Load) {
        self.word.send_if_modified(|now| {
            let is_news = now.load != load;
            now.load = load;
            is_news
        });
    }
}

/// Hears the word.
#[derive(Debug, Clone)]
pub struct StopSignal {
    word: watch::Receiver<Word>,
}

impl StopSignal {
    /// Waits for this stage or a later one. Cancel safe.
    pub async fn reaches(&mut self, stage: Stage) {
        if self.word.wait_for(|now| now.stage >= stage).await.is_err() {
            pending::<()>().await;
        }
    }

    /// Hears the word for one session, from the beginning.
    pub(crate) fn ear(&self) -> Ear {
        let mut word = self.word.clone();
        word.mark_changed();
        Ear {
            word,
            heard: AT_FIRST,
            wake: None,
        }
    }
}

/// What a session has not heard yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Stage(Stage),
    Load(Load),
}

/// Tells a session each stage once, and each other load.
pub(crate) struct Ear {
    word: watch::Receiver<Word>,
    heard: Word,
    /// Kept while the session lives, so that waiting for the peer registers nothing anew.
    wake: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Ear {
    /// What has come and was not given out yet. Costs one atomic read if there is none.
    pub(crate) fn news(&mut self) -> Option<News> {
        if !self.word.has_changed().unwrap_or(false) {
            return None;
        }
        let word = *self.word.borrow_and_update();
        if word.stage > self.heard.stage {
            self.heard.stage = word.stage;
            if word.load != self.heard.load {
                self.word.mark_changed();
            }
            return Some(News::Stage(word.stage));
        }
        let is_other = std::mem::replace(&mut self.heard.load, word.load) != word.load;
        is_other.then_some(News::Load(word.load))
    }

    /// Ready with the next news when they have come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News> {
        loop {
            if let Some(news) = self.news() {
                return Poll::Ready(news);
            }
            ready!(self.poll_beyond(cx, self.heard));
        }
    }

    /// Ready when the last stage has come; leaves all other news for later.
    pub(crate) fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let word = *self.word.borrow();
            if word.stage >= Stage::Leaving {
                return Poll::Ready(());
            }
            ready!(self.poll_beyond(cx, word));
        }
    }

    /// Ready when there may be another word than `seen`.
    fn poll_beyond(&mut self, cx: &mut Context<'_>, seen: Word) -> Poll<()> {
        let wake = self.wake.get_or_insert_with(|| {
            let mut word = self.word.clone();
            Box::pin(async move {
                if word.wait_for(|now| *now != seen).await.is_err() {
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

    async fn poll(signal: &mut Ear) -> Poll<News> {
        poll_fn(|cx| Poll::Ready(signal.poll(cx))).await
    }

    #[tokio::test]
    async fn each_stage_is_told_once_and_never_taken_back() {
        let order = StopOrder::default();
        let mut signal = order.signal().ear();
        assert_eq!(poll(&mut signal).await, Poll::Pending);
        order.give(Stage::Finishing);
        assert_eq!(
            poll(&mut signal).await,
            Poll::Ready(News::Stage(Stage::Finishing))
        );
        assert_eq!(poll(&mut signal).await, Poll::Pending);
        order.give(Stage::Leaving);
        order.give(Stage::Finishing);
        assert_eq!(
            poll(&mut signal).await,
            Poll::Ready(News::Stage(Stage::Leaving))
        );
        assert_eq!(poll(&mut signal).await, Poll::Pending);
    }

    #[tokio::test]
    async fn who_comes_late_hears_it_too() {
        let order = StopOrder::default();
        order.give(Stage::Finishing);
        let mut late = order.signal().ear();
        assert_eq!(
            poll(&mut late).await,
            Poll::Ready(News::Stage(Stage::Finishing))
        );
    }

    #[tokio::test]
    async fn another_load_is_told_and_hides_no_stage() {
        let order = StopOrder::default();
        let mut ear = order.signal().ear();
        order.herald().load(Load::High);
        assert_eq!(poll(&mut ear).await, Poll::Ready(News::Load(Load::High)));
        assert_eq!(poll(&mut ear).await, Poll::Pending);
        order.herald().load(Load::Full);
        order.give(Stage::Finishing);
        let finishing = News::Stage(Stage::Finishing);
        assert_eq!(poll(&mut ear).await, Poll::Ready(finishing));
        assert_eq!(poll(&mut ear).await, Poll::Ready(News::Load(Load::Full)));
        order.herald().load(Load::Usual);
        assert_eq!(poll(&mut ear).await, Poll::Ready(News::Load(Load::Usual)));
        assert_eq!(poll(&mut ear).await, Poll::Pending);
    }

    #[tokio::test]
    async fn nobody_stops_because_the_order_was_dropped() {
        let mut signal = StopOrder::default().signal().ear();
        assert_eq!(poll(&mut signal).await, Poll::Pending);
    }
}

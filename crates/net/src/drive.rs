//! The one loop that serves a connection: it carries bytes, answers and time between a peer, a
//! session and its desk, and knows nothing of what they say.

use std::future::{Future, poll_fn};
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use cassmail_wire::{Desk, Ending, Load, Machine, Moment, Step};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::budget::{Budget, Share};
use crate::clock::{Alarm, Clock};
use crate::link::{Link, Traffic};
use crate::stop::{Ear, News, Stage, StopSignal};
use crate::tls::TlsService;

/// How long the driver waits for a peer in the matters that no protocol knows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For a peer that does not read, from the last octet that it took. Ten times as long for all
    /// of a reply, or of so much of it as is sent at once: who takes an octet now and then reads
    /// none.
    pub write: Duration,
    /// The same while the process is under load.
    pub write_under_load: Duration,
    /// For a peer that still sends when we close, so that it sees our last words.
    pub farewell: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(30),
            write: Duration::from_mins(1),
            write_under_load: Duration::from_secs(30),
            farewell: Duration::from_secs(2),
        }
    }
}

/// What a connection is driven with.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock of deadlines.
    pub clock: Clock,
    /// How long to wait for the peer.
    pub patience: Patience,
    /// Hears that the process ends.
    pub stop: StopSignal,
    /// What all connections may hold together.
    pub budget: Budget,
    /// For sessions that ask for TLS; one that asks without it ends as a fault of ours.
    pub tls: Option<TlsService>,
}

/// How a connection was served.
#[derive(Debug)]
pub struct Outcome {
    /// Why it ended.
    pub ending: Ending,
    /// What it carried.
    pub traffic: Traffic,
    /// What an operator may want to know besides: why TLS failed, what is wrong with us.
    pub cause: Option<io::Error>,
}

/// Serves a connection until it ends.
///
/// *Cancel*: the connection breaks; the desk is dropped without having heard of the end.
pub async fn drive<IO, D>(
    io: IO,
    machine: D::Machine,
    desk: D,
    surroundings: Surroundings,
) -> Outcome
where
    IO: AsyncRead + AsyncWrite + Unpin,
    D: Desk,
{
    Driver::new(Link::new(io), machine, desk, surroundings)
        .run()
        .await
}

pub(crate) struct Driver<IO, D: Desk> {
    link: Link<IO>,
    machine: D::Machine,
    desk: D,
    alarm: Alarm,
    ear: Ear,
    share: Share,
    /// Octets that were carried since others had their turn.
    carried: u64,
    surroundings: Surroundings,
    cause: Option<io::Error>,
}

/// After so many octets others have their turn: a peer that always has more to say, or to read,
/// would else keep its thread for as long as the runtime lets a task go on, which is a hundred such
/// turns.
const TURN: u64 = 64 * 1024;

/// What ended the waiting for the peer. What the peer sent is with the session already.
enum Event {
    Received,
    PeerClosed,
    DeadlineOver,
    News(News),
}

/// The connection goes on, waiting until the deadline, or is over.
type Progress = Result<Option<Moment>, Ending>;

impl<IO, D> Driver<IO, D>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    D: Desk,
{
    pub(crate) fn new(
        link: Link<IO>,
        machine: D::Machine,
        desk: D,
        surroundings: Surroundings,
    ) -> Self {
        Self {
            link,
            machine,
            desk,
            alarm: Alarm::new(surroundings.clock.clone()),
            ear: surroundings.stop.ear(),
            share: surroundings.budget.share(),
            carried: 0,
            surroundings,
            cause: None,
        }
    }

    pub(crate) async fn run(mut self) -> Outcome {
        self.tick();
        let mut progress = self.advance().await;
        let ending = loop {
            progress = match progress {
                Ok(until) => self.meet(until).await,
                Err(ending) => break ending,
            };
        };
        self.desk.closed(&self.machine, ending);
        self.part(ending).await;
        Outcome {
            ending,
            traffic: self.link.traffic,
            cause: self.cause,
        }
    }

    /// Waits for what happens next, and lets the session deal with it.
    async fn meet(&mut self, until: Option<Moment>) -> Progress {
        match self.wait(until).await {
            Event::Received => {}
            Event::DeadlineOver => self.tick(),
            Event::News(News::Stage(Stage::Leaving)) => return Err(Ending::Stopped),
            Event::News(News::Stage(_)) => {
                self.tick();
                self.machine.stop();
            }
            Event::News(News::Load(load)) => {
                self.tick();
                self.link.load_changed(load);
                self.machine.load_changed(load);
            }
            Event::PeerClosed => {
                self.tick();
                self.machine.peer_closed();
                // Nothing can come, so a session that still waits for it is over.
                return self.advance().await.and(Err(Ending::Dropped));
            }
        }
        self.advance().await
    }

    /// Takes steps until the session waits for its peer, then sends what they said: one write for
    /// a batch of commands, however many questions they asked, if the desk knew the answers.
    async fn advance(&mut self) -> Progress {
        let mut open_question = None;
        loop {
            match self.machine.next(self.link.output()) {
                Step::Flush => {
                    self.flush().await?;
                    self.give_way().await;
                }
                Step::Ask(question) => open_question = Some(question),
                Step::Body(piece) => {
                    let octets = piece.len();
                    self.await_desk(octets, |desk| desk.body(piece)).await;
                }
                Step::Note(note) => self.desk.note(note),
                Step::StartTls => self.start_tls().await?,
                Step::Idle { until } => match open_question.take() {
                    Some(question) => {
                        let answer = self.await_desk(0, |desk| desk.answer(question)).await;
                        self.tick();
                        self.machine.answer(answer);
                    }
                    None => return self.flush().await.map(|()| until),
                },
                Step::Close(ending) => return self.flush().await.and(Err(ending)),
            }
        }
    }

    /// Awaits the desk. What the desk knows at once delays no output and forces none; while it
    /// works longer, the output is sent. A peer that has gone does not keep the desk from
    /// finishing: the next flush notices.
    ///
    /// The future is boxed, so that connections that wait for their peer do not hold room for it.
    async fn await_desk<'a, T, F>(
        &'a mut self,
        octets: usize,
        work: impl FnOnce(&'a mut D) -> F,
    ) -> T
    where
        F: Future<Output = T> + 'a,
    {
        let held = self.held().saturating_add(octets);
        let share = &mut self.share;
        let mut work = Box::pin(work(&mut self.desk));
        let link = &mut self.link;
        let mut sendable = true;
        poll_fn(move |cx| {
            let done = work.as_mut().poll(cx);
            if done.is_pending() {
                share.hold(held);
            }
            if done.is_pending() && sendable && link.has_unsent() {
                sendable = !matches!(link.poll_send(cx), Poll::Ready(Err(_)));
            }
            done
        })
        .await
    }

    /// Sends all output. A peer that takes none of it for too long is dropped.
    async fn flush(&mut self) -> Result<(), Ending> {
        if !self.link.has_unsent() {
            return Ok(());
        }
        let mut taken = self.link.traffic.sent;
        let mut begun = None;
        let mut since = Moment::default();
        poll_fn(|cx| {
            if let Poll::Ready(sent) = self.link.poll_send(cx) {
                return Poll::Ready(sent.map_err(|_| Ending::Dropped));
            }
            let now = self.surroundings.clock.now();
            let began = *begun.get_or_insert_with(|| {
                since = now;
                now
            });
            if taken != self.link.traffic.sent {
                taken = self.link.traffic.sent;
                since = now;
            }
            self.share.hold(self.held());
            let patience = self.patience_with_readers();
            let deadline = since
                .after(patience)
                .min(began.after(patience.saturating_mul(10)));
            if self.alarm.poll(cx, deadline).is_ready() {
                return Poll::Ready(Err(Ending::SlowReader));
            }
            self.ear.poll_leaving(cx).map(|()| Err(Ending::Stopped))
        })
        .await
    }

    /// Lets others go on, if this connection has had its turn.
    async fn give_way(&mut self) {
        let carried = self
            .link
            .traffic
            .received
            .saturating_add(self.link.traffic.sent);
        if carried.saturating_sub(self.carried) >= TURN {
            self.carried = carried;
            tokio::task::yield_now().await;
        }
    }

    fn patience_with_readers(&self) -> Duration {
        let Surroundings {
            patience, budget, ..
        } = &self.surroundings;
        match budget.load() {
            Load::Usual => patience.write,
            Load::High | Load::Full => patience.write.min(patience.write_under_load),
        }
    }

    /// The octets that the connection has in memory between two inputs.
    fn held(&self) -> usize {
        let inside = self.machine.held().saturating_add(self.desk.held());
        inside.saturating_add(self.link.held())
    }

    /// Waits for the peer, the deadline, or the word to stop. A read is tried first, since that is
    /// what mostly happened; a peer that never pauses hears of the end all the same.
    async fn wait(&mut self, until: Option<Moment>) -> Event {
        self.give_way().await;
        self.link.rest();
        self.share.hold(self.held());
        poll_fn(|cx| self.poll_event(cx, until)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, until: Option<Moment>) -> Poll<Event> {
        if let Some(news) = self.ear.news() {
            return Poll::Ready(Event::News(news));
        }
        let (clock, machine) = (&self.surroundings.clock, &mut self.machine);
        let received = self.link.poll_receive(cx, |bytes| {
            machine.tick(clock.now());
            machine.receive(bytes);
        });
        match received {
            Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Event::PeerClosed),
            Poll::Ready(Ok(_)) => return Poll::Ready(Event::Received),
            Poll::Pending => {}
        }
        if until.is_some_and(|until| self.alarm.poll(cx, until).is_ready()) {
            return Poll::Ready(Event::DeadlineOver);
        }
        self.ear.poll(cx).map(Event::News)
    }

    async fn start_tls(&mut self) -> Result<(), Ending> {
        self.flush().await?;
        let Some(service) = &self.surroundings.tls else {
            self.cause = Some(io::Error::other(
                "a session asked for TLS where there is none",
            ));
            return Err(Ending::Fault);
        };
        let Surroundings {
            clock, patience, ..
        } = &self.surroundings;
        let deadline = clock.now().after(patience.handshake);
        let shaking = self.link.start_tls(service);
        let shaken = self.alarm.within(deadline, shaking).await;
        match shaken.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())) {
            Ok(facts) => {
                self.tick();
                self.machine.tls_started(facts);
                Ok(())
            }
            Err(error) => {
                self.cause = Some(error);
                Err(Ending::TlsFailed)
            }
        }
    }

    /// Closes. A socket that is closed while octets of the peer wait unread resets the connection,
    /// and the peer may never see our last words; so where the peer did not expect the end, what
    /// it sends is read and thrown away for a moment.
    async fn part(&mut self, ending: Ending) {
        let lingers = matches!(ending, Ending::Abuse | Ending::Stopped | Ending::Fault);
        if !lingers && !self.link.is_under_tls() {
            return;
        }
        let Surroundings {
            clock, patience, ..
        } = &self.surroundings;
        let deadline = clock.now().after(patience.farewell);
        let link = &mut self.link;
        let farewell = async {
            poll_fn(|cx| link.poll_shutdown(cx)).await?;
            while lingers && poll_fn(|cx| link.poll_receive(cx, |_| {})).await? > 0 {}
            io::Result::Ok(())
        };
        // However this ends, the connection is closed.
        let _ = self.alarm.within(deadline, farewell).await;
    }

    fn tick(&mut self) {
        self.machine.tick(self.surroundings.clock.now());
    }
}

#[cfg(test)]
mod tests;

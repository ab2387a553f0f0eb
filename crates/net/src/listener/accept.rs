//! The loop that lets connections in, and what becomes of each.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::time::Duration;

use cassmail_telemetry::{Label as _, event};
use cassmail_wire::{Caller, Ending, Moment, Reception, SessionId, Source, TlsFacts, TurnedAway};
use tokio::net::{TcpListener, TcpStream};

use super::TlsUse;
use crate::clock::{Alarm, Clock};
use crate::drive::{Driver, Outcome, Surroundings};
use crate::limits::{Admission, Gate, Log, Quota, Refusal};
use crate::link::{Link, Traffic};
use crate::observer::{Event, Observer};
use crate::server::SessionIds;
use crate::stop::{Stage, StopSignal};
use crate::supervisor::{Crew, contained};
use crate::tls::TlsService;

/// What is known at an open port.
pub(crate) struct Door<R> {
    pub(crate) name: String,
    pub(crate) local: SocketAddr,
    /// Whether the socket was opened by somebody else, who keeps it.
    pub(crate) handed_over: bool,
    pub(crate) reception: Arc<R>,
    pub(crate) tls: TlsUse,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) ids: Arc<SessionIds>,
    pub(crate) surroundings: Surroundings,
}

/// The time that sessions have, once they shall leave, to write their summaries.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The first pause when the system has no files or memory for a connection; it doubles up to the
/// last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Lets connections in until the process ends, then waits for them; gives the number of those that
/// had to be cut off.
pub(crate) async fn keep_open<R: Reception>(listener: TcpListener, door: Arc<Door<R>>) -> usize {
    let clock = door.surroundings.clock.clone();
    let mut stop = door.surroundings.stop.clone();
    let mut crew = Crew::default();
    let mut pause = FIRST_PAUSE;
    loop {
        // All branches are cancel safe: what has not happened yet happens again.
        tokio::select! {
            biased;
            () = stop.reaches(Stage::Finishing) => break,
            () = crew.reap() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    pause = FIRST_PAUSE;
                    door.meet(stream, peer, &mut crew);
                }
                Err(error) => if needs_pause(&error) {
                    door.report_exhaustion(&error, pause);
                    rest(&clock, &mut stop, pause).await;
                    pause = LAST_PAUSE.min(pause.saturating_mul(2));
                }
            }
        }
    }
    door.close(listener);
    crew.leave(stop.reaches(Stage::Leaving)).await;
    crew.leave(clock.wait_until(clock.now().after(LAST_WORDS)))
        .await;
    crew.abandon().await
}

/// Errors of `accept` mostly concern a connection that is gone already, and the next one is
/// another matter; these concern us.
fn needs_pause(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const EXHAUSTED: [Errno; 4] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| EXHAUSTED.contains(&errno))
}

async fn rest(clock: &Clock, stop: &mut StopSignal, pause: Duration) {
    let end = clock.now().after(pause);
    // Both branches are cancel safe.
    tokio::select! {
        () = clock.wait_until(end) => {}
        () = stop.reaches(Stage::Finishing) => {}
    }
}

impl<R: Reception> Door<R> {
    fn meet(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr, crew: &mut Crew) {
        // An IPv4 peer of a socket that serves both families is an IPv4 peer.
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let accepted_at = self.surroundings.clock.now();
        match self.gate.admit(&self.quota, peer.ip(), accepted_at) {
            Ok(admission) => {
                let visit = Visit::new(Arc::clone(self), admission, peer, accepted_at);
                crew.start(visit.serve(stream));
            }
            Err(refusal) => {
                if let Ok(stream) = stream.into_std() {
                    self.turn_away(stream, refusal.why);
                }
                self.observer.observe(Event::Limited(refusal.limit));
                self.report(&refusal, peer);
            }
        }
    }

    /// Says no, as far as that can be done without waiting. Under TLS there is nothing to say
    /// before a handshake, which costs more than the connection is worth.
    fn turn_away(&self, mut stream: StdTcpStream, why: TurnedAway) {
        self.observer.observe(Event::TurnedAway(why));
        if !matches!(self.tls, TlsUse::FromTheStart(_)) {
            let _ = stream.write(self.reception.turn_away(why));
        }
    }

    /// Connections that the system accepted and we did not would be reset: they are told. If the
    /// socket is not ours alone, the next process serves them.
    fn close(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else {
            return;
        };
        if self.handed_over {
            return;
        }
        while let Ok((stream, _)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok() {
                self.turn_away(stream, TurnedAway::Stopping);
            }
        }
    }

    fn report(&self, refusal: &Refusal, peer: SocketAddr) {
        if let Log::Now { unlogged } = refusal.log {
            let (listener, client) = (self.name.as_str(), peer.ip());
            let limit = refusal.limit.text();
            tracing::info!(
                event = event::CONNECTION_TURNED_AWAY,
                listener,
                client.address = %client,
                limit,
                unlogged
            );
        }
    }

    fn report_exhaustion(&self, error: &io::Error, pause: Duration) {
        self.observer.observe(Event::AcceptFailed);
        if pause == FIRST_PAUSE {
            tracing::error!(
                event = event::SERVICE_ADVICE,
                listener = self.name.as_str(),
                %error,
                "no connection can be accepted until others end: allow more open files, or fewer \
                 connections"
            );
        }
    }

    /// Our end. Asked of the system only when we listen on all addresses.
    fn local(&self, stream: &TcpStream) -> SocketAddr {
        if !self.local.ip().is_unspecified() {
            return self.local;
        }
        let local = stream.local_addr().unwrap_or(self.local);
        SocketAddr::new(local.ip().to_canonical(), local.port())
    }
}

/// One connection from when it was let in until it is forgotten, whatever happens between.
struct Visit<R: Reception> {
    door: Arc<Door<R>>,
    session: SessionId,
    peer: SocketAddr,
    accepted_at: Moment,
    ending: Option<Ending>,
    traffic: Traffic,
    /// Given back last.
    admission: Admission,
}

impl<R: Reception> Visit<R> {
    fn new(
        door: Arc<Door<R>>,
        admission: Admission,
        peer: SocketAddr,
        accepted_at: Moment,
    ) -> Self {
        let session = door.ids.next();
        door.observer.observe(Event::Opened);
        Self {
            door,
            session,
            peer,
            accepted_at,
            ending: None,
            traffic: Traffic::default(),
            admission,
        }
    }

    async fn serve(mut self, stream: TcpStream) {
        let conversation = self.door.converse(
            self.session,
            self.peer,
            self.admission.source(),
            self.accepted_at,
            stream,
        );
        match contained(conversation).await {
            Ok(outcome) => {
                self.ending = Some(outcome.ending);
                self.traffic = outcome.traffic;
                self.report_cause(&outcome);
            }
            Err(panic) => self.report_panic(&panic),
        }
    }

    fn report_cause(&self, outcome: &Outcome) {
        let Some(error) = &outcome.cause else { return };
        let (session, client) = (self.session, self.peer.ip());
        let listener = self.door.name.as_str();
        if outcome.ending == Ending::TlsFailed {
            tracing::info!(
                event = event::TLS_FAILED,
                %session,
                listener,
                client.address = %client,
                %error
            );
        } else {
            tracing::error!(
                event = event::SERVICE_ADVICE,
                %session,
                listener,
                client.address = %client,
                %error
            );
        }
    }

    fn report_panic(&self, panic: &str) {
        self.door.observer.observe(Event::Panicked);
        let (session, client) = (self.session, self.peer.ip());
        let listener = self.door.name.as_str();
        tracing::error!(
            event = event::PANICKED,
            %session,
            listener,
            client.address = %client,
            panic
        );
    }
}

impl<R: Reception> Drop for Visit<R> {
    fn drop(&mut self) {
        let lasted = self.door.surroundings.clock.now().since(self.accepted_at);
        self.door.observer.observe(Event::Closed {
            ending: self.ending,
            lasted,
            traffic: self.traffic,
        });
    }
}

impl<R: Reception> Door<R> {
    async fn converse(
        &self,
        session: SessionId,
        peer: SocketAddr,
        source: Source,
        accepted_at: Moment,
        stream: TcpStream,
    ) -> Outcome {
        let local = self.local(&stream);
        let mut link = Link::new(stream);
        let mut surroundings = self.surroundings.clone();
        let tls = match &self.tls {
            TlsUse::Never => None,
            TlsUse::OnRequest(service) => {
                surroundings.tls = Some(service.clone());
                None
            }
            TlsUse::FromTheStart(service) => match self.protect(&mut link, service).await {
                Ok(facts) => Some(facts),
                Err(error) => {
                    return Outcome {
                        ending: Ending::TlsFailed,
                        traffic: Traffic::default(),
                        cause: Some(error),
                    };
                }
            },
        };
        let caller = Caller {
            session,
            peer,
            source,
            local,
            tls,
            accepted_at,
        };
        let (machine, desk) = self.reception.receive(caller);
        Driver::new(link, machine, desk, surroundings).run().await
    }

    async fn protect(
        &self,
        link: &mut Link<TcpStream>,
        service: &TlsService,
    ) -> io::Result<TlsFacts> {
        let Surroundings {
            clock, patience, ..
        } = &self.surroundings;
        let deadline = clock.now().after(patience.handshake);
        let mut alarm = Alarm::new(clock.clone());
        let shaken = alarm.within(deadline, link.start_tls(service)).await;
        let facts = shaken.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        self.observer.observe(Event::TlsStarted(facts.version));
        Ok(facts)
    }
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    #[test]
    fn only_want_of_resources_needs_a_pause() {
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM] {
            assert!(needs_pause(&errno.into()), "{errno:?}");
        }
        for errno in [Errno::CONNABORTED, Errno::PROTO, Errno::PERM, Errno::INTR] {
            assert!(!needs_pause(&errno.into()), "{errno:?}");
        }
    }
}

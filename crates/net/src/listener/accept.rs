//! The loop that lets connections in, and what becomes of each.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cassmail_telemetry::{Label as _, event};
use cassmail_wire::{Caller, Ending, Moment, Reception, SessionId, TlsFacts, TurnedAway};
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;

use super::TlsUse;
use super::port::{Port, THIS_MACHINE};
use crate::clock::{Alarm, Clock};
use crate::drive::{Driver, Outcome, Surroundings};
use crate::limits::{Admission, Gate, Log, Quota, Refusal};
use crate::link::{Link, Traffic};
use crate::network::Network;
use crate::observer::{Event, Observer};
use crate::proxy::{self, Named, ProxyError, Reading};
use crate::server::SessionIds;
use crate::stop::{Stage, StopSignal};
use crate::stream::Stream;
use crate::supervisor::{Crew, contained};
use crate::tls::TlsService;

/// What is known at an open port.
pub(crate) struct Door<R> {
    pub(crate) name: String,
    /// None for a Unix socket.
    pub(crate) local: Option<SocketAddr>,
    /// Who has to say whom a connection is from.
    pub(crate) proxies: Vec<Network>,
    /// How many connections may be about to say it.
    pub(crate) headers: Arc<Semaphore>,
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
pub(crate) async fn keep_open<R: Reception>(port: Port, door: Arc<Door<R>>) -> usize {
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
            accepted = port.accept() => match accepted {
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
    door.close(port);
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
    fn meet(self: &Arc<Self>, stream: Stream, peer: SocketAddr, crew: &mut Crew) {
        let is_proxy = self.local.is_some() && listed(&self.proxies, peer);
        if is_proxy {
            crew.start(Arc::clone(self).meet_behind(stream, peer));
            return;
        }
        let local = self.local(&stream);
        if let Some((visit, stream)) = self.admit(stream, peer, local) {
            crew.start(visit.serve(stream));
        }
    }

    /// Lets somebody in, or says no.
    fn admit(
        self: &Arc<Self>,
        stream: Stream,
        peer: SocketAddr,
        local: SocketAddr,
    ) -> Option<(Visit<R>, Stream)> {
        let accepted_at = self.surroundings.clock.now();
        let admitted = match self.local {
            Some(_) => self.gate.admit(&self.quota, peer.ip(), accepted_at),
            None => self.gate.admit_own(&self.quota, accepted_at),
        };
        match admitted {
            Ok(admission) => {
                let visit = Visit::new(Arc::clone(self), admission, (peer, local), accepted_at);
                Some((visit, stream))
            }
            Err(refusal) => {
                self.turn_away(stream, refusal.why);
                self.observer.observe(Event::Limited(refusal.limit));
                self.report(&refusal, peer);
                None
            }
        }
    }

    /// Hears from a proxy who is behind it, then serves as if he had connected himself: limits,
    /// logs and trace are about him.
    async fn meet_behind(self: Arc<Self>, mut stream: Stream, proxy: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.headers).try_acquire_owned() else {
            self.turn_away(stream, TurnedAway::TooManyConnections);
            return;
        };
        let mut stop = self.surroundings.stop.clone();
        // Both branches are cancel safe: the connection is closed by whichever wins.
        let heard = tokio::select! {
            heard = self.hear_header(&mut stream) => heard,
            () = stop.reaches(Stage::Finishing) => {
                self.turn_away(stream, TurnedAway::Stopping);
                return;
            }
        };
        drop(permit);
        let named = match heard {
            Ok(named) => named,
            Err(failure) => {
                self.report_header(&failure, proxy);
                return;
            }
        };
        let (peer, local) = match named {
            Some(Named {
                source,
                destination,
            }) => (source, destination),
            None => (proxy, self.local(&stream)),
        };
        if let Some((visit, stream)) = self.admit(stream, peer, local) {
            visit.serve(stream).await;
        }
    }

    /// Reads the header and no more than that; nobody waits for one longer than for a handshake.
    async fn hear_header(&self, stream: &mut Stream) -> Result<Option<Named>, HeaderFailure> {
        let Surroundings {
            clock, patience, ..
        } = &self.surroundings;
        let deadline = clock.now().after(patience.handshake);
        let mut alarm = Alarm::new(clock.clone());
        let heard = alarm.within(deadline, read_header(stream)).await;
        heard.unwrap_or(Err(HeaderFailure::TooSlow))
    }

    fn report_header(&self, failure: &HeaderFailure, proxy: SocketAddr) {
        let (listener, client) = (self.name.as_str(), proxy.ip());
        match failure {
            // Who looks whether the port is open says nothing.
            HeaderFailure::Gone => {}
            HeaderFailure::TooSlow | HeaderFailure::Wrong(_) => tracing::warn!(
                event = event::PROXY_REFUSED,
                listener,
                client.address = %client,
                error = %failure,
                "an address of proxy_protocol_from connected, and is not served"
            ),
        }
    }

    /// Says no, as far as that can be done without waiting. Under TLS there is nothing to say
    /// before a handshake, which costs more than the connection is worth.
    fn turn_away(&self, stream: Stream, why: TurnedAway) {
        self.observer.observe(Event::TurnedAway(why));
        if !matches!(self.tls, TlsUse::FromTheStart(_)) {
            stream.close_with(self.reception.turn_away(why));
        }
    }

    /// Connections that the system accepted and we did not would be reset: they are told. If the
    /// socket is not ours alone, the next process serves them.
    fn close(&self, port: Port) {
        if self.handed_over {
            return;
        }
        for stream in port.close() {
            self.turn_away(stream, TurnedAway::Stopping);
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
    fn local(&self, stream: &Stream) -> SocketAddr {
        let listening = self.local.unwrap_or(THIS_MACHINE);
        if !listening.ip().is_unspecified() {
            return listening;
        }
        let local = stream.local().unwrap_or(listening);
        SocketAddr::new(local.ip().to_canonical(), local.port())
    }
}

fn listed(networks: &[Network], peer: SocketAddr) -> bool {
    networks.iter().any(|network| network.contains(peer.ip()))
}

/// Why a connection of a proxy is not served.
#[derive(Debug, thiserror::Error)]
enum HeaderFailure {
    /// It ended before it said anything.
    #[error("it ended before it began")]
    Gone,
    /// It took too long.
    #[error("its PROXY header did not come in time")]
    TooSlow,
    /// It said something else.
    #[error(transparent)]
    Wrong(#[from] ProxyError),
}

async fn read_header(stream: &mut Stream) -> Result<Option<Named>, HeaderFailure> {
    let mut octets = Vec::new();
    loop {
        let room = proxy::LONGEST.saturating_sub(octets.len()).max(1);
        let read = (&mut *stream).take(room as u64).read_buf(&mut octets).await;
        if matches!(read, Ok(0) | Err(_)) {
            return Err(if octets.is_empty() {
                HeaderFailure::Gone
            } else {
                HeaderFailure::Wrong(ProxyError::Malformed)
            });
        }
        if let Reading::Whole {
            octets: header,
            named,
        } = proxy::read(&octets)?
        {
            octets.drain(..header);
            stream.give_back(octets);
            return Ok(named);
        }
    }
}

/// One connection from when it was let in until it is forgotten, whatever happens between.
struct Visit<R: Reception> {
    door: Arc<Door<R>>,
    session: SessionId,
    peer: SocketAddr,
    local: SocketAddr,
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
        (peer, local): (SocketAddr, SocketAddr),
        accepted_at: Moment,
    ) -> Self {
        let session = door.ids.next();
        door.observer.observe(Event::Opened);
        Self {
            door,
            session,
            peer,
            local,
            accepted_at,
            ending: None,
            traffic: Traffic::default(),
            admission,
        }
    }

    async fn serve(mut self, stream: Stream) {
        let caller = Caller {
            session: self.session,
            peer: self.peer,
            source: self.admission.source(),
            local: self.local,
            tls: None,
            accepted_at: self.accepted_at,
        };
        let conversation = self.door.converse(caller, stream);
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
    async fn converse(&self, mut caller: Caller, stream: Stream) -> Outcome {
        let mut link = Link::new(stream);
        let mut surroundings = self.surroundings.clone();
        match &self.tls {
            TlsUse::Never => {}
            TlsUse::OnRequest(service) => surroundings.tls = Some(service.clone()),
            TlsUse::FromTheStart(service) => match self.protect(&mut link, service).await {
                Ok(facts) => caller.tls = Some(facts),
                Err(error) => {
                    return Outcome {
                        ending: Ending::TlsFailed,
                        traffic: Traffic::default(),
                        cause: Some(error),
                    };
                }
            },
        }
        let (machine, desk) = self.reception.receive(caller);
        Driver::new(link, machine, desk, surroundings).run().await
    }

    async fn protect(&self, link: &mut Link<Stream>, service: &TlsService) -> io::Result<TlsFacts> {
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

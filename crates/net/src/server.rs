//! All listeners of the process, from the first connection to the last.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cassmail_telemetry::{Gauge, event};
use cassmail_wire::{Reception, SessionId};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::drive::{Patience, Surroundings};
use crate::limits::{Gate, Limits, Quota};
use crate::listener::{self, Door, ListenError, ListenerSpec, Place, Port};
use crate::stop::{Stage, StopOrder};

/// What holds for all listeners.
pub struct ServerOptions {
    /// The clock of everything.
    pub clock: Clock,
    /// Who is let in.
    pub limits: Limits,
    /// How long peers are waited for.
    pub patience: Patience,
    /// Shows the octets that are in flight.
    pub octets_in_flight: Gauge,
    /// How long sessions may finish what was begun when the process ends.
    pub stop_within: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            limits: Limits::default(),
            patience: Patience::default(),
            octets_in_flight: Gauge::default(),
            stop_within: Duration::from_secs(30),
        }
    }
}

/// The listeners of the process.
///
/// Ports are open from [`Server::listen`] on, where they can fail; connections wait there until
/// [`Server::run_until`].
///
/// ```
/// use std::sync::Arc;
///
/// use cassmail_net::{ListenError, ListenerSpec, Server, ServerOptions};
/// use cassmail_wire::Reception;
///
/// async fn serve<R: Reception>(reception: Arc<R>) -> Result<(), ListenError> {
///     let mut server = Server::new(ServerOptions::default());
///     let spec = ListenerSpec::new("smtp", &[([127, 0, 0, 1], 2525).into()]);
///     server.listen(spec, &reception)?;
///     server.run_until(std::future::pending()).await;
///     Ok(())
/// }
/// ```
pub struct Server {
    stop_within: Duration,
    order: StopOrder,
    gate: Arc<Gate>,
    ids: Arc<SessionIds>,
    surroundings: Surroundings,
    doors: Vec<OpenDoor>,
}

struct OpenDoor {
    name: String,
    place: Place,
    /// Gives the number of connections that had to be cut off.
    task: Pin<Box<dyn Future<Output = usize> + Send>>,
}

/// How the last connections ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell {
    /// Connections that were open when the word was given.
    pub open: usize,
    /// Those that were cut off in the middle of something.
    pub cut_off: usize,
}

impl Server {
    /// A server without listeners.
    pub fn new(options: ServerOptions) -> Self {
        let order = StopOrder::default();
        let limits = options.limits;
        let budget = Budget::new(
            limits.connections,
            limits.octets_in_flight,
            options.octets_in_flight,
            order.herald(),
        );
        let surroundings = Surroundings {
            stop: order.signal(),
            budget: budget.clone(),
            clock: options.clock,
            patience: options.patience,
            tls: None,
        };
        Self {
            stop_within: options.stop_within,
            order,
            gate: Arc::new(Gate::new(limits, budget)),
            ids: Arc::new(SessionIds::beginning_at(surroundings.clock.wall_micros())),
            surroundings,
            doors: Vec::new(),
        }
    }

    /// Opens the ports of a listener. Has to be called within a runtime.
    pub fn listen<R: Reception>(
        &mut self,
        mut spec: ListenerSpec,
        reception: &Arc<R>,
    ) -> Result<(), ListenError> {
        let quota = Arc::new(Quota::new(
            spec.max_connections,
            spec.max_connections_per_minute,
        ));
        let headers = Arc::new(Semaphore::new(
            spec.max_connections.min(Semaphore::MAX_PERMITS),
        ));
        for (port, handed_over) in open(&mut spec)? {
            let place = place_of(&spec.name, &port)?;
            let door = Door {
                name: spec.name.clone(),
                local: match &place {
                    Place::Address(address) => Some(*address),
                    Place::Socket(_) => None,
                },
                proxies: spec.proxies.clone(),
                headers: Arc::clone(&headers),
                handed_over,
                reception: Arc::clone(reception),
                tls: spec.tls.clone(),
                observer: Arc::clone(&spec.observer),
                gate: Arc::clone(&self.gate),
                quota: Arc::clone(&quota),
                ids: Arc::clone(&self.ids),
                surroundings: self.surroundings.clone(),
            };
            let listener = spec.name.as_str();
            tracing::info!(event = event::LISTENER_READY, listener, server.address = %place);
            self.doors.push(OpenDoor {
                name: spec.name.clone(),
                place,
                task: Box::pin(listener::keep_open(port, Arc::new(door))),
            });
        }
        Ok(())
    }

    /// Where the listener of this name listens; with the ports that the system chose.
    pub fn addresses(&self, listener: &str) -> Vec<SocketAddr> {
        let doors = self.doors.iter().filter(|door| door.name == listener);
        let addresses = doors.filter_map(|door| match door.place {
            Place::Address(address) => Some(address),
            Place::Socket(_) => None,
        });
        addresses.collect()
    }

    /// Serves until `signal` is ready. Then no connection is accepted, sessions end at their next
    /// safe point, and those that are left when the time for that is over are cut off.
    pub async fn run_until(self, signal: impl Future<Output = ()>) -> Farewell {
        let mut doors = JoinSet::new();
        for door in self.doors {
            doors.spawn(door.task);
        }
        signal.await;
        let clock = &self.surroundings.clock;
        let deadline = clock.now().after(self.stop_within);
        let open = self.surroundings.budget.open();
        tracing::info!(
            event = event::SERVICE_STOPPING,
            open,
            within = ?self.stop_within,
            "no new connections; sessions finish what was begun"
        );
        self.order.give(Stage::Finishing);
        let order = &self.order;
        let cut_off = async {
            let mut cut_off = 0_usize;
            while let Some(door) = doors.join_next().await {
                cut_off = cut_off.saturating_add(door.unwrap_or(0));
            }
            cut_off
        };
        let mut cut_off = std::pin::pin!(cut_off);
        // Both branches are cancel safe: the first is awaited again, the second was a deadline.
        let cut_off = tokio::select! {
            cut_off = &mut cut_off => cut_off,
            () = clock.wait_until(deadline) => {
                order.give(Stage::Leaving);
                cut_off.await
            }
        };
        tracing::info!(
            event = event::SERVICE_STOPPING,
            cut_off,
            "all connections are closed"
        );
        Farewell { open, cut_off }
    }
}

/// All sockets of a listener, each with whether it was handed over; or none of them.
fn open(spec: &mut ListenerSpec) -> Result<Vec<(Port, bool)>, ListenError> {
    let name = spec.name.as_str();
    let bound = spec
        .addresses
        .iter()
        .map(|address| Ok((Port::Tcp(listener::bind(name, *address)?), false)));
    let socket = spec.socket.iter().map(|socket| {
        let (listener, file) = listener::bind_socket(name, socket)?;
        Ok((Port::Unix(listener, Some(file)), false))
    });
    let taken = std::mem::take(&mut spec.inherited)
        .into_iter()
        .map(|socket| Ok((listener::take_over(name, socket)?, true)));
    bound.chain(socket).chain(taken).collect()
}

fn place_of(name: &str, port: &Port) -> Result<Place, ListenError> {
    port.place().map_err(|source| ListenError::Inherited {
        name: name.to_owned(),
        source,
    })
}

/// Names sessions. The names begin where the time of the start is, a thousand to the second, so
/// that those of one start are not soon seen again after another.
#[derive(Debug)]
pub(crate) struct SessionIds(AtomicU64);

impl SessionIds {
    fn beginning_at(wall_micros: u64) -> Self {
        Self(AtomicU64::new(wall_micros / 1000))
    }

    pub(crate) fn next(&self) -> SessionId {
        SessionId(self.0.fetch_add(1, Ordering::Relaxed) & u64::from(u32::MAX))
    }
}

/// Raises the number of files that the process may have open as far as it may itself, and gives
/// that number. Each connection takes one.
pub fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    allowed.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

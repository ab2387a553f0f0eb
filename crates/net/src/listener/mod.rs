//! Opening ports, and letting connections in through them.

mod accept;
mod bind;
mod holder;
mod port;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;

pub(crate) use accept::{Door, keep_open};
pub use bind::{ListenError, Place};
pub(crate) use bind::{bind, take_over};
pub(crate) use port::Port;
pub use socket::UnixSocket;
pub(crate) use socket::bind as bind_socket;

use crate::inherited::InheritedSocket;
use crate::network::Network;
use crate::observer::{NoObserver, Observer};
use crate::tls::TlsService;

/// Connections that the system accepts for us before we do.
const BACKLOG: i32 = 1024;

/// A listener: one or several addresses where one protocol is spoken under one set of rules.
pub struct ListenerSpec {
    /// Its name in the configuration, logs and metrics.
    pub name: String,
    /// Where to listen. An IPv6 address does not stand for IPv4 too: name both.
    pub addresses: Vec<SocketAddr>,
    /// A Unix socket where it listens besides.
    pub socket: Option<UnixSocket>,
    /// Sockets that were opened for it by somebody else.
    pub inherited: Vec<InheritedSocket>,
    /// From where connections begin with a PROXY header that tells who is behind them. One from
    /// there without a header is refused; from elsewhere nobody can send one.
    pub proxies: Vec<Network>,
    /// Whether TLS is spoken, and from when on.
    pub tls: TlsUse,
    /// How many connections it takes at once.
    pub max_connections: usize,
    /// How many new ones it takes in a minute.
    pub max_connections_per_minute: u32,
    /// Who counts what happens at it.
    pub observer: Arc<dyn Observer>,
}

impl ListenerSpec {
    /// A listener in clear whose connections are bounded by the process only, and not counted.
    pub fn new(name: &str, addresses: &[SocketAddr]) -> Self {
        Self {
            name: name.to_owned(),
            addresses: addresses.to_owned(),
            socket: None,
            inherited: Vec::new(),
            proxies: Vec::new(),
            tls: TlsUse::Never,
            max_connections: usize::MAX,
            max_connections_per_minute: u32::MAX,
            observer: Arc::new(NoObserver),
        }
    }
}

/// From when on TLS is spoken.
#[derive(Clone)]
pub enum TlsUse {
    /// Not at all.
    Never,
    /// From when the session asks for it (RFC 3207, RFC 2595).
    OnRequest(TlsService),
    /// From the first octet (RFC 8314 3.1, 3.3).
    FromTheStart(TlsService),
}

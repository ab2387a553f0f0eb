//! Opening ports, and letting connections in through them.

mod accept;
mod bind;
mod holder;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

pub(crate) use accept::{Door, keep_open};
pub use bind::ListenError;
pub(crate) use bind::{bind, take_over};

use crate::observer::{NoObserver, Observer};
use crate::tls::TlsService;

/// A listener: one or several addresses where one protocol is spoken under one set of rules.
pub struct ListenerSpec {
    /// Its name in the configuration, logs and metrics.
    pub name: String,
    /// Where to listen. An IPv6 address does not stand for IPv4 too: name both.
    pub addresses: Vec<SocketAddr>,
    /// Sockets that were opened for it by somebody else.
    pub inherited: Vec<TcpListener>,
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
            inherited: Vec::new(),
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

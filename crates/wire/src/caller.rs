//! Facts about a connection that machines and desks are told.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A point on the clock of the process: the time since an arbitrary beginning. Never goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// The moment `patience` later.
    #[must_use]
    pub fn after(self, patience: Duration) -> Self {
        Self(self.0.saturating_add(patience))
    }

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Names a connection in logs: unique within a process start, printed as eight letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

/// A connection as it was accepted.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its name in logs.
    pub session: SessionId,
    /// The other end; an IPv4 peer of a dual-stack listener is shown as IPv4.
    pub peer: SocketAddr,
    /// The network that it comes from.
    pub source: Source,
    /// Our end.
    pub local: SocketAddr,
    /// What was agreed on, when TLS was there from the first octet (RFC 8314).
    pub tls: Option<TlsFacts>,
    /// When it was accepted.
    pub accepted_at: Moment,
}

/// The network that a peer comes from, for limits that hold for all its addresses together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    /// The first address of the network, as long as the configured prefix says.
    pub network: IpAddr,
    /// Whether limits hold for it.
    pub standing: Standing,
}

impl Source {
    /// A single address that limits hold for.
    pub fn of(address: IpAddr) -> Self {
        Self {
            network: address,
            standing: Standing::Limited,
        }
    }

    /// Whether no limit per source or account holds for it.
    pub fn is_exempt(&self) -> bool {
        self.standing == Standing::Exempt
    }
}

/// Whether limits hold for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// They do.
    Limited,
    /// The operator named it as one for which they do not.
    Exempt,
}

/// The version of TLS in use; others are not spoken (RFC 8996).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        })
    }
}

/// What a TLS handshake agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFacts {
    /// The version.
    pub version: TlsVersion,
    /// The cipher suite's name in the registry, such as `TLS_AES_256_GCM_SHA384`.
    pub cipher: &'static str,
    /// The server name that the client asked for (RFC 6066 3).
    pub server_name: Option<String>,
    /// What a login can be bound to.
    pub bindings: ChannelBindings,
}

/// What both ends of a TLS connection know and nobody between can have: a login that is bound to it
/// is worth nothing on another connection (RFC 5056). Does not print.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ChannelBindings {
    /// `tls-exporter` (RFC 9266).
    pub exporter: Option<[u8; 32]>,
    /// `tls-server-end-point` (RFC 5929 4): the hash of the certificate that was shown.
    pub server_end_point: Option<Box<[u8]>>,
}

impl ChannelBindings {
    /// Whether there is nothing to bind to.
    pub fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.server_end_point.is_none()
    }

    /// The octets by the name in the registry of IANA.
    pub fn named(&self, name: &str) -> Option<&[u8]> {
        match name {
            "tls-exporter" => self.exporter.as_ref().map(<[u8; 32]>::as_slice),
            "tls-server-end-point" => self.server_end_point.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChannelBindings(...)")
    }
}

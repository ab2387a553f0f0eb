//! Opening a port, or saying why not and what to do about it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

use super::port::Port;
use super::{BACKLOG, holder};
use crate::inherited::InheritedSocket;

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address with a port.
    Address(SocketAddr),
    /// A Unix socket.
    Socket(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Socket(path) => path.display().fmt(f),
        }
    }
}

/// Why a listener cannot be opened. The texts say what can be done about it.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The port is taken.
    #[error("listen on {address} for '{name}': {holder} listens there already; {remedy}",
        holder = holder.as_deref().unwrap_or("another process"),
        remedy = "stop it, or choose another address in the configuration")]
    InUse {
        /// The listener.
        name: String,
        /// Its address.
        address: Place,
        /// Who listens there, if that can be seen.
        holder: Option<String>,
    },
    /// The port needs a privilege.
    #[error(
        "listen on {address} for '{name}': ports below 1024 need the capability \
         CAP_NET_BIND_SERVICE (AmbientCapabilities= in a systemd unit, or setcap), or sockets \
         opened by systemd, or another port in the configuration"
    )]
    NotAllowed {
        /// The listener.
        name: String,
        /// Its address.
        address: Place,
    },
    /// The address is not one of this machine.
    #[error(
        "listen on {address} for '{name}': this machine has no such address; \
         0.0.0.0 and [::] stand for all that it has"
    )]
    NotHere {
        /// The listener.
        name: String,
        /// Its address.
        address: Place,
    },
    /// Something else is wrong.
    #[error("listen on {address} for '{name}'")]
    Failed {
        /// The listener.
        name: String,
        /// Its address.
        address: Place,
        /// What is wrong.
        source: io::Error,
    },
    /// Where the socket is to be, there is something else.
    #[error(
        "listen on {path} for '{name}': there is a file that is no socket; remove it, or choose \
         another path in the configuration", path = path.display()
    )]
    NoSocket {
        /// The listener.
        name: String,
        /// The path.
        path: PathBuf,
    },
    /// A socket that was handed over cannot be used.
    #[error("use the inherited socket of '{name}'")]
    Inherited {
        /// The listener.
        name: String,
        /// What is wrong.
        source: io::Error,
    },
}

/// Opens a port. Has to be called within a runtime.
pub(crate) fn bind(name: &str, address: SocketAddr) -> Result<TcpListener, ListenError> {
    open(address).map_err(|source| explain(name, address, source))
}

/// Serves a socket that was opened by somebody else. Has to be called within a runtime.
pub(crate) fn take_over(name: &str, socket: InheritedSocket) -> Result<Port, ListenError> {
    let adopt = || match socket {
        InheritedSocket::Tcp(socket) => {
            let socket = Socket::from(socket);
            socket.set_nonblocking(true)?;
            socket.set_tcp_nodelay(true)?;
            TcpListener::from_std(socket.into()).map(Port::Tcp)
        }
        InheritedSocket::Unix(socket) => {
            socket.set_nonblocking(true)?;
            UnixListener::from_std(socket).map(|listener| Port::Unix(listener, None))
        }
    };
    adopt().map_err(|source| ListenError::Inherited {
        name: name.to_owned(),
        source,
    })
}

fn open(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    // Accepted connections inherit it, which saves a call for each. Replies are gathered by the
    // driver; what it sends is meant to leave.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

fn explain(name: &str, address: SocketAddr, source: io::Error) -> ListenError {
    let name = name.to_owned();
    let port = address.port();
    let address = Place::Address(address);
    match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse {
            name,
            address,
            holder: holder::of_port(port),
        },
        io::ErrorKind::PermissionDenied => ListenError::NotAllowed { name, address },
        io::ErrorKind::AddrNotAvailable => ListenError::NotHere { name, address },
        _ => ListenError::Failed {
            name,
            address,
            source,
        },
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    fn loopback(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[tokio::test]
    async fn a_taken_port_is_reported_with_its_holder() {
        let first = bind("smtp", loopback(0)).unwrap();
        let address = first.local_addr().unwrap();
        let error = bind("other", address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("'other'"), "{error}");
        if cfg!(target_os = "linux") {
            let process = format!("process {}", std::process::id());
            assert!(error.contains(&process), "{error}");
        }
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_reported() {
        let address = SocketAddr::from(([192, 0, 2, 1], 0));
        let error = bind("smtp", address).unwrap_err();
        assert!(matches!(error, ListenError::NotHere { .. }), "{error}");
    }

    #[test]
    fn a_missing_privilege_names_the_remedies() {
        let error = explain("smtp", loopback(25), io::ErrorKind::PermissionDenied.into());
        let text = error.to_string();
        assert!(text.contains("CAP_NET_BIND_SERVICE"), "{text}");
        assert!(text.contains("systemd"), "{text}");
    }

    #[tokio::test]
    async fn accepted_connections_send_at_once() {
        let listener = bind("smtp", loopback(0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        client.unwrap();
        assert!(accepted.unwrap().0.nodelay().unwrap());
    }

    /// A port that is free for IPv6 may be held for IPv4 by a test beside this one: then another
    /// port is tried. If one family kept the other out, no port would do.
    #[tokio::test]
    async fn both_families_can_listen_on_one_port() {
        for _ in 0..100 {
            let Ok(six) = bind("smtp", SocketAddr::from(([0u16; 8], 0))) else {
                return; // A machine without IPv6.
            };
            let port = six.local_addr().unwrap().port();
            if bind("smtp", SocketAddr::from(([0, 0, 0, 0], port))).is_ok() {
                return;
            }
        }
        panic!("no port of a hundred could be bound for both families");
    }
}

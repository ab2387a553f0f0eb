//! A listening socket of either kind.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, UnixListener};

use super::bind::Place;
use super::socket::SocketFile;
use crate::stream::Stream;

/// Who is at the other end of a Unix socket: somebody on this machine.
pub(crate) const THIS_MACHINE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What connections come in through.
#[derive(Debug)]
pub(crate) enum Port {
    Tcp(TcpListener),
    /// With its file, if that is ours.
    Unix(UnixListener, Option<SocketFile>),
}

impl Port {
    /// Waits for a connection. *Cancel*: none is lost.
    pub(crate) async fn accept(&self) -> io::Result<(Stream, SocketAddr)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                // An IPv4 peer of a socket that serves both families is an IPv4 peer.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((stream.into(), peer))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((stream.into(), THIS_MACHINE))
            }
        }
    }

    /// Where it listens.
    pub(crate) fn place(&self) -> io::Result<Place> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Place::Address),
            Self::Unix(listener, _) => {
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or("(unnamed)".as_ref());
                Ok(Place::Socket(path.to_owned()))
            }
        }
    }

    /// Ends it, and gives the connections that the system had accepted already.
    pub(crate) fn close(self) -> Vec<Stream> {
        let mut waiting = Vec::new();
        match self {
            Self::Tcp(listener) => {
                let Ok(listener) = listener.into_std() else {
                    return waiting;
                };
                while let Ok((stream, _)) = listener.accept() {
                    waiting.extend(nonblocking_tcp(stream));
                }
            }
            Self::Unix(listener, _file) => {
                let Ok(listener) = listener.into_std() else {
                    return waiting;
                };
                while let Ok((stream, _)) = listener.accept() {
                    waiting.extend(nonblocking_unix(stream));
                }
            }
        }
        waiting
    }
}

fn nonblocking_tcp(stream: std::net::TcpStream) -> Option<Stream> {
    stream.set_nonblocking(true).ok()?;
    tokio::net::TcpStream::from_std(stream)
        .ok()
        .map(Stream::from)
}

fn nonblocking_unix(stream: std::os::unix::net::UnixStream) -> Option<Stream> {
    stream.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(stream)
        .ok()
        .map(Stream::from)
}

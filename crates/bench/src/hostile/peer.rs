//! What attackers stand on: connections from many addresses, and a few words.

use std::cell::Cell;
use std::io::{self, Error};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::neighbour::deliver;

/// Where the attackers are at work.
#[derive(Debug)]
pub(super) struct Street {
    pub(super) smtp: SocketAddr,
    pub(super) pop3: SocketAddr,
    pub(super) victims: Vec<String>,
    pub(super) password: String,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) connections: Cell<u64>,
    pub(super) sent_away: Cell<u64>,
}

/// Which port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    Smtp,
    Pop3,
}

/// How a connection is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// Both directions are closed.
    Close,
    /// With a reset.
    Reset,
    /// Nothing more is sent; what comes is read to its end.
    HalfClose,
}

/// A connection of an attacker.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) stream: TcpStream,
}

/// Longer than any answer takes; an attacker that waits so long has been forgotten.
const PATIENCE: Duration = Duration::from_mins(2);

impl Street {
    /// Connects from one of many addresses: fifty attackers share one.
    pub(super) async fn enter(&self, door: Door, number: u32) -> io::Result<Peer> {
        self.enter_from(door, number / 50).await
    }

    /// Connects from a certain address.
    pub(super) async fn enter_from(&self, door: Door, source: u32) -> io::Result<Peer> {
        let target = match door {
            Door::Smtp => self.smtp,
            Door::Pop3 => self.pop3,
        };
        let socket = TcpSocket::new_v4()?;
        let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + source);
        socket.bind((own, 0).into())?;
        let stream = timeout(PATIENCE, socket.connect(target)).await??;
        self.connections.set(self.connections.get() + 1);
        Ok(Peer { stream })
    }

    /// One of the mailboxes that attackers have the password of.
    pub(super) fn victim(&self, number: u32) -> &str {
        let count = self.victims.len().max(1);
        let place = usize::try_from(number).unwrap_or(0) % count;
        self.victims.get(place).map_or("", String::as_str)
    }

    /// Enters and says lines, each after the answer to the one before.
    pub(super) async fn enter_saying(
        &self,
        door: Door,
        number: u32,
        lines: &[&str],
    ) -> io::Result<Peer> {
        let mut peer = self.enter(door, number).await?;
        peer.hear().await?;
        for line in lines {
            let line = line
                .replace("{victim}", self.victim(number))
                .replace("{password}", &self.password);
            peer.say(line.as_bytes()).await?;
            peer.say(b"\r\n").await?;
            peer.hear().await?;
        }
        Ok(peer)
    }

    /// Starts TLS on the SMTP port.
    pub(super) async fn enter_under_tls(&self, number: u32) -> io::Result<TlsStream<TcpStream>> {
        let peer = self
            .enter_saying(Door::Smtp, number, &["EHLO a", "STARTTLS"])
            .await?;
        let name = ServerName::try_from("localhost").map_err(Error::other)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        timeout(PATIENCE, connector.connect(name, peer.stream)).await?
    }

    /// Puts a large message into each victim's mailbox, for those who fetch and do not read.
    pub(super) fn furnish(&self) -> Result<()> {
        let text = b"This is a line of a large message, as long as most are.\r\n".repeat(20_000);
        for victim in &self.victims {
            deliver(self.smtp, victim, &text)?;
        }
        Ok(())
    }

    pub(super) fn begin_counting(&self) {
        self.connections.set(0);
        self.sent_away.set(0);
    }
}

impl Peer {
    /// Waits for something, and reads what is there; an end is an error.
    pub(super) async fn hear(&mut self) -> io::Result<()> {
        let mut octets = [0; 4096];
        match timeout(PATIENCE, self.stream.read(&mut octets)).await? {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read.map(|_| ()),
        }
    }

    /// Reads whatever comes until the end.
    pub(super) async fn hear_all(&mut self) -> io::Result<()> {
        loop {
            self.hear().await?;
        }
    }

    pub(super) async fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        timeout(PATIENCE, self.stream.write_all(octets)).await?
    }

    /// Says the same again and again and reads what is answered, so that nothing but the server is
    /// in its way; ends with an error when it is sent away.
    pub(super) async fn repeat(self, octets: &[u8]) -> io::Result<()> {
        let (mut input, mut output) = self.stream.into_split();
        let listening = async {
            let mut read = vec![0; 64 * 1024];
            while input.read(&mut read).await? > 0 {}
            io::Result::Err(io::ErrorKind::UnexpectedEof.into())
        };
        let talking = async {
            loop {
                output.write_all(octets).await?;
                // Others have their turn.
                tokio::task::yield_now().await;
            }
        };
        // Either is cancel safe here: whatever ends first ends the connection.
        tokio::select! {
            ended = listening => ended,
            ended = talking => ended,
        }
    }

    pub(super) async fn leave(mut self, how: Leave) -> io::Result<()> {
        match how {
            Leave::Close => Ok(()),
            Leave::Reset => self.stream.set_zero_linger(),
            Leave::HalfClose => {
                self.stream.shutdown().await?;
                let _ended = timeout(Duration::from_secs(5), self.hear_all()).await;
                Ok(())
            }
        }
    }
}

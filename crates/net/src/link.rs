//! The bytes of one connection, in clear or under TLS.

use std::cell::Cell;
use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cassmail_wire::{Load, TlsFacts};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use crate::tls::TlsService;

/// What one read takes at most: a common mail, pipelined with its envelope, arrives in one.
const READ_SIZE: usize = 64 * 1024;

/// The same while the process is under load: what a session cannot take at once it has to keep.
const READ_SIZE_UNDER_LOAD: usize = 8 * 1024;

/// The room for output that a session keeps while it waits for its peer; most replies fit.
const KEPT_OUTPUT: usize = 512;

thread_local! {
    /// The buffer that all reads of a thread share. It holds bytes only between a read and the
    /// session's taking them, which no `await` separates; so a connection that waits owns none.
    static READ_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A connection, and the output that waits to be sent.
pub(crate) struct Link<IO> {
    transport: Transport<IO>,
    output: Vec<u8>,
    /// How much of the output was sent.
    sent: usize,
    /// Whether something that was taken by the transport may not have left it.
    unflushed: bool,
    /// What one read takes at most.
    read_size: usize,
    /// Octets in both directions, below which TLS is not counted.
    pub(crate) traffic: Traffic,
}

/// What was carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Octets from the peer, without TLS.
    pub received: u64,
    /// Octets to the peer, without TLS.
    pub sent: u64,
}

enum Transport<IO> {
    Clear(IO),
    /// Boxed, so that connections in clear do not pay for its size.
    Tls(Box<TlsStream<IO>>),
    /// A handshake took the stream and did not give it back.
    Lost,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Link<IO> {
    pub(crate) fn new(io: IO) -> Self {
        Self {
            transport: Transport::Clear(io),
            output: Vec::new(),
            sent: 0,
            unflushed: false,
            read_size: READ_SIZE,
            traffic: Traffic::default(),
        }
    }

    /// Where a session appends what is to be sent.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.output.len() || self.unflushed
    }

    /// Sends the output; ready when all has left.
    pub(crate) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(unsent) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let count = ready!(self.transport.poll_write(cx, unsent))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent = self.sent.saturating_add(count);
            self.traffic.sent = self.traffic.sent.saturating_add(count as u64);
            self.unflushed = true;
        }
        self.output.clear();
        self.sent = 0;
        if self.unflushed {
            ready!(self.transport.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Gives `take` what has arrived; ready with its length, zero when the peer sends no more.
    pub(crate) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut buffer = READ_BUFFER.take();
        buffer.resize(READ_SIZE, 0);
        let room = buffer.get_mut(..self.read_size).unwrap_or_default();
        let received = self.poll_receive_into(cx, room, take);
        READ_BUFFER.set(buffer);
        received
    }

    fn poll_receive_into(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        take: impl FnOnce(&[u8]),
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(self.transport.poll_read(cx, &mut buffer))?;
        let received = buffer.filled();
        if !received.is_empty() {
            self.traffic.received = self.traffic.received.saturating_add(received.len() as u64);
            take(received);
        }
        Poll::Ready(Ok(received.len()))
    }

    /// Shakes hands. Nothing that was read in clear is kept here, and everything that was read
    /// belongs to the session, which drops it; so nothing from before the handshake can be taken
    /// for something said under its protection (RFC 3207 4.2).
    pub(crate) async fn start_tls(&mut self, service: &TlsService) -> io::Result<TlsFacts> {
        debug_assert!(!self.has_unsent(), "replies in clear are sent before");
        let Transport::Clear(io) = mem::replace(&mut self.transport, Transport::Lost) else {
            return Err(io::Error::other("TLS was asked for twice"));
        };
        let (stream, facts) = Box::pin(service.accept(io)).await?;
        self.transport = Transport::Tls(Box::new(stream));
        Ok(facts)
    }

    /// Says that nothing more will come.
    /// Under TLS this says that the end is meant (RFC 8314 3.4).
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Clear(io) => Pin::new(io).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Lost => Poll::Ready(Err(lost())),
        }
    }

    pub(crate) fn is_under_tls(&self) -> bool {
        matches!(self.transport, Transport::Tls(_))
    }

    /// The process is fuller than before, or there is room again.
    pub(crate) fn load_changed(&mut self, load: Load) {
        self.read_size = match load {
            Load::Usual => READ_SIZE,
            Load::High | Load::Full => READ_SIZE_UNDER_LOAD,
        };
    }

    /// The octets that wait to be sent, with the room that they take.
    pub(crate) fn held(&self) -> usize {
        self.output.capacity()
    }

    /// Gives memory back before waiting for the peer.
    pub(crate) fn rest(&mut self) {
        if self.output.is_empty() && self.output.capacity() > KEPT_OUTPUT {
            self.output = Vec::new();
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Transport<IO> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Lost => Poll::Ready(Err(lost())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Lost => Poll::Ready(Err(lost())),
        }
    }
}

fn lost() -> io::Error {
    io::Error::new(io::ErrorKind::NotConnected, "the TLS handshake failed")
}

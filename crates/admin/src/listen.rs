//! Listening on TCP for people and programs: so many connections at once, a handshake and a head
//! that come in time, and an orderly end.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use cassmail_telemetry::event;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tower_service::Service as _;

/// What is spoken over, with TLS or without.
pub trait Conversation: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Conversation for T {}

/// A handshake in progress.
pub type Handshake<'a> =
    Pin<Box<dyn Future<Output = io::Result<Box<dyn Conversation>>> + Send + 'a>>;

/// Whether others on the way can read what is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// They cannot.
    Secured,
    /// It does not leave the machine, or somebody else secures it.
    Clear,
}

/// Makes conversations of connections.
pub trait Tls: Send + Sync {
    /// What its conversations are.
    fn transport(&self) -> Transport {
        Transport::Secured
    }

    /// Shakes hands.
    fn accept(&self, stream: TcpStream) -> Handshake<'_>;
}

/// Speaks in clear: on this machine alone.
#[derive(Debug, Clone, Copy)]
pub struct NoTls;

impl Tls for NoTls {
    fn transport(&self) -> Transport {
        Transport::Clear
    }

    fn accept(&self, stream: TcpStream) -> Handshake<'_> {
        Box::pin(async { Ok(Box::new(stream) as Box<dyn Conversation>) })
    }
}

/// A port that is open for those who administer.
pub struct AdminListener {
    /// The port.
    pub listener: TcpListener,
    /// How its connections become conversations.
    pub tls: Arc<dyn Tls>,
    /// How many connections there may be; ports may share it.
    pub connections: Arc<Semaphore>,
    /// How long handshakes may take.
    pub handshake: Duration,
}

/// How long the head of a request may take, and how long a connection may wait for the next.
const HEAD: Duration = Duration::from_secs(30);

/// How long a peer may take nothing of an answer.
const STALLED: Duration = Duration::from_mins(1);

/// The largest head of a request.
const LARGEST_HEAD: usize = 32 * 1024;
const MOST_FIELDS: usize = 64;

/// How long to rest when the system has no files for a connection.
const REST: Duration = Duration::from_millis(200);

/// Serves until it is told to stop; requests that are being answered are finished.
pub async fn serve_administrators(
    admin: AdminListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    let told = stopped.clone();
    loop {
        // All branches are cancel safe: what has not happened yet happens again.
        tokio::select! {
            biased;
            () = told_to_stop(&mut stopped) => break,
            Some(_) = open.join_next() => {}
            accepted = admin.listener.accept() => match accepted {
                Ok((stream, peer)) => admin.meet(stream, peer, &router, &told, &mut open),
                Err(error) => {
                    tracing::warn!(event = event::SERVICE_ADVICE, %error, "no connection accepted");
                    sleep(REST).await;
                }
            }
        }
    }
    drop(admin);
    while open.join_next().await.is_some() {}
}

impl AdminListener {
    /// Serves somebody, if there is room; whoever finds none is closed at once.
    fn meet(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        router: &Router,
        stopped: &watch::Receiver<bool>,
        open: &mut JoinSet<()>,
    ) {
        let Ok(place) = Arc::clone(&self.connections).try_acquire_owned() else {
            return;
        };
        let (tls, patience) = (Arc::clone(&self.tls), self.handshake);
        let transport = tls.transport();
        let (router, stopped) = (router.clone(), stopped.clone());
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        open.spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            match timeout(patience, tls.accept(stream)).await {
                Ok(Ok(conversation)) => {
                    let with = (peer, transport);
                    converse(conversation, with, router, stopped).await;
                }
                Ok(Err(error)) => tracing::debug!(
                    event = event::TLS_FAILED,
                    client.address = %peer.ip(),
                    %error
                ),
                Err(_) => {}
            }
        });
    }
}

async fn converse(
    conversation: Box<dyn Conversation>,
    (peer, transport): (SocketAddr, Transport),
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let mut router = router.clone();
        async move {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(transport);
            let answer = router.call(request).await;
            Ok::<_, Infallible>(answer.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LARGEST_HEAD)
        .max_headers(MOST_FIELDS)
        .serve_connection(TokioIo::new(Patient::new(conversation)), service);
    let mut connection = pin!(connection);
    // Both branches are cancel safe: the connection is polled on.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = told_to_stop(&mut stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // When the sender is gone the process ends anyway.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// A stream that fails when its peer takes nothing for too long.
struct Patient {
    stream: Box<dyn Conversation>,
    /// Runs while the peer is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: Box<dyn Conversation>) -> Self {
        Self {
            stream,
            waiting: None,
        }
    }

    fn mind<T>(
        &mut self,
        polled: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(STALLED)));
        match waiting.as_mut().poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.mind(polled, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.mind(polled, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.mind(polled, cx)
    }
}

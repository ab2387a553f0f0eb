//! The API on TCP: connections, heads, and the end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cassmail_admin::{AdminListener, NoTls, serve_administrators};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::house::House;

/// A port of a house, until the test ends.
struct Open {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    served: JoinHandle<()>,
}

impl Open {
    async fn with_connections(most: usize) -> Self {
        let house = House::with_open_health();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let admin = AdminListener {
            listener,
            tls: Arc::new(NoTls),
            connections: Arc::new(Semaphore::new(most)),
            handshake: Duration::from_secs(30),
        };
        let served = tokio::spawn(serve_administrators(admin, house.remote, stopped));
        Self {
            address,
            stop,
            served,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn end(self) {
        self.stop.send(true).unwrap();
        self.served.await.unwrap();
    }
}

/// Says something, and gives what comes until the connection ends.
async fn told(stream: &mut TcpStream, words: &str) -> String {
    // Who is turned away may be gone already.
    let _ = stream.write_all(words.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn somebody_is_served_and_told_from_where_he_comes() {
    let open = Open::with_connections(2).await;
    let answer = told(&mut open.connect().await, LAST).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    let words = LAST.replace("/healthz", "/v1/self");
    let refused = told(&mut open.connect().await, &words).await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");
    assert!(refused.contains("application/problem+json"), "{refused}");
    open.end().await;
}

#[tokio::test]
async fn who_finds_no_room_is_closed_at_once_and_served_when_there_is() {
    let open = Open::with_connections(1).await;
    let mut first = open.connect().await;
    first
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        .await
        .unwrap();
    assert_eq!(told(&mut open.connect().await, LAST).await, "");
    let answer = told(&mut first, "Connection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // The place is given back when the connection has ended, which nobody tells.
    let mut tries = 0;
    loop {
        let answer = told(&mut open.connect().await, LAST).await;
        if answer.starts_with("HTTP/1.1 200 ") {
            break;
        }
        tries += 1;
        assert!(tries < 10_000, "{answer}");
        tokio::task::yield_now().await;
    }
    open.end().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let open = Open::with_connections(8).await;
    let long = format!("X-Long: {}\r\n", "x".repeat(400_000));
    let many = "X-Many: x\r\n".repeat(80);
    for fields in [long, many] {
        let words = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let answer = told(&mut open.connect().await, &words).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let answer = told(&mut open.connect().await, "EHLO x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    open.end().await;
}

#[tokio::test]
async fn the_end_waits_for_nobody_who_asks_nothing() {
    let open = Open::with_connections(8).await;
    let mut idle = open.connect().await;
    let keep = LAST.replace("Connection: close\r\n", "");
    idle.write_all(keep.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    open.end().await;
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
}

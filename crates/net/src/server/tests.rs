mod behind_a_proxy;
mod over_a_socket;

use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::sync::Mutex;

use cassmail_wire::{Ending, TlsVersion, TurnedAway};
use rustls::HandshakeKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::ClockHands;
use crate::inherited::InheritedSocket;
use crate::listener::TlsUse;
use crate::observer::{Event, Observer};
use crate::tls::{CertificateFiles, Certificates, TlsService};
use crate::toy::{ToyDesk, ToyReception, connector, mx, pem, service};

#[derive(Default)]
struct Counts(Mutex<Vec<Event>>);

impl Observer for Counts {
    fn observe(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Counts {
    fn count(&self, counted: impl Fn(&Event) -> bool) -> usize {
        let events = self.0.lock().unwrap();
        events.iter().filter(|event| counted(event)).count()
    }
}

/// A server with one listener, `toy`, that serves until it is told to stop.
struct Scene {
    address: SocketAddr,
    desk: ToyDesk,
    hands: ClockHands,
    counts: Arc<Counts>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<Farewell>,
}

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

const STOP_WITHIN: Duration = Duration::from_secs(30);

impl Scene {
    fn new(limits: Limits, tls: TlsUse) -> Self {
        let spec = ListenerSpec {
            tls,
            ..ListenerSpec::new("toy", &[LOOPBACK])
        };
        Self::of(limits, spec)
    }

    /// A server with this listener; what happens at it is counted.
    fn of(limits: Limits, spec: ListenerSpec) -> Self {
        let (clock, hands) = Clock::turned_by_hand();
        let mut server = Server::new(ServerOptions {
            clock,
            limits,
            stop_within: STOP_WITHIN,
            ..ServerOptions::default()
        });
        let counts = Arc::new(Counts::default());
        let spec = ListenerSpec {
            observer: Arc::clone(&counts) as Arc<dyn Observer>,
            ..spec
        };
        let desk = ToyDesk::new();
        let reception = ToyReception { desk: desk.clone() };
        server.listen(spec, &Arc::new(reception)).unwrap();
        let address = server.addresses("toy").first().copied();
        let (stop, stopped) = oneshot::channel();
        let signal = async { stopped.await.unwrap() };
        Self {
            address: address.unwrap_or(LOOPBACK),
            desk,
            hands,
            counts,
            stop,
            served: tokio::spawn(server.run_until(signal)),
        }
    }

    fn clear() -> Self {
        Self::new(Limits::default(), TlsUse::Never)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects, and waits until it is served.
    async fn greeted(&self) -> TcpStream {
        let mut peer = self.connect().await;
        expect(&mut peer, "hello\r\n").await;
        peer
    }

    async fn stop(self) -> Farewell {
        self.stop.send(()).unwrap();
        self.served.await.unwrap()
    }
}

async fn expect(peer: &mut (impl AsyncReadExt + Unpin), wanted: &str) {
    let mut text = vec![0; wanted.len()];
    peer.read_exact(&mut text).await.unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), wanted);
}

async fn rest(peer: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut text = String::new();
    peer.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn connections_are_served_counted_and_forgotten() {
    let scene = Scene::clear();
    let mut peer = scene.greeted().await;
    peer.write_all(b"ECHO a\r\nQUIT\r\n").await.unwrap();
    assert_eq!(rest(&mut peer).await, "a\r\nbye\r\n");
    let counts = Arc::clone(&scene.counts);
    assert_eq!(scene.stop().await.cut_off, 0);
    assert_eq!(counts.count(|event| *event == Event::Opened), 1);
    let quit = |event: &Event| match event {
        Event::Closed {
            ending, traffic, ..
        } => *ending == Some(Ending::Quit) && (traffic.received, traffic.sent) == (14, 15),
        _ => false,
    };
    assert_eq!(counts.count(quit), 1);
}

#[tokio::test]
async fn stopping_finishes_an_answer_in_progress_and_says_goodbye() {
    let scene = Scene::clear();
    let mut waiting = scene.greeted().await;
    let mut asking = scene.greeted().await;
    asking.write_all(b"ECHO a\r\nASK gate\r\n").await.unwrap();
    expect(&mut asking, "a\r\n").await;
    let gate = Arc::clone(&scene.desk.gate);
    let address = scene.address;
    let talk = async {
        assert_eq!(rest(&mut waiting).await, "stopping\r\n");
        drop(waiting);
        assert!(TcpStream::connect(address).await.is_err());
        gate.add_permits(1);
        assert_eq!(rest(&mut asking).await, "GATE\r\nstopping\r\n");
        drop(asking);
    };
    let (farewell, ()) = tokio::join!(scene.stop(), talk);
    let wanted = Farewell {
        open: 2,
        cut_off: 0,
    };
    assert_eq!(farewell, wanted);
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off() {
    let scene = Scene::clear();
    let mut peer = scene.greeted().await;
    peer.write_all(b"ECHO a\r\nASK never\r\n").await.unwrap();
    expect(&mut peer, "a\r\n").await;
    let hands = scene.hands.clone();
    let counts = Arc::clone(&scene.counts);
    let mut stopped = std::pin::pin!(scene.stop());
    let farewell = loop {
        match crate::toy::poll_once(stopped.as_mut()).await {
            Some(farewell) => break farewell,
            None => hands.turn(STOP_WITHIN),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(farewell.cut_off, 1);
    assert_eq!(rest(&mut peer).await, "");
    let without_ending = |event: &Event| matches!(event, Event::Closed { ending: None, .. });
    assert_eq!(counts.count(without_ending), 1);
}

#[tokio::test]
async fn who_waits_at_the_door_when_we_stop_is_told_so() {
    let scene = Scene::clear();
    let served = std::net::TcpStream::connect(scene.address).unwrap();
    let mut peer = served.try_clone().unwrap();
    let counts = Arc::clone(&scene.counts);
    scene.stop().await;
    let mut text = String::new();
    peer.read_to_string(&mut text).unwrap();
    assert_eq!(text, "stopping\r\n");
    let told = Event::TurnedAway(TurnedAway::Stopping);
    assert_eq!(counts.count(|event| *event == told), 1);
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_no_other() {
    let scene = Scene::clear();
    let mut other = scene.greeted().await;
    let mut peer = scene.greeted().await;
    peer.write_all(b"PANIC\r\n").await.unwrap();
    assert_eq!(rest(&mut peer).await, "");
    other.write_all(b"ECHO alive\r\n").await.unwrap();
    expect(&mut other, "alive\r\n").await;
    scene.greeted().await;
    assert_eq!(scene.counts.count(|event| *event == Event::Panicked), 1);
}

#[tokio::test]
async fn a_source_over_its_limit_is_turned_away_with_a_word() {
    let limits = Limits {
        per_source: 2,
        ..Limits::default()
    };
    let scene = Scene::new(limits, TlsUse::Never);
    let mut first = scene.greeted().await;
    let _second = scene.greeted().await;
    assert_eq!(
        rest(&mut scene.connect().await).await,
        "too many of you\r\n"
    );
    let told = Event::TurnedAway(TurnedAway::TooManyFromSource);
    assert_eq!(scene.counts.count(|event| *event == told), 1);
    first.write_all(b"QUIT\r\n").await.unwrap();
    assert_eq!(rest(&mut first).await, "bye\r\n");
}

/// RFC 9325 3.4.
#[tokio::test]
async fn tls_from_the_start_resumes_sessions_and_follows_the_certificate() {
    let (old, new) = (pem(), pem());
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        chain: folder.path().join("chain.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.chain, &old.chain).unwrap();
    std::fs::write(&files.key, &old.key).unwrap();
    let certificates = Certificates::from_files(&files, &[]).unwrap();
    let tls = TlsService::new(&certificates, &["toy"]).unwrap();
    let scene = Scene::new(Limits::default(), TlsUse::FromTheStart(tls));

    let trusting_old = connector(&[&old], &["toy"]);
    let connect = async || trusting_old.connect(mx(), scene.connect().await).await;
    let mut before = connect().await.unwrap();
    expect(&mut before, "hello\r\n").await;
    assert_eq!(
        before.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Full)
    );
    let mut again = connect().await.unwrap();
    expect(&mut again, "hello\r\n").await;
    assert_eq!(
        again.get_ref().1.handshake_kind(),
        Some(HandshakeKind::Resumed)
    );

    std::fs::write(&files.chain, &new.chain).unwrap();
    std::fs::write(&files.key, &new.key).unwrap();
    certificates.reload().unwrap();
    let trusting_new = connector(&[&new], &["toy"]);
    let mut after = trusting_new
        .connect(mx(), scene.connect().await)
        .await
        .unwrap();
    expect(&mut after, "hello\r\n").await;
    before.write_all(b"ECHO still here\r\n").await.unwrap();
    expect(&mut before, "still here\r\n").await;
    let started = Event::TlsStarted(TlsVersion::Tls13);
    assert_eq!(scene.counts.count(|event| *event == started), 3);
}

/// RFC 7301 3.1, 3.2, RFC 9325 3.8.
#[tokio::test]
async fn clients_of_another_protocol_or_without_tls_are_not_served() {
    let pem = pem();
    let scene = Scene::new(Limits::default(), TlsUse::FromTheStart(service(&pem)));
    let other = connector(&[&pem], &["http/1.1"]);
    assert!(other.connect(mx(), scene.connect().await).await.is_err());
    let mut clear = scene.connect().await;
    clear.write_all(b"ECHO a\r\n").await.unwrap();
    let mut answer = Vec::new();
    let read = clear.read_to_end(&mut answer).await;
    assert!(read.is_err() || !answer.starts_with(b"hello"));
    let counts = Arc::clone(&scene.counts);
    scene.stop().await;
    let failed = |event: &Event| match event {
        Event::Closed { ending, .. } => *ending == Some(Ending::TlsFailed),
        _ => false,
    };
    assert_eq!(counts.count(failed), 2);
    assert_eq!(counts.count(|event| *event == Event::Opened), 2);
}

#[tokio::test]
async fn a_listener_has_several_addresses_and_one_limit() {
    let mut server = Server::new(ServerOptions::default());
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let handed_over = std::net::TcpListener::bind(loopback).unwrap();
    let spec = ListenerSpec {
        inherited: vec![InheritedSocket::Tcp(handed_over)],
        max_connections: 1,
        ..ListenerSpec::new("toy", &[loopback])
    };
    let desk = ToyDesk::new();
    server
        .listen(spec, &Arc::new(ToyReception { desk }))
        .unwrap();
    let [one, two] = server.addresses("toy")[..] else {
        panic!("two addresses");
    };
    assert!(server.addresses("other").is_empty());
    tokio::spawn(server.run_until(std::future::pending()));
    let mut first = TcpStream::connect(one).await.unwrap();
    expect(&mut first, "hello\r\n").await;
    let mut second = TcpStream::connect(two).await.unwrap();
    assert_eq!(rest(&mut second).await, "full\r\n");
}

const NAME_OF_CHILD: &str = "server::tests::the_child_runs_out_of_files";

#[test]
fn want_of_files_is_survived() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME_OF_CHILD, "--ignored"])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{words}");
    assert!(words.contains("1 passed"), "{words}");
}

#[tokio::test]
#[ignore = "lowers the limit of files of its process: run by the test above in one of its own"]
async fn the_child_runs_out_of_files() {
    let scene = Scene::clear();
    let mut first = scene.greeted().await;
    let scarce = Rlimit {
        current: Some(64),
        maximum: getrlimit(Resource::Nofile).maximum,
    };
    setrlimit(Resource::Nofile, scarce).unwrap();
    let mut peers = Vec::new();
    while let Ok(peer) = std::net::TcpStream::connect(scene.address) {
        peers.push(peer);
    }
    while scene.counts.count(|event| *event == Event::AcceptFailed) == 0 {
        tokio::task::yield_now().await;
    }
    first.write_all(b"ECHO a\r\n").await.unwrap();
    expect(&mut first, "a\r\n").await;

    let waiting = peers.swap_remove(0);
    drop(peers);
    while scene.counts.count(|event| *event == Event::Opened) < 2 {
        scene.hands.turn(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    waiting.set_nonblocking(true).unwrap();
    expect(&mut TcpStream::from_std(waiting).unwrap(), "hello\r\n").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn thousands_of_connections_can_wait() {
    let files = usize::try_from(raise_open_files()).unwrap_or(usize::MAX);
    let number = 3000.min(files.saturating_sub(300) / 2);
    let limits = Limits {
        exempt: crate::network::Network::LOOPBACK.to_vec(),
        ..Limits::default()
    };
    let scene = Scene::new(limits, TlsUse::Never);
    let address = scene.address;
    let before = resident_kib();
    let mut peers = tokio::task::spawn_blocking(move || {
        let connect = |_| {
            let mut peer = std::net::TcpStream::connect(address).unwrap();
            peer.read_exact(&mut [0; 7]).unwrap();
            peer.write_all(b"ECHO a\r\n").unwrap();
            peer.read_exact(&mut [0; 3]).unwrap();
            peer
        };
        (0..number).map(connect).collect::<Vec<_>>()
    })
    .await
    .unwrap();
    let grown = resident_kib().saturating_sub(before);
    #[expect(clippy::print_stdout, reason = "a figure for who runs this test alone")]
    {
        println!("{number} waiting connections: {grown} KiB");
    }
    assert_eq!(scene.counts.count(|event| *event == Event::Opened), number);
    for peer in &mut peers {
        peer.write_all(b"ECHO b\r\n").unwrap();
    }
    drop(peers);
    let counts = Arc::clone(&scene.counts);
    assert_eq!(scene.stop().await.cut_off, 0);
    let closed = |event: &Event| matches!(event, Event::Closed { .. });
    assert_eq!(counts.count(closed), number);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
fn the_limit_of_open_files_is_known_and_not_lowered() {
    let before = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let allowed = raise_open_files();
    assert!(allowed >= before);
    assert_eq!(raise_open_files(), allowed);
}

#[test]
fn session_names_are_eight_letters_and_digits_and_differ() {
    let ids = SessionIds::beginning_at(1_700_000_000_123_456);
    let (one, two) = (ids.next(), ids.next());
    assert_ne!(one, two);
    assert_eq!(one.to_string().len(), 8);
    assert_eq!(two.to_string().len(), 8);
}

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

use super::*;
use crate::clock::ClockHands;
use crate::stop::StopOrder;
use crate::toy::{IDLE, Pem, Toy, ToyDesk, connector, mx, pem, poll_once, service};

/// A peer that says its pieces one after the other, without waiting, and then no more.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    written: Arc<Mutex<Vec<String>>>,
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut piece) = self.pieces.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.pieces.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        self.written.lock().unwrap().push(text);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

struct Scene {
    desk: ToyDesk,
    hands: ClockHands,
    surroundings: Surroundings,
}

impl Scene {
    fn new() -> Self {
        let (clock, hands) = Clock::turned_by_hand();
        let desk = ToyDesk::new();
        let surroundings = Surroundings {
            clock,
            patience: Patience::default(),
            stop: desk.order.signal(),
            budget: Budget::without_end(),
            tls: None,
        };
        Self {
            desk,
            hands,
            surroundings,
        }
    }

    fn with_tls(pem: &Pem) -> Self {
        let mut scene = Self::new();
        scene.surroundings.tls = Some(service(pem));
        scene
    }

    fn order(&self) -> &StopOrder {
        &self.desk.order
    }

    fn drive<IO>(&self, io: IO) -> impl Future<Output = Outcome> + use<IO>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
    {
        drive(io, Toy::new(), self.desk.clone(), self.surroundings.clone())
    }

    /// Everything that is written, by write, and the end.
    async fn play(&self, pieces: &[&[u8]]) -> (Vec<String>, Ending) {
        let written = Arc::default();
        let script = Script {
            pieces: pieces.iter().map(|piece| piece.to_vec()).collect(),
            written: Arc::clone(&written),
        };
        let outcome = self.drive(script).await;
        let written = written.lock().unwrap().clone();
        (written, outcome.ending)
    }
}

/// What the peer can read without waiting.
async fn arrived(peer: &mut DuplexStream) -> String {
    let mut text = Vec::new();
    while let Some(count) = poll_once(pin!(peer.read_buf(&mut text))).await {
        if count.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn replies_are_the_same_wherever_the_input_is_cut() {
    let input = b"ECHO one\r\nASK two\r\nBODY three\r\nASK four\r\nNOTE five\r\nQUIT\r\n";
    let wanted = "hello\r\none\r\nTWO\r\nFOUR\r\nbye\r\n";
    for cut in 1..input.len() {
        let scene = Scene::new();
        let (written, ending) = scene.play(&[&input[..cut], &input[cut..]]).await;
        assert_eq!(written.concat(), wanted, "cut at {cut}");
        assert_eq!(ending, Ending::Quit);
        let diary = scene.desk.diary.entries();
        let entries = ["asked two", "body three", "asked four", "note five"];
        assert_eq!(diary[..4], entries);
        assert_eq!(diary[4..], ["closed quit"]);
    }
}

#[tokio::test]
async fn a_batch_is_answered_with_one_write_though_it_asks() {
    let scene = Scene::new();
    let batch = "ECHO a\r\nASK b\r\nASK c\r\nECHO d\r\n".repeat(20);
    let (written, _) = scene.play(&[batch.as_bytes()]).await;
    assert_eq!(
        written,
        ["hello\r\n".to_owned(), "a\r\nB\r\nC\r\nd\r\n".repeat(20)]
    );
}

#[tokio::test]
async fn a_peer_that_sends_no_more_gets_all_its_replies() {
    let scene = Scene::new();
    let (written, ending) = scene.play(&[b"ECHO a\r\nASK b\r\nECHO unfinished"]).await;
    assert_eq!(written.concat(), "hello\r\na\r\nB\r\n");
    assert_eq!(ending, Ending::Dropped);
    assert_eq!(scene.desk.diary.entries(), ["asked b", "closed dropped"]);
}

#[tokio::test]
async fn what_was_said_before_is_sent_while_a_long_question_is_open() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"ECHO a\r\nASK gate\r\nECHO b\r\n")
        .await
        .unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(arrived(&mut peer).await, "hello\r\na\r\n");
    scene.desk.gate.add_permits(1);
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(arrived(&mut peer).await, "GATE\r\nb\r\n");
}

#[tokio::test]
async fn a_peer_that_goes_does_not_keep_the_desk_from_finishing() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"ECHO a\r\nASK gate\r\nASK b\r\n")
        .await
        .unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    drop(peer);
    scene.desk.gate.add_permits(1);
    assert_eq!(driver.await.ending, Ending::Dropped);
    let diary = scene.desk.diary.entries();
    assert_eq!(diary, ["asked gate", "asked b", "closed dropped"]);
}

#[tokio::test]
async fn a_silent_peer_is_closed_at_its_deadline_and_not_before() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(IDLE / 2);
    peer.write_all(b"ECHO a\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(IDLE / 2);
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(arrived(&mut peer).await, "hello\r\na\r\n");
    scene.hands.turn(IDLE / 2);
    assert_eq!(driver.await.ending, Ending::TimedOut);
    assert_eq!(arrived(&mut peer).await, "late\r\n");
}

#[tokio::test]
async fn an_open_question_has_no_deadline() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"ASK gate\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(10 * IDLE);
    scene.desk.gate.add_permits(1);
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(arrived(&mut peer).await, "hello\r\nGATE\r\n");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_dropped() {
    let scene = Scene::new();
    let patience = scene.surroundings.patience.write;
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"BIG 1000\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(patience / 2);
    let mut some = [0; 10];
    peer.read_exact(&mut some).await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(patience / 2);
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(patience / 2);
    assert_eq!(driver.await.ending, Ending::SlowReader);
    assert_eq!(scene.desk.diary.entries(), ["closed slow-reader"]);
}

#[tokio::test]
async fn a_peer_that_reads_an_octet_now_and_then_is_dropped_too() {
    let scene = Scene::new();
    let patience = scene.surroundings.patience.write;
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"BIG 1000\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    for _ in 0..20 {
        scene.hands.turn(patience / 2);
        peer.read_exact(&mut [0; 1]).await.unwrap();
        if let Some(outcome) = poll_once(driver.as_mut()).await {
            assert_eq!(outcome.ending, Ending::SlowReader);
            assert_eq!(scene.surroundings.clock.now().0, 10 * patience);
            return;
        }
    }
    panic!("it is still waited for");
}

#[tokio::test]
async fn a_peer_that_never_pauses_leaves_others_their_turn() {
    let scene = Scene::new();
    let written = Arc::default();
    let piece = b"ECHO some more\r\n".repeat(8 * 1024);
    let script = Script {
        pieces: std::iter::repeat_n(piece, 10).collect(),
        written: Arc::clone(&written),
    };
    let mut driver = pin!(scene.drive(script));
    let mut turns = 1;
    while poll_once(driver.as_mut()).await.is_none() {
        turns += 1;
    }
    assert!(turns >= 10, "{turns} turns");
}

#[tokio::test]
async fn under_load_a_silent_peer_goes_sooner_although_it_was_waited_for_already() {
    let scene = Scene::new();
    scene.hands.turn(IDLE);
    let (_peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.order().herald().load(Load::High);
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(IDLE / 5);
    assert_eq!(driver.await.ending, Ending::TimedOut);
}

#[tokio::test]
async fn when_the_load_is_over_a_peer_has_its_time_again() {
    let scene = Scene::new();
    scene.hands.turn(IDLE);
    scene.order().herald().load(Load::Full);
    let (_peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.order().herald().load(Load::Usual);
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(IDLE / 2);
    assert!(poll_once(driver.as_mut()).await.is_none());
}

/// A scene where so many octets may be in flight.
fn scarce(octets: usize) -> Scene {
    let mut scene = Scene::new();
    let herald = scene.order().herald();
    let gauge = cassmail_telemetry::Gauge::default();
    scene.surroundings.budget = Budget::new(usize::MAX, octets, gauge, herald);
    scene
}

#[tokio::test]
async fn what_a_peer_does_not_read_is_in_flight_until_it_goes() {
    let scene = scarce(usize::MAX);
    let budget = scene.surroundings.budget.clone();
    let (mut peer, ours) = duplex(1000);
    let mut driver = Box::pin(scene.drive(ours));
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(budget.in_flight(), 0, "an idle connection has nothing");
    peer.write_all(b"BIG 1000\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert!(budget.in_flight() >= 15 * 1024);
    drop(driver);
    assert_eq!(budget.in_flight(), 0);
}

#[tokio::test]
async fn a_piece_that_the_desk_has_not_taken_is_in_flight() {
    let scene = scarce(usize::MAX);
    let budget = scene.surroundings.budget.clone();
    let (mut peer, ours) = duplex(100_000);
    let mut driver = Box::pin(scene.drive(ours));
    let commands = [b"ASK gate\r\n".as_slice(), &b"ECHO x\r\n".repeat(1000)].concat();
    peer.write_all(&commands).await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert!(budget.in_flight() >= 7900, "what waits behind the question");
    scene.desk.gate.add_permits(1);
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(budget.in_flight(), 0);
}

#[tokio::test]
async fn a_slow_reader_that_fills_the_budget_has_half_a_minute() {
    let scene = scarce(16 * 1024);
    let patience = scene.surroundings.patience;
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"BIG 1000\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(scene.surroundings.budget.load(), Load::Full);
    scene.hands.turn(patience.write_under_load);
    assert_eq!(driver.await.ending, Ending::SlowReader);
    assert_eq!(scene.surroundings.budget.load(), Load::Usual);
}

#[tokio::test]
async fn large_outputs_arrive_whole() {
    let scene = Scene::new();
    let (peer, ours) = duplex(1000);
    let (mut input, mut output) = tokio::io::split(peer);
    output.write_all(b"BIG 100\r\nQUIT\r\n").await.unwrap();
    let mut text = String::new();
    let (outcome, length) = tokio::join!(scene.drive(ours), input.read_to_string(&mut text));
    assert_eq!(length.unwrap(), 7 + 100 * 16 * 1024 + 5);
    assert_eq!(outcome.traffic.sent, text.len() as u64);
    assert_eq!(outcome.traffic.received, 15);
}

#[tokio::test]
async fn stopping_lets_an_answer_in_progress_finish() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"ASK gate\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.order().give(Stage::Finishing);
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.desk.gate.add_permits(1);
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(arrived(&mut peer).await, "hello\r\nGATE\r\nstopping\r\n");
    drop(peer);
    assert_eq!(driver.await.ending, Ending::Stopped);
}

#[tokio::test]
async fn a_peer_that_never_pauses_hears_of_the_end() {
    let scene = Scene::new();
    let pieces = [
        &b"ECHO a\r\n"[..],
        b"ASK stop\r\n",
        b"ECHO b\r\n",
        b"ECHO c\r\n",
    ];
    let (written, ending) = scene.play(&pieces).await;
    assert_eq!(written.concat(), "hello\r\na\r\nSTOP\r\nstopping\r\n");
    assert_eq!(ending, Ending::Stopped);
}

#[tokio::test]
async fn who_waits_or_does_not_read_leaves_when_the_time_is_over() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(100);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"BIG 10\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.order().give(Stage::Finishing);
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.order().give(Stage::Leaving);
    assert!(poll_once(driver.as_mut()).await.is_none());
    drop(peer);
    assert_eq!(driver.await.ending, Ending::Stopped);
    assert_eq!(scene.desk.diary.entries(), ["closed stopped"]);
}

#[tokio::test]
async fn a_farewell_to_a_peer_that_still_sends_is_bounded() {
    let scene = Scene::new();
    let (mut peer, ours) = duplex(1000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"ABUSE\r\nECHO unread\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    assert_eq!(arrived(&mut peer).await, "hello\r\nenough\r\n");
    peer.write_all(b"still talking").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(scene.surroundings.patience.farewell);
    assert_eq!(driver.await.ending, Ending::Abuse);
}

#[tokio::test]
async fn what_stands_behind_starttls_in_clear_is_never_obeyed() {
    let pem = pem();
    let scene = Scene::with_tls(&pem);
    let (mut peer, ours) = duplex(10_000);
    let talk = async {
        let mut clear = [0; 11];
        peer.write_all(b"STARTTLS\r\nASK injected\r\nECHO injected\r\n")
            .await
            .unwrap();
        peer.read_exact(&mut clear).await.unwrap();
        assert_eq!(&clear, b"hello\r\ngo\r\n");
        let mut tls = connector(&[&pem], &[]).connect(mx(), peer).await.unwrap();
        tls.write_all(b"ECHO safe\r\nQUIT\r\n").await.unwrap();
        let mut text = String::new();
        tls.read_to_string(&mut text).await.unwrap();
        text
    };
    let (outcome, text) = tokio::join!(scene.drive(ours), talk);
    assert_eq!(text, "TLSv1.3 TLS_AES_256_GCM_SHA384\r\nsafe\r\nbye\r\n");
    assert_eq!(outcome.ending, Ending::Quit);
    assert_eq!(scene.desk.diary.entries(), ["closed quit"]);
}

/// RFC 8314 3.4: without an orderly end the client would take the replies for cut.
#[tokio::test]
async fn a_batch_under_tls_is_answered_whole() {
    let pem = pem();
    let scene = Scene::with_tls(&pem);
    let (mut peer, ours) = duplex(10_000);
    let talk = async {
        let mut clear = [0; 11];
        peer.write_all(b"STARTTLS\r\n").await.unwrap();
        peer.read_exact(&mut clear).await.unwrap();
        let mut tls = connector(&[&pem], &["toy"])
            .connect(mx(), peer)
            .await
            .unwrap();
        tls.write_all(b"BIG 50\r\nASK a\r\nQUIT\r\n").await.unwrap();
        let mut text = String::new();
        tls.read_to_string(&mut text).await.unwrap();
        text
    };
    let (_, text) = tokio::join!(scene.drive(ours), talk);
    assert!(
        text.ends_with("x\u{41}\r\nbye\r\n"),
        "{}",
        &text[text.len() - 20..]
    );
    assert_eq!(text.matches('x').count(), 50 * 16 * 1024);
}

#[tokio::test]
async fn a_failed_handshake_ends_the_connection() {
    let scene = Scene::with_tls(&pem());
    let (mut peer, ours) = duplex(10_000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"STARTTLS\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    peer.write_all(b"ECHO in clear after all\r\n")
        .await
        .unwrap();
    let outcome = driver.await;
    assert_eq!(outcome.ending, Ending::TlsFailed);
    assert!(outcome.cause.is_some());
    assert!(!arrived(&mut peer).await.contains("after all"));
    assert_eq!(scene.desk.diary.entries(), ["closed tls-failed"]);
}

#[tokio::test]
async fn a_handshake_that_is_not_begun_ends_in_time() {
    let scene = Scene::with_tls(&pem());
    let (mut peer, ours) = duplex(10_000);
    let mut driver = pin!(scene.drive(ours));
    peer.write_all(b"STARTTLS\r\n").await.unwrap();
    assert!(poll_once(driver.as_mut()).await.is_none());
    scene.hands.turn(scene.surroundings.patience.handshake);
    assert_eq!(driver.await.ending, Ending::TlsFailed);
}

#[tokio::test]
async fn tls_that_is_not_configured_is_a_fault_of_ours() {
    let scene = Scene::new();
    let (_, ending) = scene.play(&[b"STARTTLS\r\n"]).await;
    assert_eq!(ending, Ending::Fault);
}

/// The future is what a connection that waits costs, besides what its session holds.
#[tokio::test]
async fn a_waiting_connection_is_small() {
    let scene = Scene::new();
    let (_peer, ours) = duplex(1000);
    let driver = scene.drive(ours);
    let size = size_of_val(&driver);
    assert!(size < 2500, "{size}");
}

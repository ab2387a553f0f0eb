//! Connections from addresses that have to say who is behind them.

use super::*;
use crate::network::Network;

const HEADER: &[u8] = b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 25\r\n";

fn behind_loopback() -> ListenerSpec {
    ListenerSpec {
        proxies: Network::LOOPBACK.to_vec(),
        ..ListenerSpec::new("toy", &[LOOPBACK])
    }
}

impl Scene {
    fn behind(limits: Limits) -> Self {
        Self::of(limits, behind_loopback())
    }

    /// Connects and says this.
    async fn says(&self, words: &[u8]) -> TcpStream {
        let mut peer = self.connect().await;
        peer.write_all(words).await.unwrap();
        peer
    }

    /// Whether somebody who says this is let go without a word.
    async fn ignores(&self, words: &[u8]) -> bool {
        let mut peer = self.says(words).await;
        let mut answer = Vec::new();
        let read = peer.read_to_end(&mut answer).await;
        // What was not read makes it a reset.
        read.is_err() || answer.is_empty()
    }
}

#[tokio::test]
async fn the_named_address_is_who_is_served() {
    let scene = Scene::behind(Limits::default());
    let mut peer = scene.says(&[HEADER, b"ECHO a\r\n"].concat()).await;
    expect(&mut peer, "hello\r\na\r\n").await;
    let diary = scene.desk.diary.entries();
    assert_eq!(diary, ["from 192.0.2.7:5000 to 192.0.2.1:25"]);
}

#[tokio::test]
async fn a_header_may_come_in_pieces_and_with_what_follows() {
    let scene = Scene::behind(Limits::default());
    let all = [HEADER, b"ECHO a\r\nQUIT\r\n"].concat();
    for cut in 1..all.len() {
        let mut peer = scene.says(&all[..cut]).await;
        tokio::task::yield_now().await;
        peer.write_all(&all[cut..]).await.unwrap();
        assert_eq!(rest(&mut peer).await, "hello\r\na\r\nbye\r\n", "{cut}");
    }
}

#[tokio::test]
async fn a_proxy_without_a_header_is_not_served() {
    let scene = Scene::behind(Limits::default());
    for words in [
        &b"ECHO a\r\n"[..],
        b"\x16\x03\x01",
        b"PROXY TCP4 nobody\r\n",
        b"PROXY UDP4 192.0.2.7 192.0.2.1 1 25\r\n",
        &[b"PROXY UNKNOWN ", &[b'x'; 200][..]].concat(),
    ] {
        assert!(scene.ignores(words).await, "{}", words.escape_ascii());
    }
    assert_eq!(scene.counts.count(|event| *event == Event::Opened), 0);
}

#[tokio::test]
async fn a_header_that_does_not_come_is_not_waited_for() {
    let scene = Scene::behind(Limits::default());
    let mut silent = scene.says(b"PROXY TCP4 ").await;
    let mut answer = Vec::new();
    let mut end = std::pin::pin!(silent.read_to_end(&mut answer));
    let waits = Patience::default().handshake;
    loop {
        match crate::toy::poll_once(end.as_mut()).await {
            Some(_) => break,
            None => scene.hands.turn(waits),
        }
        tokio::task::yield_now().await;
    }
    assert!(answer.is_empty());
    assert_eq!(scene.counts.count(|event| *event == Event::Opened), 0);
}

#[tokio::test]
async fn limits_are_those_of_the_named_address() {
    let limits = Limits {
        per_source: 1,
        ..Limits::default()
    };
    let scene = Scene::behind(limits);
    let mut first = scene.says(HEADER).await;
    expect(&mut first, "hello\r\n").await;
    let mut same = scene.says(HEADER).await;
    assert_eq!(rest(&mut same).await, "too many of you\r\n");
    let other = b"PROXY TCP4 192.0.2.8 192.0.2.1 5000 25\r\n";
    let mut other = scene.says(other).await;
    expect(&mut other, "hello\r\n").await;
}

#[tokio::test]
async fn an_exempt_proxy_exempts_nobody_behind_it() {
    let limits = Limits {
        per_source: 1,
        exempt: Network::LOOPBACK.to_vec(),
        ..Limits::default()
    };
    let scene = Scene::behind(limits);
    let mut first = scene.says(HEADER).await;
    expect(&mut first, "hello\r\n").await;
    let mut same = scene.says(HEADER).await;
    assert_eq!(rest(&mut same).await, "too many of you\r\n");
    // Its own, as when it looks whether we are well.
    for _ in 0..3 {
        let mut own = scene.says(b"PROXY UNKNOWN\r\n").await;
        expect(&mut own, "hello\r\n").await;
    }
}

#[tokio::test]
async fn who_is_not_listed_cannot_name_an_address() {
    let spec = ListenerSpec {
        proxies: vec!["192.0.2.0/24".parse().unwrap()],
        ..ListenerSpec::new("toy", &[LOOPBACK])
    };
    let scene = Scene::of(Limits::default(), spec);
    let mut peer = scene.says(HEADER).await;
    expect(&mut peer, "hello\r\nwhat?\r\n").await;
    let diary = scene.desk.diary.entries();
    assert!(diary[0].starts_with("from 127.0.0.1:"), "{diary:?}");
}

#[tokio::test]
async fn tls_from_the_start_begins_behind_the_header() {
    let pem = pem();
    let spec = ListenerSpec {
        tls: TlsUse::FromTheStart(service(&pem)),
        ..behind_loopback()
    };
    let scene = Scene::of(Limits::default(), spec);
    let client = connector(&[&pem], &["toy"]);
    let mut peer = client
        .connect(mx(), scene.says(HEADER).await)
        .await
        .unwrap();
    expect(&mut peer, "hello\r\n").await;
    let diary = scene.desk.diary.entries();
    assert_eq!(diary, ["from 192.0.2.7:5000 to 192.0.2.1:25"]);
}

#[tokio::test]
async fn a_proxy_that_has_not_named_anybody_is_told_of_the_end() {
    let scene = Scene::behind(Limits::default());
    let mut peer = scene.says(b"PROXY TCP4 ").await;
    let mut served = scene.says(HEADER).await;
    expect(&mut served, "hello\r\n").await;
    let talk = async {
        assert_eq!(rest(&mut peer).await, "stopping\r\n");
        assert_eq!(rest(&mut served).await, "stopping\r\n");
        drop(served);
    };
    let (farewell, ()) = tokio::join!(scene.stop(), talk);
    assert_eq!(farewell.cut_off, 0);
}

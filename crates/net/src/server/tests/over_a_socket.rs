//! Connections over a Unix socket.

use std::path::Path;

use tokio::net::UnixStream;

use super::*;
use crate::listener::UnixSocket;

fn at(path: &Path) -> ListenerSpec {
    ListenerSpec {
        socket: Some(UnixSocket {
            path: path.to_owned(),
            mode: 0o600,
        }),
        ..ListenerSpec::new("toy", &[])
    }
}

#[tokio::test]
async fn a_socket_is_served_like_a_port_and_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.sock");
    let scene = Scene::of(Limits::default(), at(&path));
    let mut peer = UnixStream::connect(&path).await.unwrap();
    expect(&mut peer, "hello\r\n").await;
    peer.write_all(b"ECHO a\r\n").await.unwrap();
    expect(&mut peer, "a\r\n").await;
    let diary = scene.desk.diary.entries();
    assert_eq!(diary, ["from 127.0.0.1:0 to 127.0.0.1:0"], "this machine");
    let talk = async {
        assert_eq!(rest(&mut peer).await, "stopping\r\n");
        drop(peer);
    };
    let (farewell, ()) = tokio::join!(scene.stop(), talk);
    assert_eq!(farewell.cut_off, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_limits_of_a_source_do_not_hold_for_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.sock");
    let limits = Limits {
        connections: 4,
        per_source: 1,
        per_source_and_minute: 1,
        ..Limits::default()
    };
    let _scene = Scene::of(limits, at(&path));
    let mut inside = Vec::new();
    for _ in 0..4 {
        let mut peer = UnixStream::connect(&path).await.unwrap();
        expect(&mut peer, "hello\r\n").await;
        inside.push(peer);
    }
    let mut one_more = UnixStream::connect(&path).await.unwrap();
    assert_eq!(rest(&mut one_more).await, "full\r\n", "the budget does");
}

#[tokio::test]
async fn tls_can_start_over_a_socket() {
    let pem = pem();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("toy.sock");
    let spec = ListenerSpec {
        tls: TlsUse::OnRequest(service(&pem)),
        ..at(&path)
    };
    let _scene = Scene::of(Limits::default(), spec);
    let mut peer = UnixStream::connect(&path).await.unwrap();
    expect(&mut peer, "hello\r\n").await;
    peer.write_all(b"STARTTLS\r\n").await.unwrap();
    expect(&mut peer, "go\r\n").await;
    let client = connector(&[&pem], &["toy"]);
    let mut peer = client.connect(mx(), peer).await.unwrap();
    expect(&mut peer, "TLSv1.3 ").await;
}

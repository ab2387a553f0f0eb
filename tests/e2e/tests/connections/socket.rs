//! LMTP over the Unix socket.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cassmail_e2e::Server;

use crate::house::{Talk, maildrop, settled};

fn lmtp(server: &Server) -> Talk<UnixStream> {
    let stream = UnixStream::connect(server.folder().join("lmtp.sock")).expect("is there");
    let patience = Some(Duration::from_mins(2));
    stream.set_read_timeout(patience).expect("can be set");
    let mut talk = Talk::over(stream);
    assert_eq!(talk.hear(1), ["220 here.example LMTP cassmail"]);
    assert!(talk.extensions("LHLO").len() > 5);
    talk
}

#[test]
fn a_mail_over_the_socket_is_answered_for_each_and_delivered_once() {
    let server = settled();
    let path = server.folder().join("lmtp.sock");
    let metadata = std::fs::metadata(&path).expect("is there");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);

    let mut talk = lmtp(&server);
    let envelope = "MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@here.example>\r\n\
                    RCPT TO:<nobody@here.example>\r\nRCPT TO:<carol@here.example>\r\n\
                    RCPT TO:<bob@here.example>\r\nDATA\r\n";
    let replies = talk.say(envelope, 6);
    let codes: Vec<_> = replies.iter().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "550", "250", "250", "354"]);
    let replies = talk.say("Subject: x\r\n\r\nonce\r\n.\r\n", 3);
    for reply in &replies {
        assert!(reply.starts_with("250 2.0.0 stored as "), "{replies:?}");
    }
    assert!(talk.say("QUIT\r\n", 1)[0].starts_with("221 "));
    for account in ["bob", "carol"] {
        let messages = maildrop(&server, account);
        let [message] = &messages[..] else {
            panic!("one message, not {}", messages.len());
        };
        assert!(message.contains("with LMTP\r\n"), "{message}");
        assert!(message.ends_with("\r\nonce\r\n"), "{message}");
    }
    server.terminate();
    server.wait_until_ended();
    assert!(!path.exists(), "the socket goes with the server");
}

#[test]
fn a_socket_that_was_left_behind_is_replaced() {
    let mut server = settled();
    let path = server.folder().join("lmtp.sock");
    server.kill();
    assert!(path.exists(), "nobody took it away");
    server.start_again();
    lmtp(&server);
}

//! A listener behind a proxy on the loopback.

use std::io::{Read, Write};

use cassmail_e2e::{Port, Server, Wire};

use crate::house::{Talk, maildrop, settled};

fn call(server: &Server) -> Wire {
    Wire::connect(server.port(Port::Proxied)).expect("somebody listens")
}

/// Version 2, for 192.0.2.7 port 56324, with an extension of three octets.
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12\xc0\0\x02\x07\xc0\0\x02\x01\xdc\x04\0\x19\
                        \x04\0\x03abc";

#[test]
fn the_trace_names_who_is_behind_the_proxy() {
    let server = settled();
    let text = &b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 25\r\n"[..];
    for header in [text, BINARY] {
        let mut wire = call(&server);
        wire.write_all(header).expect("it listens");
        let mut talk = Talk::over(wire);
        assert!(talk.hear(1)[0].starts_with("220 "));
        talk.extensions("EHLO");
        let envelope = "MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\n";
        talk.say(envelope, 3);
        let reply = talk.say("Subject: x\r\n\r\ntext\r\n.\r\n", 1);
        assert!(reply[0].starts_with("250 "), "{reply:?}");
        talk.say("QUIT\r\n", 1);
    }
    let messages = maildrop(&server, "bob");
    assert!(messages[0].contains("([IPv6:2001:db8::7])"), "{messages:?}");
    assert!(messages[1].contains("([192.0.2.7])"), "{messages:?}");
    server.logged("client.address=192.0.2.7", 0);
}

#[test]
fn a_proxy_that_names_nobody_is_closed_without_a_word() {
    let server = settled();
    for words in [
        &b"EHLO client.example\r\n"[..],
        b"PROXY TCP4 nobody\r\n",
        b"\x16\x03\x01\x02",
    ] {
        let mut wire = call(&server);
        wire.write_all(words).expect("it listens");
        let mut answer = Vec::new();
        // What was not read may make it a reset.
        let _ = wire.read_to_end(&mut answer);
        assert!(answer.is_empty(), "{}", answer.escape_ascii());
    }
    server.logged("net.proxy.refused", 0);
}

#[test]
fn elsewhere_a_header_is_no_command() {
    let server = settled();
    let mut wire = Wire::connect(server.port(Port::Mx)).expect("somebody listens");
    wire.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.1 1 25\r\n")
        .expect("it listens");
    let lines = Talk::over(wire).hear(2);
    assert!(lines[1].starts_with("500 "), "{lines:?}");
}

//! What an operator can read of a conversation, and what nobody can.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cassmail_e2e::{Configuration, Conversation, Maildrop, Port, Server, Wire};

use crate::house::{greeted, inhabited, maildrop};

/// Told to the server, and never to be found again in its log.
const SECRET: &str = "secret";
const WRONG: &str = "Wr0ngP4ssw0rd";
const BODY: &str = "Confidential: the patient is well.";

fn loud() -> Server {
    let more = "[log]\nlevel = \"trace\"\n";
    inhabited(Server::configured_with(&Configuration::default(), more))
}

/// The only line with these words, which has the client and a session.
fn one_line(server: &Server, words: &str) -> String {
    let line = server.logged(words, 0);
    assert_eq!(server.log().matches(words).count(), 1, "{words}");
    assert!(line.contains("client.address=127.0.0.1"), "{line}");
    assert!(line.contains("session.id="), "{line}");
    line
}

#[test]
fn every_refusal_has_one_line_with_client_envelope_rule_and_reply() {
    let server = loud();
    let mut talk = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let mut refused = |line: &str, code: &str| {
        let reply = talk.say(line).expect("it answers");
        assert!(reply.starts_with(code), "{line}: {reply}");
    };
    refused("MAIL FROM:<a@far.example> SIZE=999999999999", "552 5.3.4");
    refused("MAIL FROM:<a@far.example>", "250");
    refused("RCPT TO:<nobody@here.example>", "550 5.1.1");
    refused("RCPT TO:<somebody@elsewhere.example>", "550 5.7.1");
    refused("DATA", "554 5.5.1");
    refused("RCPT TO:<bob@here.example>", "250");
    refused("DATA", "354");
    refused("bare\nline feed\r\n.", "550 5.6.0");
    refused("WHAT", "500");
    let size = one_line(&server, "552 5.3.4");
    assert!(size.contains("MAIL"), "{size}");
    for (reply, about) in [
        ("550 5.1.1", "nobody@"),
        ("550 5.7.1", "somebody@elsewhere"),
    ] {
        let line = one_line(&server, reply);
        assert!(line.contains("mail.from=\"<a@far.example>\""), "{line}");
        assert!(line.contains("RCPT") && line.contains(about), "{line}");
    }
    assert!(one_line(&server, "554 5.5.1").contains("DATA"));
    let text = one_line(&server, "550 5.6.0");
    assert!(text.contains("mail.from=\"<a@far.example>\""), "{text}");
    assert!(text.contains("mail.to=\"bob@here.example\""), "{text}");
    let behind = one_line(&server, " 500 ");
    assert!(behind.contains("mail.from=\"\""), "{behind}");
}

#[test]
fn a_refused_login_has_one_line_with_the_reason_that_the_client_does_not_hear() {
    let server = loud();
    for (port, account, reason) in [
        (Port::Pop3, "bob", "wrong password"),
        (Port::Pop3, "nobody", "no such account"),
    ] {
        let wire = Wire::connect(server.port(port)).expect("welcomes");
        let Err(refusal) = Maildrop::over(wire, account, WRONG) else {
            panic!("{account} is let in");
        };
        assert!(!refusal.to_string().contains(reason), "{refusal}");
        let line = one_line(&server, reason);
        assert!(line.contains("login.refused"), "{line}");
        assert!(line.contains(&format!("user=\"{account}\"")), "{line}");
    }
}

#[test]
fn neither_passwords_nor_bodies_reach_the_log_even_when_it_tells_all() {
    let server = loud();
    let mut talk = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let text = format!("Subject: {BODY}\r\n\r\n{BODY}\r\n");
    let (sender, bob) = ("<a@far.example>", "<bob@here.example>");
    let answer = talk.hand_over(sender, bob, text.as_bytes());
    let answer = answer.expect("it is taken");
    assert!(answer.starts_with("250 "), "{answer}");
    let answer = talk.hand_over(sender, bob, format!("{BODY}\nand more\r\n").as_bytes());
    assert!(answer.expect("it answers").starts_with("550 "));
    assert!(maildrop(&server, "bob")[0].contains(BODY));
    let wire = Wire::connect(server.port(Port::Pop3)).expect("welcomes");
    assert!(Maildrop::over(wire, "bob", WRONG).is_err());
    let plain = |password| STANDARD.encode(format!("\0bob\0{password}"));
    let mut pop3 = greeted(&server, Port::Pop3, "+OK ");
    // A password where none is expected, too.
    for line in [
        format!("AUTH PLAIN {}", plain(WRONG)),
        format!("PASS {SECRET}-too-early"),
        format!("{SECRET}-that-is-no-command"),
        format!("AUTH PLAIN {}", plain(SECRET)),
    ] {
        pop3.say(&format!("{line}\r\n"), 1);
    }
    pop3.say("QUIT\r\n", 1);
    server.terminate();
    server.wait_until_ended();
    let log = server.log();
    for told in [
        "smtp.message.stored",
        "smtp.refused",
        "login.refused",
        "pop3.refused",
    ] {
        assert!(log.contains(told), "nothing is told of {told}");
    }
    for secret in [BODY, WRONG, "secret-t", &plain(SECRET), &plain(WRONG)] {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
}

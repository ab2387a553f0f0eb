//! Messages that must not get in.

use cassmail_e2e::{ACCOUNTS, Conversation, Maildrop, Message, Port, Server, refused};

#[test]
fn a_message_that_breaks_the_rules_is_refused_and_nothing_of_it_is_delivered() {
    let server = Server::plain();
    for message in refused() {
        is_refused_once(&server, &message);
    }
    for account in ACCOUNTS {
        assert_eq!(count(&server, account), 0, "messages of {account}");
    }
}

/// Whoever finds an end of data in the message answers more than once, so that the answer to NOOP
/// is another one.
fn is_refused_once(server: &Server, message: &Message) {
    let name = &message.name;
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let reply = conversation
        .offer_raw("bob", &message.octets)
        .expect("answers");
    let wanted = if name == "received-101" {
        "554 5.4.6 "
    } else {
        "550 5.6.0 "
    };
    assert!(reply.starts_with(wanted), "{name}: {reply}");
    assert!(
        conversation
            .say("NOOP")
            .expect("answers")
            .starts_with("250"),
        "{name}"
    );
    assert!(
        conversation
            .say("QUIT")
            .expect("answers")
            .starts_with("221"),
        "{name}"
    );
}

#[test]
fn after_a_refused_message_the_same_session_can_bring_a_good_one() {
    let server = Server::plain();
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let bad = conversation
        .offer_raw("bob", b"Subject: one\ntwo\r\n\r\n")
        .expect("answers");
    assert!(bad.starts_with("550"), "{bad}");
    let good = conversation
        .offer("bob", b"Subject: good\r\n\r\n")
        .expect("answers");
    assert!(good.starts_with("250"), "{good}");
    assert_eq!(count(&server, "bob"), 1);
}

#[test]
fn nobody_relays() {
    let server = Server::plain();
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    conversation
        .say("MAIL FROM:<alice@sender.example>")
        .expect("answers");
    let recipients = [
        "somebody@elsewhere.example",
        "somebody%elsewhere.example@relay.example",
        "nobody@example.org",
        "elsewhere.example!somebody",
    ];
    for recipient in recipients {
        let reply = conversation
            .say(&format!("RCPT TO:<{recipient}>"))
            .expect("answers");
        assert!(reply.starts_with('5'), "{recipient}: {reply}");
    }
    let reply = conversation.say("DATA").expect("answers");
    assert!(
        reply.starts_with("554") || reply.starts_with("503"),
        "{reply}"
    );
}

fn count(server: &Server, account: &str) -> usize {
    let maildrop = Maildrop::open(server.port(Port::Pop3), account);
    maildrop
        .and_then(|mut maildrop| maildrop.sizes())
        .expect("lists")
        .len()
}

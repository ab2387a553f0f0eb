//! Large messages in little memory.

use cassmail_e2e::{Conversation, Maildrop, Port, Server, delivery, large, settings};

/// The size limit of development mode.
const LIMIT: usize = 50 * 1024 * 1024;

/// How much the server may grow, in KiB, beside what a store in memory has to keep.
const GROWTH: u64 = 20 * 1024;

#[test]
fn fifty_mebibytes_come_in_and_go_out_in_less_than_twenty_of_memory() {
    let server = Server::plain();
    warm_up(&server);
    let message = large("fifty-mebibytes", LIMIT, 50);
    let before = server.memory_now();
    offer(&server, &message.octets);
    let mut maildrop = Maildrop::open(server.port(Port::Pop3), "bob").expect("logs in");
    let fetched = maildrop.retrieve(1).expect("fetches");
    let grown = server.memory_peak().saturating_sub(before);
    delivery::unchanged(&message.octets, &fetched).expect("octet for octet");
    let kept = if settings::store_keeps() {
        0
    } else {
        50 * 1024
    };
    assert!(grown < kept + GROWTH, "grew by {grown} KiB");
}

#[test]
fn an_octet_over_the_limit_is_too_much() {
    let server = Server::plain();
    let message = large("too-large", LIMIT + 1, 51);
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let reply = conversation.offer("bob", &message.octets).expect("answers");
    assert!(reply.starts_with("552"), "{reply}");
    let mut maildrop = Maildrop::open(server.port(Port::Pop3), "bob").expect("logs in");
    assert_eq!(maildrop.sizes().expect("lists").len(), 0);
}

/// One delivery and one login, so that what is built once is there: a password is checked in memory
/// of its own, for instance.
fn warm_up(server: &Server) {
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    conversation
        .offer("carol", b"Subject: first\r\n\r\n")
        .expect("answers");
    let mut maildrop = Maildrop::open(server.port(Port::Pop3), "carol").expect("logs in");
    maildrop.retrieve(1).expect("fetches");
}

fn offer(server: &Server, message: &[u8]) {
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    let reply = conversation.offer("bob", message).expect("answers");
    assert!(reply.starts_with("250"), "{reply}");
}

//! Bodies, owners and deliveries for tests.

use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{AccountId, Address, Delivery, MessageId, Owner, ReversePath};
use cassmail_store::Patience;

/// Longer than any verb takes here.
pub(crate) const PATIENCE: Patience = Patience(Duration::from_mins(2));

/// A small mail as intake writes it.
pub(crate) const HELLO: &[u8] = b"Return-Path: <bob@example.net>\r\n\
    Received: from client.example by here.example; Tue, 14 Nov 2023 22:13:20 +0000\r\n\
    Subject: hello\r\n\
    \r\n\
    Hello Alice,\r\n\
    .\r\n\
    the dot above is part of the text.\r\n";

pub(crate) fn hello() -> Bytes {
    Bytes::from_static(HELLO)
}

/// A mail of so many octets that compresses well.
pub(crate) fn text(octets: usize) -> Bytes {
    let line = b"All work and no play makes Jack a dull boy, again and again.\r\n";
    let start = HELLO.iter().chain(line.iter().cycle());
    start.copied().take(octets).collect()
}

/// A mail of so many octets that does not compress; `seed` makes it another one.
pub(crate) fn noise(octets: usize, seed: u64) -> Bytes {
    let mut state = seed | 1;
    let random = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let start = HELLO.iter().copied().chain(random.flatten());
    start.take(octets).collect()
}

/// Cuts a body into pieces of at most so many octets.
pub(crate) fn cut(body: &Bytes, octets: usize) -> Vec<Bytes> {
    body.chunks(octets)
        .map(|piece| body.slice_ref(piece))
        .collect()
}

/// What an owner gets: written here a second time, so that a mistake in one of them shows.
pub(crate) fn as_delivered(body: &[u8], recipient: &str) -> Vec<u8> {
    let first_line = body.split_inclusive(|&octet| octet == b'\n').next();
    let (first, rest) = body.split_at(first_line.map_or(0, <[u8]>::len));
    let line = format!("Delivered-To: {recipient}\r\n");
    [first, line.as_bytes(), rest].concat()
}

/// Fails without printing megabytes.
#[track_caller]
pub(crate) fn assert_same_octets(found: &[u8], expected: &[u8]) {
    assert_eq!(found.len(), expected.len(), "the number of octets");
    let differs = found.iter().zip(expected).position(|(f, e)| f != e);
    assert_eq!(differs, None, "the first octet that differs");
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A share in a message that was imported whole.
pub(crate) fn owner(account: AccountId) -> Owner {
    Owner {
        account,
        recipient: None,
        uidl: None,
    }
}

/// A share in a message that was sent to `recipient`.
pub(crate) fn owner_named(account: AccountId, recipient: &str) -> Owner {
    Owner {
        recipient: Some(address(recipient)),
        ..owner(account)
    }
}

pub(crate) fn delivery(id: MessageId, owners: Vec<Owner>) -> Delivery {
    Delivery {
        reverse_path: ReversePath::Mailbox(address("bob@example.net")),
        received_at: id.minted_at(),
        surrogate_size: None,
        owners,
    }
}

//! Clients that fetch messages: every message by every door, compared as the client hands it on.

mod curl;
mod fetchmail;
mod getmail;
mod mpop;
mod mutt;
mod poplib;

use cassmail_e2e::{
    Conversation, Maildrop, Message, Options, Port, Server, delivery, generated, written,
};

use crate::door::{Client, Door, OUT_IN_CLEAR, OUT_UNDER_TLS, Tls, by_every_door};
use crate::skip::present;

/// A program that fetches.
pub(crate) trait Fetcher {
    /// The name of its executable file.
    const PROGRAM: &'static str;

    /// Whether it can get TLS by STLS.
    const UPGRADES: bool = true;

    /// The messages that it hands on otherwise than it got them, whatever it is told. All others
    /// have to come as they are stored.
    const CHANGED: &'static [&'static str] = &[];

    /// Fetches all messages of the door's account, in order, and leaves them on the server.
    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>>;

    /// What the program hands on for each stored message, trace fields included; `None` when it is
    /// known to spoil it. For most it is the message.
    fn handed_on(_client: &Client<'_>, stored: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        stored.iter().cloned().map(Some).collect()
    }
}

fn everything_is_fetched<F: Fetcher>() {
    if !present(F::PROGRAM) {
        return;
    }
    let messages: Vec<Message> = written().into_iter().chain(generated()).collect();
    // Where passwords in clear are not taken, a client that logs in does it under TLS.
    let options = |plaintext| Options {
        plaintext,
        ..Options::default()
    };
    let strict = (options(false), OUT_UNDER_TLS.as_slice());
    let lenient = (options(true), OUT_IN_CLEAR.as_slice());
    let failures: Vec<String> = [strict, lenient]
        .into_iter()
        .flat_map(|(options, doors)| {
            let server = Server::start(options);
            let stored = fill(&server, "bob", &messages);
            let doors: Vec<Door> = doors
                .iter()
                .filter(|door| F::UPGRADES || door.tls != Tls::Upgrade)
                .copied()
                .collect();
            by_every_door(&doors, |door| {
                by_a_door::<F>(&server, door, &messages, &stored)
            })
        })
        .collect();
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} differ:\n{}",
        failures.join("\n")
    );
}

/// Gives what a strict reader fetches, which is what was sent below trace fields.
fn fill(server: &Server, account: &str, messages: &[Message]) -> Vec<Vec<u8>> {
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    for message in messages {
        let reply = conversation
            .offer(account, &message.octets)
            .expect("answers");
        assert!(reply.starts_with("250"), "{}: {reply}", message.name);
    }
    let mut maildrop =
        Maildrop::open_under_tls(server.port(Port::Pop3s), account).expect("logs in");
    let stored = maildrop
        .retrieve_all()
        .expect("every message can be fetched");
    assert_eq!(stored.len(), messages.len());
    for (message, stored) in messages.iter().zip(&stored) {
        delivery::unchanged(&message.octets, stored).unwrap_or_else(|error| {
            panic!("{} in a strict reader: {error}", message.name);
        });
    }
    stored
}

fn by_a_door<F: Fetcher>(
    server: &Server,
    door: Door,
    messages: &[Message],
    stored: &[Vec<u8>],
) -> Vec<String> {
    let home = tempfile::tempdir().expect("there is room for temporary files");
    let client = Client {
        server,
        door,
        home: home.path(),
    };
    let expected = F::handed_on(&client, stored);
    let changed = unnamed::<F>(messages, stored, &expected);
    assert!(changed.is_empty(), "changed and not named: {changed:?}");
    let fetched = F::fetch(&client);
    assert_eq!(fetched.len(), messages.len(), "by {door:?}");
    let triples = messages.iter().zip(&expected).zip(&fetched);
    triples
        .filter_map(|((message, expected), fetched)| {
            let expected = expected.as_ref().filter(|expected| *expected != fetched)?;
            let difference = delivery::difference(expected, fetched);
            Some(format!(
                "{} by {:?} {:?} {difference}",
                message.name, door.port, door.tls
            ))
        })
        .collect()
}

/// The messages that a client is expected to change, without those that are named.
fn unnamed<'a, F: Fetcher>(
    messages: &'a [Message],
    stored: &[Vec<u8>],
    expected: &[Option<Vec<u8>>],
) -> Vec<&'a str> {
    let triples = messages.iter().zip(stored).zip(expected);
    triples
        .filter(|((_, stored), expected)| expected.as_ref() != Some(stored))
        .map(|((message, _), _)| message.name.as_str())
        .filter(|name| !F::CHANGED.contains(name))
        .collect()
}

#[test]
fn curl_fetches_every_message_unchanged() {
    everything_is_fetched::<curl::Curl>();
}

#[test]
fn fetchmail_fetches_every_message_unchanged() {
    everything_is_fetched::<fetchmail::Fetchmail>();
}

#[test]
fn getmail_fetches_every_message_unchanged() {
    everything_is_fetched::<getmail::Getmail>();
}

#[test]
fn mpop_fetches_every_message_unchanged() {
    everything_is_fetched::<mpop::Mpop>();
}

#[test]
fn mutt_fetches_every_message_unchanged() {
    everything_is_fetched::<mutt::Mutt>();
}

#[test]
fn poplib_fetches_every_message_unchanged() {
    everything_is_fetched::<poplib::Poplib>();
}

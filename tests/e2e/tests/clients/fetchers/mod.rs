//! Clients that fetch messages: every message by every door, compared as the client hands it on.

mod curl;
mod fetchmail;
mod getmail;
mod mpop;
mod mutt;
mod poplib;

use cassmail_e2e::{Conversation, Message, Port, Server, delivery, generated, written};

use crate::door::{Client, Door, OUT};
use crate::skip::present;

/// A program that fetches.
pub(crate) trait Fetcher {
    /// The name of its executable file.
    const PROGRAM: &'static str;

    /// Fetches all messages of the door's account, in order, and leaves them on the server.
    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>>;

    /// Compares what came of a message.
    fn check(sent: &[u8], fetched: &[u8]) -> Result<(), String> {
        delivery::unchanged(sent, fetched)
    }
}

fn everything_is_fetched<F: Fetcher>() {
    if !present(F::PROGRAM) {
        return;
    }
    let server = Server::plain();
    let messages: Vec<Message> = written().into_iter().chain(generated()).collect();
    fill(&server, "bob", &messages);
    let failures: Vec<String> = OUT
        .into_iter()
        .flat_map(|door| by_a_door::<F>(&server, door, &messages))
        .collect();
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} differ:\n{}",
        failures.join("\n")
    );
}

fn fill(server: &Server, account: &str, messages: &[Message]) {
    let mut conversation = Conversation::open(server.port(Port::Mx)).expect("welcomes");
    for message in messages {
        let reply = conversation
            .offer(account, &message.octets)
            .expect("answers");
        assert!(reply.starts_with("250"), "{}: {reply}", message.name);
    }
}

fn by_a_door<F: Fetcher>(server: &Server, door: Door, messages: &[Message]) -> Vec<String> {
    let home = tempfile::tempdir().expect("there is room for temporary files");
    let fetched = F::fetch(&Client {
        server,
        door,
        home: home.path(),
    });
    assert_eq!(fetched.len(), messages.len(), "by {door:?}");
    let pairs = messages.iter().zip(&fetched);
    pairs
        .filter_map(|(message, fetched)| {
            let error = F::check(&message.octets, fetched).err()?;
            Some(format!(
                "{} by {:?} {:?}: {error}",
                message.name, door.port, door.tls
            ))
        })
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

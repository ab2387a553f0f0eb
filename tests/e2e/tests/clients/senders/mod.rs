//! Clients that bring messages in: every message by every door, compared as it is stored.

mod curl;
mod msmtp;
mod mutt;
mod smtplib;
mod swaks;

use std::thread;

use cassmail_e2e::{Maildrop, Message, Port, Server, delivery, generated, written};

use crate::door::{Client, Door, IN};
use crate::skip::present;

/// A program that sends.
pub(crate) trait Sender {
    /// The name of its executable file.
    const PROGRAM: &'static str;

    /// What the program puts on the wire for a message, by its own documents; `None` when it cannot
    /// send it. For most it is the message.
    fn on_the_wire(_door: Door, message: &Message) -> Option<Vec<u8>> {
        Some(message.octets.clone())
    }

    /// Sends messages to the account of the door, in order.
    fn send(client: &Client<'_>, messages: &[Message]);

    /// Compares what came of a message.
    fn check(door: Door, sent: &[u8], fetched: &[u8]) -> Result<(), String> {
        if door.is_submission() {
            delivery::submitted(sent, fetched)
        } else {
            delivery::unchanged(sent, fetched)
        }
    }
}

fn everything_arrives<S: Sender>() {
    if !present(S::PROGRAM) {
        return;
    }
    let server = Server::plain();
    let messages: Vec<Message> = written().into_iter().chain(generated()).collect();
    let failures: Vec<String> = IN
        .into_iter()
        .flat_map(|door| through_a_door::<S>(&server, door, &messages))
        .collect();
    let count = failures.len();
    assert!(
        failures.is_empty(),
        "{count} differ:\n{}",
        failures.join("\n")
    );
}

fn through_a_door<S: Sender>(server: &Server, door: Door, messages: &[Message]) -> Vec<String> {
    let home = tempfile::tempdir().expect("there is room for temporary files");
    let client = Client {
        server,
        door,
        home: home.path(),
    };
    let wire = messages.iter().map(|message| S::on_the_wire(door, message));
    let (sendable, expected): (Vec<Message>, Vec<Vec<u8>>) = messages
        .iter()
        .zip(wire)
        .filter_map(|(message, wire)| Some((message.clone(), wire?)))
        .unzip();
    S::send(&client, &sendable);
    let mut maildrop = Maildrop::open(server.port(Port::Pop3), door.account).expect("logs in");
    let fetched = maildrop
        .retrieve_all()
        .expect("every message can be fetched");
    assert_eq!(fetched.len(), sendable.len(), "by {door:?}");
    let triples = sendable.iter().zip(&expected).zip(&fetched);
    triples
        .filter_map(|((message, sent), fetched)| {
            let error = S::check(door, sent, fetched).err()?;
            Some(format!(
                "{} by {:?} {:?}: {error}",
                message.name, door.port, door.tls
            ))
        })
        .collect()
}

#[test]
fn curl_brings_every_message_in_unchanged() {
    everything_arrives::<curl::Curl>();
}

#[test]
fn msmtp_brings_every_message_in_unchanged() {
    everything_arrives::<msmtp::Msmtp>();
}

#[test]
fn mutt_brings_every_message_in_unchanged_as_an_attachment() {
    everything_arrives::<mutt::Mutt>();
}

#[test]
fn smtplib_brings_every_message_in_unchanged() {
    everything_arrives::<smtplib::Smtplib>();
}

#[test]
fn swaks_brings_every_message_in_unchanged() {
    everything_arrives::<swaks::Swaks>();
}

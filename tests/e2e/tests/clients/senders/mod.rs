//! Clients that bring messages in: every message by every door, compared as it is stored.

mod curl;
mod msmtp;
mod mutt;
mod smtplib;
mod swaks;

use cassmail_e2e::{Maildrop, Message, Port, Server, delivery, generated, written};

use crate::door::{Client, Door, IN, Tls, by_every_door};
use crate::skip::present;

/// A program that sends.
pub(crate) trait Sender {
    /// The name of its executable file.
    const PROGRAM: &'static str;

    /// The messages that it does not send as they are, whatever it is told. All others have to come
    /// as they were handed over.
    const CHANGED: &'static [&'static str] = &[];

    /// Sends messages to the account of the door, in order.
    fn send(client: &Client<'_>, messages: &[Message]);

    /// What the program sends of a message. For most it is the message.
    fn sent(message: &[u8]) -> Vec<u8> {
        message.to_vec()
    }

    /// What came, without fields that the program has to add. Most add none.
    fn without_own_fields(fetched: Vec<u8>) -> Vec<u8> {
        fetched
    }
}

fn everything_arrives<S: Sender>() {
    if !present(S::PROGRAM) {
        return;
    }
    let server = Server::plain();
    let messages: Vec<Message> = written().into_iter().chain(generated()).collect();
    let failures = by_every_door(&IN, |door| through_a_door::<S>(&server, door, &messages));
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
    S::send(&client, messages);
    let mut maildrop = Maildrop::open(server.port(Port::Pop3), door.account).expect("logs in");
    let fetched = maildrop
        .retrieve_all()
        .expect("every message can be fetched");
    assert_eq!(fetched.len(), messages.len(), "by {door:?}");
    let pairs = messages.iter().zip(fetched);
    pairs
        .filter_map(|(message, fetched)| {
            let error = check::<S>(door, message, fetched).err()?;
            Some(format!(
                "{} by {:?} {:?}: {error}",
                message.name, door.port, door.tls
            ))
        })
        .collect()
}

fn check<S: Sender>(door: Door, message: &Message, fetched: Vec<u8>) -> Result<(), String> {
    came_by(door, &fetched)?;
    let sent = S::sent(&message.octets);
    if sent != message.octets && !S::CHANGED.contains(&message.name.as_str()) {
        return Err("changed and not named".into());
    }
    let fetched = S::without_own_fields(fetched);
    if door.is_submission() {
        delivery::submitted(&sent, &fetched)
    } else {
        delivery::unchanged(&sent, &fetched)
    }
}

/// Looks whether the client came the way it was told, under TLS above all: so says `Received`.
fn came_by(door: Door, fetched: &[u8]) -> Result<(), String> {
    // mutt says HELO where it needs nothing of EHLO.
    let with: &[&str] = match (door.tls, door.is_submission()) {
        (Tls::Clear, _) => &["with SMTP", "with ESMTP"],
        (_, false) => &["with ESMTPS"],
        (_, true) => &["with ESMTPSA"],
    };
    let trace = &fetched[..fetched.len() - delivery::below_trace(fetched).len()];
    let trace = String::from_utf8_lossy(trace);
    let mut lines = trace.lines();
    let came = lines.any(|line| with.iter().any(|with| line.ends_with(with)));
    came.then_some(())
        .ok_or_else(|| format!("not {with:?}:\n{trace}"))
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
fn mutt_brings_every_message_in_unchanged() {
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

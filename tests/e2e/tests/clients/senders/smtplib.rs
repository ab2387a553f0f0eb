//! Python's smtplib: one process and one connection for all messages.

use cassmail_e2e::{Message, PASSWORD};

use super::Sender;
use crate::door::{Client, well};

/// Sends octets as octets and stuffs dots itself.
pub(super) struct Smtplib;

impl Sender for Smtplib {
    const PROGRAM: &'static str = "python3";

    fn send(client: &Client<'_>, messages: &[Message]) {
        let user = if client.door.is_submission() {
            "alice@example.org"
        } else {
            ""
        };
        let port = client.port().to_string();
        let tls = format!("{:?}", client.door.tls);
        let mut command = client.command("python3");
        command.args(["-c", include_str!("send.py")]);
        command.args([&port, &tls, user, PASSWORD, &client.door.address()]);
        for message in messages {
            command.arg(client.write(&format!("{}.eml", message.name), &message.octets));
        }
        well(&mut command, b"");
    }
}

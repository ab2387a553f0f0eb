//! swaks: one process for each message.

use cassmail_e2e::{Message, PASSWORD, stuffed};

use super::Sender;
use crate::door::{Client, Tls, well};

/// Told to send its data as they are, which then have to be stuffed and ended already.
pub(super) struct Swaks;

impl Sender for Swaks {
    const PROGRAM: &'static str = "swaks";

    fn send(client: &Client<'_>, messages: &[Message]) {
        for message in messages {
            let wire = [stuffed(&message.octets).as_slice(), b".\r\n"].concat();
            let file = client.write("wire", &wire);
            let mut command = client.command("swaks");
            command.args([
                "--server",
                "127.0.0.1",
                "--port",
                &client.port().to_string(),
            ]);
            command.args(["--ehlo", "client.example", "--from", "alice@example.org"]);
            command.args([
                "--to",
                &client.door.address(),
                "--timeout",
                "60",
                "--silent",
                "2",
            ]);
            command
                .args(["--no-data-fixup", "--data"])
                .arg(format!("@{}", file.display()));
            match client.door.tls {
                Tls::Clear => &mut command,
                Tls::Upgrade => command.arg("--tls"),
                Tls::Implicit => command.arg("--tls-on-connect"),
            };
            if client.door.is_submission() {
                command.args(["--auth", "PLAIN", "--auth-user", "alice@example.org"]);
                command.args(["--auth-password", PASSWORD]);
            }
            well(&mut command, b"");
        }
    }
}

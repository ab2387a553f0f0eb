//! curl: one process for all messages, connections kept between them.

use cassmail_e2e::Message;

use super::Sender;
use crate::door::{Client, Tls, login, well};

/// Stuffs dots itself and changes nothing else.
pub(super) struct Curl;

impl Sender for Curl {
    const PROGRAM: &'static str = "curl";

    fn send(client: &Client<'_>, messages: &[Message]) {
        let transfers: Vec<String> = messages
            .iter()
            .map(|message| transfer(client, message))
            .collect();
        let config = client.write("curlrc", transfers.join("next\n").as_bytes());
        let mut command = client.command("curl");
        command.args([
            "--disable",
            "--silent",
            "--show-error",
            "--fail-early",
            "--config",
        ]);
        well(command.arg(config), b"");
    }
}

fn transfer(client: &Client<'_>, message: &Message) -> String {
    let file = client.write(&format!("{}.eml", message.name), &message.octets);
    let scheme = if client.door.tls == Tls::Implicit {
        "smtps"
    } else {
        "smtp"
    };
    let mut lines = vec![
        format!(
            "url = \"{scheme}://127.0.0.1:{}/client.example\"",
            client.port()
        ),
        "mail-from = \"alice@example.org\"".into(),
        format!("mail-rcpt = \"{}\"", client.door.address()),
        format!("upload-file = \"{}\"", file.display()),
        "max-time = 60\ninsecure".into(),
    ];
    if client.door.tls == Tls::Upgrade {
        lines.push("ssl-reqd".into());
    }
    if client.door.is_submission() {
        lines.push(format!("user = \"{}\"", login("alice")));
    }
    lines.join("\n") + "\n"
}

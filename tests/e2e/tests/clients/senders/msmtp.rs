//! msmtp: one process for each message, read by the custom of Unix from standard input.

use std::fmt::Write as _;

use cassmail_e2e::{Message, PASSWORD};

use super::Sender;
use crate::door::{Client, Tls, well, with_lf};

/// Told to leave the header alone.
pub(super) struct Msmtp;

impl Sender for Msmtp {
    const PROGRAM: &'static str = "msmtp";

    fn send(client: &Client<'_>, messages: &[Message]) {
        let config = client.write("msmtprc", config(client).as_bytes());
        for message in messages {
            let mut command = client.command("msmtp");
            command
                .arg(format!("--file={}", config.display()))
                .args(["-f", "alice@example.org"]);
            well(
                command.args(["--", &client.door.address()]),
                &with_lf(&message.octets),
            );
        }
    }
}

fn config(client: &Client<'_>) -> String {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let tls = client.door.tls;
    let mut config = format!(
        "account default\nhost 127.0.0.1\nport {}\ndomain client.example\ntimeout 60\n\
         from alice@example.org\ntls {}\ntls_starttls {}\ntls_certcheck off\n\
         set_from_header off\nset_date_header off\nset_msgid_header off\n\
         remove_bcc_headers off\nundisclosed_recipients off\n",
        client.port(),
        on(tls != Tls::Clear),
        on(tls == Tls::Upgrade),
    );
    if client.door.is_submission() {
        let user = "alice@example.org";
        let _ = writeln!(config, "auth plain\nuser {user}\npassword {PASSWORD}");
    }
    config
}

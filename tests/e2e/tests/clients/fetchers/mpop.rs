//! mpop, with a program of ours in place of a delivery agent.

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, well, with_crlf};

/// Hands messages on by the custom of Unix; told to add no Received.
pub(super) struct Mpop;

impl Fetcher for Mpop {
    const PROGRAM: &'static str = "mpop";

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let (folder, collect) = client.collector();
        let on = |yes: bool| if yes { "on" } else { "off" };
        let tls = client.door.tls;
        let config = format!(
            "account default\nhost 127.0.0.1\nport {}\ntimeout 60\nauth user\nuser {}\n\
             password {PASSWORD}\ntls {}\ntls_starttls {}\ntls_certcheck off\nkeep on\n\
             received_header off\ndelivery mda {collect}\nuidls_file {}\n",
            client.port(),
            client.door.address(),
            on(tls != Tls::Clear),
            on(tls == Tls::Upgrade),
            client.home.join("uidls").display(),
        );
        let config = client.write("mpoprc", config.as_bytes());
        let mut command = client.command("mpop");
        well(
            command
                .arg(format!("--file={}", config.display()))
                .arg("--quiet"),
            b"",
        );
        files(&folder)
            .iter()
            .map(|message| with_crlf(message))
            .collect()
    }
}

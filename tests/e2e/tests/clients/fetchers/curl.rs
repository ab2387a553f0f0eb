//! curl: one process for all messages, the connection kept between them.

use std::fmt::Write as _;

use cassmail_e2e::{Maildrop, Port};

use super::Fetcher;
use crate::door::{Client, Tls, files, login, well};

/// Unstuffs dots and changes nothing else.
pub(super) struct Curl;

impl Fetcher for Curl {
    const PROGRAM: &'static str = "curl";

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let (folder, _) = client.collector();
        let scheme = if client.door.tls == Tls::Implicit {
            "pop3s"
        } else {
            "pop3"
        };
        let url = format!("{scheme}://127.0.0.1:{}", client.port());
        let mut config = format!("insecure\nuser = \"{}\"\n", login(client.door.account));
        if client.door.tls == Tls::Upgrade {
            config.push_str("ssl-reqd\n");
        }
        for number in 1..=count(client) {
            let file = folder.join(format!("{number:06}"));
            let file = file.display();
            let _ = writeln!(config, "url = \"{url}/{number}\"\noutput = \"{file}\"");
        }
        let config = client.write("curlrc", config.as_bytes());
        let mut command = client.command("curl");
        command.args([
            "--disable",
            "--silent",
            "--show-error",
            "--fail-early",
            "--config",
        ]);
        well(command.arg(config), b"");
        files(&folder)
    }
}

fn count(client: &Client<'_>) -> usize {
    let maildrop = Maildrop::open_under_tls(client.server.port(Port::Pop3s), client.door.account);
    maildrop
        .and_then(|mut maildrop| maildrop.sizes())
        .expect("lists")
        .len()
}

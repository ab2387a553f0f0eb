//! fetchmail, with a program of ours in place of a delivery agent.

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, with_crlf};

/// Hands messages on by the custom of Unix.
pub(super) struct Fetchmail;

impl Fetcher for Fetchmail {
    const PROGRAM: &'static str = "fetchmail";

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let (folder, collect) = client.collector();
        let ssl = match client.door.tls {
            Tls::Clear => "sslproto ''",
            Tls::Upgrade => "sslproto 'tls1.2+' nosslcertck",
            Tls::Implicit => "ssl nosslcertck",
        };
        let config = format!(
            "set no bouncemail\nset invisible\n\
             poll 127.0.0.1 service {} protocol pop3 timeout 60\n\
             user '{}' there with password '{PASSWORD}' is root here\n\
             options keep fetchall no rewrite pass8bits no mimedecode {ssl}\nmda '{collect}'\n",
            client.port(),
            client.door.address(),
        );
        let config = client.write("fetchmailrc", config.as_bytes());
        let mut command = client.command("fetchmail");
        command
            .env("FETCHMAILHOME", client.home)
            .args(["--nodetach", "--nosyslog", "-f"]);
        client.run(command.arg(config), b"");
        files(&folder)
            .iter()
            .map(|message| with_crlf(message))
            .collect()
    }
}

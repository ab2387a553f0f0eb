//! fetchmail, with a program of ours in place of a delivery agent.

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, well, with_crlf};

/// Hands messages on by the custom of Unix; told to add no `Received`, to rewrite nothing, and to
/// take what it calls bad headers.
pub(super) struct Fetchmail;

impl Fetcher for Fetchmail {
    const PROGRAM: &'static str = "fetchmail";
    const CHANGED: &'static [&'static str] = &[
        "body-absent",
        "dot-dot-first-octet",
        "dot-first-octet",
        "dot-in-header",
        "field-60-kib",
        "header-folded-long-body-absent",
        "line-100000",
        "line-1-mib",
        "line-2048-to-8193",
        "mbox-from-line-first",
        "mbox-quoted-from-line-first",
        "not-a-header-at-all",
        "one-octet-line",
    ];

    fn handed_on(_client: &Client<'_>, stored: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        stored.iter().map(|message| handed_on(message)).collect()
    }

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let (folder, collect) = client.collector();
        let ssl = match client.door.tls {
            Tls::Clear => "sslproto ''",
            Tls::Upgrade => "sslproto 'tls1.2+' no sslcertck",
            Tls::Implicit => "ssl no sslcertck",
        };
        let config = format!(
            "set no bouncemail\nset invisible\n\
             poll 127.0.0.1 service {} protocol pop3 timeout 60 \
             bad-header accept\n\
             user '{}' there with password '{PASSWORD}' is root here\n\
             options keep fetchall no rewrite pass8bits no mimedecode {ssl}\nmda '{collect}'\n",
            client.port(),
            client.door.address(),
        );
        let config = client.write("fetchmailrc", config.as_bytes());
        let mut command = client.command("fetchmail");
        command
            .env("FETCHMAILHOME", client.home)
            .args(["--nodetach", "--nosyslog", "--pidfile"])
            .arg(client.home.join("pid"));
        well(command.arg("-f").arg(config), b"");
        files(&folder)
            .iter()
            .map(|message| with_crlf(message))
            .collect()
    }
}

/// Lines above this do not fit its buffer, and it writes what is behind the buffer.
const LONGEST_LINE: usize = 8188;

/// Four things it does to a message whatever it is told: lines that do not fit its buffer are
/// spoilt; in the header `From ` and `>From ` lines of mailboxes go, and dots stay stuffed; a
/// header without an empty line gets one.
fn handed_on(stored: &[u8]) -> Option<Vec<u8>> {
    let mut all = Vec::with_capacity(stored.len());
    let mut in_header = true;
    for line in stored.split_inclusive(|octet| *octet == b'\n') {
        if line.len() > LONGEST_LINE {
            return None;
        }
        in_header &= line != b"\r\n";
        if in_header && (line.starts_with(b"From ") || line.starts_with(b">From ")) {
            continue;
        }
        if in_header && line.starts_with(b".") {
            all.push(b'.');
        }
        all.extend_from_slice(line);
    }
    if in_header {
        all.extend_from_slice(b"\r\n");
    }
    Some(all)
}

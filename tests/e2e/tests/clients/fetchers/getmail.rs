//! getmail, with a program of ours in place of a delivery agent.

use std::path::PathBuf;

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, well, with_crlf};

/// Parses each message with Python's `email` and writes it anew, and nothing tells it not to:
/// headers are folded anew or ended where they are odd, parts of a body are joined by its own
/// rules, `Return-Path` stays once. Where it does that, the strictest that is true: it hands on
/// what its own class makes of the stored message. Told to add no trace fields.
pub(super) struct Getmail;

impl Fetcher for Getmail {
    const PROGRAM: &'static str = "getmail";
    /// It does not know STLS.
    const UPGRADES: bool = false;
    const CHANGED: &'static [&'static str] = &[
        "body-absent",
        "bom-at-the-start",
        "bounce-report",
        "dot-first-octet",
        "encoded-word-too-long",
        "external-body",
        "field-60-kib",
        "from-empty",
        "header-control-characters",
        "header-folded-long-body-absent",
        "header-folded-white-space-only",
        "header-folded-with-tabs",
        "header-line-without-colon",
        "header-lone-colons",
        "header-name-odd",
        "header-name-utf-8",
        "header-space-before-colon",
        "header-white-space-line-ends-it-not",
        "header-without-space",
        "header-without-value",
        "http-request-first",
        "line-5000-header",
        "line-998-header",
        "mbox-from-line-first",
        "mbox-quoted-from-line-first",
        "message-id-empty",
        "mime-boundary-lookalikes",
        "mime-nested-200",
        "mime-unclosed",
        "not-a-header-at-all",
        "one-octet-line",
        "pgp-mime",
        "return-path-and-delivered-to-there",
        "smime-enveloped",
        "smime-signed",
        "trace-fields-in-odd-case",
    ];

    fn handed_on(client: &Client<'_>, stored: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        let names = (0..stored.len()).map(|number| format!("stored-{number:06}"));
        let paths: Vec<PathBuf> = names
            .zip(stored)
            .map(|(name, message)| client.write(&name, message))
            .collect();
        // Not just any `python3`: the one that getmail itself starts with.
        let mut command = client.command("/usr/bin/python3");
        well(
            command
                .args(["-c", include_str!("getmail_makes.py")])
                .args(&paths),
            b"",
        );
        let read = |path: &PathBuf| std::fs::read(path).expect("the file is ours");
        paths
            .iter()
            .map(|path| Some(with_crlf(&read(path))))
            .collect()
    }

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let (folder, collect) = client.collector();
        // getmail misses an agent that ends before it waits for it, and then waits for three
        // minutes. It waits when it sleeps.
        let agent = format!(
            "#!/bin/sh\nuntil grep -q '^State:.S' /proc/$PPID/status; do :; done\nexec {collect}\n"
        );
        let agent = client.write("agent", agent.as_bytes());
        let kind = if client.door.tls == Tls::Implicit {
            "SimplePOP3SSLRetriever"
        } else {
            "SimplePOP3Retriever"
        };
        let config = format!(
            "[retriever]\ntype = {kind}\nserver = 127.0.0.1\nport = {}\nusername = {}\n\
             password = {PASSWORD}\n\
             [destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"{}\",)\n\
             allow_root_commands = true\n\
             [options]\nread_all = true\ndelete = false\ndelivered_to = false\nreceived = false\n",
            client.port(),
            client.door.address(),
            agent.display(),
        );
        client.write("getmailrc", config.as_bytes());
        let mut command = client.command("getmail");
        command.arg("--getmaildir").arg(client.home).arg("--quiet");
        well(&mut command, b"");
        files(&folder)
            .iter()
            .map(|message| with_crlf(message))
            .collect()
    }
}

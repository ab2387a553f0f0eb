//! getmail, with a program of ours in place of a delivery agent.

use std::path::PathBuf;

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, with_crlf};

/// Parses each message with Python's `email` and writes it anew, which changes many an odd header and a
/// few bodies. The strictest that is true: it hands on what its own class makes of the stored message.
/// Told to add no trace fields.
pub(super) struct Getmail;

impl Fetcher for Getmail {
    const PROGRAM: &'static str = "getmail";

    fn handed_on(client: &Client<'_>, stored: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        let names = (0..stored.len()).map(|number| format!("stored-{number:06}"));
        let paths: Vec<PathBuf> = names
            .zip(stored)
            .map(|(name, message)| client.write(&name, message))
            .collect();
        // Not just any `python3`: the one that getmail itself starts with.
        let mut command = client.command("/usr/bin/python3");
        client.run(
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
        let (program, script) = collect.split_once(' ').expect("a shell and a script");
        let kind = if client.door.tls == Tls::Implicit {
            "SimplePOP3SSLRetriever"
        } else {
            "SimplePOP3Retriever"
        };
        let stls = if client.door.tls == Tls::Upgrade {
            ""
        } else {
            "use_stls = false\n"
        };
        let config = format!(
            "[retriever]\ntype = {kind}\nserver = 127.0.0.1\nport = {}\nusername = {}\n\
             password = {PASSWORD}\n{stls}\
             [destination]\ntype = MDA_external\npath = {program}\narguments = (\"{script}\",)\n\
             allow_root_commands = true\n\
             [options]\nread_all = true\ndelete = false\ndelivered_to = false\nreceived = false\n",
            client.port(),
            client.door.address(),
        );
        client.write("getmailrc", config.as_bytes());
        let mut command = client.command("getmail");
        command.arg("--getmaildir").arg(client.home).arg("--quiet");
        client.run(&mut command, b"");
        files(&folder)
            .iter()
            .map(|message| with_crlf(message))
            .collect()
    }
}

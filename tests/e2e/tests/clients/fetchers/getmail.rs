//! getmail, with a program of ours in place of a delivery agent.

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, with_crlf};

/// Hands messages on by the custom of Unix; told to add no trace fields.
pub(super) struct Getmail;

impl Fetcher for Getmail {
    const PROGRAM: &'static str = "getmail";

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

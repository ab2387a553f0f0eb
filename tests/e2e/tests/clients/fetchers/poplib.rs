//! Python's poplib: gives lines without their ends.

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, files, well};

/// The script puts CRLF behind each line.
pub(super) struct Poplib;

impl Fetcher for Poplib {
    const PROGRAM: &'static str = "python3";

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let (folder, _) = client.collector();
        let port = client.port().to_string();
        let tls = format!("{:?}", client.door.tls);
        let mut command = client.command("python3");
        command.args(["-c", include_str!("fetch.py")]);
        command.args([&port, &tls, &client.door.address(), PASSWORD]);
        well(command.arg(&folder), b"");
        files(&folder)
    }
}

//! mutt as a reader, driven by keys in a terminal of its own.

use cassmail_e2e::PASSWORD;

use super::Fetcher;
use crate::door::{Client, Tls, files, with_crlf};

/// Keeps each message that it opens in its cache, as it came but for line ends.
pub(super) struct Mutt;

impl Fetcher for Mutt {
    const PROGRAM: &'static str = "mutt";

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let cache = client.home.join("cache");
        std::fs::create_dir(&cache).expect("there is room for temporary files");
        let config = client.write("muttrc", config(client).as_bytes());
        let mutt = format!("mutt -F {}", config.display());
        client.run(
            client.command("script").args(["-qec", &mutt, "/dev/null"]),
            b"",
        );
        files(&cache)
            .iter()
            .map(|message| with_crlf(message))
            .collect()
    }
}

fn config(client: &Client<'_>) -> String {
    let scheme = if client.door.tls == Tls::Implicit {
        "pops"
    } else {
        "pop"
    };
    let starttls = if client.door.tls == Tls::Upgrade {
        "yes"
    } else {
        "no"
    };
    let home = client.home.display();
    format!(
        "set spoolfile = \"{scheme}://{}%40example.org@127.0.0.1:{}/\"\n\
         set pop_pass = \"{PASSWORD}\"\nset pop_authenticators = \"user\"\n\
         set message_cachedir = \"{home}/cache\"\nset ssl_starttls = {starttls}\n\
         set ssl_verify_host = no\nset ssl_verify_dates = no\nset certificate_file = \"{}\"\n\
         set sort = mailbox-order\nset pop_delete = no\nset quit = yes\nset delete = no\nset confirmcreate = no\n\
         set mbox_type = Maildir\n\
         push \"<tag-pattern>~A<enter><tag-prefix><copy-message>{home}/copy<enter><exit>\"\n",
        client.door.account,
        client.port(),
        client.certificate().display(),
    )
}

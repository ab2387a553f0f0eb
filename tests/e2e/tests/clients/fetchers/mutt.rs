//! mutt as a reader, driven by keys in a terminal of its own.

use std::path::{Path, PathBuf};

use cassmail_e2e::{Maildrop, PASSWORD, Port};

use super::Fetcher;
use crate::door::{Client, Tls, with_crlf};

/// Keeps each message that it opens in its cache, as it came but for line ends. A pipe to nowhere
/// makes it open all.
pub(super) struct Mutt;

impl Fetcher for Mutt {
    const PROGRAM: &'static str = "mutt";

    fn fetch(client: &Client<'_>) -> Vec<Vec<u8>> {
        let cache = client.home.join("cache");
        std::fs::create_dir(&cache).expect("there is room for temporary files");
        client.press(&config(client));
        let cached = cached(&cache);
        identifiers(client)
            .iter()
            .map(|name| std::fs::read(cached.join(name)).expect("mutt opened every message"))
            .map(|message| with_crlf(&message))
            .collect()
    }
}

/// In the cache is one folder, named after server and account.
fn cached(cache: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(cache).expect("the folder is ours");
    folders
        .next()
        .expect("mutt keeps a cache")
        .expect("the folder is ours")
        .path()
}

fn identifiers(client: &Client<'_>) -> Vec<String> {
    let maildrop = Maildrop::open_under_tls(client.server.port(Port::Pop3s), client.door.account);
    maildrop
        .and_then(|mut maildrop| maildrop.identifiers())
        .expect("lists")
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
         set ssl_force_tls = {starttls}\nset ssl_verify_host = no\nset ssl_verify_dates = no\n\
         set certificate_file = \"{}\"\nset folder = \"{home}\"\n\
         set sort = mailbox-order\nset pop_delete = no\nset quit = yes\nset delete = no\n\
         set sleep_time = 0\n\
         set pipe_split = yes\nset pipe_decode = no\nset wait_key = no\n\
         push \"<tag-pattern>~A<enter><tag-prefix><pipe-message>cat > /dev/null<enter><exit>\"\n",
        client.door.account,
        client.port(),
        client.certificate().display(),
    )
}

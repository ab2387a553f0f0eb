//! Postfix: its queue waits because mail by SMTP is deferred, until that setting goes.

use cassmail_e2e::{Enclosure, Inhabited};

use super::{PATIENCE, Protocol, Relay, Route};

pub(super) struct Postfix;

impl Relay for Postfix {
    const PACKAGE: &'static str = "postfix";
    /// Its default_destination_concurrency_limit.
    const CONNECTIONS: usize = 20;

    fn program(_route: Route) -> Vec<String> {
        ["postfix", "start-fg"].map(str::to_owned).into()
    }

    fn configure(enclosure: &Enclosure, route: Route) {
        let own = format!("127.0.0.1:{}", route.own_port);
        let settings = [
            "myhostname=relay.example".to_owned(),
            "maillog_file=/var/log/postfix.log".to_owned(),
            "inet_protocols=ipv4".to_owned(),
            match route.protocol {
                Protocol::Smtp => format!("relayhost=[127.0.0.1]:{}", route.next_port),
                Protocol::Lmtp => {
                    format!("default_transport=lmtp:inet:127.0.0.1:{}", route.next_port)
                }
            },
            "defer_transports=smtp lmtp".to_owned(),
        ];
        for setting in &settings {
            enclosure.run(&["postconf", "-e", setting], PATIENCE).well();
        }
        let service = format!("{own}/inet={own} inet n - y - - smtpd");
        enclosure
            .run(&["postconf", "-MX", "smtp/inet"], PATIENCE)
            .well();
        enclosure
            .run(&["postconf", "-M", &service], PATIENCE)
            .well();
    }

    fn release(home: &Inhabited) {
        home.run(&["postconf", "-e", "defer_transports="], PATIENCE)
            .well();
        home.run(&["postfix", "reload"], PATIENCE).well();
    }

    fn flush(home: &Inhabited) {
        home.run(&["postqueue", "-f"], PATIENCE);
    }

    fn is_empty(home: &Inhabited) -> bool {
        let listed = home.run(&["postqueue", "-p"], PATIENCE);
        listed.stdout.starts_with(b"Mail queue is empty")
    }
}

//! OpenSMTPD: its queue waits because its sending agent is paused.

use cassmail_e2e::{Enclosure, Inhabited};

use super::{PATIENCE, Protocol, Relay, Route};

pub(super) struct OpenSmtpd;

impl Relay for OpenSmtpd {
    const PACKAGE: &'static str = "opensmtpd";
    /// Its limit max-conn-per-route, by default.
    const CONNECTIONS: usize = 20;

    fn program(_route: Route) -> Vec<String> {
        ["/usr/sbin/smtpd", "-d", "-P", "mta"]
            .map(str::to_owned)
            .into()
    }

    fn configure(enclosure: &Enclosure, route: Route) {
        // Debian's file, but for the two places.
        let settings = format!(
            "table aliases file:/etc/aliases\nlisten on 127.0.0.1 port {}\n\
             action \"local\" maildir alias <aliases>\n\
             action \"relay\" relay host {}://127.0.0.1:{}\n\
             match for local action \"local\"\nmatch from local for any action \"relay\"\n",
            route.own_port,
            match route.protocol {
                Protocol::Smtp => "smtp",
                Protocol::Lmtp => "lmtp",
            },
            route.next_port
        );
        enclosure.write("/etc/smtpd.conf", &settings);
        enclosure.write("/etc/mailname", "relay.example\n");
    }

    fn release(home: &Inhabited) {
        home.run(&["smtpctl", "resume", "mta"], PATIENCE).well();
    }

    fn flush(home: &Inhabited) {
        home.run(&["smtpctl", "schedule", "all"], PATIENCE);
    }

    fn is_empty(home: &Inhabited) -> bool {
        let listed = home.run(&["smtpctl", "show", "queue"], PATIENCE);
        listed.status.success() && listed.stdout.is_empty()
    }
}

//! Exim: its queue waits because it is told to queue only; four runners then send it.

use std::thread;
use std::time::Duration;

use cassmail_e2e::{Enclosure, Inhabited};

use super::{PATIENCE, Protocol, Relay, Route};

pub(super) struct Exim;

/// A runner sends one message after the other.
const RUNNERS: usize = 4;

impl Relay for Exim {
    const PACKAGE: &'static str = "exim4-daemon-light";
    /// Beside the runners, the messages that follow on an open connection.
    const CONNECTIONS: usize = 2 * RUNNERS;

    fn program(route: Route) -> Vec<String> {
        let own = format!("[127.0.0.1]:{}", route.own_port);
        ["exim4", "-bdf", "-q30m", "-odq", "-oX", &own]
            .map(str::to_owned)
            .into()
    }

    fn configure(enclosure: &Enclosure, route: Route) {
        // The answers to the questions of Debian's package for a machine on the Internet.
        let answers = "dc_eximconfig_configtype='internet'\ndc_other_hostnames='relay.example'\n\
             dc_local_interfaces='127.0.0.1'\ndc_readhost=''\ndc_relay_domains=''\n\
             dc_minimaldns='false'\ndc_relay_nets=''\ndc_smarthost=''\nCFILEMODE='644'\n\
             dc_use_split_config='false'\ndc_hide_mailname=''\ndc_mailname_in_oh='true'\n\
             dc_localdelivery='mail_spool'\n";
        enclosure.write("/etc/exim4/update-exim4.conf.conf", answers);
        // Debian's own way past DNS, with the transport that is otherwise found by it.
        let hosts = format!("here.example: 127.0.0.1::{}\n", route.next_port);
        enclosure.write("/etc/exim4/hubbed_hosts", &hosts);
        // It takes every address of the loopback for itself, whatever the port, unless told.
        let router = "/^hubbed_hosts:/a self = send";
        let template = "/etc/exim4/exim4.conf.template";
        enclosure
            .run(&["sed", "-i", router, template], PATIENCE)
            .well();
        if route.protocol == Protocol::Lmtp {
            // Its default is the port of a service that Debian's list of services does not have.
            let transport = format!(
                "/^remote_smtp:/,/driver/s/driver.*/&\\n  protocol = lmtp\\n  port = {}/",
                route.next_port
            );
            enclosure
                .run(&["sed", "-i", &transport, template], PATIENCE)
                .well();
        }
        enclosure.run(&["update-exim4.conf"], PATIENCE).well();
    }

    fn release(_home: &Inhabited) {}

    fn flush(home: &Inhabited) {
        // A runner may be killed with the server in the middle of what it does.
        thread::scope(|scope| {
            for _ in 0..RUNNERS {
                scope.spawn(|| home.run(&["exim4", "-qff"], Duration::from_mins(3)));
            }
        });
    }

    fn is_empty(home: &Inhabited) -> bool {
        let count = home.run(&["exim4", "-bpc"], PATIENCE);
        count.stdout == b"0\n"
    }
}

//! What is wrong or unwise although every value has its right type.

use std::path::Path;

use crate::error::{Problem, Problems};
use crate::layer::Loaded;
use crate::settings::{Listener, Role, Settings, StoreKind};
use crate::value::{ByteSize, Interval};

/// Something that works, but that an operator should know, with the remedy.
pub type Advice = String;

/// Checks settings against each other.
///
/// # Errors
/// What cannot work.
pub fn check(loaded: &Loaded) -> Result<Vec<Advice>, Problems> {
    let settings = &loaded.settings;
    let checks = [
        data_have_a_folder(settings),
        the_socket_has_a_path_that_fits(settings),
        key_and_certificate_come_together(settings),
        further_certificates_need_a_first(settings),
        networks_are_networks(settings),
        the_implementation_is_one_line(settings),
        mail_stays_for_the_shortest_time(settings),
        hashes_have_the_memory_they_need(settings),
        tokens_have_an_issuer_and_an_audience(settings),
        tokens_name_an_account(settings),
        a_scope_is_one(settings),
        room_is_kept_for_two_segments(settings),
        a_cluster_can_be_found(settings),
        the_own_data_center_is_named(settings),
        its_login_is_whole(settings),
        its_certificate_is_whole(settings),
        the_api_has_a_certificate(settings),
        the_api_in_clear_stays_on_this_machine(settings),
        level(settings),
    ];
    let faults = checks.into_iter().flatten();
    let mut problems: Vec<Problem> = faults
        .map(|Fault { key, text }| Problem {
            place: loaded.place(key),
            key: key.to_owned(),
            text,
        })
        .collect();
    problems.extend(listeners(loaded));
    if problems.is_empty() {
        Ok(advice(settings))
    } else {
        Err(Problems(problems))
    }
}

struct Fault {
    key: &'static str,
    text: String,
}

fn fault(key: &'static str, text: impl Into<String>) -> Fault {
    let text = text.into();
    Fault { key, text }
}

fn data_have_a_folder(settings: &Settings) -> Option<Fault> {
    let nowhere = settings.identity.data_dir.as_os_str().is_empty();
    nowhere.then(|| fault("data_dir", "expected the path of a folder, got \"\""))
}

/// What `sun_path` of unix(7) holds in front of its zero.
const SOCKET_PATH_OCTETS: usize = 107;

fn the_socket_has_a_path_that_fits(settings: &Settings) -> Option<Fault> {
    let too_long = |folder: &Path| {
        let octets = folder.join("admin.sock").as_os_str().len();
        (octets > SOCKET_PATH_OCTETS).then(|| {
            format!(
                "expected a folder with room for a socket, its path would be {octets} octets and \
                 can be {SOCKET_PATH_OCTETS}; set run_dir to a shorter one, such as \
                 \"/run/cassmail\""
            )
        })
    };
    match &settings.identity.run_dir {
        Some(folder) => too_long(folder).map(|text| fault("run_dir", text)),
        None => too_long(&settings.identity.data_dir).map(|text| fault("data_dir", text)),
    }
}

fn key_and_certificate_come_together(settings: &Settings) -> Option<Fault> {
    match (&settings.tls.certificate, &settings.tls.key) {
        (Some(_), None) => Some(fault(
            "tls.key",
            "expected the private key of tls.certificate, got none",
        )),
        (None, Some(_)) => Some(fault(
            "tls.certificate",
            "expected the certificate that belongs to tls.key, got none",
        )),
        _ => None,
    }
}

fn further_certificates_need_a_first(settings: &Settings) -> Option<Fault> {
    let tls = &settings.tls;
    (tls.certificate.is_none() && !tls.further.0.is_empty()).then(|| {
        let text = "expected none, since there is no tls.certificate for clients that ask for no \
                    name";
        fault("tls.further", text)
    })
}

fn networks_are_networks(settings: &Settings) -> Option<Fault> {
    let wrong = settings
        .limits
        .exempt
        .iter()
        .find(|text| !is_network(text))?;
    let text = format!("expected networks, such as \"10.0.0.0/8\" or \"::1\", got {wrong:?}");
    Some(fault("limits.exempt", text))
}

/// RFC 2449 5: a line of CAPA has at most 512 octets, of which this is the most that is sensible.
fn the_implementation_is_one_line(settings: &Settings) -> Option<Fault> {
    let name = &settings.pop3.implementation;
    let is_shown = |c: char| c.is_ascii_graphic() || c == ' ';
    let is_one_line = name.len() <= 100 && name.chars().all(is_shown) && name.trim() == name;
    (!is_one_line).then(|| {
        let text = format!("expected at most 100 printable ASCII characters, got {name:?}");
        fault("pop3.implementation", text)
    })
}

fn mail_stays_for_the_shortest_time(settings: &Settings) -> Option<Fault> {
    let shortest = settings.retention.shortest_days;
    let days = settings.retention.days.filter(|days| *days < shortest)?;
    let text = format!("expected at least retention.shortest_days, {shortest}, got {days}");
    Some(fault("retention.days", text))
}

fn is_network(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let longest = match address.parse() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    prefix.parse::<u8>().is_ok_and(|prefix| prefix <= longest)
}

/// RFC 9106 3.1: at least eight blocks of 1 KiB for each lane.
fn hashes_have_the_memory_they_need(settings: &Settings) -> Option<Fault> {
    let lanes = settings.login.parallelism;
    let least = ByteSize::kib(8 * u64::from(lanes));
    (settings.login.memory < least).then(|| {
        let memory = settings.login.memory;
        let text = format!("expected at least \"{least}\" for {lanes} lanes, got \"{memory}\"");
        fault("login.memory", text)
    })
}

fn tokens_have_an_issuer_and_an_audience(settings: &Settings) -> Option<Fault> {
    let oauth = &settings.oauth;
    match (&oauth.jwks_file, &oauth.issuer, &oauth.audience) {
        (Some(_), None, _) => Some(fault(
            "login.oauth.issuer",
            "expected who makes the tokens that login.oauth.jwks_file is for, got none",
        )),
        (Some(_), _, None) => Some(fault(
            "login.oauth.audience",
            "expected for whom the tokens are made that login.oauth.jwks_file is for, got none",
        )),
        (None, Some(_), _) | (None, _, Some(_)) => Some(fault(
            "login.oauth.jwks_file",
            "expected the file with the keys of those who make tokens, got none",
        )),
        _ => None,
    }
}

fn tokens_name_an_account(settings: &Settings) -> Option<Fault> {
    let is_unnamed = settings.oauth.account_claim.is_empty();
    is_unnamed.then(|| {
        let text = "expected the claim that names the account, such as \"email\", got \"\"";
        fault("login.oauth.account_claim", text)
    })
}

/// RFC 6749 3.3.
fn a_scope_is_one(settings: &Settings) -> Option<Fault> {
    let scope = &settings.oauth.scope;
    let fits = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    (!scope.chars().all(fits)).then(|| {
        let text = format!("expected words of ASCII without quotes or backslashes, got {scope:?}");
        fault("login.oauth.scope", text)
    })
}

fn room_is_kept_for_two_segments(settings: &Settings) -> Option<Fault> {
    let (low_water, segment) = (settings.embedded.low_water, settings.embedded.segment_size);
    (low_water.0 / 2 < segment.0).then(|| {
        let text = format!("expected at least two segments of \"{segment}\", got \"{low_water}\"");
        fault("store.embedded.low_water", text)
    })
}

fn a_cluster_can_be_found(settings: &Settings) -> Option<Fault> {
    const KEY: &str = "store.cassandra.contact_points";
    const EXPECTED: &str = "expected addresses with ports, such as [\"10.0.1.1:9042\"]";
    let points = &settings.cassandra.contact_points;
    if settings.store.kind == StoreKind::Cassandra && points.is_empty() {
        return Some(fault(KEY, format!("{EXPECTED}, got none")));
    }
    let wrong = points.iter().find(|point| !has_port(point))?;
    Some(fault(KEY, format!("{EXPECTED}, got {wrong:?}")))
}

fn has_port(point: &str) -> bool {
    let split = point.rsplit_once(':');
    split.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse().is_ok_and(|port: u16| port > 0)
    })
}

fn the_own_data_center_is_named(settings: &Settings) -> Option<Fault> {
    let is_missing = settings.cassandra.local_datacenter.is_empty();
    (settings.store.kind == StoreKind::Cassandra && is_missing).then(|| {
        let text = "expected the data center of this server as Cassandra calls it, such as \"dc1\" \
                    (nodetool status shows it), got \"\"";
        fault("store.cassandra.local_datacenter", text)
    })
}

fn its_login_is_whole(settings: &Settings) -> Option<Fault> {
    let cassandra = &settings.cassandra;
    match (&cassandra.user, &cassandra.password_file) {
        (Some(_), None) => Some(fault(
            "store.cassandra.password_file",
            "expected the file with the password of store.cassandra.user, got none",
        )),
        (None, Some(_)) => Some(fault(
            "store.cassandra.user",
            "expected the user whose password is in store.cassandra.password_file, got none",
        )),
        _ => None,
    }
}

fn its_certificate_is_whole(settings: &Settings) -> Option<Fault> {
    let cassandra = &settings.cassandra;
    match (&cassandra.certificate, &cassandra.key) {
        (Some(_), None) => Some(fault(
            "store.cassandra.key",
            "expected the private key of store.cassandra.certificate, got none",
        )),
        (None, Some(_)) => Some(fault(
            "store.cassandra.certificate",
            "expected the certificate that belongs to store.cassandra.key, got none",
        )),
        (Some(_), Some(_)) if cassandra.ca_certificate.is_none() => Some(fault(
            "store.cassandra.ca_certificate",
            "expected the certificates that sign those of Cassandra, since \
             store.cassandra.certificate is set; got none",
        )),
        _ => None,
    }
}

fn the_api_has_a_certificate(settings: &Settings) -> Option<Fault> {
    let lacks = settings.tls.certificate.is_none() && !settings.admin.listen.is_empty();
    lacks.then(|| {
        let text = "expected tls.certificate and tls.key for these listeners, which speak TLS; on \
                    this machine alone, admin.listen_in_clear does without";
        fault("admin.listen", text)
    })
}

fn the_api_in_clear_stays_on_this_machine(settings: &Settings) -> Option<Fault> {
    let mut addresses = settings.admin.listen_in_clear.iter();
    let outside = addresses.find(|address| !address.ip().is_loopback())?;
    let text = format!(
        "expected addresses of this machine alone, such as \"127.0.0.1:2443\", since passwords are \
         sent in clear; got {outside}"
    );
    Some(fault("admin.listen_in_clear", text))
}

fn level(settings: &Settings) -> Option<Fault> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let wrong = settings.log.level.split(',').find(|part| {
        let level = part.rsplit('=').next().unwrap_or_default();
        !LEVELS.contains(&level.trim().to_lowercase().as_str())
    })?;
    let text = format!("expected error, warn, info, debug or trace, got {wrong:?}");
    Some(fault("log.level", text))
}

/// What is wrong with single listeners, and between them.
fn listeners(loaded: &Loaded) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut others: Vec<&Listener> = Vec::new();
    for (index, listener) in loaded.settings.listeners.iter().enumerate() {
        let faults = [
            its_name_is_its_own(listener, &others),
            its_addresses_are_its_own(listener, &others),
            bare_newlines_are_for_smtp(listener),
            lmtp_stays_on_this_machine(listener),
            sockets_are_for_lmtp(listener),
            its_socket_is_its_own(listener, &others),
            its_proxies_are_networks(listener),
        ];
        problems.extend(
            faults
                .into_iter()
                .flatten()
                .map(|Fault { key, text }| Problem {
                    place: place_of_listener(loaded, index, key),
                    key: format!("listener.{key}"),
                    text,
                }),
        );
        others.push(listener);
    }
    problems
}

fn its_name_is_its_own(listener: &Listener, others: &[&Listener]) -> Option<Fault> {
    let name = &listener.name;
    let is_taken = others.iter().any(|other| other.name == *name);
    (is_taken || name.is_empty()).then(|| {
        fault(
            "name",
            format!("expected a name that no other listener has, got {name:?}"),
        )
    })
}

fn its_addresses_are_its_own(listener: &Listener, others: &[&Listener]) -> Option<Fault> {
    // Port 0 is a free one each time.
    let mut fixed = listener
        .addresses
        .iter()
        .filter(|address| address.port() != 0);
    let (address, other) = fixed.find_map(|address| {
        let other = others
            .iter()
            .find(|other| other.addresses.contains(address))?;
        Some((address, &other.name))
    })?;
    let text = format!("expected addresses of its own, got {address}, which {other:?} has");
    Some(fault("addresses", text))
}

fn bare_newlines_are_for_smtp(listener: &Listener) -> Option<Fault> {
    (listener.bare_newline.is_some() && gives_mail_out(listener)).then(|| {
        let text = "expected \"\", since nobody sends mail to a listener for POP3";
        fault("bare_newline", text)
    })
}

fn lmtp_stays_on_this_machine(listener: &Listener) -> Option<Fault> {
    if listener.role != Role::Lmtp {
        return listener.beyond_loopback.then(|| {
            let text = "expected false, since it is for lmtp alone; others are open to the network";
            fault("beyond_loopback", text)
        });
    }
    let open = listener
        .addresses
        .iter()
        .find(|address| !address.ip().is_loopback())?;
    (!listener.beyond_loopback).then(|| {
        let text = format!(
            "expected addresses of the loopback, got {open}; nobody logs in to LMTP, so set \
             beyond_loopback = true only where the network keeps strangers out"
        );
        fault("addresses", text)
    })
}

fn sockets_are_for_lmtp(listener: &Listener) -> Option<Fault> {
    let path = listener.socket.as_ref()?;
    if listener.role != Role::Lmtp {
        let text = "expected \"\", since a Unix socket is for lmtp alone";
        return Some(fault("socket", text));
    }
    let octets = path.as_os_str().len();
    (!path.is_absolute() || octets > SOCKET_PATH_OCTETS).then(|| {
        let text = format!(
            "expected a full path of at most {SOCKET_PATH_OCTETS} octets, got \"{}\"",
            path.display()
        );
        fault("socket", text)
    })
}

fn its_socket_is_its_own(listener: &Listener, others: &[&Listener]) -> Option<Fault> {
    let path = listener.socket.as_ref()?;
    let other = others
        .iter()
        .find(|other| other.socket.as_ref() == Some(path))?;
    let text = format!(
        "expected a path of its own, got \"{}\", which {:?} has",
        path.display(),
        other.name
    );
    Some(fault("socket", text))
}

fn its_proxies_are_networks(listener: &Listener) -> Option<Fault> {
    let mut proxies = listener.proxy_protocol_from.iter();
    let wrong = proxies.find(|text| !is_network(text))?;
    let text = format!("expected networks, such as \"10.0.0.5\" or \"fd00::/8\", got {wrong:?}");
    Some(fault("proxy_protocol_from", text))
}

fn gives_mail_out(listener: &Listener) -> bool {
    matches!(listener.role, Role::Pop3 | Role::Pop3s)
}

fn place_of_listener(loaded: &Loaded, index: usize, key: &str) -> String {
    let entry = loaded.layer.listeners.get(index);
    entry.map_or_else(String::new, |entry| {
        let placed = entry.keys.get(key);
        let origin = placed.map_or(&entry.origin, |placed| &placed.origin);
        origin.to_string()
    })
}

fn advice(settings: &Settings) -> Vec<Advice> {
    let facts = [
        (
            settings.tls.certificate.is_none(),
            "there is no certificate, so nothing that needs TLS is offered; \
             set tls.certificate and tls.key",
        ),
        (
            settings.pop3.clear_text_login,
            "POP3 passwords may travel in clear; set pop3.clear_text_login = false unless the \
             network is trusted",
        ),
        (
            settings.pop3.idle_timeout < Interval::minutes(10),
            "pop3.idle_timeout is below the 10 minutes that RFC 1939 3 asks for; clients that are \
             closed in between delete nothing",
        ),
        (
            settings.store.kind == StoreKind::Cassandra
                && settings.login.salt_secret_file.is_none()
                && settings.login.scram,
            "each server makes salts of SCRAM with a secret of its own, so that together they tell \
             who has no account; set login.salt_secret_file to a file that is the same on all",
        ),
        (
            settings.store.kind == StoreKind::Memory,
            "the store is memory: all mail is gone when the process ends",
        ),
    ];
    let true_ones = facts.into_iter().filter(|(holds, _)| *holds);
    true_ones.map(|(_, text)| text.to_owned()).collect()
}

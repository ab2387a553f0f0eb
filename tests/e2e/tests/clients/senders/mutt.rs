//! mutt: what it composes is its own, so that it sends messages of ours on as they are. That it
//! calls to bounce: one process for all, driven by keys in a terminal of its own.

use cassmail_e2e::{Message, PASSWORD};

use super::Sender;
use crate::door::{Client, Tls, with_lf};

/// Puts `Resent-` fields in front (RFC 5322 3.6.6). It ends a header where it sees no field, and
/// writes an empty line there; takes `From ` lines of mailboxes and fields of mail readers out.
pub(super) struct Mutt;

impl Sender for Mutt {
    const PROGRAM: &'static str = "mutt";
    const CHANGED: &'static [&'static str] = &[
        "body-absent",
        "content-length-wrong",
        "dot-first-octet",
        "first-line-is-a-continuation",
        "header-folded-long-body-absent",
        "header-line-without-colon",
        "header-space-before-colon",
        "http-request-first",
        "mbox-from-line-first",
        "mbox-quoted-from-line-first",
        "not-a-header-at-all",
        "one-octet-line",
        "status-fields-of-readers",
    ];

    fn send(client: &Client<'_>, messages: &[Message]) {
        client.write("mailbox", &mailbox(messages));
        client.press(&config(client));
    }

    fn sent(message: &[u8]) -> Vec<u8> {
        let lines: Vec<&[u8]> = message.split_inclusive(|octet| *octet == b'\n').collect();
        let header = header_lines(&lines);
        let mut all = kept(&lines[..header]).concat();
        all.extend_from_slice(b"\r\n");
        let body = lines[header..].strip_prefix(&[b"\r\n".as_slice()]);
        all.extend(body.unwrap_or(&lines[header..]).concat());
        all
    }

    fn without_own_fields(fetched: Vec<u8>) -> Vec<u8> {
        let lines: Vec<&[u8]> = fetched.split_inclusive(|octet| *octet == b'\n').collect();
        let is_own = |line: &&[u8]| line.starts_with(b"Resent-");
        let start = lines.iter().take_while(|line| !is_own(line)).count();
        let own = lines[start..].iter().take_while(|line| is_own(line));
        let end = start + own.take(4).count();
        [&lines[..start], &lines[end..]].concat().concat()
    }
}

/// All messages, in the format of MMDF, which quotes nothing and counts nothing.
fn mailbox(messages: &[Message]) -> Vec<u8> {
    const SEPARATOR: &[u8] = b"\x01\x01\x01\x01\n";
    let messages = messages
        .iter()
        .map(|message| [SEPARATOR, &with_lf(&message.octets), SEPARATOR].concat());
    messages.collect::<Vec<_>>().concat()
}

/// How many lines are the header. A first line that continues nothing is all of it.
fn header_lines(lines: &[&[u8]]) -> usize {
    let continues = |line: &[u8]| line.starts_with(b" ") || line.starts_with(b"\t");
    if lines.first().is_some_and(|line| continues(line)) {
        return 1;
    }
    let belongs = |line: &&&[u8]| continues(line) || is_field(line) || is_from_line(line);
    lines.iter().take_while(belongs).count()
}

/// A name without white space, and a colon.
fn is_field(line: &[u8]) -> bool {
    let end = line.iter().find(|octet| b": \t".contains(octet));
    end == Some(&b':')
}

fn is_from_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// The fields that are sent, each with the lines that continue it.
fn kept<'a>(header: &[&'a [u8]]) -> Vec<&'a [u8]> {
    const OF_READERS: [&[u8]; 4] = [b"status", b"x-status", b"lines", b"content-length"];
    let mut is_kept = true;
    let mut kept = Vec::new();
    for line in header {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let name = line
                .split(|octet| *octet == b':')
                .next()
                .unwrap_or_default();
            let name = name.to_ascii_lowercase();
            is_kept = !is_from_line(line) && !OF_READERS.contains(&name.as_slice());
        }
        if is_kept {
            kept.push(*line);
        }
    }
    kept
}

fn config(client: &Client<'_>) -> String {
    let scheme = if client.door.tls == Tls::Implicit {
        "smtps"
    } else {
        "smtp"
    };
    let user = if client.door.is_submission() {
        "alice%40example.org@"
    } else {
        ""
    };
    let starttls = if client.door.tls == Tls::Upgrade {
        "yes"
    } else {
        "no"
    };
    let home = client.home.display();
    format!(
        "set smtp_url = \"{scheme}://{user}127.0.0.1:{}/\"\nset smtp_pass = \"{PASSWORD}\"\n\
         set smtp_authenticators = \"plain\"\n\
         set from = \"alice@example.org\"\nset envelope_from_address = \"alice@example.org\"\n\
         set use_envelope_from = yes\nset hostname = client.example\n\
         set ssl_starttls = {starttls}\nset ssl_force_tls = {starttls}\n\
         set ssl_verify_host = no\nset ssl_verify_dates = no\n\
         set certificate_file = \"{}\"\n\
         set folder = \"{home}\"\nset spoolfile = \"{home}/mailbox\"\nset sort = mailbox-order\n\
         set bounce = yes\nset bounce_delivered = yes\nset quit = yes\nset wait_key = no\n\
         set sleep_time = 0\n\
         push \"<tag-pattern>~A<enter><tag-prefix><bounce-message>{}<enter><exit>\"\n",
        client.port(),
        client.certificate().display(),
        client.door.address(),
    )
}

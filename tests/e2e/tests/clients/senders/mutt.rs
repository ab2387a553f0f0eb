//! mutt: composes its own message, so the message of ours travels in it.

use cassmail_e2e::{Message, PASSWORD, delivery};

use super::Sender;
use crate::door::{Client, Door, Tls};

/// Writes a header of its own and encodes what it sends. The strictest that is true: a file attached
/// as `application/octet-stream` comes out of the stored message octet for octet.
pub(super) struct Mutt;

impl Sender for Mutt {
    const PROGRAM: &'static str = "mutt";

    fn send(client: &Client<'_>, messages: &[Message]) {
        client.write(".mime.types", b"application/octet-stream eml\n");
        let config = client.write("muttrc", config(client).as_bytes());
        for message in messages {
            let file = client.write("attached.eml", &message.octets);
            let mut command = client.command("mutt");
            command
                .arg("-F")
                .arg(&config)
                .args(["-s", &message.name, "-a"])
                .arg(file);
            client.run(
                command.args(["--", &client.door.address()]),
                b"see attachment\n",
            );
        }
    }

    fn check(_door: Door, sent: &[u8], fetched: &[u8]) -> Result<(), String> {
        let attached = attached(fetched).ok_or("no attachment")?;
        if attached == sent {
            Ok(())
        } else {
            Err(delivery::difference(sent, &attached))
        }
    }
}

/// The octets of the second part, which mutt sends in whichever encoding is shorter.
fn attached(fetched: &[u8]) -> Option<Vec<u8>> {
    let boundary = between(fetched, b"boundary=\"", b"\"\r\n")?;
    let delimiter = [b"\r\n--", boundary].concat();
    let part = between(
        fetched,
        b"Content-Type: application/octet-stream\r\n",
        &delimiter,
    )?;
    let (header, body) = part.split_at(position(part, b"\r\n\r\n")? + 4);
    match between(header, b"Content-Transfer-Encoding: ", b"\r\n")? {
        b"base64" => Some(base64(body)),
        b"quoted-printable" => quoted_printable(body),
        _ => None,
    }
}

fn between<'a>(text: &'a [u8], before: &[u8], behind: &[u8]) -> Option<&'a [u8]> {
    let rest = &text[position(text, before)? + before.len()..];
    Some(&rest[..position(rest, behind)?])
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

/// RFC 2045 6.8, for well-formed input.
fn base64(text: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values = text
        .iter()
        .filter_map(|octet| ALPHABET.iter().position(|one| one == octet));
    let values: Vec<usize> = values.collect();
    values.chunks(4).flat_map(three_octets).collect()
}

fn three_octets(values: &[usize]) -> Vec<u8> {
    let bits = values.iter().fold(0, |bits, value| bits << 6 | value) << (6 * (4 - values.len()));
    let octets = [bits >> 16, bits >> 8, bits].map(|octet| u8::try_from(octet & 255).unwrap_or(0));
    octets[..values.len() - 1].to_vec()
}

/// RFC 2045 6.7, for well-formed input whose line ends are all encoded.
fn quoted_printable(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, others)) = rest.split_first() {
        match (first, others) {
            (b'=', [b'\r', b'\n', others @ ..]) => rest = others,
            (b'=', [high, low, others @ ..]) => {
                let digits = [*high, *low];
                octets.push(u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()?);
                rest = others;
            }
            (plain, others) => {
                octets.push(*plain);
                rest = others;
            }
        }
    }
    Some(octets)
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
    format!(
        "set smtp_url = \"{scheme}://{user}127.0.0.1:{}/\"\nset smtp_pass = \"{PASSWORD}\"\n\
         set smtp_authenticators = \"plain\"\n\
         set from = \"alice@example.org\"\nset envelope_from_address = \"alice@example.org\"\n\
         set use_envelope_from = yes\nset hostname = client.example\nset copy = no\n\
         set ssl_starttls = {starttls}\nset ssl_force_tls = {starttls}\n\
         set ssl_verify_host = no\nset ssl_verify_dates = no\n\
         set certificate_file = \"{}\"\n",
        client.port(),
        client.certificate().display(),
    )
}

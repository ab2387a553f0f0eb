//! The header of a message while it passes: what was seen and what is added does not depend on
//! cuts, and the message itself comes through unchanged.

use bytes::Bytes;
use cassmail_mail::{MessageId, UnixTime};
use cassmail_office::{Completion, HeaderScan, Seen};

use super::Target;
use crate::corpus::messages;
use crate::dice::Dice;

pub(super) const TARGET: Target = Target {
    name: "headers",
    about: "headers while they pass, and what submission adds to them",
    run,
    seeds: messages,
    words: &[
        b"Received: ",
        b"received:",
        b"From:",
        b"FROM :",
        b"Date\t:",
        b"Message-ID:",
        b"\r\n",
        b"\r\n ",
        b"\r\n\r\n",
        b"\n\n",
        b"\r",
        b":",
        b"Message-ID-Not:",
        b"\xff",
    ],
};

fn run(data: &[u8]) {
    let whole = looked_at(&[data]);
    let single: Vec<&[u8]> = data.chunks(1).collect();
    let pieces = Dice::new(data.len() as u64).cut(data);
    for cut in [&single, &pieces] {
        assert_eq!(looked_at(cut), whole, "what is seen depends on cuts");
        assert_eq!(
            message_id(cut),
            message_id(&[data]),
            "the id depends on cuts"
        );
        assert_eq!(
            submitted(cut),
            submitted(&[data]),
            "what is added depends on cuts"
        );
    }
    assert_eq!(whole, as_one_would_explain_it(data));
    let submitted = submitted(&[data]);
    let Some(added) = submitted.strip_suffix(data) else {
        panic!("the message does not come through");
    };
    check_added(added, whole.0);
}

/// What is recorded of it; no line of it can be forged.
fn message_id(pieces: &[&[u8]]) -> Option<String> {
    let mut scan = HeaderScan::default();
    for piece in pieces {
        scan.take(piece);
    }
    let found = scan.message_id();
    assert!(!found.as_ref().is_some_and(|id| id.contains(['\r', '\n'])));
    found
}

/// What was seen, and where the header ended: at the empty line, whose CR may be in the piece
/// before it.
fn looked_at(pieces: &[&[u8]]) -> (Seen, Option<usize>) {
    let mut scan = HeaderScan::default();
    let (mut before, mut last) = (0, None);
    let mut end = None;
    for piece in pieces {
        let found = scan.take(piece);
        if end.is_none() {
            let is_split = found == Some(0) && last == Some(b'\r');
            end = found.map(|within| before + within - usize::from(is_split));
        }
        before += piece.len();
        last = piece.last().copied().or(last);
    }
    (scan.seen(), end)
}

fn as_one_would_explain_it(message: &[u8]) -> (Seen, Option<usize>) {
    let mut seen = Seen::default();
    let mut at = 0;
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        let Some(text) = line.strip_suffix(b"\n") else {
            break;
        };
        if text == b"\r" || text.is_empty() {
            // An end of a line that comes alone belongs to the empty line.
            return (seen, Some(at));
        }
        at += line.len();
        if text.starts_with(b" ") || text.starts_with(b"\t") {
            continue;
        }
        let Some(colon) = text.iter().position(|&byte| byte == b':') else {
            continue;
        };
        let is = |name: &str| {
            text[..colon]
                .trim_ascii_end()
                .eq_ignore_ascii_case(name.as_bytes())
        };
        // More than this of a name is not looked at: white space without end is no name.
        if colon < 14 {
            seen.received += usize::from(is("Received"));
            seen.from |= is("From");
            seen.date |= is("Date");
            seen.message_id |= is("Message-ID");
        }
    }
    (seen, None)
}

fn submitted(pieces: &[&[u8]]) -> Vec<u8> {
    let user = "bob@here.example".parse().expect("an address");
    let id = MessageId::from_key([1; 16]);
    let mut held = Some(Completion::new(
        &user,
        id,
        "here.example",
        UnixTime::from_micros(0),
    ));
    let mut scan = HeaderScan::default();
    let mut written = Vec::new();
    for piece in pieces {
        let end = scan.take(piece);
        let piece = Bytes::copy_from_slice(piece);
        match &mut held {
            Some(completion) => {
                if let Some(ready) = completion.take(piece, end, scan.seen()) {
                    held = None;
                    written.extend(ready);
                }
            }
            None => written.push(piece),
        }
    }
    if let Some(completion) = held {
        written.extend(completion.finish(scan.seen()));
    }
    written.concat()
}

/// Each field that is missing, once, and no other.
fn check_added(added: &[u8], seen: Seen) {
    let text = String::from_utf8_lossy(added);
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    let wanted = [
        (seen.message_id, "Message-ID"),
        (seen.date, "Date"),
        (seen.from, "From"),
    ];
    let wanted = wanted
        .iter()
        .filter(|(is_there, _)| !is_there)
        .map(|(_, name)| *name);
    assert_eq!(names, wanted.collect::<Vec<_>>());
    assert_eq!(text.lines().count(), names.len());
}

//! The dots of messages: what is stuffed comes back, and nothing else ends a message.

use cassmail_wire::{BareLf, Stuffer, TextFault, TextStep, Unstuffer};

use super::Target;
use crate::corpus::messages;
use crate::dice::Dice;

pub(super) const TARGET: Target = Target {
    name: "dots",
    about: "dot-stuffing and back, cut anywhere",
    run,
    seeds: messages,
    words: &[
        b"\r\n.\r\n",
        b"\r\n..",
        b"\n.\n",
        b"\r.\r",
        b"\r\n.\n",
        b"\n.\r\n",
        b".",
        b"\0",
    ],
};

fn run(data: &[u8]) {
    let mut dice = Dice::new(data.len() as u64);
    let stuffed = stuff(&[data]);
    assert_eq!(
        stuff(&dice.cut(data)),
        stuffed,
        "what is written does not depend on cuts"
    );
    comes_back(data, &stuffed);
    reads_the_same(data, &dice.cut(data));
    reads_the_same(&stuffed, &dice.cut(&stuffed));
    chunks_read_the_same(data, &dice.cut(data));
}

fn stuff(pieces: &[&[u8]]) -> Vec<u8> {
    let mut stuffer = Stuffer::default();
    let mut output = Vec::new();
    for piece in pieces {
        stuffer.stuff(piece, &mut output);
    }
    stuffer.finish(&mut output);
    output
}

/// A message that is written, then read by a server, ends where it ended, and is the same if its
/// line ends are CRLF.
fn comes_back(message: &[u8], stuffed: &[u8]) {
    let mut unstuffer = Unstuffer::new(BareLf::Refuse);
    let mut text = Vec::new();
    let step = unstuffer.read(stuffed, &mut text);
    assert_eq!(step, TextStep::Ended(stuffed.len()), "the end is the end");
    assert_eq!(unstuffer.fault(), fault_of(message));
    if unstuffer.fault().is_none() {
        let ended = message.is_empty() || message.ends_with(b"\r\n");
        let end: &[u8] = if ended { b"" } else { b"\r\n" };
        assert_eq!(text, [message, end].concat(), "the text is the text");
    }
}

/// The first fault, octet by octet, as one would explain it. The last line has an end.
fn fault_of(message: &[u8]) -> Option<TextFault> {
    let ended = message.is_empty() || message.ends_with(b"\r\n");
    let text = [message, if ended { b"" } else { b"\r\n" }].concat();
    let before = |at: usize| at.checked_sub(1).and_then(|at| text.get(at).copied());
    text.iter().enumerate().find_map(|(at, &byte)| match byte {
        _ if before(at) == Some(b'\r') && byte != b'\n' => Some(TextFault::BareCr),
        0 => Some(TextFault::Nul),
        b'\n' if before(at) != Some(b'\r') => Some(TextFault::BareLf),
        _ => None,
    })
}

/// What a reader of a text finds: the text, its fault, and where it ended.
type Found = (Vec<u8>, Option<TextFault>, Option<usize>);

fn read(mut unstuffer: Unstuffer, pieces: &[&[u8]]) -> Found {
    let mut text = Vec::new();
    let mut before = 0;
    for piece in pieces {
        if let TextStep::Ended(used) = unstuffer.read(piece, &mut text) {
            return (text, unstuffer.fault(), Some(before + used));
        }
        before += piece.len();
    }
    (text, unstuffer.fault(), None)
}

/// Any input has its end at the first CRLF.CRLF and nowhere else, wherever it is cut.
fn reads_the_same(input: &[u8], pieces: &[&[u8]]) {
    let end = input.windows(5).position(|five| five == b"\r\n.\r\n");
    let end = end.map(|at| at + 5);
    let end = if input.starts_with(b".\r\n") {
        Some(3)
    } else {
        end
    };
    for bare_lf in [BareLf::Refuse, BareLf::Convert] {
        let whole = read(Unstuffer::new(bare_lf), &[input]);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(whole.2, end, "{bare_lf:?}");
        for cut in [pieces, &single] {
            let (text, fault, ended) = read(Unstuffer::new(bare_lf), cut);
            assert_eq!((fault, ended), (whole.1, whole.2), "{bare_lf:?}");
            // After a fault the text is worth nothing, and how much of it came does not matter.
            assert!(fault.is_some() || text == whole.0, "{bare_lf:?}");
        }
        if whole.1.is_none() {
            is_clean(&whole.0);
        }
    }
}

fn chunks_read_the_same(input: &[u8], pieces: &[&[u8]]) {
    for bare_lf in [BareLf::Refuse, BareLf::Convert] {
        let whole = read(Unstuffer::of_chunks(bare_lf), &[input]);
        let cut = read(Unstuffer::of_chunks(bare_lf), pieces);
        assert_eq!((cut.1, cut.2), (whole.1, None), "{bare_lf:?}");
        assert!(whole.1.is_some() || cut.0 == whole.0, "{bare_lf:?}");
        if whole.1.is_none() {
            is_clean(&whole.0);
        }
    }
}

/// Every CR has its LF, but for one at the end that waits for it; every LF has its CR; no NUL.
pub(super) fn is_clean(text: &[u8]) {
    for pair in text.windows(2) {
        assert_eq!(pair[0] == b'\r', pair[1] == b'\n', "a bare CR or LF");
    }
    assert!(!text.contains(&0) && text.first() != Some(&b'\n'));
}

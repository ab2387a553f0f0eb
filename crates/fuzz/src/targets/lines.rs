//! Lines with a limit: the same lines wherever the input is cut, and bounded memory.

use cassmail_wire::{Line, Lines};

use super::Target;
use crate::corpus::messages;
use crate::dice::Dice;

pub(super) const TARGET: Target = Target {
    name: "lines",
    about: "lines with a limit, cut anywhere",
    run,
    seeds,
    words: &[
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\r\n",
        b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ],
};

fn seeds() -> Vec<Vec<u8>> {
    let first = |message: Vec<u8>| [&[40_u8][..], &message].concat();
    messages().into_iter().map(first).collect()
}

/// The first byte is the limit.
fn run(data: &[u8]) {
    let Some((&limit, input)) = data.split_first() else {
        return;
    };
    let limit = usize::from(limit);
    let whole = lines_of(&[input], limit);
    let single: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(lines_of(&single, limit), whole, "byte by byte");
    let pieces = Dice::new(data.len() as u64).cut(input);
    assert_eq!(lines_of(&pieces, limit), whole, "in pieces");
    let ends = input.split(|&byte| byte == b'\n').count() - 1;
    assert_eq!(whole.len(), ends, "a line for each end of a line");
}

fn lines_of(pieces: &[&[u8]], limit: usize) -> Vec<Option<Vec<u8>>> {
    let mut lines = Lines::default();
    let mut found = Vec::new();
    for piece in pieces {
        lines.receive(piece);
        while let Some(line) = lines.next_line(limit) {
            found.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        }
        assert!(
            lines.unread().len() <= limit + 1,
            "an endless line is not kept"
        );
    }
    for line in found.iter().flatten() {
        assert!(line.len() <= limit && !line.contains(&b'\n'));
    }
    found
}

//! The part of a message that TOP gives out.

use crate::command::LineCount;

/// Finds where TOP has enough, piece by piece: all of the header, the empty line behind it, and so
/// many lines of the body (RFC 1939 7, TOP). A message without an empty line is all header.
#[derive(Debug)]
pub(crate) struct Excerpt {
    lines: LineCount,
    part: Part,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// At the beginning of a line of the header.
    HeaderLineStart,
    /// Behind a CR at the beginning of a line of the header: the empty line perhaps.
    HeaderCr,
    /// Elsewhere in the header.
    HeaderLine,
    /// In the body, with so many lines to go.
    Body(LineCount),
    /// Behind what is wanted.
    Enough,
}

impl Excerpt {
    pub(crate) fn new(lines: LineCount) -> Self {
        Self {
            lines,
            part: Part::HeaderLineStart,
        }
    }

    /// How many octets of the next piece belong to the excerpt.
    pub(crate) fn take(&mut self, piece: &[u8]) -> usize {
        let mut rest = piece;
        while self.part != Part::Enough && !rest.is_empty() {
            rest = match self.part {
                Part::HeaderLineStart | Part::HeaderCr => self.take_octet_of_header(rest),
                _ => self.take_to_line_end(rest),
            };
        }
        piece.len().saturating_sub(rest.len())
    }

    pub(crate) fn is_enough(&self) -> bool {
        self.part == Part::Enough
    }

    fn take_octet_of_header<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let Some((octet, after)) = rest.split_first() else {
            return rest;
        };
        self.part = match (octet, self.part) {
            (b'\n', _) => Self::body(self.lines),
            (b'\r', Part::HeaderLineStart) => Part::HeaderCr,
            _ => Part::HeaderLine,
        };
        after
    }

    fn take_to_line_end<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let Some(line_feed) = memchr::memchr(b'\n', rest) else {
            return &[];
        };
        self.part = match self.part {
            Part::Body(LineCount(left)) => Self::body(LineCount(left.saturating_sub(1))),
            _ => Part::HeaderLineStart,
        };
        rest.get(line_feed.saturating_add(1)..).unwrap_or_default()
    }

    fn body(left: LineCount) -> Part {
        match left {
            LineCount(0) => Part::Enough,
            left => Part::Body(left),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The excerpt, the same in every cut.
    fn top(message: &[u8], lines: u64) -> Vec<u8> {
        let whole = taken(&[message], lines);
        for at in 0..message.len() {
            let (before, after) = message.split_at(at);
            assert_eq!(taken(&[before, after], lines), whole, "cut at {at}");
        }
        let single: Vec<&[u8]> = message.chunks(1).collect();
        assert_eq!(taken(&single, lines), whole);
        whole
    }

    fn taken(pieces: &[&[u8]], lines: u64) -> Vec<u8> {
        let mut excerpt = Excerpt::new(LineCount(lines));
        let mut taken = Vec::new();
        for piece in pieces {
            let count = excerpt.take(piece);
            taken.extend_from_slice(&piece[..count]);
        }
        taken
    }

    const MESSAGE: &[u8] = b"A: 1\r\nB: 2\r\n\r\none\r\n\r\nthree\r\n";

    #[test]
    fn no_lines_means_header_and_empty_line() {
        assert_eq!(top(MESSAGE, 0), b"A: 1\r\nB: 2\r\n\r\n");
    }

    #[test]
    fn lines_of_the_body_are_counted_empty_ones_too() {
        assert_eq!(top(MESSAGE, 1), b"A: 1\r\nB: 2\r\n\r\none\r\n");
        assert_eq!(top(MESSAGE, 2), b"A: 1\r\nB: 2\r\n\r\none\r\n\r\n");
        assert_eq!(top(MESSAGE, 3), MESSAGE);
    }

    #[test]
    fn more_lines_than_there_are_means_everything() {
        assert_eq!(top(MESSAGE, 4), MESSAGE);
        assert_eq!(top(MESSAGE, u64::MAX), MESSAGE);
    }

    #[test]
    fn a_message_without_a_body_is_all_header() {
        for message in [&b""[..], b"A: 1", b"A: 1\r\n", b"A: 1\r\n\r\n", b"\r"] {
            assert_eq!(top(message, 0), message);
            assert_eq!(top(message, 5), message);
        }
    }

    #[test]
    fn a_message_without_a_header_begins_with_the_empty_line() {
        assert_eq!(top(b"\r\none\r\ntwo\r\n", 0), b"\r\n");
        assert_eq!(top(b"\r\none\r\ntwo\r\n", 1), b"\r\none\r\n");
    }

    #[test]
    fn a_carriage_return_alone_is_no_empty_line() {
        assert_eq!(top(b"\rA: 1\r\n\r\none\r\n", 0), b"\rA: 1\r\n\r\n");
        assert_eq!(top(b"\r\rA\r\n\r\none\r\n", 0), b"\r\rA\r\n\r\n");
    }
}

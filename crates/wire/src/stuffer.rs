//! Dots in front of lines that begin with one (RFC 1939 3, RFC 5321 4.5.2).

use memchr::memmem;

/// Writes a message so that no part of it can be taken for its end, then the end.
///
/// A message comes in pieces, cut anywhere; what is written does not depend on the cuts. Its octets
/// are copied once and none is changed, dropped or added, except for the dots, and for the CRLF
/// that a message without a last line end needs in front of the terminator.
///
/// A line begins at the start and behind every LF. Messages in stores end their lines with CRLF;
/// should one hold a bare LF all the same, the dot behind it is doubled too: a reader that takes LF
/// for a line end would otherwise find the end of the message, and the commands or replies of
/// somebody else, where the author of the message wants them.
///
/// ```
/// let mut stuffer = cassmail_wire::Stuffer::default();
/// let mut output = Vec::new();
/// stuffer.stuff(b"one\r\n", &mut output);
/// stuffer.stuff(b".two", &mut output);
/// stuffer.finish(&mut output);
/// assert_eq!(output, b"one\r\n..two\r\n.\r\n");
/// ```
#[derive(Debug, Default)]
pub struct Stuffer {
    position: Position,
}

/// Where in a line the next octet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Position {
    /// At the start, or behind CRLF.
    #[default]
    LineStart,
    /// Behind an LF without a CR.
    AfterBareLf,
    /// Behind a CR.
    AfterCr,
    /// Elsewhere.
    Within,
}

impl Stuffer {
    /// Appends the next piece of the message.
    pub fn stuff(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        output.reserve(piece.len());
        if self.is_at_line_start() && piece.first() == Some(&b'.') {
            output.push(b'.');
        }
        let mut rest = piece;
        while let Some((before, from_dot)) = split_at_dot_behind_lf(rest) {
            output.extend_from_slice(before);
            output.push(b'.');
            rest = from_dot;
        }
        output.extend_from_slice(rest);
        self.position = self.position.behind(piece);
    }

    /// Ends the last line if that is needed, and appends the line with the lone dot.
    pub fn finish(self, output: &mut Vec<u8>) {
        if self.position != Position::LineStart {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
    }

    fn is_at_line_start(&self) -> bool {
        matches!(self.position, Position::LineStart | Position::AfterBareLf)
    }
}

impl Position {
    /// The position behind a piece that began here.
    fn behind(self, piece: &[u8]) -> Self {
        match piece {
            [] => self,
            [b'\n'] if self == Self::AfterCr => Self::LineStart,
            [.., b'\r', b'\n'] => Self::LineStart,
            [.., b'\n'] => Self::AfterBareLf,
            [.., b'\r'] => Self::AfterCr,
            _ => Self::Within,
        }
    }
}

/// Splits in front of the first dot that follows an LF.
fn split_at_dot_behind_lf(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let line_feed = memmem::find(bytes, b"\n.")?;
    bytes.split_at_checked(line_feed.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stuffed(pieces: &[&[u8]]) -> Vec<u8> {
        let mut stuffer = Stuffer::default();
        let mut output = Vec::new();
        for piece in pieces {
            stuffer.stuff(piece, &mut output);
        }
        stuffer.finish(&mut output);
        output
    }

    /// Octet by octet, as one would explain it.
    fn model(message: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        for (at, &byte) in message.iter().enumerate() {
            let begins_line = at == 0 || message[at - 1] == b'\n';
            if begins_line && byte == b'.' {
                output.push(b'.');
            }
            output.push(byte);
        }
        if !message.is_empty() && !message.ends_with(b"\r\n") {
            output.extend_from_slice(b"\r\n");
        }
        output.extend_from_slice(b".\r\n");
        output
    }

    #[test]
    fn a_dot_is_doubled_only_where_a_line_begins() {
        for (message, expected) in [
            (&b""[..], &b".\r\n"[..]),
            (b".", b"..\r\n.\r\n"),
            (b".\r\n", b"..\r\n.\r\n"),
            (b"a.b\r\n.c\r\n", b"a.b\r\n..c\r\n.\r\n"),
            (b"..\r\n", b"...\r\n.\r\n"),
            (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
            (b"a\n.\nb", b"a\n..\nb\r\n.\r\n"),
            (b"a\r.b\r\n", b"a\r.b\r\n.\r\n"),
        ] {
            assert_eq!(stuffed(&[message]), expected, "{message:?}");
        }
    }

    #[test]
    fn the_last_line_ends_with_crlf_whatever_the_message_ends_with() {
        for end in [&b"x"[..], b"x\r", b"x\n", b"x\r\n", b"x\r\r\n", b"\n"] {
            assert!(stuffed(&[end]).ends_with(b"\r\n.\r\n"), "{end:?}");
        }
        assert_eq!(stuffed(&[b"x\r", b"\n"]), b"x\r\n.\r\n");
    }

    proptest! {
        #[test]
        fn what_is_written_does_not_depend_on_the_cuts(
            message in proptest::collection::vec(
                prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60),
            cuts in proptest::collection::vec(0_usize..60, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(message.len())).collect();
            cuts.extend([0, message.len()]);
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &message[pair[0]..pair[1]]);
            let pieces: Vec<&[u8]> = pieces.collect();
            prop_assert_eq!(stuffed(&pieces), model(&message));
        }

        #[test]
        fn no_reader_finds_the_end_inside_a_message(
            message in proptest::collection::vec(
                prop_oneof![Just(b'.'), Just(b'\r'), Just(b'\n'), Just(b'a')], 0..60),
        ) {
            let output = stuffed(&[&message]);
            let lines = output.split(|&byte| byte == b'\n');
            let lone_dots = lines.filter(|line| matches!(line, [b'.'] | [b'.', b'\r'])).count();
            prop_assert_eq!(lone_dots, 1);
        }
    }
}

//! A look at a message's header while it passes: what is there, and where it ends.

/// Which fields were seen, counted over the pieces of a message that may be cut anywhere. No more
/// than the beginning of a line is kept.
#[derive(Debug, Default)]
pub struct HeaderScan {
    /// The beginning of the current line, as far as it matters.
    line: Vec<u8>,
    /// Whether the header is over.
    ended: bool,
    seen: Seen,
}

/// What was seen so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many `Received` fields: the hops that the message made.
    pub received: usize,
    /// A `From` field.
    pub from: bool,
    /// A `Date` field.
    pub date: bool,
    /// A `Message-ID` field.
    pub message_id: bool,
}

/// No field name that matters is longer, so more of a line is not kept.
const LONGEST_NAME: usize = 12;

impl HeaderScan {
    /// Takes the next piece; gives how much of it belongs to the header once the header has ended
    /// in this piece or before.
    pub fn take(&mut self, piece: &[u8]) -> Option<usize> {
        if self.ended {
            return Some(0);
        }
        let mut start = 0;
        while let Some(length) = memchr::memchr(b'\n', &piece[start..]) {
            let end = start + length;
            self.keep(&piece[start..end]);
            if self.line_ended() {
                self.ended = true;
                return Some(start);
            }
            start = end + 1;
        }
        self.keep(&piece[start..]);
        None
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    fn keep(&mut self, part: &[u8]) {
        let room = (LONGEST_NAME + 2).saturating_sub(self.line.len());
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    /// Looks at the line that just ended; says whether it ended the header (RFC 5322 2.1: only an
    /// empty line does). A line that continues a field is no field (RFC 5322 2.2.3).
    fn line_ended(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let ends = line == b"\r" || line.is_empty();
        if !ends && !matches!(line[0], b' ' | b'\t') {
            self.field(&line);
        }
        self.line = line;
        self.line.clear();
        ends
    }

    fn field(&mut self, line: &[u8]) {
        let Some(colon) = memchr::memchr(b':', line) else {
            return;
        };
        let name = line[..colon].trim_ascii_end();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        self.seen.received += usize::from(is("Received"));
        self.seen.from |= is("From");
        self.seen.date |= is("Date");
        self.seen.message_id |= is("Message-ID");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"Received: by a\r\n\twith folded: line\r\nreceived : by b\r\n\
        FROM: x@example.org\r\nX-Date: no\r\nSubject: Message-ID: no\r\n\r\nDate: in the body\r\n";

    #[test]
    fn fields_are_counted_wherever_the_pieces_are_cut() {
        let expected = Seen {
            received: 2,
            from: true,
            date: false,
            message_id: false,
        };
        for cut in 0..=MESSAGE.len() {
            let mut scan = HeaderScan::default();
            let ended = scan
                .take(&MESSAGE[..cut])
                .or_else(|| scan.take(&MESSAGE[cut..]));
            assert!(ended.is_some(), "cut at {cut}");
            assert_eq!(scan.seen(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn the_header_ends_at_the_empty_line() {
        let mut scan = HeaderScan::default();
        let at = scan.take(MESSAGE).unwrap();
        assert!(MESSAGE[at..].starts_with(b"\r\nDate: in the body"));
        assert_eq!(scan.take(b"Received: in the body\r\n"), Some(0));
    }

    #[test]
    fn a_message_without_a_header_has_no_fields() {
        let mut scan = HeaderScan::default();
        assert_eq!(scan.take(b"\r\nReceived: x\r\n"), Some(0));
        assert_eq!(scan.seen(), Seen::default());
    }
}

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
    /// What the first `Message-ID` says, as far as it has come.
    message_id: MessageIdField,
}

/// The value of a field that may be folded (RFC 5322 2.2.3).
#[derive(Debug, Default)]
enum MessageIdField {
    #[default]
    Unseen,
    /// The line before was a part of it.
    Open(Vec<u8>),
    Ended(Vec<u8>),
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

/// But so much of a `Message-ID`: more of it nobody looks for.
const LONGEST_ID: usize = 250;

const MESSAGE_ID: &[u8] = b"Message-ID";

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

    /// What the first `Message-ID` says, without its angle brackets; none if it says nothing that
    /// can be shown.
    pub fn message_id(&self) -> Option<String> {
        let (MessageIdField::Open(value) | MessageIdField::Ended(value)) = &self.message_id else {
            return None;
        };
        let value = value.trim_ascii();
        // What stands behind the brackets is a comment, or nothing that anybody looks for.
        let value = match value.strip_prefix(b"<") {
            Some(rest) => rest.split(|&octet| octet == b'>').next()?,
            None => value,
        };
        let text = std::str::from_utf8(value).ok()?;
        let is_shown = !text.is_empty() && !text.contains(char::is_control);
        is_shown.then(|| text.to_owned())
    }

    fn keep(&mut self, part: &[u8]) {
        let rest = self.keep_up_to(LONGEST_NAME + 2, part);
        if !rest.is_empty() && self.is_message_id() {
            self.keep_up_to(LONGEST_ID, rest);
        }
    }

    fn keep_up_to<'p>(&mut self, most: usize, part: &'p [u8]) -> &'p [u8] {
        let room = most.saturating_sub(self.line.len());
        let (kept, rest) = part.split_at(part.len().min(room));
        self.line.extend_from_slice(kept);
        rest
    }

    /// Whether the line, as far as it has come, belongs to the first `Message-ID`.
    fn is_message_id(&self) -> bool {
        let begins = |name: &[u8]| name.eq_ignore_ascii_case(MESSAGE_ID);
        match &self.message_id {
            MessageIdField::Unseen => self.line.get(..MESSAGE_ID.len()).is_some_and(begins),
            MessageIdField::Open(_) => matches!(self.line.first(), Some(b' ' | b'\t')),
            MessageIdField::Ended(_) => false,
        }
    }

    /// Looks at the line that just ended; says whether it ended the header (RFC 5322 2.1: only an
    /// empty line does). A line that continues a field is no field (RFC 5322 2.2.3).
    fn line_ended(&mut self) -> bool {
        let line = std::mem::take(&mut self.line);
        let ends = line == b"\r" || line.is_empty();
        if ends || !matches!(line[0], b' ' | b'\t') {
            self.end_message_id();
            self.field(&line);
        } else if let MessageIdField::Open(value) = &mut self.message_id {
            let line = line.trim_ascii_end();
            let room = LONGEST_ID.saturating_sub(value.len());
            value.extend_from_slice(&line[..line.len().min(room)]);
        }
        self.line = line;
        self.line.clear();
        ends
    }

    fn end_message_id(&mut self) {
        if let MessageIdField::Open(value) = &mut self.message_id {
            self.message_id = MessageIdField::Ended(std::mem::take(value));
        }
    }

    fn field(&mut self, line: &[u8]) {
        let start = &line[..line.len().min(LONGEST_NAME + 2)];
        let Some(colon) = memchr::memchr(b':', start) else {
            return;
        };
        let name = line[..colon].trim_ascii_end();
        let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
        self.seen.received += usize::from(is("Received"));
        self.seen.from |= is("From");
        self.seen.date |= is("Date");
        if name.eq_ignore_ascii_case(MESSAGE_ID) {
            self.seen.message_id = true;
            if let MessageIdField::Unseen = self.message_id {
                let value = line[colon + 1..].trim_ascii_end();
                self.message_id = MessageIdField::Open(value.to_vec());
            }
        }
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

    fn message_id_of(message: &[u8], cut: usize) -> Option<String> {
        let mut scan = HeaderScan::default();
        scan.take(&message[..cut]);
        scan.take(&message[cut..]);
        scan.message_id()
    }

    #[test]
    fn the_first_message_id_is_kept_folded_or_not_wherever_it_is_cut() {
        for message in [
            &b"Subject: x\r\nmessage-id: <a.b@example.org>\r\nMessage-ID: <z@z>\r\n\r\n"[..],
            b"Message-ID:\r\n <a.b@example.org>\r\n\tSubject: x\r\n\r\nMessage-ID: <z@z>\r\n",
            b"Message-ID : a.b@example.org\r\n\r\n",
        ] {
            for cut in 0..=message.len() {
                let found = message_id_of(message, cut);
                let found = found.unwrap_or_default();
                assert!(
                    found.starts_with("a.b@example.org"),
                    "{found:?} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn a_message_id_that_says_nothing_is_none_and_a_long_one_is_cut() {
        for message in [
            &b"Subject: x\r\n\r\n"[..],
            b"Message-ID:\r\n\r\n",
            b"Message-ID: <\x01>\r\n\r\n",
            b"Message-ID: \xff\r\n\r\n",
        ] {
            assert_eq!(message_id_of(message, 3), None);
        }
        let long = [b"Message-ID: <", &[b'x'; 9999][..], b">\r\n\r\n"].concat();
        let found = message_id_of(&long, 5000).unwrap();
        assert!((200..=LONGEST_ID).contains(&found.len()), "{}", found.len());
    }

    #[test]
    fn a_message_without_a_header_has_no_fields() {
        let mut scan = HeaderScan::default();
        assert_eq!(scan.take(b"\r\nReceived: x\r\n"), Some(0));
        assert_eq!(scan.seen(), Seen::default());
    }
}

//! What submission adds to a message that lacks it (RFC 6409 8): `Message-ID` (RFC 6409 8.3, RFC
//! 5322 3.6.4), `Date` (RFC 6409 8.2, RFC 5322 3.6), `From`. Nothing else is mended (RFC 5321 6.4).

use bytes::Bytes;
use cassmail_mail::{Address, MessageId, UnixTime};

use crate::header::Seen;
use crate::trace::date;

/// A header longer than this is passed on as it is: memory per message stays bounded, and who
/// writes so much has written a date.
const LONGEST_HEADER: usize = 128 * 1024;

/// Holds a header back until it is known what it lacks.
pub struct Completion {
    user: Address,
    id: MessageId,
    hostname: String,
    date: UnixTime,
    held: Vec<u8>,
}

impl Completion {
    /// For a message of this user, with what its fields would say.
    pub fn new(user: &Address, id: MessageId, hostname: &str, date: UnixTime) -> Self {
        Self {
            user: user.clone(),
            id,
            hostname: hostname.to_owned(),
            date,
            held: Vec::new(),
        }
    }

    /// Takes a piece; once the header has ended in it, gives out what to write: the fields that are
    /// missing, the header, the rest. Until then the piece is held.
    pub fn take(
        &mut self,
        piece: Bytes,
        header_end: Option<usize>,
        seen: Seen,
    ) -> Option<Vec<Bytes>> {
        if header_end.is_none() && self.held.len() + piece.len() <= LONGEST_HEADER {
            self.held.extend_from_slice(&piece);
            return None;
        }
        // A header that is too long to be held is not known whole: nothing may be added.
        let fields = if header_end.is_some() {
            self.missing(seen)
        } else {
            String::new()
        };
        let held = std::mem::take(&mut self.held);
        Some(pieces([fields.into(), held.into(), piece]))
    }

    /// The octets that are held back.
    pub(crate) fn held(&self) -> usize {
        self.held.len()
    }

    /// What to write of a message that was nothing but a header.
    pub fn finish(self, seen: Seen) -> Vec<Bytes> {
        let fields = self.missing(seen);
        pieces([fields.into(), self.held.into(), Bytes::new()])
    }

    fn missing(&self, seen: Seen) -> String {
        let message_id =
            (!seen.message_id).then(|| format!("Message-ID: <{}@{}>\r\n", self.id, self.hostname));
        let date = (!seen.date).then(|| format!("Date: {}\r\n", date(self.date)));
        let from = (!seen.from).then(|| format!("From: <{}>\r\n", self.user));
        [message_id, date, from].into_iter().flatten().collect()
    }
}

fn pieces(all: [Bytes; 3]) -> Vec<Bytes> {
    all.into_iter().filter(|piece| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use cassmail_mail::{IdMinter, NodeId};

    use super::*;
    use crate::header::HeaderScan;

    fn submit(message: &[u8], cut: usize) -> String {
        let time = UnixTime::from_micros(1_700_000_000_000_000);
        let id = IdMinter::new(NodeId::from_random(1)).mint(time);
        let user = "bob@example.org".parse().unwrap();
        let mut completion = Some(Completion::new(&user, id, "mx.example.org", time));
        let mut scan = HeaderScan::default();
        let mut written = Vec::new();
        for piece in [&message[..cut], &message[cut..]] {
            let end = scan.take(piece);
            let piece = Bytes::copy_from_slice(piece);
            let Some(open) = &mut completion else {
                written.push(piece);
                continue;
            };
            if let Some(ready) = open.take(piece, end, scan.seen()) {
                completion = None;
                written.extend(ready);
            }
        }
        if let Some(open) = completion {
            written.extend(open.finish(scan.seen()));
        }
        let text = String::from_utf8(written.concat()).unwrap();
        text.replace(&id.to_string(), "ID")
    }

    #[test]
    fn a_whole_header_gets_nothing() {
        let message = b"From: a@example.org\r\nDate: x\r\nMessage-ID: <y>\r\n\r\nbody\r\n";
        for cut in 0..=message.len() {
            assert_eq!(submit(message, cut).as_bytes(), message);
        }
    }

    #[test]
    fn what_is_missing_is_added_once_wherever_the_message_is_cut() {
        let message = b"Subject: x\r\n\r\nbody\r\n\r\nmore\r\n";
        for cut in 0..=message.len() {
            assert_eq!(
                submit(message, cut),
                "Message-ID: <ID@mx.example.org>\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n\
                 From: <bob@example.org>\r\nSubject: x\r\n\r\nbody\r\n\r\nmore\r\n"
            );
        }
    }

    #[test]
    fn a_message_that_is_only_a_header_is_completed_too() {
        let text = submit(b"From: a@example.org\r\nDate: x\r\n", 3);
        assert_eq!(
            text,
            "Message-ID: <ID@mx.example.org>\r\nFrom: a@example.org\r\nDate: x\r\n"
        );
    }

    #[test]
    fn an_endless_header_is_passed_on_as_it_is() {
        let message = [
            b"X: ".as_slice(),
            &vec![b'y'; 2 * LONGEST_HEADER],
            b"\r\n\r\n",
        ]
        .concat();
        assert_eq!(submit(&message, LONGEST_HEADER + 9).as_bytes(), message);
    }
}

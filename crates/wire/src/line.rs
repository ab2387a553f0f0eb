//! Lines with a limit, out of bytes that arrive in any pieces.

/// What [`Lines::next_line`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line, without its CRLF (or bare LF, which commands tolerate for the sake of people
    /// who type, as RFC 5321 2.3.8 has it nowhere but every server does).
    Whole(&'a [u8]),
    /// A line over the limit; it has been thrown away up to its end.
    TooLong,
}

/// A buffer of received bytes that are read line by line, or taken raw.
///
/// Memory stays below the limit of a line plus what the driver hands over at once: an over-long
/// line is thrown away while it arrives. Bytes are moved to the front at most once per input.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
    /// How much of the buffer was read already.
    start: usize,
    /// How much behind `start` was searched for a line end already.
    searched: usize,
    /// Whether the rest of an over-long line is being thrown away.
    discarding: bool,
}

impl Lines {
    /// Appends what arrived.
    pub fn receive(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether anything is waiting.
    pub fn is_empty(&self) -> bool {
        self.unread().is_empty()
    }

    /// What waits, unread, for code that reads other things than lines.
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Whether what waits is the beginning of a line, not the rest of one that is thrown away: only
    /// a beginning tells what a line is.
    pub fn is_at_line_start(&self) -> bool {
        !self.discarding
    }

    /// The memory that it takes.
    pub fn held(&self) -> usize {
        self.buffer.capacity()
    }

    /// Marks the first `count` bytes of [`Lines::unread`] as read.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.buffer.len());
        self.searched = 0;
        self.release_if_empty();
    }

    /// Forgets everything: for the moment when TLS starts.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line of at most `limit` bytes without its end; none when it has not arrived whole.
    pub fn next_line(&mut self, limit: usize) -> Option<Line<'_>> {
        let from = self.start.saturating_add(self.searched);
        let unsearched = self.buffer.get(from..).unwrap_or_default();
        let Some(found) = memchr::memchr(b'\n', unsearched) else {
            self.wait_for_more(limit);
            return None;
        };
        let length = self.searched.saturating_add(found);
        let begin = self.start;
        self.start = begin.saturating_add(length).saturating_add(1);
        self.searched = 0;
        if std::mem::take(&mut self.discarding) {
            return Some(Line::TooLong);
        }
        let line = self
            .buffer
            .get(begin..begin.saturating_add(length))
            .unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(if line.len() > limit {
            Line::TooLong
        } else {
            Line::Whole(line)
        })
    }

    /// No line end yet: remember what was searched, and throw away what no limit allows (one more
    /// byte is allowed for, which may be the CR of the line end).
    fn wait_for_more(&mut self, limit: usize) {
        self.searched = self.unread().len();
        if self.discarding || self.searched > limit.saturating_add(1) {
            self.discarding = true;
            self.start = self.buffer.len();
            self.searched = 0;
        }
        self.release_if_empty();
    }

    /// Gives large buffers back once they are empty, so that an idle connection holds little.
    fn release_if_empty(&mut self) {
        const KEPT_WHEN_EMPTY: usize = 1024;
        if self.start >= self.buffer.len() {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_WHEN_EMPTY);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        }
        found
    }

    #[test]
    fn lines_are_the_same_wherever_the_input_is_cut() {
        let input = b"EHLO a\r\nMAIL\n\r\nthis line is far too long for the limit\r\nQUIT\r\nrest";
        let whole = lines_of(&[input], 10);
        assert_eq!(
            whole,
            [
                Some(b"EHLO a".to_vec()),
                Some(b"MAIL".to_vec()),
                Some(Vec::new()),
                None,
                Some(b"QUIT".to_vec())
            ]
        );
        for cut in 0..=input.len() {
            assert_eq!(
                lines_of(&[&input[..cut], &input[cut..]], 10),
                whole,
                "cut at {cut}"
            );
        }
        let single: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(lines_of(&single, 10), whole);
    }

    #[test]
    fn a_line_of_just_the_limit_is_whole() {
        assert_eq!(
            lines_of(&[b"0123456789\r\n"], 10),
            [Some(b"0123456789".to_vec())]
        );
        assert_eq!(
            lines_of(&[b"0123456789", b"\r", b"\n"], 10),
            [Some(b"0123456789".to_vec())]
        );
        assert_eq!(lines_of(&[b"0123456789a\r\n"], 10), [None]);
    }

    #[test]
    fn the_rest_of_a_line_that_is_thrown_away_is_no_beginning() {
        let mut lines = Lines::default();
        assert!(lines.is_at_line_start());
        lines.receive(b"0123456789ab");
        assert_eq!(lines.next_line(10), None);
        assert!(!lines.is_at_line_start());
        lines.receive(b"GET /\r\nGET /");
        assert!(!lines.is_at_line_start());
        assert_eq!(lines.next_line(10), Some(Line::TooLong));
        assert!(lines.is_at_line_start());
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut lines = Lines::default();
        for _ in 0..1000 {
            lines.receive(&[b'x'; 4096]);
            assert_eq!(lines.next_line(512), None);
            assert!(lines.buffer.capacity() <= 8192);
        }
        lines.receive(b"\nNOOP\r\n");
        assert_eq!(lines.next_line(512), Some(Line::TooLong));
        assert_eq!(lines.next_line(512), Some(Line::Whole(b"NOOP")));
    }
}

//! Encoded words (RFC 2047), and lines that do not get too long with them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// RFC 2047 2: no line of a field with an encoded word is longer.
const LONGEST_LINE: usize = 76;

const BEFORE: &str = "=?UTF-8?B?";
const AFTER: &str = "?=";

/// Less is not worth a word at the end of a line: the next line has room for more.
const LEAST_OCTETS: usize = 12;

/// A field that is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    written: Vec<u8>,
    column: usize,
}

impl Writer {
    pub(crate) fn into_field(self) -> Vec<u8> {
        self.written
    }

    /// Appends octets as they are.
    pub(crate) fn push(&mut self, octets: &[u8]) {
        self.written.extend_from_slice(octets);
        self.column = match octets.iter().rposition(|&octet| octet == b'\n') {
            Some(at) => octets.len().saturating_sub(at).saturating_sub(1),
            None => self.column.saturating_add(octets.len()),
        };
    }

    /// Appends a word as it is, on the next line if this one would get too long.
    pub(crate) fn push_word(&mut self, word: &[u8]) {
        if self.column.saturating_add(word.len()) > LONGEST_LINE && self.can_fold() {
            self.fold();
        }
        self.push(word);
    }

    /// Appends a text as encoded words, as many as it needs. Characters are not cut apart (RFC 2047
    /// 5).
    pub(crate) fn push_encoded(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let mut room = self.room();
            if room < LEAST_OCTETS.min(rest.len()) && self.can_fold() {
                self.fold();
                room = self.room();
            }
            let (word, behind) = split_at_most(rest, room.max(LEAST_OCTETS));
            let word = format!("{BEFORE}{}{AFTER}", STANDARD.encode(word));
            self.push(word.as_bytes());
            rest = behind;
            if !rest.is_empty() {
                self.push(b"\r\n ");
            }
        }
    }

    /// How many octets an encoded word on this line can have.
    fn room(&self) -> usize {
        let around = BEFORE.len().saturating_add(AFTER.len());
        let left = LONGEST_LINE.saturating_sub(self.column);
        let groups = left.saturating_sub(around) / 4;
        groups.saturating_mul(3)
    }

    /// Whether the line ends with a single space behind something that can stand alone.
    fn can_fold(&self) -> bool {
        self.column > 1 && self.written.ends_with(b" ") && !self.written.ends_with(b": ")
    }

    /// Moves the space at the end of the line to the next one.
    fn fold(&mut self) {
        self.written.pop();
        self.push(b"\r\n ");
    }
}

/// The first characters of at most so many octets, at least one; and the others.
fn split_at_most(text: &str, most: usize) -> (&str, &str) {
    let mut end = text.len().min(most);
    while end > 0 && !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    if end == 0 {
        end = text.chars().next().map_or(0, char::len_utf8);
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Writes a free text, of which words in ASCII stay as they are: they may be encoded already.
pub(crate) fn write_text(value: &[u8], writer: &mut Writer) {
    let text = String::from_utf8_lossy(value);
    let mut rest: &str = &text;
    while !rest.is_empty() {
        let (space, behind) = split_while(rest, is_space);
        writer.push(space.as_bytes());
        let (word, mut behind) = split_while(behind, |c| !is_space(c));
        rest = behind;
        if word.is_ascii() {
            writer.push_word(word.as_bytes());
            continue;
        }
        // Neighbours are one text, since the space between encoded words is not shown.
        let mut run = word.to_owned();
        loop {
            let (space, after) = split_while(behind, is_space);
            let (next, after) = split_while(after, |c| !is_space(c));
            if next.is_ascii() {
                break;
            }
            run.extend(space.chars().filter(|c| !matches!(c, '\r' | '\n')));
            run.push_str(next);
            behind = after;
        }
        writer.push_encoded(&run);
        rest = behind;
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn split_while(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(start: &str, value: &str) -> String {
        let mut writer = Writer::default();
        writer.push(start.as_bytes());
        write_text(value.as_bytes(), &mut writer);
        String::from_utf8(writer.into_field()).unwrap()
    }

    /// What a reader sees (RFC 2047 6.2): the space between encoded words is not shown.
    fn read(field: &str) -> String {
        let unfolded = field.replace("\r\n", "");
        let mut shown = String::new();
        let mut was_encoded = false;
        let mut space = String::new();
        for word in unfolded.split_inclusive(' ') {
            let bare = word.trim_end_matches(' ');
            let inner = bare
                .strip_prefix(BEFORE)
                .and_then(|word| word.strip_suffix(AFTER));
            match inner {
                Some(inner) => {
                    if !was_encoded {
                        shown.push_str(&space);
                    }
                    let octets = STANDARD.decode(inner).unwrap();
                    shown.push_str(std::str::from_utf8(&octets).unwrap());
                }
                None if bare.is_empty() => {
                    space.push_str(word);
                    continue;
                }
                None => {
                    shown.push_str(&space);
                    shown.push_str(bare);
                }
            }
            was_encoded = inner.is_some();
            space = word[bare.len()..].to_owned();
        }
        shown
    }

    #[test]
    fn a_text_reads_as_before() {
        for value in [
            "f\u{fc}nf",
            "f\u{fc}nf G\u{e4}nse",
            "one f\u{fc}nf two",
            "Gr\u{fc}\u{df}e aus M\u{fc}nchen and elsewhere",
            "=?UTF-8?B?eA==?= and \u{fc}",
        ] {
            let field = written("Subject: ", value);
            assert!(field.is_ascii());
            assert_eq!(read(&field), format!("Subject: {}", read(value)), "{field}");
        }
    }

    #[test]
    fn no_line_is_longer_than_the_standard_has_it() {
        for count in 1..200 {
            let value = "\u{4e2d}".repeat(count);
            let field = written("Subject: ", &format!("{value} plain {value}"));
            for line in field.split("\r\n") {
                assert!(line.len() <= LONGEST_LINE, "{line}");
            }
            let expected = format!("Subject: {value} plain {value}");
            assert_eq!(read(&field), expected, "{field}");
        }
    }

    #[test]
    fn what_is_no_utf_8_is_told_as_such() {
        let mut writer = Writer::default();
        write_text(b"caf\xe9", &mut writer);
        let field = String::from_utf8(writer.into_field()).unwrap();
        assert_eq!(read(&field), "caf\u{fffd}");
    }
}

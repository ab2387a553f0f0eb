//! The way through a message: headers field by field, bodies by their boundaries.

use crate::entity::{Entity, Media};
use crate::field::{self, Rewritten};

/// A field of more octets is not held: what is not ASCII in it becomes question marks.
const LONGEST_FIELD: usize = 64 * 1024;

/// No delimiter line is longer. RFC 2046 5.1.1 has 70 octets for a boundary; some send more.
const LONGEST_DELIMITER: usize = 512;

/// Multiparts in multiparts; what is deeper is a body.
const DEEPEST: usize = 100;

/// Makes the surrogate of one message, piece by piece, with one field of it in memory at most.
///
/// ```
/// use cassmail_surrogate::Surrogate;
///
/// let mut surrogate = Surrogate::default();
/// let mut output = Vec::new();
/// let message = "Subject: f\u{fc}nf\r\nX-Note: \u{fc}\r\n\r\nf\u{fc}nf\r\n";
/// surrogate.take(message.as_bytes(), &mut output);
/// surrogate.finish(&mut output);
/// assert!(surrogate.has_changed());
/// assert_eq!(output, "Subject: =?UTF-8?B?ZsO8bmY=?=\r\n\r\nf\u{fc}nf\r\n".as_bytes());
/// ```
#[derive(Debug)]
pub struct Surrogate {
    place: Place,
    /// What is held: in a header the field and the beginning of the line behind it, in a body the
    /// beginning of a line.
    held: Vec<u8>,
    /// Where the current line begins in what is held; only headers hold more than a line.
    line: usize,
    /// What the header that is being read says of its body.
    entity: Entity,
    /// The multiparts that are open, the outermost first.
    open: Vec<Multipart>,
    has_changed: bool,
}

/// Where in the message the next octet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Header,
    /// In a field that is too long to be held.
    LongField(Start),
    /// In a body, with a delimiter to come, at the beginning of a line that may be one.
    LineOfBody,
    /// In a line of a body that is no delimiter.
    RestOfLine,
    /// No header can follow any more.
    Rest,
}

/// Whether a line of a long field begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Yes,
    No,
}

#[derive(Debug)]
struct Multipart {
    boundary: Vec<u8>,
    /// What a part is that does not say it (RFC 2046 5.1.5).
    parts_are: Media,
}

impl Default for Surrogate {
    fn default() -> Self {
        Self {
            place: Place::Header,
            held: Vec::new(),
            line: 0,
            entity: Entity::new(Media::Other),
            open: Vec::new(),
            has_changed: false,
        }
    }
}

impl Surrogate {
    /// Takes the next piece, and appends what can be said of the surrogate by now.
    pub fn take(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Header => self.take_header(rest, output),
                Place::LongField(start) => self.take_long_field(start, rest, output),
                Place::LineOfBody => self.take_line_of_body(rest, output),
                Place::RestOfLine => self.take_rest_of_line(rest, output),
                Place::Rest => {
                    output.extend_from_slice(rest);
                    return;
                }
            };
        }
    }

    /// The message is over: appends what is still held. What comes after is no part of it.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        if self.place == Place::Header {
            if !self.last_line_continues() {
                self.end_field(output);
            }
            self.line = self.held.len();
            self.end_field(output);
        } else {
            output.append(&mut self.held);
        }
        self.place = Place::Rest;
    }

    /// Whether anything was changed so far: if not, the message is its own surrogate.
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

/// Headers.
impl Surrogate {
    /// Takes at most a line, or as much as may be held.
    fn take_header<'a>(&mut self, input: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let room = LONGEST_FIELD.saturating_sub(self.held.len());
        let (line, is_whole) = up_to_line_feed(input, room.saturating_add(1));
        self.held.extend_from_slice(line);
        if is_whole {
            self.end_line_of_header(output);
        } else if self.held.len() > LONGEST_FIELD {
            self.give_up_field(output);
        }
        input.get(line.len()..).unwrap_or_default()
    }

    fn end_line_of_header(&mut self, output: &mut Vec<u8>) {
        if self.last_line_continues() {
            self.line = self.held.len();
            return self.give_up_field_if_long(output);
        }
        self.end_field(output);
        let line = std::mem::take(&mut self.held);
        if line == b"\r\n" || line == b"\n" {
            output.extend_from_slice(&line);
            self.end_header();
        } else if self.end_part(&line) {
            output.extend_from_slice(&line);
        } else {
            self.held = line;
            self.line = self.held.len();
            self.give_up_field_if_long(output);
        }
    }

    /// Whether the last line belongs to the field in front of it (RFC 5322 2.2.3).
    fn last_line_continues(&self) -> bool {
        let begins_with_space = || matches!(self.held.get(self.line), Some(b' ' | b'\t'));
        self.line > 0 && begins_with_space()
    }

    /// Writes the field in front of the last line, if there is one, and no longer holds it.
    fn end_field(&mut self, output: &mut Vec<u8>) {
        let behind = self.held.split_off(self.line.min(self.held.len()));
        let field = std::mem::replace(&mut self.held, behind);
        self.line = 0;
        if field.is_empty() {
            return;
        }
        match field::rewrite(&field) {
            None => self.give_field(&field, output),
            Some(rewritten) => {
                self.has_changed = true;
                if let Rewritten::Field(field) = rewritten {
                    self.give_field(&field, output);
                }
            }
        }
    }

    /// What a header says of its body counts as it is given out: a client knows no more, and the
    /// surrogate of a surrogate has to be the same.
    fn give_field(&mut self, field: &[u8], output: &mut Vec<u8>) {
        self.entity.read(field);
        output.extend_from_slice(field);
    }

    fn give_up_field_if_long(&mut self, output: &mut Vec<u8>) {
        if self.held.len() > LONGEST_FIELD {
            self.give_up_field(output);
        }
    }

    /// The field is too long, or the one in front of the last line is over.
    fn give_up_field(&mut self, output: &mut Vec<u8>) {
        if self.line > 0 && self.line < self.held.len() && !self.last_line_continues() {
            return self.end_field(output);
        }
        let start = match self.held.last() {
            Some(b'\n') => Start::Yes,
            _ => Start::No,
        };
        let held = std::mem::take(&mut self.held);
        self.line = 0;
        self.write_masked(&held, output);
        self.place = Place::LongField(start);
    }

    fn take_long_field<'a>(
        &mut self,
        start: Start,
        input: &'a [u8],
        output: &mut Vec<u8>,
    ) -> &'a [u8] {
        let continues = matches!(input.first(), Some(b' ' | b'\t'));
        if start == Start::Yes && !continues {
            self.place = Place::Header;
            return input;
        }
        let (line, is_whole) = up_to_line_feed(input, usize::MAX);
        self.write_masked(line, output);
        self.place = Place::LongField(if is_whole { Start::Yes } else { Start::No });
        input.get(line.len()..).unwrap_or_default()
    }

    fn write_masked(&mut self, octets: &[u8], output: &mut Vec<u8>) {
        self.has_changed |= !octets.is_ascii();
        let masked = octets
            .iter()
            .map(|octet| if octet.is_ascii() { *octet } else { b'?' });
        output.extend(masked);
    }

    /// The empty line was written: what comes is a body, or the header of a message within.
    fn end_header(&mut self) {
        let default = Entity::new(Media::Other);
        let entity = std::mem::replace(&mut self.entity, default);
        self.place = match entity.into_media() {
            Media::Message => Place::Header,
            Media::Multipart {
                boundary,
                parts_are_messages,
            } if self.open.len() < DEEPEST => {
                let parts_are = if parts_are_messages {
                    Media::Message
                } else {
                    Media::Other
                };
                self.open.push(Multipart {
                    boundary,
                    parts_are,
                });
                Place::LineOfBody
            }
            Media::Multipart { .. } | Media::Other => self.place_in_body(),
        };
    }

    fn place_in_body(&self) -> Place {
        if self.open.is_empty() {
            Place::Rest
        } else {
            Place::LineOfBody
        }
    }
}

/// Bodies.
impl Surrogate {
    /// Takes as much of a line as tells whether it is a delimiter.
    fn take_line_of_body<'a>(&mut self, input: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let room = LONGEST_DELIMITER.saturating_sub(self.held.len());
        let (line, is_whole) = up_to_line_feed(input, room);
        self.held.extend_from_slice(line);
        let may_be_delimiter = b"--".starts_with(&self.held) || self.held.starts_with(b"--");
        if is_whole || !may_be_delimiter || self.held.len() >= LONGEST_DELIMITER {
            let line = std::mem::take(&mut self.held);
            output.extend_from_slice(&line);
            if !is_whole {
                self.place = Place::RestOfLine;
            } else if may_be_delimiter {
                self.end_part(&line);
            }
        }
        input.get(line.len()..).unwrap_or_default()
    }

    fn take_rest_of_line<'a>(&mut self, input: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let (line, is_whole) = up_to_line_feed(input, usize::MAX);
        output.extend_from_slice(line);
        if is_whole {
            self.place = Place::LineOfBody;
        }
        input.get(line.len()..).unwrap_or_default()
    }

    /// Whether the line is a delimiter of a multipart that is open (RFC 2046 5.1.1). If so it ends
    /// the part, and those within, and perhaps begins the header of the next one.
    fn end_part(&mut self, line: &[u8]) -> bool {
        let Some(line) = line.strip_prefix(b"--") else {
            return false;
        };
        let line = line.trim_ascii_end();
        let mut closes = false;
        let found = self.open.iter().rposition(|multipart| {
            let behind = line.strip_prefix(multipart.boundary.as_slice());
            closes = behind == Some(b"--");
            closes || behind == Some(b"")
        });
        let Some(found) = found else {
            return false;
        };
        self.open.truncate(found.saturating_add(1));
        if closes {
            self.open.pop();
            self.place = self.place_in_body();
        } else if let Some(multipart) = self.open.last() {
            self.entity = Entity::new(multipart.parts_are.clone());
            self.place = Place::Header;
        }
        self.line = 0;
        true
    }
}

/// The octets up to and with the next line feed, and whether it is among them; at most so many.
fn up_to_line_feed(input: &[u8], most: usize) -> (&[u8], bool) {
    let input = input.get(..most).unwrap_or(input);
    match memchr::memchr(b'\n', input) {
        Some(at) => (input.get(..=at).unwrap_or(input), true),
        None => (input, false),
    }
}

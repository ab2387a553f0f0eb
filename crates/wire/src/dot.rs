//! The text of a message as SMTP sends it, back to the text it was.

/// What happens to an LF without a CR in front of it, within the text of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BareLf {
    /// The message is refused.
    Refuse,
    /// It becomes CRLF: printers and other devices send it.
    Convert,
}

/// Why a text cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextFault {
    /// A CR that no LF follows.
    BareCr,
    /// An LF without a CR in front of it, where [`BareLf::Refuse`] holds.
    BareLf,
    /// An octet of value zero.
    Nul,
}

/// How far a text has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextStep {
    /// All input was used and the text goes on.
    More,
    /// The end of data has come with the last of this many bytes; the rest are commands.
    Ended(usize),
}

/// Takes the dots out of a message (RFC 5321 4.5.2), finds its end and checks its line ends; the
/// input may be cut anywhere, and lines may have any length (RFC 5321 4.5.3.1.6).
///
/// # Smuggling
///
/// The end of data is `CRLF.CRLF` and nothing else: a bare CR or LF never is a part of it, and a
/// dot is taken away only where a CRLF (or the DATA command's own line end) is in front of it. Two
/// servers that disagree on this let a sender hide a second message in the first. A text with bare
/// CR, or bare LF where it is not converted, or NUL has a [`TextFault`]; it is read to its end
/// nevertheless, or its rest would be taken for commands.
#[derive(Debug)]
pub struct Unstuffer {
    place: Place,
    dots: Dots,
    bare_lf: BareLf,
    fault: Option<TextFault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dots {
    Stuffed,
    Plain,
}

/// Where in the text the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    /// Behind a dot at the start of a line, which was held back.
    Dot,
    /// Behind a dot and a CR, both held back.
    DotCr,
    Text,
    /// Behind a CR, which was given out.
    Cr,
}

impl Unstuffer {
    /// For the text behind DATA.
    pub fn new(bare_lf: BareLf) -> Self {
        Self {
            place: Place::LineStart,
            dots: Dots::Stuffed,
            bare_lf,
            fault: None,
        }
    }

    /// For the text in the chunks of BDAT, where octets are counted and dots mean nothing: only the
    /// line ends are looked at.
    pub fn of_chunks(bare_lf: BareLf) -> Self {
        Self {
            dots: Dots::Plain,
            ..Self::new(bare_lf)
        }
    }

    /// Reads `input` and appends the text to `text`. After a fault nothing is appended any more.
    pub fn read(&mut self, input: &[u8], text: &mut Vec<u8>) -> TextStep {
        let mut at = 0_usize;
        // What was seen to be text and is not yet copied begins here.
        let mut kept = 0_usize;
        while let Some(&byte) = input.get(at) {
            let after = at.saturating_add(1);
            match (self.place, byte) {
                (Place::LineStart, b'.') if self.dots == Dots::Stuffed => {
                    self.keep(input, kept, at, text);
                    (self.place, at, kept) = (Place::Dot, after, after);
                }
                (Place::Dot, b'\r') => {
                    (self.place, at, kept) = (Place::DotCr, after, after);
                }
                (Place::DotCr, b'\n') => return TextStep::Ended(after),
                (Place::Cr, b'\n') => (self.place, at) = (Place::LineStart, after),
                (Place::Cr | Place::DotCr, _) => {
                    self.blame(TextFault::BareCr);
                    self.place = Place::Text;
                }
                (Place::LineStart | Place::Dot | Place::Text, _) => {
                    (at, kept) = self.read_line(input, at, kept, text);
                }
            }
        }
        self.keep(input, kept, at, text);
        TextStep::More
    }

    /// What is wrong with the text so far: the first fault.
    pub fn fault(&self) -> Option<TextFault> {
        self.fault
    }

    /// The last chunk has come: ends the last line, which in a chunk need not have an end, whereas
    /// POP3 has no way to give out a message without one (RFC 1939 3).
    pub fn finish(&mut self, text: &mut Vec<u8>) {
        if self.place == Place::Cr {
            self.blame(TextFault::BareCr);
        }
        if self.place != Place::LineStart && self.fault.is_none() {
            text.extend_from_slice(b"\r\n");
        }
    }

    /// Reads on to behind the next CR, LF or NUL.
    fn read_line(
        &mut self,
        input: &[u8],
        at: usize,
        kept: usize,
        text: &mut Vec<u8>,
    ) -> (usize, usize) {
        self.place = Place::Text;
        let rest = input.get(at..).unwrap_or_default();
        let Some(found) = memchr::memchr3(b'\r', b'\n', 0, rest) else {
            return (input.len(), kept);
        };
        let found = at.saturating_add(found);
        let after = found.saturating_add(1);
        match input.get(found) {
            Some(b'\r') => self.place = Place::Cr,
            Some(b'\n') if self.bare_lf == BareLf::Convert => {
                self.keep(input, kept, found, text);
                text.extend_from_slice(b"\r\n");
                // A dot behind it stands for itself: who does not end lines with CRLF cannot be
                // known to stuff them. For chunks the difference does not matter.
                self.place = match self.dots {
                    Dots::Stuffed => Place::Text,
                    Dots::Plain => Place::LineStart,
                };
                return (after, after);
            }
            Some(b'\n') => self.blame(TextFault::BareLf),
            _ => self.blame(TextFault::Nul),
        }
        (after, kept)
    }

    fn keep(&self, input: &[u8], from: usize, to: usize, text: &mut Vec<u8>) {
        if self.fault.is_none() {
            text.extend_from_slice(input.get(from..to).unwrap_or_default());
        }
    }

    fn blame(&mut self, fault: TextFault) {
        self.fault.get_or_insert(fault);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the pieces hold: the text, its fault, and how many bytes were left behind its end.
    type Read = (Vec<u8>, Option<TextFault>, Option<usize>);

    fn read(mut unstuffer: Unstuffer, pieces: &[&[u8]]) -> Read {
        let mut text = Vec::new();
        let mut left = None;
        for piece in pieces {
            match (left, unstuffer.read(piece, &mut text)) {
                (None, TextStep::More) => {}
                (None, TextStep::Ended(used)) => left = Some(piece.len() - used),
                (Some(_), _) => unreachable!("read after the end"),
            }
            if left.is_some() {
                break;
            }
        }
        let fault = unstuffer.fault();
        if fault.is_some() {
            text.clear();
        }
        (text, fault, left)
    }

    fn strict(input: &[u8]) -> Read {
        read(Unstuffer::new(BareLf::Refuse), &[input])
    }

    fn text(text: &[u8]) -> Read {
        (text.to_vec(), None, Some(0))
    }

    #[test]
    fn dots_at_line_starts_go_away() {
        assert_eq!(strict(b"a\r\n..b\r\n.\r\n"), text(b"a\r\n.b\r\n"));
        assert_eq!(strict(b"..\r\n.\r\n"), text(b".\r\n"));
        assert_eq!(strict(b".a.\r\n.\r\n"), text(b"a.\r\n"));
        assert_eq!(strict(b".\r\n"), text(b""));
    }

    #[test]
    fn what_follows_the_end_is_left() {
        assert_eq!(
            strict(b"a\r\n.\r\nQUIT\r\n"),
            (b"a\r\n".to_vec(), None, Some(6))
        );
    }

    #[test]
    fn nothing_else_ends_the_text() {
        for almost in [
            &b"a\n.\n"[..],
            b"a\n.\r\n",
            b"a\r\n.\n",
            b"a\r.\r",
            b"a\r\n.\r",
            b"a\r.\r\n",
            b"a\r\n.\r\r\n",
            b"a\r\n.\0\r\n",
            b"a\r\n. \r\n",
            b"a\r\n..\r\n",
            b"a.\r\n",
        ] {
            for bare_lf in [BareLf::Refuse, BareLf::Convert] {
                let (_, _, left) = read(Unstuffer::new(bare_lf), &[almost, b"MAIL"]);
                assert_eq!(left, None, "{almost:?}");
                let whole = [almost, b"b\r\n.\r\n"].concat();
                let (_, _, left) = read(Unstuffer::new(bare_lf), &[&whole]);
                assert_eq!(left, Some(0), "{almost:?}");
            }
        }
    }

    #[test]
    fn faults_are_found_wherever_they_are() {
        for (input, fault) in [
            (&b"a\nb\r\n.\r\n"[..], TextFault::BareLf),
            (b"a\rb\r\n.\r\n", TextFault::BareCr),
            (b"a\r\r\n.\r\n", TextFault::BareCr),
            (b".\rb\r\n.\r\n", TextFault::BareCr),
            (b"\n\r\n.\r\n", TextFault::BareLf),
            (b".\n\r\n.\r\n", TextFault::BareLf),
            (b"a\0b\r\n.\r\n", TextFault::Nul),
            (b".\0\r\n.\r\n", TextFault::Nul),
        ] {
            assert_eq!(
                strict(input),
                (Vec::new(), Some(fault), Some(0)),
                "{input:?}"
            );
        }
    }

    #[test]
    fn a_converted_line_end_makes_no_dot_special() {
        let lenient = |input: &[u8]| read(Unstuffer::new(BareLf::Convert), &[input]);
        assert_eq!(lenient(b"a\nb\n\r\n.\r\n"), text(b"a\r\nb\r\n\r\n"));
        assert_eq!(lenient(b"a\n.\r\nb\r\n.\r\n"), text(b"a\r\n.\r\nb\r\n"));
        assert_eq!(lenient(b"a\r\n.\nb\r\n.\r\n"), text(b"a\r\n\r\nb\r\n"));
        assert_eq!(lenient(b"a\rb\r\n.\r\n").1, Some(TextFault::BareCr));
    }

    #[test]
    fn chunks_keep_their_dots_and_get_a_last_line_end() {
        let chunks = |pieces: &[&[u8]]| {
            let mut unstuffer = Unstuffer::of_chunks(BareLf::Refuse);
            let mut text = Vec::new();
            for piece in pieces {
                assert_eq!(unstuffer.read(piece, &mut text), TextStep::More);
            }
            unstuffer.finish(&mut text);
            (text, unstuffer.fault())
        };
        assert_eq!(chunks(&[b"..a\r\n.\r\n"]), (b"..a\r\n.\r\n".to_vec(), None));
        assert_eq!(chunks(&[b"a"]), (b"a\r\n".to_vec(), None));
        assert_eq!(chunks(&[b"a\r", b"\n"]), (b"a\r\n".to_vec(), None));
        assert_eq!(chunks(&[]), (Vec::new(), None));
        assert_eq!(chunks(&[b"a\r"]).1, Some(TextFault::BareCr));
        assert_eq!(chunks(&[b"a\r", b"b"]).1, Some(TextFault::BareCr));
    }

    /// Stuffs as RFC 5321 4.5.2 says, in the simplest way.
    fn stuffed(lines: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for line in lines {
            if line.first() == Some(&b'.') {
                bytes.push(b'.');
            }
            bytes.extend([line, &b"\r\n"[..]].concat());
        }
        bytes.extend(b".\r\n");
        bytes
    }

    fn cut<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        cuts.windows(2)
            .map(|pair| &bytes[pair[0]..pair[1]])
            .collect()
    }

    proptest! {
        #[test]
        fn stuffed_lines_come_back(
            lines in prop::collection::vec(prop::collection::vec(
                prop::sample::select(&b".a \xff"[..]), 0..5), 0..8),
            cuts in prop::collection::vec(any::<usize>(), 0..6),
        ) {
            let wire = stuffed(&lines);
            let expected: Vec<u8> = lines.iter().flat_map(|l| [l, &b"\r\n"[..]].concat()).collect();
            let came = read(Unstuffer::new(BareLf::Refuse), &cut(&wire, &cuts));
            prop_assert_eq!(came, text(&expected));
        }

        #[test]
        fn any_input_reads_the_same_in_any_cut(
            input in prop::collection::vec(prop::sample::select(&b".\r\na\0"[..]), 0..24),
            cuts in prop::collection::vec(any::<usize>(), 0..6),
            lenient in any::<bool>(),
        ) {
            let bare_lf = if lenient { BareLf::Convert } else { BareLf::Refuse };
            let (text, fault, left) = read(Unstuffer::new(bare_lf), &[&input]);
            let pieces = cut(&input, &cuts);
            let (cut_text, cut_fault, cut_left) = read(Unstuffer::new(bare_lf), &pieces);
            prop_assert_eq!(
                (text, fault, left.is_some()),
                (cut_text, cut_fault, cut_left.is_some())
            );
            let end = input.windows(5).position(|w| w == b"\r\n.\r\n").map(|at| at + 5);
            let end = if input.starts_with(b".\r\n") { Some(3) } else { end };
            prop_assert_eq!(left, end.map(|end| input.len() - end));
        }
    }
}

//! The messages: made cheaply, and checked without knowing anything else.
//!
//! Every message begins with these fields of ours:
//!
//! ```text
//! X-Bench-Hash: <xxh3 of every octet after this line>
//! X-Bench-Token: <run>-<number>
//! X-Bench-To: <all recipients>
//! ```
//!
//! Then come ordinary fields and a body of lines from a pregenerated table, at a place of its own
//! for every message. Since the hash covers the fields and the body, a message is sound if and only
//! if it is the same octet by octet from the first of our fields on. What servers put in front is
//! ignored. Every body that is large enough has lines that servers are known to spoil: leading
//! dots, `From ` at the beginning of a line, spaces at its end, an empty line.

use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use memchr::memmem;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::clock;
use crate::mailboxes::Mailboxes;
use crate::random::Random;

/// Names one message of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Token {
    pub(crate) run: u64,
    pub(crate) number: u64,
}

/// What the lines of the bodies look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Content {
    /// Words; compresses like text.
    Text,
    /// Base64 of random octets; compresses like an attachment, hardly.
    Random,
}

/// Whether a message is for DATA or for BDAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Leading dots doubled, a line with one dot at the end. RFC 5321 4.5.2.
    Dotted,
    /// As it is. RFC 3030 2.
    Chunk,
}

/// What all messages of a run have in common.
#[derive(Debug)]
pub(crate) struct Stationery {
    /// `LINES` lines of `LINE` octets, none of which begins with a dot.
    lines: Vec<u8>,
    /// The fields behind the recipients, without those that name the token.
    fields: String,
}

/// One message, ready to be written.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    token: Option<Token>,
    recipients: Vec<usize>,
    head: Vec<u8>,
    has_awkward_lines: bool,
    /// In octets of the table.
    start: usize,
    full: usize,
    /// Octets of the last line with its end; 0 when there is none.
    last: usize,
    size: usize,
    hash: u64,
}

/// What a received message turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Examined {
    /// Not one of ours.
    Foreign,
    /// Ours, but not as it was sent.
    Corrupt(Token),
    /// Ours, and the same in every octet.
    Sound { token: Token, hash: u64 },
}

/// Octets of a line of the table with its end.
const LINE: usize = 78;
/// Lines in the table: small enough for the cache of a core.
const LINES: usize = 3361;
const HASH_FIELD: &[u8] = b"X-Bench-Hash: ";
const TOKEN_FIELD: &[u8] = b"X-Bench-Token: ";
const HASH_LINE: usize = HASH_FIELD.len() + 16 + 2;
const AWKWARD: &[u8] = b".\r\n..\r\n.dot\r\nFrom here on\r\nspace at the end \r\n\r\n";
const AWKWARD_DOTTED: &[u8] = b"..\r\n...\r\n..dot\r\nFrom here on\r\nspace at the end \r\n\r\n";
const FILLING: &[u8; 160] = &[b'='; 160];

impl Stationery {
    pub(crate) fn new(sender: &str, content: Content, seed: u64, unix_seconds: u64) -> Self {
        let fields = format!(
            "From: <{sender}>\r\nDate: {}\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n",
            clock::mail_date(unix_seconds),
        );
        Self {
            lines: table(content, &mut Random::seeded(seed)),
            fields,
        }
    }

    /// Makes the message `token` of about `size` octets, at least as many as its header has.
    pub(crate) fn draft(
        &self,
        draft: &mut Draft,
        token: Token,
        mailboxes: &Mailboxes,
        size: usize,
    ) {
        draft.token = Some(token);
        draft.head.clear();
        self.write_head(&mut draft.head, token, &draft.recipients, mailboxes);
        self.lay_out(draft, token, size);
        draft.hash = self.hash(draft);
        if let Some(place) = draft.head.get_mut(HASH_FIELD.len()..HASH_LINE) {
            let hexadecimal = hexadecimal(draft.hash);
            for (to, from) in place.iter_mut().zip(hexadecimal) {
                *to = from;
            }
        }
    }

    fn write_head(
        &self,
        head: &mut Vec<u8>,
        token: Token,
        recipients: &[usize],
        mailboxes: &Mailboxes,
    ) {
        let token = token.text();
        head.extend_from_slice(HASH_FIELD);
        head.extend_from_slice(b"0000000000000000\r\n");
        head.extend_from_slice(TOKEN_FIELD);
        head.extend_from_slice(&token);
        head.extend_from_slice(b"\r\nX-Bench-To: ");
        for (position, recipient) in recipients.iter().enumerate() {
            if position > 0 {
                head.extend_from_slice(b",\r\n ");
            }
            head.extend_from_slice(mailboxes.name(*recipient).as_bytes());
        }
        head.extend_from_slice(b"\r\nTo: <");
        let first = recipients
            .first()
            .map_or("", |first| mailboxes.name(*first));
        head.extend_from_slice(first.as_bytes());
        head.extend_from_slice(b">\r\n");
        head.extend_from_slice(self.fields.as_bytes());
        head.extend_from_slice(b"Subject: load ");
        head.extend_from_slice(&token);
        head.extend_from_slice(b"\r\nMessage-ID: <");
        head.extend_from_slice(&token);
        head.extend_from_slice(b"@bench.invalid>\r\n\r\n");
    }

    fn lay_out(&self, draft: &mut Draft, token: Token, size: usize) {
        let mut room = size.saturating_sub(draft.head.len());
        draft.has_awkward_lines = room >= AWKWARD.len();
        if draft.has_awkward_lines {
            room -= AWKWARD.len();
        }
        let (mut whole, mut last) = (room / LINE, room % LINE);
        if last > 0 && whole > 0 {
            // A line end needs two octets: the last line takes what is left and one line more.
            whole -= 1;
            last += LINE;
        } else if last == 1 {
            last = 2;
        }
        draft.full = whole * LINE;
        draft.last = last;
        let mut random = Random::of_item(token.run, token.number);
        let line = usize::try_from(random.below(LINES as u64)).unwrap_or(0);
        draft.start = line * LINE;
        let awkward = if draft.has_awkward_lines {
            AWKWARD.len()
        } else {
            0
        };
        draft.size = draft.head.len() + awkward + draft.full + last;
        debug_assert_eq!(self.lines.len(), LINE * LINES);
    }

    fn hash(&self, draft: &Draft) -> u64 {
        let mut hash = Xxh3::new();
        let mut skipped = HASH_LINE;
        self.pieces(draft, AWKWARD, |piece| {
            hash.update(piece.get(skipped..).unwrap_or_default());
            skipped = 0;
        });
        hash.digest()
    }

    /// Appends the message as it travels.
    pub(crate) fn write(&self, draft: &Draft, framing: Framing, out: &mut Vec<u8>) {
        let awkward = match framing {
            Framing::Dotted => AWKWARD_DOTTED,
            Framing::Chunk => AWKWARD,
        };
        out.reserve(draft.size + 64);
        self.pieces(draft, awkward, |piece| out.extend_from_slice(piece));
        if framing == Framing::Dotted {
            out.extend_from_slice(b".\r\n");
        }
    }

    fn pieces(&self, draft: &Draft, awkward: &[u8], mut each: impl FnMut(&[u8])) {
        each(&draft.head);
        if draft.has_awkward_lines {
            each(awkward);
        }
        let (mut from, mut left) = (draft.start, draft.full);
        while left > 0 {
            let piece = self.lines.get(from..).unwrap_or(&self.lines);
            let piece = piece.get(..left).unwrap_or(piece);
            each(piece);
            left -= piece.len();
            from = 0;
        }
        if let Some(filling) = draft.last.checked_sub(2) {
            each(FILLING.get(..filling).unwrap_or(FILLING));
            each(b"\r\n");
        }
    }
}

impl Draft {
    pub(crate) fn token(&self) -> Token {
        self.token.unwrap_or(Token { run: 0, number: 0 })
    }

    pub(crate) fn recipients(&self) -> &[usize] {
        &self.recipients
    }

    /// For filling in, before the message is made.
    pub(crate) fn recipients_mut(&mut self) -> &mut Vec<usize> {
        &mut self.recipients
    }

    /// Octets of the message before dots are doubled.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }
}

/// Looks for our fields and compares the message with its hash.
pub(crate) fn examine(message: &[u8]) -> Examined {
    let Some(ours) = own_part(message) else {
        return Examined::Foreign;
    };
    let claimed = ours.get(HASH_FIELD.len()..).and_then(read_hexadecimal);
    let rest = ours.get(HASH_LINE..).unwrap_or_default();
    let Some(token) = own_token(message) else {
        return Examined::Foreign;
    };
    let ends_line = ours.get(HASH_LINE - 2..HASH_LINE) == Some(b"\r\n");
    match claimed {
        Some(hash) if ends_line && rest.starts_with(TOKEN_FIELD) && xxh3_64(rest) == hash => {
            Examined::Sound { token, hash }
        }
        _ => Examined::Corrupt(token),
    }
}

/// The token of a message of ours, whatever state it is in.
pub(crate) fn own_token(message: &[u8]) -> Option<Token> {
    let at = field(message, TOKEN_FIELD)? + TOKEN_FIELD.len();
    Token::parse(message.get(at..at + Token::LEN)?)
}

fn own_part(message: &[u8]) -> Option<&[u8]> {
    let at = field(message, HASH_FIELD).or_else(|| field(message, TOKEN_FIELD))?;
    message.get(at..)
}

fn field(message: &[u8], name: &[u8]) -> Option<usize> {
    memmem::find_iter(message, name)
        .find(|at| *at == 0 || message.get(at - 1).is_some_and(|before| *before == b'\n'))
}

impl Token {
    const LEN: usize = 33;

    fn text(self) -> [u8; Self::LEN] {
        let mut text = [b'-'; Self::LEN];
        let digits = hexadecimal(self.run).into_iter().chain([b'-']);
        for (to, from) in text.iter_mut().zip(digits.chain(hexadecimal(self.number))) {
            *to = from;
        }
        text
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let (run, number) = (text.get(..16)?, text.get(17..)?);
        if text.len() != Self::LEN || text.get(16) != Some(&b'-') {
            return None;
        }
        Some(Self {
            run: read_hexadecimal(run)?,
            number: read_hexadecimal(number)?,
        })
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{:016x}", self.run, self.number)
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text.as_bytes()).ok_or_else(|| format!("`{text}` is not a token"))
    }
}

/// Sixteen digits, without the cost of the formatting machinery.
pub(crate) fn hexadecimal(mut value: u64) -> [u8; 16] {
    let mut digits = [b'0'; 16];
    for digit in digits.iter_mut().rev() {
        let low = (value & 0xf) as u8;
        *digit = if low < 10 {
            b'0' + low
        } else {
            b'a' + low - 10
        };
        value >>= 4;
    }
    digits
}

fn read_hexadecimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits.get(..16)?).ok()?;
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

fn table(content: Content, random: &mut Random) -> Vec<u8> {
    let mut lines = Vec::with_capacity(LINE * LINES);
    let words = words(random);
    for _ in 0..LINES {
        let begin = lines.len();
        while lines.len() - begin < LINE - 2 {
            match content {
                Content::Text => {
                    // The square of a uniform number: few words are frequent, as in texts.
                    let rank = random.below(words.len() as u64) * random.below(words.len() as u64);
                    let rank = usize::try_from(rank).unwrap_or(0) / words.len();
                    let word = words.get(rank).map_or("a", String::as_str);
                    lines.extend_from_slice(word.as_bytes());
                    lines.push(b' ');
                }
                Content::Random => lines.push(base64_digit(random.next())),
            }
        }
        lines.truncate(begin + LINE - 3);
        lines.extend_from_slice(b",\r\n");
    }
    lines
}

fn words(random: &mut Random) -> Vec<String> {
    let consonants = [
        "b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr",
    ];
    let vowels = ["a", "e", "i", "o", "u", "ai", "ou", "ee"];
    let mut pick = |from: &[&'static str]| {
        let index = usize::try_from(random.below(from.len() as u64)).unwrap_or(0);
        from.get(index).copied().unwrap_or("a")
    };
    (0..2000)
        .map(|n| {
            let syllables = 1 + n / 700;
            (0..syllables)
                .flat_map(|_| [pick(&consonants), pick(&vowels)])
                .collect::<String>()
        })
        .collect()
}

fn base64_digit(random: u64) -> u8 {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    DIGITS.get((random >> 58) as usize).copied().unwrap_or(b'A')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Content, Draft, Examined, Framing, Stationery, Token, examine};
    use crate::mailboxes::{Mailboxes, Pick};

    const TOKEN: Token = Token {
        run: 0xabc,
        number: 77,
    };

    fn stationery() -> Stationery {
        Stationery::new("sender@example.net", Content::Text, 1, 0)
    }

    fn message(size: usize, framing: Framing) -> (Draft, Vec<u8>) {
        let stationery = stationery();
        let mailboxes = Mailboxes::new("u{n}@example.org", 1, 3, Pick::RoundRobin).unwrap();
        let mut draft = Draft::default();
        draft.recipients_mut().extend([0, 2]);
        stationery.draft(&mut draft, TOKEN, &mailboxes, size);
        let mut out = Vec::new();
        stationery.write(&draft, framing, &mut out);
        (draft, out)
    }

    fn unstuffed(wire: &[u8]) -> Vec<u8> {
        let text = std::str::from_utf8(wire).unwrap();
        let body = text.strip_suffix(".\r\n").unwrap();
        let lines = body
            .split_inclusive("\r\n")
            .map(|line| line.strip_prefix('.').unwrap_or(line));
        lines.collect::<String>().into_bytes()
    }

    #[test]
    fn a_message_has_the_size_that_was_asked_for() {
        for size in [
            600, 601, 602, 677, 678, 679, 1024, 10_240, 300_000, 2_739_200,
        ] {
            let (draft, out) = message(size, Framing::Chunk);
            assert_eq!((draft.size(), out.len()), (size, size));
            assert!(out.ends_with(b"\r\n"));
        }
    }

    #[test]
    fn a_size_below_that_of_the_header_gives_the_header() {
        let (draft, out) = message(1, Framing::Chunk);
        assert_eq!(draft.size(), out.len());
        assert_eq!(
            examine(&out),
            Examined::Sound {
                token: TOKEN,
                hash: draft.hash()
            }
        );
    }

    #[test]
    fn no_line_is_longer_than_mail_allows_and_no_line_end_is_bare() {
        let (_, out) = message(20_001, Framing::Dotted);
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.split("\r\n")
                .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
        );
    }

    #[test]
    fn dots_are_doubled_in_data_and_only_there() {
        let (_, plain) = message(5000, Framing::Chunk);
        let (_, dotted) = message(5000, Framing::Dotted);
        assert_eq!(unstuffed(&dotted), plain);
        assert!(plain.windows(5).any(|w| w == b"\r\n.\r\n"));
        assert_eq!(dotted.windows(5).filter(|w| w == b"\r\n.\r\n").count(), 1);
    }

    #[test]
    fn fields_in_front_are_ignored_and_foreign_messages_are_known() {
        let (draft, out) = message(2000, Framing::Chunk);
        let traced = [b"Received: from x\r\n by y\r\n".as_slice(), &out].concat();
        assert_eq!(
            examine(&traced),
            Examined::Sound {
                token: TOKEN,
                hash: draft.hash()
            }
        );
        assert_eq!(examine(b"Subject: x\r\n\r\nhello\r\n"), Examined::Foreign);
        assert_eq!(
            examine(b"Subject: X-Bench-Hash: \r\n\r\n"),
            Examined::Foreign
        );
        assert_eq!(examine(b""), Examined::Foreign);
    }

    #[test]
    fn messages_differ_and_tokens_can_be_read_back() {
        let stationery = stationery();
        let mailboxes = Mailboxes::new("a@b", 1, 1, Pick::RoundRobin).unwrap();
        let mut draft = Draft::default();
        let mut hashes = std::collections::HashSet::new();
        for number in 0..100 {
            let token = Token { run: 9, number };
            stationery.draft(&mut draft, token, &mailboxes, 3000);
            assert!(hashes.insert(draft.hash()));
            assert_eq!(token.to_string().parse(), Ok(token));
        }
    }

    proptest! {
        #[test]
        fn every_changed_octet_is_noticed(at in 0_usize..4000, change in 1_u8..=255) {
            let (_, mut out) = message(4000, Framing::Chunk);
            out[at] ^= change;
            let seen = examine(&out);
            prop_assert!(!matches!(seen, Examined::Sound { .. }), "{seen:?}");
        }

        #[test]
        fn every_cut_is_noticed(at in 0_usize..4000) {
            let (_, out) = message(4000, Framing::Chunk);
            let seen = examine(&out[..at]);
            prop_assert!(!matches!(seen, Examined::Sound { .. }), "{seen:?}");
        }

        #[test]
        fn no_octets_upset_the_examination(octets: Vec<u8>) {
            let seen = examine(&[b"X-Bench-Hash: ", octets.as_slice()].concat());
            prop_assert!(!matches!(seen, Examined::Sound { .. }), "{seen:?}");
        }
    }
}

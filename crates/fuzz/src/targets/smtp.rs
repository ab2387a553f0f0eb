//! SMTP sessions: whatever comes, in whatever state, in whatever pieces, every command has one
//! reply and nothing else is said.

use cassmail_smtp::Command;

use super::Target;
use super::smtp_world::{OPENINGS, SmtpWorld, begun, opened, options, setting};
use super::talk::{Talk, check_line, lines, shown};
use crate::corpus::transcripts;
use crate::dice::Dice;

pub(super) const SESSION: Target = Target {
    name: "smtp-session",
    about: "SMTP sessions in every state, cut anywhere, every reply counted",
    run: session,
    seeds: sessions,
    words: &[
        b"EHLO c.example\r\n",
        b"HELO c\r\n",
        b"MAIL FROM:<a@c.example>",
        b"MAIL FROM:<>",
        b"RCPT TO:<bob@here.example>\r\n",
        b"RCPT TO:<Postmaster>\r\n",
        b"DATA\r\n",
        b"RSET\r\n",
        b"BDAT 5\r\n",
        b"BDAT 0 LAST\r\n",
        b"BDAT 7 LAST\r\n",
        b"NOOP\r\n",
        b"VRFY a\r\n",
        b"AUTH PLAIN ",
        b"AUTH LOGIN\r\n",
        b"AGJvYgBzZWNyZXQ=\r\n",
        b"STARTTLS\r\n",
        b"QUIT\r\n",
        b" SIZE=10",
        b" BODY=8BITMIME",
        b" SMTPUTF8",
        b" AUTH=<>",
        b" REQUIRETLS",
        b"=\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"\xff\xfe",
        b"\x16\x03",
        b"GET / HTTP/1.1\r\n",
        b"LHLO c.example\r\n",
        b"*\r\n",
        b"@a,@b:",
        b"\"a b\"@c",
        b"\xc3\xbc",
    ],
};

pub(super) const LOGIN: Target = Target {
    name: "sasl",
    about: "AUTH exchanges in SMTP, every line a response",
    run: login,
    seeds: logins,
    words: &[
        b"AUTH PLAIN",
        b"AUTH LOGIN",
        b"AUTH SCRAM-SHA-256",
        b"AUTH SCRAM-SHA-256-PLUS",
        b"AUTH OAUTHBEARER",
        b"AUTH XOAUTH2",
        b"\n",
        b"*\n",
        b"=\n",
        b" ",
        b"AGJvYgBzZWNyZXQ=",
        b"Ym9i\n",
        b"c2VjcmV0\n",
        b"biwsbj1ib2Iscj1meWtvK2QybA==",
        b"cD10bHMtZXhwb3J0ZXIs",
        b"====",
        b"bixhPWJvYkBoZXJlLmV4YW1wbGUs",
        b"\xff",
        b"AA==",
    ],
};

/// Conversations behind every opening, under the settings that they were written for.
fn sessions() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, transcript) in transcripts("smtp").iter().enumerate() {
        let is = |word: &str| transcript.settings().iter().any(|setting| setting == word);
        let bits = [
            (is("submission") || is("submissions"), setting::SUBMISSION),
            (is("submissions"), setting::TLS),
            (is("auth=always"), setting::LOGINS),
            (is("no-tls"), setting::NO_STARTTLS),
        ];
        let settings = bits
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, bit)| bit)
            .sum();
        let opening = u8::try_from(number % OPENINGS.len()).unwrap_or_default();
        let input = transcript.input();
        seeds.push([&[settings, 0, 0], &input[..]].concat());
        seeds.push([&[settings | setting::LOGINS, opening, 1], &input[..]].concat());
    }
    for opening in 0..OPENINGS.len() {
        let opening = u8::try_from(opening).unwrap_or_default();
        for settings in [0, setting::LOGINS | setting::MOODY, setting::NARROW] {
            seeds.push([&[settings, opening, 7], &b"a\r\n.\r\nRSET\r\nQUIT\r\n"[..]].concat());
        }
    }
    seeds
}

fn logins() -> Vec<Vec<u8>> {
    let said: [&[u8]; 6] = [
        b"\0AUTH PLAIN\nAGJvYgBzZWNyZXQ=\nAUTH LOGIN\nYm9i\nc2VjcmV0\n",
        b"\0AUTH LOGIN Ym9i\nc2VjcmV0\nAUTH PLAIN =\nAUTH PLAIN\n*\n",
        b"\0AUTH SCRAM-SHA-256 biwsbj1ib2Iscj1meWtvK2QybA==\nYz1iaXdzLHI9eCxwPXk=\n",
        b"\0AUTH SCRAM-SHA-256-PLUS cD10bHMtZXhwb3J0ZXIsLG49Ym9iLHI9eA==\nKg==\n",
        b"\0AUTH OAUTHBEARER bixhPWJvYkBoZXJlLmV4YW1wbGUsAWF1dGg9QmVhcmVyIHgBAQ==\nAQ==\n",
        b"\0AUTH XOAUTH2 dXNlcj1ib2JAaGVyZS5leGFtcGxlAWF1dGg9QmVhcmVyIHgBAQ==\n\n",
    ];
    said.map(<[u8]>::to_vec).to_vec()
}

/// Settings, opening, dice, then what the client says.
fn session(data: &[u8]) {
    let [settings, opening, dice, input @ ..] = data else {
        return;
    };
    let opening = OPENINGS[usize::from(*opening) % OPENINGS.len()];
    let seed = u64::from(*dice);
    goes_the_same_way(*settings, opening, seed, input);
}

/// Dice, then lines that are said behind EHLO under TLS.
fn login(data: &[u8]) {
    let Some((&dice, input)) = data.split_first() else {
        return;
    };
    let lines: Vec<&[u8]> = input.split(|&byte| byte == b'\n').collect();
    let settings = setting::TLS | setting::LOGINS | setting::MOODY;
    goes_the_same_way(
        settings,
        OPENINGS[1],
        u64::from(dice),
        &lines.join(&b"\r\n"[..]),
    );
}

fn goes_the_same_way(settings: u8, opening: &[u8], seed: u64, input: &[u8]) {
    // A client of LMTP counts otherwise: see lmtp.rs.
    let settings = settings & !setting::LMTP;
    let mut whole = opened(settings, opening, seed);
    let mut cut = opened(settings, opening, seed);
    whole.say(input);
    let mut dice = Dice::new(seed ^ input.len() as u64);
    for piece in dice.cut(input) {
        cut.say(piece);
    }
    let single = Counted::said(settings, opening, seed, input);
    whole.check_same(&cut);
    whole.check_same(&single);
    check_replies(&whole.sent);
    let bound = 512 + 2048 * (1 + lines(&[opening, input].concat()).count());
    assert!(whole.sent.len() <= bound, "more is said than was asked for");
    for talk in [&mut whole, &mut cut] {
        talk.end(&mut dice.clone());
        check_replies(&talk.sent);
    }
}

/// Three digits, then a space, or a hyphen where another line of the same code follows.
pub(super) fn check_replies(output: &[u8]) -> usize {
    let mut replies = 0;
    let mut open: Option<[u8; 3]> = None;
    for line in lines(output) {
        let text = check_line(line);
        assert!(text.is_ascii(), "{}", shown(text));
        let Some((code, rest)) = text.split_first_chunk::<3>() else {
            panic!("no reply: {}", shown(text));
        };
        assert!(
            matches!(code, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']),
            "{}",
            shown(text)
        );
        assert!(
            open.is_none_or(|open| open == *code),
            "another code: {}",
            shown(text)
        );
        match rest.first() {
            Some(b' ') => {
                replies += 1;
                open = None;
            }
            Some(b'-') => open = Some(*code),
            _ => panic!("no reply: {}", shown(text)),
        }
    }
    assert!(open.is_none(), "a reply that does not end");
    replies
}

/// A client that knows at every octet how many replies it must get.
struct Counted {
    talk: Talk<SmtpWorld>,
    command_line: usize,
    expects: Expects,
    /// Whether the next line is a response within AUTH.
    is_asked: bool,
}

/// What an octet belongs to.
enum Expects {
    /// A command or a response: its LF has one reply.
    Line(Vec<u8>),
    /// The text behind DATA: its end has one reply.
    Text,
    /// So many octets of a chunk: the last has one reply.
    Chunk(u64),
}

impl Counted {
    fn said(settings: u8, opening: &[u8], seed: u64, input: &[u8]) -> Talk<SmtpWorld> {
        let mut counted = Self {
            talk: begun(settings),
            command_line: options(settings).limits.command_line,
            expects: Expects::Line(Vec::new()),
            is_asked: false,
        };
        counted.hear(opening);
        counted.talk.world.grow_moody(settings, seed);
        counted.hear(input);
        counted.talk
    }

    fn hear(&mut self, input: &[u8]) {
        for &byte in input {
            if self.talk.is_over() {
                return;
            }
            let before = self.talk.sent.len();
            self.talk.say(&[byte]);
            let said = self.talk.sent[before..].to_vec();
            self.count(byte, &said);
        }
    }

    fn count(&mut self, byte: u8, said: &[u8]) {
        let replies = check_replies(said);
        let continued = said.starts_with(b"354");
        let expected = match &mut self.expects {
            Expects::Line(line) => {
                line.push(byte);
                if byte != b'\n' {
                    0
                } else if let Some(octets) = self.chunk() {
                    self.expects = Expects::Chunk(octets);
                    0
                } else {
                    self.expects = Expects::Line(Vec::new());
                    1
                }
            }
            Expects::Text => replies.min(1),
            Expects::Chunk(remaining) => {
                *remaining -= 1;
                usize::from(*remaining == 0)
            }
        };
        // The last words of a session can come at any octet, such as those to a web browser.
        let over = self.talk.is_over() && replies <= 1;
        assert!(
            replies == expected || over,
            "{replies} replies to {byte:?}: {}",
            shown(said)
        );
        if replies > 0 {
            self.is_asked = said.starts_with(b"334");
        }
        match &self.expects {
            _ if continued => self.expects = Expects::Text,
            Expects::Text | Expects::Chunk(0) if replies > 0 => {
                self.expects = Expects::Line(Vec::new());
            }
            _ => {}
        }
    }

    /// How many octets follow the line that has just ended, if any.
    fn chunk(&self) -> Option<u64> {
        let Expects::Line(line) = &self.expects else {
            return None;
        };
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.is_asked || line.len() > self.command_line {
            return None;
        }
        match Command::parse(line) {
            (_, Ok(Command::Bdat { octets, .. })) if octets > 0 => Some(octets),
            _ => None,
        }
    }
}

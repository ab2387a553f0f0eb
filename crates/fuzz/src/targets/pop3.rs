//! POP3 sessions: whatever comes, in whatever state, in whatever pieces, every line has one reply,
//! messages come out whole, and only QUIT removes.

use super::Target;
use super::pop3_world::{MESSAGES, OPENINGS, PopWorld, begun, setting};
use super::talk::{Talk, check_line, lines, shown};
use crate::corpus::transcripts;
use crate::dice::Dice;

pub(super) const SESSION: Target = Target {
    name: "pop3-session",
    about: "POP3 sessions in every state, cut anywhere, every reply read",
    run,
    seeds,
    words: &[
        b"USER bob\r\n",
        b"PASS sesame\r\n",
        b"PASS ",
        b"AUTH\r\n",
        b"AUTH PLAIN ",
        b"AUTH LOGIN",
        b"AGJvYgBzZXNhbWU=\r\n",
        b"Ym9i\r\n",
        b"*\r\n",
        b"=\r\n",
        b"STAT\r\n",
        b"LIST\r\n",
        b"LIST 2\r\n",
        b"UIDL\r\n",
        b"UIDL 1\r\n",
        b"RETR 1\r\n",
        b"RETR 4\r\n",
        b"TOP 2 1\r\n",
        b"TOP 4 0\r\n",
        b"DELE 1\r\n",
        b"RSET\r\n",
        b"NOOP\r\n",
        b"CAPA\r\n",
        b"STLS\r\n",
        b"QUIT\r\n",
        b"UTF8\r\n",
        b"LANG\r\n",
        b"LANG *\r\n",
        b"LANG de-CH\r\n",
        b" ",
        b"0",
        b"+1",
        b"\r\n",
        b"\r",
        b"\n",
        b"\0",
        b"\xff\xfe",
        b"\x16\x03\x01",
        b"GET / HTTP/1.1\r\n",
        b"APOP ",
        b"\xc3\xbc",
        b"XTND",
    ],
};

/// Conversations behind every opening.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, transcript) in transcripts("pop3").iter().enumerate() {
        let opening = u8::try_from(number % OPENINGS.len()).unwrap_or_default();
        let is_tls = transcript
            .settings()
            .iter()
            .any(|word| word == "implicit-tls");
        let settings = if is_tls {
            setting::TLS
        } else {
            setting::IN_CLEAR
        };
        let input = transcript.input();
        seeds.push([&[settings, 0, 0], &input[..]].concat());
        seeds.push([&[settings | setting::SMALL_PIECES, opening, 1], &input[..]].concat());
    }
    for opening in 0..OPENINGS.len() {
        let opening = u8::try_from(opening).unwrap_or_default();
        for settings in [
            setting::IN_CLEAR | setting::MOODY,
            setting::TLS | setting::NARROW,
        ] {
            let said = b"RETR 4\r\nTOP 2 2\r\nLIST\r\nUIDL 2\r\nDELE 2\r\nSTAT\r\nQUIT\r\n";
            seeds.push([&[settings, opening, 7], &said[..]].concat());
        }
    }
    seeds
}

/// Settings, opening, dice, then what the client says.
fn run(data: &[u8]) {
    let [settings, opening, dice, input @ ..] = data else {
        return;
    };
    let opening = OPENINGS[usize::from(*opening) % OPENINGS.len()];
    let seed = u64::from(*dice);
    let begin = || {
        let mut talk = begun(*settings);
        talk.say(opening);
        talk.world.grow_moody(*settings, seed);
        talk
    };
    let (mut whole, mut cut) = (begin(), begin());
    whole.say(input);
    let mut dice = Dice::new(seed ^ input.len() as u64);
    for piece in dice.cut(input) {
        cut.say(piece);
    }
    let single = line_by_line(*settings, opening, seed, input);
    whole.check_same(&cut);
    whole.check_same(&single);
    for talk in [&mut whole, &mut cut] {
        talk.end(&mut dice.clone());
        let said = [opening, input].concat().to_ascii_uppercase();
        let has_quit = said.windows(4).any(|word| word == b"QUIT");
        assert!(has_quit || removals(talk) == 0, "only QUIT removes");
        assert!(removals(talk) <= 1);
    }
}

fn removals(talk: &Talk<PopWorld>) -> usize {
    let asked = talk.world.asked.iter();
    asked
        .filter(|question| question.starts_with("Remove"))
        .count()
}

/// Says a line at a time, octet by octet, and reads the reply to each.
fn line_by_line(settings: u8, opening: &[u8], seed: u64, input: &[u8]) -> Talk<PopWorld> {
    let mut talk = begun(settings);
    single_line(&talk.sent);
    for line in lines(opening) {
        say_line(&mut talk, line);
    }
    talk.world.grow_moody(settings, seed);
    for line in lines(input) {
        say_line(&mut talk, line);
    }
    talk
}

fn say_line(talk: &mut Talk<PopWorld>, line: &[u8]) {
    for (at, byte) in line.iter().enumerate() {
        if talk.is_over() {
            return;
        }
        let before = talk.sent.len();
        talk.say(&[*byte]);
        let said = talk.sent[before..].to_vec();
        let is_end = at + 1 == line.len() && *byte == b'\n';
        if is_end {
            check_reply(talk, line, &said);
        } else {
            assert!(said.is_empty() || talk.is_over(), "{}", shown(&said));
        }
    }
}

/// One reply: a line, or lines up to the lone dot. A message that breaks off ends the session.
fn check_reply(talk: &Talk<PopWorld>, line: &[u8], said: &[u8]) {
    let mut replied = lines(said);
    let Some(first) = replied.next() else {
        assert!(talk.is_over(), "no reply to {}", shown(line));
        return;
    };
    single_line(first);
    let rest: Vec<&[u8]> = replied.collect();
    let Some((last, listed)) = rest.split_last() else {
        return;
    };
    assert!(first.starts_with(b"+OK"), "{}", shown(said));
    if !(talk.is_over() && *last != b".\r\n") {
        assert_eq!(shown(last), ".\\r\\n", "the end of {}", shown(said));
    }
    assert!(
        !listed.contains(&&b".\r\n"[..]),
        "an end within {}",
        shown(said)
    );
    check_listed(line, listed);
}

fn single_line(line: &[u8]) {
    let text = check_line(line);
    let is_reply = [&b"+OK"[..], b"-ERR", b"+ "]
        .iter()
        .any(|word| text.starts_with(word));
    assert!(is_reply, "{}", shown(text));
}

/// A message is what it is; other listings are lines of ours.
fn check_listed(line: &[u8], listed: &[&[u8]]) {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let said = line
        .strip_suffix(b"\r")
        .unwrap_or(line)
        .to_ascii_uppercase();
    let Some(number) = said.strip_prefix(b"RETR ") else {
        if !said.starts_with(b"TOP ") {
            for line in listed {
                check_line(line);
            }
        }
        return;
    };
    let number: usize = String::from_utf8_lossy(number.trim_ascii())
        .parse()
        .unwrap_or_default();
    let message = MESSAGES[number.saturating_sub(1)];
    let unstuffed = listed
        .iter()
        .map(|line| line.strip_prefix(b".").unwrap_or(line));
    let came: Vec<u8> = unstuffed.flatten().copied().collect();
    let ended = message.is_empty() || message.ends_with(b"\r\n");
    let whole = [message, if ended { b"" } else { b"\r\n" }].concat();
    // A message that breaks off is a beginning of it; the session is over then.
    assert!(
        whole.starts_with(&came),
        "{} is no beginning of {}",
        shown(&came),
        shown(&whole)
    );
}

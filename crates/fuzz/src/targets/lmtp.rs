//! LMTP sessions: in every state, cut anywhere, and a reply for each recipient.

use super::Target;
use super::smtp::check_replies;
use super::smtp_world::{opened, setting};
use crate::corpus::transcripts;
use crate::dice::Dice;

pub(super) const TARGET: Target = Target {
    name: "lmtp-session",
    about: "LMTP sessions in every state, cut anywhere",
    run,
    seeds,
    words: &[
        b"LHLO c.example\r\n",
        b"EHLO c.example\r\n",
        b"MAIL FROM:<a@c.example>\r\n",
        b"MAIL FROM:<> REQUIRETLS\r\n",
        b"RCPT TO:<bob@here.example>\r\n",
        b"RCPT TO:<carol@here.example>\r\n",
        b"DATA\r\n",
        b"BDAT 5\r\n",
        b"BDAT 0 LAST\r\n",
        b"RSET\r\n",
        b"STARTTLS\r\n",
        b"AUTH PLAIN AGJvYgBzZWNyZXQ=\r\n",
        b"QUIT\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\r",
        b"\0",
        b"\xff",
    ],
};

/// What is said before the input, so that it meets every state.
const OPENINGS: [&[u8]; 7] = [
    b"",
    b"LHLO c.example\r\n",
    b"LHLO c\r\nMAIL FROM:<a@c.example>\r\n",
    b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<bob@here.example>\r\nRCPT TO:<carol@here.example>\r\n",
    b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\nSubject: x\r\n",
    b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nBDAT 20\r\n01234",
    b"LHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@x.test>\r\nBDAT 9 LAST\r\n0123",
];

/// Conversations of LMTP behind every opening.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for transcript in transcripts("smtp") {
        if !transcript
            .settings()
            .iter()
            .any(|setting| setting == "lmtp")
        {
            continue;
        }
        for (opening, _) in (0..).zip(OPENINGS) {
            let settings = setting::LMTP | [0, setting::MOODY][usize::from(opening % 2)];
            seeds.push([&[settings, opening, 1], &transcript.input()[..]].concat());
        }
    }
    seeds
}

/// Settings, opening, dice, then what the client says.
fn run(data: &[u8]) {
    let [settings, opening, dice, input @ ..] = data else {
        return;
    };
    let settings = settings | setting::LMTP;
    let opening = OPENINGS[usize::from(*opening) % OPENINGS.len()];
    let seed = u64::from(*dice);
    let mut dice = Dice::new(seed ^ input.len() as u64);
    let single: Vec<&[u8]> = input.chunks(1).collect();
    let cuts = [vec![input], single, dice.cut(input)];
    let [whole, single, cut] = cuts.map(|pieces| {
        let mut talk = opened(settings, opening, seed);
        for piece in pieces {
            talk.say(piece);
        }
        talk
    });
    whole.check_same(&single);
    whole.check_same(&cut);
    for mut talk in [whole, single, cut] {
        check_replies(&talk.sent);
        talk.end(&mut dice.clone());
        check_replies(&talk.sent);
        let is_for_all =
            |asked: &String| asked.starts_with("Commit") && !asked.starts_with("CommitEach");
        assert!(
            !talk.world.asked.iter().any(is_for_all),
            "each recipient is asked for"
        );
    }
}

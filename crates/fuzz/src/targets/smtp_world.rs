//! The world of an SMTP session: settings, openings, and a desk with moods.

use std::collections::BTreeMap;
use std::sync::Arc;

use cassmail_mail::{MessageId, Stored};
use cassmail_smtp::server::{
    Answer, AuthOffer, BeginRefusal, CommitRefusal, Committed, Login, LoginRefusal, NoRoom,
    Options, Question, Recipient, RecipientRefusal, RefusedLate, SenderRefusal, Session,
    StartTlsOffer,
};
use cassmail_transcript::Accounts;
use cassmail_wire::sasl::BearerOffer;

use super::dots::is_clean;
use super::talk::{Talk, World, acceptance, caller, check_claim, tls};
use crate::dice::Dice;

/// What is said before the input, so that it meets every state.
pub(super) const OPENINGS: [&[u8]; 18] = [
    b"",
    b"EHLO c.example\r\n",
    b"HELO c.example\r\n",
    b"EHLO c.example\r\nAUTH PLAIN\r\n",
    b"EHLO c.example\r\nAUTH LOGIN Ym9i\r\n",
    b"EHLO c.example\r\nAUTH PLAIN AGJvYgBzZWNyZXQ=\r\n",
    b"EHLO c.example\r\nMAIL FROM:<a@c.example>\r\n",
    b"EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<bob@here.example>\r\n",
    b"EHLO c.example\r\nMAIL FROM:<> SMTPUTF8\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n",
    b"HELO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\n",
    b"EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\nSubject: x\r\n",
    b"EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\na\r\n.\r",
    b"EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nBDAT 20\r\n01234",
    b"EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nBDAT 5\r\na\r\nb\r",
    b"EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nBDAT 9 LAST\r\n0123",
    b"EHLO c\r\nBDAT 20\r\n01234",
    b"EHLO c\r\nBDAT 5\r\n01234",
    b"EHLO c\r\nMAIL FROM:<a@c.example>\r\nRCPT TO:<bob@here.example>\r\nDATA\r\n.\r\n",
];

/// Settings of a listener, one bit each.
pub(super) mod setting {
    pub(in super::super) const SUBMISSION: u8 = 1;
    pub(in super::super) const TLS: u8 = 2;
    pub(in super::super) const LOGINS: u8 = 4;
    pub(in super::super) const NARROW: u8 = 8;
    pub(in super::super) const NO_STARTTLS: u8 = 16;
    pub(in super::super) const MOODY: u8 = 32;
    pub(in super::super) const LMTP: u8 = 64;
}

pub(super) fn options(settings: u8) -> Options {
    let has = |bit: u8| settings & bit != 0;
    let hostname = "here.example".parse().expect("a domain");
    let mut options = if has(setting::LMTP) {
        Options::lmtp(hostname)
    } else if has(setting::SUBMISSION) {
        Options::submission(hostname)
    } else {
        Options::mx(hostname)
    };
    if has(setting::LOGINS) {
        options.auth = AuthOffer::Always;
    }
    if has(setting::NO_STARTTLS) {
        options.starttls = StartTlsOffer::NotOffered;
    }
    if has(setting::NARROW) {
        options.limits.message_octets = 12;
        options.limits.recipients = 2;
        options.limits.command_line = 40;
        options.limits.auth_line = 60;
    } else {
        options.limits.errors = 1000;
    }
    options.sasl.bearer = Some(BearerOffer::default());
    options
}

/// A session with these settings, whose desk says yes.
pub(super) fn begun(settings: u8) -> Talk<SmtpWorld> {
    let caller = caller((settings & setting::TLS != 0).then(tls));
    let session = Session::new(Arc::new(options(settings)), &caller);
    Talk::new(session, SmtpWorld::default())
}

/// The same, after this opening, whose desk has moods from here on.
pub(super) fn opened(settings: u8, opening: &[u8], seed: u64) -> Talk<SmtpWorld> {
    let mut talk = begun(settings);
    talk.say(opening);
    talk.world.grow_moody(settings, seed);
    talk
}

/// A desk that says yes, or what its dice say.
#[derive(Default)]
pub(super) struct SmtpWorld {
    dice: Option<Dice>,
    body: Vec<u8>,
    /// What was asked, and the bodies of commits.
    pub(super) asked: Vec<String>,
    stored: u8,
}

impl SmtpWorld {
    /// Under the setting for it, the desk does not always say yes any more.
    pub(super) fn grow_moody(&mut self, settings: u8, seed: u64) {
        self.dice = (settings & setting::MOODY != 0).then(|| Dice::new(seed));
    }

    /// No in one of so many ways, or yes.
    fn mood(&mut self, ways: usize) -> usize {
        let Some(dice) = &mut self.dice else {
            return 0;
        };
        if dice.once_in(3) {
            1 + dice.below(ways)
        } else {
            0
        }
    }

    fn log_in(&mut self) -> Result<Login, LoginRefusal> {
        match self.mood(2) {
            0 => Ok(Login {
                address: "bob@here.example".parse().expect("an address"),
            }),
            1 => Err(LoginRefusal::Wrong),
            _ => Err(LoginRefusal::TryLater),
        }
    }

    fn commit(&mut self) -> Result<Stored, CommitRefusal> {
        self.stored = self.stored.wrapping_add(1);
        match self.mood(5) {
            0 => Ok(Stored::asserted_durable(MessageId::from_key(
                [self.stored; 16],
            ))),
            1 => Err(CommitRefusal::Loop),
            2 => Err(CommitRefusal::Full),
            3 => Err(CommitRefusal::Fault),
            4 => Err(CommitRefusal::NoRoom(NoRoom::Full)),
            _ => Err(CommitRefusal::Indeterminate),
        }
    }
}

impl SmtpWorld {
    fn whole_body(&mut self) -> String {
        let body = std::mem::take(&mut self.body);
        is_clean(&body);
        assert!(body.is_empty() || body.ends_with(b"\r\n"), "whole lines");
        body.escape_ascii().to_string()
    }

    /// The first recipient may be gone; who is not there at all is a mistake of the desk.
    fn commit_each(&mut self) -> Committed {
        let stored = self.commit();
        let late = |why| RefusedLate {
            recipient: Recipient::Postmaster,
            why,
        };
        let refused = match self.mood(2) {
            0 => BTreeMap::new(),
            1 => BTreeMap::from([(0, late(RecipientRefusal::Unknown))]),
            _ => BTreeMap::from([(1, late(RecipientRefusal::Fault))]),
        };
        Committed { stored, refused }
    }
}

impl World for SmtpWorld {
    type Machine = Session;

    fn answer(&mut self, question: Question) -> Answer {
        let mut asked = format!("{question:?}");
        let answer = match question {
            Question::StartScram(user) => {
                assert!(!user.is_empty() && !user.contains('\0'));
                Answer::StartScram(match self.mood(1) {
                    0 => Ok(Accounts::start()),
                    _ => Err(LoginRefusal::TryLater),
                })
            }
            Question::LogIn(claim) => {
                check_claim(&claim);
                Answer::LogIn(self.log_in().map(|login| (login, acceptance(&claim))))
            }
            Question::Sender(_) => Answer::Sender(match self.mood(3) {
                0 => Ok(()),
                1 => Err(SenderRefusal::NotYours),
                2 => Err(SenderRefusal::Full),
                _ => Err(SenderRefusal::Fault),
            }),
            Question::Recipient(_) => Answer::Recipient(match self.mood(5) {
                0 => Ok(()),
                1 => Err(RecipientRefusal::Unknown),
                2 => Err(RecipientRefusal::NotLocal),
                3 => Err(RecipientRefusal::Disabled),
                4 => Err(RecipientRefusal::NoRoom(NoRoom::Full)),
                _ => Err(RecipientRefusal::Fault),
            }),
            Question::Begin(hop) => {
                let helo = hop.helo.to_string();
                let is_odd = |c: char| c.is_control() || matches!(c, ' ' | '(' | ')' | ';');
                assert!(!helo.contains(is_odd), "it stands in a field: {helo:?}");
                self.body.clear();
                Answer::Begin(match self.mood(2) {
                    0 => Ok(()),
                    1 => Err(BeginRefusal::Full),
                    _ => Err(BeginRefusal::Fault),
                })
            }
            Question::Commit => {
                asked += &self.whole_body();
                Answer::Commit(self.commit())
            }
            Question::CommitEach => {
                asked += &self.whole_body();
                Answer::CommitEach(self.commit_each())
            }
            Question::Forget => Answer::Forgotten,
        };
        self.asked.push(asked);
        answer
    }

    fn asked(&self) -> &[String] {
        &self.asked
    }

    fn body(&mut self, piece: &[u8]) {
        assert!(piece.len() <= 64 * 1024 + 2, "a piece is bounded");
        self.body.extend_from_slice(piece);
    }
}

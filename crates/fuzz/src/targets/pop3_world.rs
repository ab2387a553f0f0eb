//! The world of a POP3 session: settings, openings, a maildrop, and a desk with moods.

use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{Entry, MessageId, Removed};
use cassmail_pop3::{
    Answer, BodyRefusal, ClearTextLogin, Contents, LoginRefusal, MaildropRefusal, Options,
    Question, RemoveRefusal, Session, TlsOffer,
};
use cassmail_transcript::Accounts;
use cassmail_wire::sasl::{BearerOffer, Proof};

use super::talk::{Talk, World, acceptance, caller, check_claim, tls};
use crate::dice::Dice;

/// What is said before the input, so that it meets every state.
pub(super) const OPENINGS: [&[u8]; 12] = [
    b"",
    b"USER bob\r\n",
    b"USER bob\r\nPASS sesame\r\n",
    b"USER bob\r\nPASS sesame\r\nDELE 1\r\nDELE 3\r\n",
    b"AUTH PLAIN\r\n",
    b"AUTH LOGIN\r\nYm9i\r\n",
    b"AUTH PLAIN AGJvYgBzZXNhbWU=\r\nRETR 2\r\n",
    b"UTF8\r\n",
    b"UTF8\r\nUSER bob\r\nPASS sesame\r\n",
    b"LANG de\r\n",
    b"USER bob\r\nPASS wrong\r\n",
    b"CAPA\r\nAUTH\r\nUSER bob\r\nPASS sesame\r\nTOP 2 1\r\n",
];

/// What is in the maildrop.
pub(super) const MESSAGES: [&[u8]; 5] = [
    b"Subject: one\r\n\r\nfirst\r\n",
    b"Subject: two\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n",
    b"",
    b".no header\r\n.\r\n\r\n\r\n.\r\nno end",
    b"A: 1\r\n\r\n",
];

/// Settings of a listener, one bit each.
pub(super) mod setting {
    pub(in super::super) const TLS: u8 = 1;
    pub(in super::super) const IN_CLEAR: u8 = 2;
    pub(in super::super) const NARROW: u8 = 4;
    pub(in super::super) const NO_STLS: u8 = 8;
    pub(in super::super) const SMALL_PIECES: u8 = 16;
    pub(in super::super) const MOODY: u8 = 32;
}

fn options(settings: u8) -> Options {
    let has = |bit: u8| settings & bit != 0;
    let mut options = Options::default();
    options.sasl.bearer = Some(BearerOffer::default());
    if has(setting::IN_CLEAR) {
        options.clear_text_login = ClearTextLogin::Allowed;
    }
    if has(setting::NO_STLS) {
        options.tls = TlsOffer::Absent;
    }
    if has(setting::NARROW) {
        options.limits.command_line = 40;
        options.limits.sasl_line = 60;
        options.limits.output = 32;
    } else {
        options.limits.misuses_before_login = 1000;
        options.limits.misuses_after_login = 1000;
        options.limits.refused_logins = 1000;
    }
    options
}

/// A session with these settings, whose desk says yes to those who know the password.
pub(super) fn begun(settings: u8) -> Talk<PopWorld> {
    let caller = caller((settings & setting::TLS != 0).then(tls));
    let session = Session::new(Arc::new(options(settings)), &caller);
    let world = PopWorld {
        dice: None,
        piece: if settings & setting::SMALL_PIECES != 0 {
            3
        } else {
            usize::MAX
        },
        open: Bytes::new(),
        asked: Vec::new(),
    };
    Talk::new(session, world)
}

/// A desk that says yes, or what its dice say.
pub(super) struct PopWorld {
    dice: Option<Dice>,
    piece: usize,
    open: Bytes,
    /// What was asked.
    pub(super) asked: Vec<String>,
}

impl PopWorld {
    /// Under the setting for it, the desk does not always say yes any more.
    pub(super) fn grow_moody(&mut self, settings: u8, seed: u64) {
        self.dice = (settings & setting::MOODY != 0).then(|| Dice::new(seed));
    }

    /// No in one of so many ways, or yes.
    fn mood(&mut self, ways: usize) -> usize {
        let Some(dice) = &mut self.dice else {
            return 0;
        };
        if dice.once_in(4) {
            1 + dice.below(ways)
        } else {
            0
        }
    }

    fn open(&mut self, id: MessageId) -> Result<(), BodyRefusal> {
        let place = ids()
            .position(|listed| listed == id)
            .expect("what is listed");
        self.open = Bytes::from_static(MESSAGES[place]);
        self.refusal()
    }

    fn refusal(&mut self) -> Result<(), BodyRefusal> {
        match self.mood(3) {
            0 => Ok(()),
            1 => Err(BodyRefusal::Gone),
            2 => Err(BodyRefusal::TryLater),
            _ => Err(BodyRefusal::Damaged),
        }
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>, BodyRefusal> {
        self.refusal()?;
        let piece = self.open.split_to(self.open.len().min(self.piece));
        Ok((!piece.is_empty()).then_some(piece))
    }
}

fn ids() -> impl Iterator<Item = MessageId> {
    (1..=MESSAGES.len() as u128).map(|number| MessageId::from_key(number.to_be_bytes()))
}

fn entries() -> Vec<Entry> {
    let entry = |(id, body): (MessageId, &&[u8])| Entry {
        id,
        size: body.len() as u64,
        surrogate_size: None,
        imported_uidl: None,
    };
    ids().zip(&MESSAGES).map(entry).collect()
}

impl World for PopWorld {
    type Machine = Session;

    fn answer(&mut self, question: Question) -> Answer {
        self.asked.push(format!("{question:?}"));
        match question {
            Question::StartScram(_) => Answer::StartScram(match self.mood(1) {
                0 => Ok(Accounts::start()),
                _ => Err(LoginRefusal::TryLater),
            }),
            Question::LogIn(claim) => {
                check_claim(&claim);
                let is_true = match &claim.proof {
                    Proof::Password(password) => password.expose() == "sesame",
                    Proof::Scram(_) | Proof::Token(_) => true,
                };
                Answer::LogIn(match self.mood(2) {
                    0 if is_true => Ok(acceptance(&claim)),
                    1 => Err(LoginRefusal::TryLater),
                    2 => Err(LoginRefusal::InUse),
                    _ => Err(LoginRefusal::Wrong),
                })
            }
            Question::OpenMaildrop => Answer::Maildrop(match self.mood(2) {
                0 => Ok(Contents {
                    entries: entries(),
                    expire: None,
                }),
                1 => Err(MaildropRefusal::TryLater),
                _ => Err(MaildropRefusal::InUse),
            }),
            Question::OpenBody(id, _) => Answer::Opened(self.open(id)),
            Question::NextPiece => Answer::Piece(self.next_piece()),
            Question::Remove(ids) => Answer::Removed(match self.mood(1) {
                0 => Ok(Removed::asserted_gone(ids.len())),
                _ => Err(RemoveRefusal),
            }),
            Question::CloseBody => Answer::BodyClosed,
        }
    }

    fn asked(&self) -> &[String] {
        &self.asked
    }

    fn body(&mut self, _piece: &[u8]) {
        panic!("POP3 takes no messages");
    }
}

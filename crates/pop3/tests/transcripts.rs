//! The golden conversations of POP3, and the world they happen in.
//!
//! Bob's password is `sesame`; his token and what SCRAM begins with are those of
//! `cassmail_transcript::Accounts`. His maildrop holds three messages, unless a transcript gives it
//! others. Settings, behind `@ with`: `login-in-clear`, `no-certificate`, `implicit-tls`,
//! `no-scram`, `oauth` or `oauth=SCOPE` (tokens are taken), `unbound` (TLS from the first octet has
//! nothing to bind a login to), `pieces=N` to have messages come in pieces of N octets, `expire=N`
//! and `own-expire=N` for the days that EXPIRE tells before and after login, `login-delay=N` in
//! seconds, and `language=TAG` for what `LANG *` means.
//!
//! ```text
//! ?: scram bob             !: ok | later
//! ?: login bob sesame      !: ok | true | wrong | later | in-use
//! ?: maildrop              !: maildrop "..." "..." | later | in-use | too-soon
//!                             in front of a message: size=N, surrogate=N, uidl=TEXT
//! ?: open 2                !: opened | gone | later | damaged
//! ?: open 2 as surrogate   the same
//! ?: next                  !: piece "..." | end | gone | later | damaged
//! ?: close                 !: closed
//! ?: remove 1 3            !: removed 2 | not-removed
//! any                      !: out-of-turn, a receipt that nobody asked for
//! ```

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cassmail_mail::{Entry, MessageId, Removed, SurrogateSize, Uidl};
use cassmail_pop3::{
    Answer, BodyRefusal, ClearTextLogin, Contents, Form, Language, LoginRefusal, MaildropRefusal,
    Note, Options, Question, RemoveRefusal, Session, TlsOffer,
};
use cassmail_surrogate::Surrogate;
use cassmail_transcript::{Accounts, Scripted, check_folder, proof_text, tls_facts};
use cassmail_wire::sasl::{Acceptance, BearerOffer, ScramOffer};
use cassmail_wire::{Caller, ChannelBindings, Moment, SessionId, Source};

#[test]
fn every_transcript_holds_in_every_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/pop3");
    match check_folder::<World>(&folder) {
        Ok(count) => assert!(count >= 120, "{count} transcripts, there were more"),
        Err(failures) => panic!("{failures}"),
    }
}

const USUAL_MAILDROP: &str = r#"
    "Subject: one\r\n\r\nfirst\r\n"
    "Subject: two\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n"
    "Subject: three\r\n\r\na\r\n\r\nc\r\n"
"#;

struct World {
    messages: Vec<Message>,
    /// The message that is open: what has not been given out yet.
    open: Bytes,
    piece: usize,
    expire: Option<NonZeroU32>,
}

struct Message {
    entry: Entry,
    body: Bytes,
}

impl Scripted for World {
    type Machine = Session;

    fn begin(settings: &[String]) -> Result<(Self, Session), String> {
        let mut world = Self {
            messages: messages(USUAL_MAILDROP)?,
            open: Bytes::new(),
            piece: usize::MAX,
            expire: None,
        };
        let mut options = Options::default();
        let mut caller = caller();
        for setting in settings {
            match setting.split_once('=').unwrap_or((setting, "")) {
                ("login-in-clear", _) => options.clear_text_login = ClearTextLogin::Allowed,
                ("no-certificate", _) => options.tls = TlsOffer::Absent,
                ("implicit-tls", _) => caller.tls = Some(tls_facts()),
                ("unbound", _) => {
                    let tls = caller
                        .tls
                        .as_mut()
                        .ok_or("unbound is behind implicit-tls")?;
                    tls.bindings = ChannelBindings::default();
                }
                ("no-scram", _) => options.sasl.scram = ScramOffer::Absent,
                ("oauth", scope) => {
                    let scope = scope.to_owned();
                    options.sasl.bearer = Some(BearerOffer { scope });
                }
                ("pieces", size) => world.piece = number(size)?,
                ("expire", days) => options.expire = days.parse().ok(),
                ("own-expire", days) => world.expire = days.parse().ok(),
                ("login-delay", seconds) => {
                    let seconds = seconds.parse().map_err(|_| "no number of seconds")?;
                    options.login_delay = Some(Duration::from_secs(seconds));
                }
                ("language", tag) => {
                    options.language = Language::from_tag(tag).ok_or("no such language")?;
                }
                _ => return Err(format!("no such setting: {setting}")),
            }
        }
        Ok((world, Session::new(Arc::new(options), &caller)))
    }

    fn question_text(&mut self, question: &Question) -> String {
        match question {
            Question::StartScram(user) => format!("scram {user}"),
            Question::LogIn(claim) => {
                format!("login {} {}", claim.user, proof_text(&claim.proof))
            }
            Question::OpenMaildrop => "maildrop".to_owned(),
            Question::OpenBody(id, Form::AsKept) => format!("open {}", self.place(*id)),
            Question::OpenBody(id, Form::Surrogate) => {
                format!("open {} as surrogate", self.place(*id))
            }
            Question::NextPiece => "next".to_owned(),
            Question::CloseBody => "close".to_owned(),
            Question::Remove(ids) => ids.iter().fold("remove".to_owned(), |text, id| {
                format!("{text} {}", self.place(*id))
            }),
        }
    }

    fn usual_answer(&mut self, question: Question) -> Answer {
        match question {
            Question::StartScram(_) => Answer::StartScram(Ok(Accounts::start())),
            Question::LogIn(claim) => {
                let checked = ACCOUNTS.check(&claim).map(|(_, acceptance)| acceptance);
                Answer::LogIn(checked.ok_or(LoginRefusal::Wrong))
            }
            Question::OpenMaildrop => Answer::Maildrop(Ok(self.contents())),
            Question::OpenBody(id, form) => Answer::Opened(self.open(id, form)),
            Question::NextPiece => Answer::Piece(Ok(self.next_piece())),
            Question::CloseBody => Answer::BodyClosed,
            Question::Remove(ids) => Answer::Removed(Ok(Removed::asserted_gone(ids.len()))),
        }
    }

    fn scripted_answer(&mut self, text: &str, question: Question) -> Result<Answer, String> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match (question, word) {
            (_, "out-of-turn") => Answer::Removed(Ok(Removed::asserted_gone(1))),
            (question, "ok") => self.usual_answer(question),
            (Question::StartScram(_), "later") => Answer::StartScram(Err(LoginRefusal::TryLater)),
            (Question::LogIn(_), "true") => Answer::LogIn(Ok(Acceptance::default())),
            (Question::LogIn(_), "wrong") => Answer::LogIn(Err(LoginRefusal::Wrong)),
            (Question::LogIn(_), "later") => Answer::LogIn(Err(LoginRefusal::TryLater)),
            (Question::LogIn(_), "too-many") => Answer::LogIn(Err(LoginRefusal::TooMany)),
            (Question::LogIn(_), "in-use") => Answer::LogIn(Err(LoginRefusal::InUse)),
            (Question::OpenMaildrop, "maildrop") => {
                self.messages = messages(rest)?;
                Answer::Maildrop(Ok(self.contents()))
            }
            (Question::OpenMaildrop, "too-soon") => Answer::Maildrop(Err(MaildropRefusal::TooSoon)),
            (Question::OpenMaildrop, "later") => Answer::Maildrop(Err(MaildropRefusal::TryLater)),
            (Question::OpenMaildrop, "too-many") => Answer::Maildrop(Err(MaildropRefusal::TooMany)),
            (Question::OpenMaildrop, "in-use") => Answer::Maildrop(Err(MaildropRefusal::InUse)),
            (Question::OpenBody(id, form), "opened") => Answer::Opened(self.open(id, form)),
            (Question::OpenBody(..), word) => Answer::Opened(Err(body_refusal(word)?)),
            (Question::NextPiece, "piece") => {
                let (piece, _) = quoted(rest)?;
                Answer::Piece(Ok(Some(piece.into())))
            }
            (Question::NextPiece, "end") => Answer::Piece(Ok(None)),
            (Question::NextPiece, word) => Answer::Piece(Err(body_refusal(word)?)),
            (Question::CloseBody, "closed") => Answer::BodyClosed,
            (Question::Remove(_), "removed") => {
                Answer::Removed(Ok(Removed::asserted_gone(number(rest)?)))
            }
            (Question::Remove(_), "not-removed") => Answer::Removed(Err(RemoveRefusal)),
            (question, _) => return Err(format!("no answer to {question:?}: {text}")),
        })
    }

    /// POP3 takes no messages.
    fn body(&mut self, _piece: Bytes) {}

    fn note_text(&mut self, note: &Note) -> String {
        format!("{}: {note}", note.reason())
    }
}

impl World {
    fn contents(&self) -> Contents {
        let entries = self.messages.iter().map(|message| &message.entry);
        Contents {
            entries: entries.cloned().collect(),
            expire: self.expire,
        }
    }

    fn place(&self, id: MessageId) -> usize {
        let place = self.messages.iter().position(|m| m.entry.id == id);
        place.map_or(0, |place| place + 1)
    }

    fn open(&mut self, id: MessageId, form: Form) -> Result<(), BodyRefusal> {
        let message = self.messages.iter().find(|m| m.entry.id == id);
        let body = message.ok_or(BodyRefusal::Gone)?.body.clone();
        self.open = match form {
            Form::AsKept => body,
            Form::Surrogate => surrogate(&body),
        };
        Ok(())
    }

    fn next_piece(&mut self) -> Option<Bytes> {
        let piece = self.open.split_to(self.open.len().min(self.piece));
        (!piece.is_empty()).then_some(piece)
    }
}

fn surrogate(body: &[u8]) -> Bytes {
    let mut surrogate = Surrogate::default();
    let mut octets = Vec::new();
    surrogate.take(body, &mut octets);
    surrogate.finish(&mut octets);
    octets.into()
}

fn caller() -> Caller {
    Caller {
        session: SessionId(1),
        peer: ([192, 0, 2, 1], 40_000).into(),
        source: Source::of([192, 0, 2, 1].into()),
        local: ([192, 0, 2, 2], 110).into(),
        tls: None,
        accepted_at: Moment::default(),
    }
}

const ACCOUNTS: Accounts = Accounts {
    names: &["bob"],
    password: "sesame",
};

fn body_refusal(word: &str) -> Result<BodyRefusal, String> {
    Ok(match word {
        "gone" => BodyRefusal::Gone,
        "later" => BodyRefusal::TryLater,
        "damaged" => BodyRefusal::Damaged,
        _ => return Err(format!("no such refusal: {word}")),
    })
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("no number: {text}"))
}

/// Reads messages in quotes, each with `size=` and `uidl=` in front where they differ from the
/// usual.
fn messages(text: &str) -> Result<Vec<Message>, String> {
    let mut messages = Vec::new();
    let mut given = Given::default();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        if rest.starts_with('"') {
            let (body, after) = quoted(rest)?;
            rest = after.trim_start();
            let given = std::mem::take(&mut given);
            messages.push(message(messages.len(), body.into(), given));
            continue;
        }
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        rest = after.trim_start();
        match word.split_once('=') {
            Some(("size", value)) => given.size = Some(value.parse().map_err(|_| "no size")?),
            Some(("surrogate", value)) => {
                given.surrogate = Some(value.parse().map_err(|_| "no size")?);
            }
            Some(("uidl", value)) => {
                given.uidl = Some(value.parse().map_err(|_| "no unique id")?);
            }
            _ => return Err(format!("no message: {word}")),
        }
    }
    Ok(messages)
}

/// What a transcript says of a message.
#[derive(Default)]
struct Given {
    size: Option<u64>,
    surrogate: Option<u64>,
    uidl: Option<Uidl>,
}

fn message(place: usize, body: Bytes, given: Given) -> Message {
    let number = u128::try_from(place).unwrap_or_default() + 1;
    let entry = Entry {
        id: MessageId::from_key(number.to_be_bytes()),
        size: given.size.unwrap_or(body.len() as u64),
        surrogate_size: given.surrogate.map(SurrogateSize::new),
        imported_uidl: given.uidl.map(Box::new),
    };
    Message { entry, body }
}

/// A text in quotes with the escapes `\r`, `\n` and `\xHH`, and what follows it.
fn quoted(text: &str) -> Result<(Vec<u8>, &str), String> {
    let inner = text.strip_prefix('"').ok_or("a text stands in quotes")?;
    let (inner, after) = inner.split_once('"').ok_or("a text ends with a quote")?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut parts = inner.split('\\');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let (octet, rest) = escaped(part).ok_or_else(|| format!("no escape: \\{part}"))?;
        bytes.push(octet);
        bytes.extend_from_slice(rest.as_bytes());
    }
    Ok((bytes, after))
}

/// The octet that an escape stands for, and what follows it.
fn escaped(part: &str) -> Option<(u8, &str)> {
    match part.split_at_checked(1)? {
        ("r", rest) => Some((b'\r', rest)),
        ("n", rest) => Some((b'\n', rest)),
        ("x", rest) => {
            let (digits, rest) = rest.split_at_checked(2)?;
            Some((u8::from_str_radix(digits, 16).ok()?, rest))
        }
        _ => None,
    }
}

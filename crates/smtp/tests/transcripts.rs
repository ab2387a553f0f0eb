//! The conversations in `tests/transcripts/smtp`, each in every cut of its input.
//!
//! The house has the domain `here.example` with bob, carol, postmaster, abuse and `member...`; the
//! mailbox retired is out of service, everybody else is unknown. The password of bob and of carol
//! is `secret`; their tokens and what SCRAM begins with are in `cassmail_transcript::Accounts`.
//! Settings (`@ with ...`): `submission`, `submissions` (TLS from the first octet), `lmtp`,
//! `no-tls`, `auth=always`, `auth=tls`, `no-scram`, `oauth` or `oauth=SCOPE` (tokens are taken),
//! `unbound` (TLS from the first octet has nothing to bind a login to), `bare-lf=convert`,
//! `bare-lf=refuse`, and limits such as `errors=3`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cassmail_mail::{MessageId, ReversePath, Stored};
use cassmail_smtp::server::{
    Answer, AuthOffer, BeginRefusal, CommitRefusal, Committed, Hop, Login, LoginRefusal, NoRoom,
    Options, Question, Recipient, RecipientRefusal, Refused, RefusedLate, Sender, SenderRefusal,
    Session, StartTlsOffer,
};
use cassmail_transcript::{Accounts, Scripted, check_folder, proof_text, tls_facts};
use cassmail_wire::sasl::{Acceptance, BearerOffer, Claim, Proof, ScramOffer};
use cassmail_wire::{BareLf, Caller, ChannelBindings, Moment, SessionId, Source, TlsFacts};

#[test]
fn all_transcripts_pass_in_every_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/transcripts/smtp");
    match check_folder::<House>(&folder) {
        Ok(count) => assert!(count >= 230, "only {count} transcripts"),
        Err(failures) => panic!("{failures}"),
    }
}

#[derive(Default)]
struct House {
    body: Vec<u8>,
    recipients: Vec<Recipient>,
    stored: u8,
}

impl Scripted for House {
    type Machine = Session;

    fn begin(settings: &[String]) -> Result<(Self, Session), String> {
        let hostname = "here.example".parse().map_err(|_| "hostname")?;
        let is_set = |word: &str| settings.iter().any(|setting| setting == word);
        let mut options = if is_set("submission") || is_set("submissions") {
            Options::submission(hostname)
        } else if is_set("lmtp") {
            Options::lmtp(hostname)
        } else {
            Options::mx(hostname)
        };
        for setting in settings {
            set(&mut options, setting)?;
        }
        let mut tls = is_set("submissions").then(tls_facts);
        if let Some(tls) = tls.as_mut().filter(|_| is_set("unbound")) {
            tls.bindings = ChannelBindings::default();
        }
        let caller = caller(tls);
        Ok((Self::default(), Session::new(Arc::new(options), &caller)))
    }

    fn question_text(&mut self, question: &Question) -> String {
        match question {
            Question::StartScram(user) => format!("scram {user}"),
            Question::LogIn(claim) => match &claim.proof {
                Proof::Password(_) => format!("login {}", claim.user),
                proof => format!("login {} {}", claim.user, proof_text(proof)),
            },
            Question::Sender(sender) => sender_text(sender),
            Question::Recipient(Recipient::Postmaster) => "recipient <Postmaster>".to_owned(),
            Question::Recipient(Recipient::Mailbox(address)) => format!("recipient <{address}>"),
            Question::Begin(hop) => hop_text(hop),
            Question::Commit | Question::CommitEach => format!("commit {}", self.whole_body()),
            Question::Forget => {
                self.body.clear();
                "forget".to_owned()
            }
        }
    }

    fn usual_answer(&mut self, question: Question) -> Answer {
        match question {
            Question::StartScram(_) => Answer::StartScram(Ok(Accounts::start())),
            Question::LogIn(claim) => Answer::LogIn(log_in(&claim)),
            Question::Sender(sender) => {
                self.recipients.clear();
                Answer::Sender(accept_sender(&sender))
            }
            Question::Recipient(recipient) => {
                let resolved = resolve(&recipient);
                if resolved.is_ok() {
                    self.recipients.push(recipient);
                }
                Answer::Recipient(resolved)
            }
            Question::Begin(_) => Answer::Begin(Ok(())),
            Question::Commit => Answer::Commit(Ok(self.store())),
            Question::CommitEach => Answer::CommitEach(Committed {
                stored: Ok(self.store()),
                refused: BTreeMap::new(),
            }),
            Question::Forget => Answer::Forgotten,
        }
    }

    fn scripted_answer(&mut self, text: &str, question: Question) -> Result<Answer, String> {
        Ok(match (question, text) {
            (question, "ok") => self.usual_answer(question),
            (Question::LogIn(_) | Question::StartScram(_), "confused") => Answer::Forgotten,
            (Question::StartScram(_), "trylater") => {
                Answer::StartScram(Err(LoginRefusal::TryLater))
            }
            (Question::LogIn(_), "wrong") | (_, "confused") => {
                Answer::LogIn(Err(LoginRefusal::Wrong))
            }
            (Question::LogIn(_), "toomany") => Answer::LogIn(Err(LoginRefusal::TooMany)),
            (Question::LogIn(_), "trylater") => Answer::LogIn(Err(LoginRefusal::TryLater)),
            (Question::Sender(_), text) => Answer::Sender(Err(match text {
                "notyours" => SenderRefusal::NotYours,
                "toomany" => SenderRefusal::TooMany,
                "full" => SenderRefusal::Full,
                "fault" => SenderRefusal::Fault,
                _ => return Err(format!("no answer to a sender: {text}")),
            })),
            (Question::Recipient(_), text) => Answer::Recipient(Err(recipient_refusal(text)?)),
            (Question::Begin(_), "full") => Answer::Begin(Err(BeginRefusal::Full)),
            (Question::Begin(_), "fault") => Answer::Begin(Err(BeginRefusal::Fault)),
            (Question::Commit, text) => Answer::Commit(Err(commit_refusal(text)?)),
            (Question::CommitEach, text) => Answer::CommitEach(self.committed(text)?),
            (_, text) => return Err(format!("no such answer: {text}")),
        })
    }

    fn body(&mut self, piece: Bytes) {
        self.body.extend_from_slice(&piece);
    }

    fn note_text(&mut self, note: &Refused) -> String {
        note.to_string()
    }
}

impl House {
    fn whole_body(&mut self) -> String {
        let body = std::mem::take(&mut self.body);
        format!("\"{}\"", body.escape_ascii())
    }

    fn store(&mut self) -> Stored {
        self.stored += 1;
        Stored::asserted_durable(MessageId::from_key([self.stored; 16]))
    }

    /// Reads such as `0=unknown 2=fault full`: what becomes of some recipients, then of the rest.
    fn committed(&mut self, text: &str) -> Result<Committed, String> {
        let mut committed = Committed {
            stored: Ok(self.store()),
            refused: BTreeMap::new(),
        };
        for word in text.split(' ') {
            let Some((number, why)) = word.split_once('=') else {
                committed.stored = Err(commit_refusal(word)?);
                continue;
            };
            let number = number.parse::<usize>().map_err(|_| "number")?;
            let recipient = self.recipients.get(number).cloned();
            let late = RefusedLate {
                recipient: recipient.unwrap_or(Recipient::Postmaster),
                why: recipient_refusal(why)?,
            };
            committed.refused.insert(number, late);
        }
        Ok(committed)
    }
}

fn recipient_refusal(text: &str) -> Result<RecipientRefusal, String> {
    Ok(match text {
        "unknown" => RecipientRefusal::Unknown,
        "notlocal" => RecipientRefusal::NotLocal,
        "disabled" => RecipientRefusal::Disabled,
        "toomany" => RecipientRefusal::TooMany,
        "noroom" => RecipientRefusal::NoRoom(NoRoom::Full),
        "noroomforlong" => RecipientRefusal::NoRoom(NoRoom::FullForLong),
        "neverroom" => RecipientRefusal::NoRoom(NoRoom::MessageTooLarge),
        "fault" => RecipientRefusal::Fault,
        _ => return Err(format!("no answer to a recipient: {text}")),
    })
}

fn commit_refusal(text: &str) -> Result<CommitRefusal, String> {
    Ok(match text {
        "loop" => CommitRefusal::Loop,
        "full" => CommitRefusal::Full,
        "noroom" => CommitRefusal::NoRoom(NoRoom::Full),
        "noroomforlong" => CommitRefusal::NoRoom(NoRoom::FullForLong),
        "neverroom" => CommitRefusal::NoRoom(NoRoom::MessageTooLarge),
        "fault" => CommitRefusal::Fault,
        "indeterminate" => CommitRefusal::Indeterminate,
        _ => return Err(format!("no answer to a commit: {text}")),
    })
}

fn set(options: &mut Options, setting: &str) -> Result<(), String> {
    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
    let number = || {
        value
            .parse::<u32>()
            .map_err(|_| format!("number: {setting}"))
    };
    let limits = &mut options.limits;
    match name {
        "submission" | "submissions" | "lmtp" | "unbound" => {}
        "no-scram" => options.sasl.scram = ScramOffer::Absent,
        "oauth" => {
            let scope = value.to_owned();
            options.sasl.bearer = Some(BearerOffer { scope });
        }
        "no-tls" => options.starttls = StartTlsOffer::NotOffered,
        "auth" if value == "always" => options.auth = AuthOffer::Always,
        "auth" if value == "tls" => options.auth = AuthOffer::UnderTls,
        "bare-lf" if value == "convert" => options.bare_lf = BareLf::Convert,
        "bare-lf" if value == "refuse" => options.bare_lf = BareLf::Refuse,
        "size" => limits.message_octets = u64::from(number()?),
        "overrun" => limits.overrun_octets = u64::from(number()?),
        "recipients" => limits.recipients = value.parse().map_err(|_| "recipients")?,
        "errors" => limits.errors = number()?,
        "idle" => limits.idle_commands = number()?,
        _ => return Err(format!("no such setting: {setting}")),
    }
    Ok(())
}

fn caller(tls: Option<TlsFacts>) -> Caller {
    Caller {
        session: SessionId(1),
        peer: SocketAddr::from(([192, 0, 2, 1], 4321)),
        source: Source::of([192, 0, 2, 1].into()),
        local: SocketAddr::from(([192, 0, 2, 2], 25)),
        tls,
        accepted_at: Moment::default(),
    }
}

fn sender_text(sender: &Sender) -> String {
    let size = sender.size.map(|size| format!(" size={size}"));
    let user = sender.user.as_ref();
    let user = user.map(|user| format!(" user={}", user.address));
    let smtputf8 = if sender.smtputf8 { " smtputf8" } else { "" };
    let require_tls = if sender.require_tls {
        " requiretls"
    } else {
        ""
    };
    [
        &format!("sender {}", sender.reverse_path),
        size.as_deref().unwrap_or_default(),
        smtputf8,
        require_tls,
        user.as_deref().unwrap_or_default(),
    ]
    .concat()
}

fn hop_text(hop: &Hop) -> String {
    let tls = hop.tls.as_ref().map_or("", |_| " tls");
    format!("begin {} from {}{tls}", hop.with, hop.helo)
}

const ACCOUNTS: Accounts = Accounts {
    names: &["bob", "carol"],
    password: "secret",
};

fn log_in(claim: &Claim) -> Result<(Login, Acceptance), LoginRefusal> {
    let (name, acceptance) = ACCOUNTS.check(claim).ok_or(LoginRefusal::Wrong)?;
    let address = format!("{name}@here.example").parse();
    let address = address.map_err(|_| LoginRefusal::Wrong)?;
    Ok((Login { address }, acceptance))
}

fn accept_sender(sender: &Sender) -> Result<(), SenderRefusal> {
    match (&sender.user, &sender.reverse_path) {
        (Some(user), ReversePath::Mailbox(address)) if user.address != *address => {
            Err(SenderRefusal::NotYours)
        }
        _ => Ok(()),
    }
}

fn resolve(recipient: &Recipient) -> Result<(), RecipientRefusal> {
    let Recipient::Mailbox(address) = recipient else {
        return Ok(());
    };
    if address.domain().as_str() != "here.example" {
        return Err(RecipientRefusal::NotLocal);
    }
    let name = address.local().to_lowercase();
    match name.as_str() {
        "bob" | "carol" | "postmaster" | "abuse" => Ok(()),
        name if name.starts_with("member") => Ok(()),
        "retired" => Err(RecipientRefusal::Disabled),
        _ => Err(RecipientRefusal::Unknown),
    }
}

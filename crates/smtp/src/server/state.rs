//! The states of a session.

use bytes::Bytes;
use cassmail_mail::ReversePath;
use cassmail_wire::sasl::scram::Starting;
use cassmail_wire::sasl::{Conclusion, Exchange};
use cassmail_wire::{Ending, Load, TextFault, TextStep, TlsFacts, Unstuffer};

use super::limits::{Limits, Options};
use super::question::{Helo, Login, LoginRefusal, Question, Recipient};
use crate::command::Terms;
use crate::reply::Reply;

/// Where a session is.
///
/// ```text
///           EHLO          MAIL          DATA          CRLF.CRLF
///  Start ---------> Ready -----> Open --------> Text ----------> Ready
///    ^               |  ^          |   BDAT            LAST
///    |      STARTTLS |  |          +---------> Chunk ----------> Ready
///    +---------------+  |                      |   ^
///                       | RSET        its end  v   | BDAT
///                       +------------------- Chunked
///                       |                      | refused
///                       +---- RSET -- Broken <-+
/// ```
///
/// Between any two of them `Asked` waits for an answer; `Discarding` reads the octets of a refused
/// chunk; `Login` reads responses of AUTH and returns to `Ready`. What belongs to a transaction
/// lives in its states only, so that to leave one is to forget it.
#[derive(Debug)]
pub(crate) enum State {
    Start,
    Ready(Hello),
    Open(Transaction),
    Text(Text),
    Chunked(Chunked),
    Chunk(Chunk),
    Discarding(Discarding),
    Broken(Broken),
    Login(LoginExchange),
    Asked(Asked),
    StartingTls,
    Closed(Ending),
}

/// What the session knows besides its state; TLS makes it anew.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) user: Option<Login>,
    pub(crate) helo: Option<Helo>,
    pub(crate) errors: u32,
    pub(crate) idle_commands: u32,
    pub(crate) refused_logins: u32,
    pub(crate) messages: u64,
    pub(crate) load: Load,
}

/// What a verb may look at.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a Options,
    pub(crate) facts: &'a mut Facts,
}

/// What a verb gives back: where the session is then, and what happens.
pub(crate) type Turn = (State, Outcome);

/// What happens because of a command. Each leads to exactly one reply, at once or after an answer;
/// but for the end of a message in LMTP, see [`Replies`].
#[derive(Debug)]
pub(crate) enum Outcome {
    Reply(Reply),
    Refuse(Refusal),
    /// What becomes of a message, for each recipient that was accepted, in their order; LMTP alone.
    ReplyToEach(Vec<ReplyTo>),
    Ask(Question),
    Close(Reply, Ending),
    /// The last refusal of a session, about somebody.
    RefuseAndClose(Reply, String, Ending),
    StartTls(Reply),
    /// Octets that belong to the command come first.
    Read,
}

/// A reply that says no, with what an operator should know.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reply: Reply,
    pub(crate) about: Option<String>,
    pub(crate) weight: Weight,
}

/// A reply about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReplyTo {
    pub(crate) reply: Reply,
    pub(crate) about: Option<String>,
}

/// How many replies the end of a message gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Replies {
    /// One (RFC 5321).
    One,
    /// One for each recipient that was accepted, that many (RFC 2033 4.2).
    ForEach(usize),
}

impl Replies {
    /// The same for all.
    pub(crate) fn all(self, reply: Reply) -> Outcome {
        match self {
            Self::One => Outcome::Reply(reply),
            Self::ForEach(recipients) => {
                let reply = ReplyTo { reply, about: None };
                Outcome::ReplyToEach(vec![reply; recipients])
            }
        }
    }
}

/// Whether a refusal counts as an error of the client, if it is one for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Counts,
    Forgiven,
}

/// The client has said its name.
#[derive(Debug, Clone)]
pub(crate) struct Hello {
    pub(crate) helo: Helo,
    pub(crate) kind: HelloKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HelloKind {
    /// EHLO.
    Extended,
    /// HELO: no extension is available.
    Plain,
}

/// MAIL was accepted.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) hello: Hello,
    pub(crate) terms: Terms,
    pub(crate) accepted: usize,
    pub(crate) refused: usize,
}

/// A chunk was refused; until RSET nothing else can be understood for certain.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) hello: Hello,
    pub(crate) replies: Replies,
}

/// The text behind DATA is being read.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) hello: Hello,
    pub(crate) replies: Replies,
    pub(crate) body: Body,
    pub(crate) ended: bool,
}

/// Some chunks have come, the last one has not.
#[derive(Debug)]
pub(crate) struct Chunked {
    pub(crate) hello: Hello,
    pub(crate) replies: Replies,
    pub(crate) body: Body,
}

/// A chunk is being read.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) message: Chunked,
    pub(crate) octets: u64,
    pub(crate) remaining: u64,
    pub(crate) last: bool,
}

/// The octets of a refused chunk are being read and thrown away.
#[derive(Debug)]
pub(crate) struct Discarding {
    pub(crate) remaining: u64,
    pub(crate) then: Box<Turn>,
}

/// AUTH waits for a response.
#[derive(Debug)]
pub(crate) struct LoginExchange {
    pub(crate) hello: Hello,
    pub(crate) stage: LoginStage,
}

/// What the response is for.
#[derive(Debug)]
pub(crate) enum LoginStage {
    /// It is the mechanism's.
    Exchange(Exchange),
    /// The verdict is there. Its last word was sent as a challenge, and the client says that it has
    /// heard it: with nothing, or by giving up.
    Concluded {
        user: String,
        verdict: Result<Login, LoginRefusal>,
    },
}

/// A claim is with the desk.
#[derive(Debug)]
pub(crate) struct Claimed {
    pub(crate) hello: Hello,
    pub(crate) user: String,
    pub(crate) conclusion: Conclusion,
}

/// A question is open; each holds what its answer needs.
#[derive(Debug)]
pub(crate) enum Asked {
    StartScram {
        hello: Hello,
        starting: Starting,
    },
    LogIn(Claimed),
    Sender {
        hello: Hello,
        terms: Terms,
        reverse_path: ReversePath,
    },
    Recipient {
        transaction: Transaction,
        recipient: Recipient,
    },
    BeginText(Transaction),
    BeginChunk {
        transaction: Transaction,
        octets: u64,
        last: bool,
    },
    Commit {
        hello: Hello,
        replies: Replies,
    },
    Forget(Box<Turn>),
}

impl From<Reply> for Outcome {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

impl Outcome {
    /// A refusal that is about somebody.
    pub(crate) fn refuse(reply: Reply, about: &impl ToString) -> Self {
        Self::Refuse(Refusal {
            reply,
            about: Some(about.to_string()),
            weight: Weight::Counts,
        })
    }
}

impl State {
    /// What the client called itself, in the states between commands.
    pub(crate) fn hello(&self) -> Option<&Hello> {
        match self {
            Self::Ready(hello) => Some(hello),
            Self::Broken(broken) => Some(&broken.hello),
            Self::Open(transaction) => Some(&transaction.hello),
            Self::Chunked(message) => Some(&message.hello),
            _ => None,
        }
    }

    /// Whether a transaction is open that the desk would have to forget.
    pub(crate) fn has_transaction(&self) -> bool {
        matches!(self, Self::Open(_) | Self::Chunked(_))
    }

    /// Whether nothing that was begun would be lost by closing now: a message whose text is on its
    /// way is finished first.
    pub(crate) fn may_stop(&self) -> bool {
        matches!(
            self,
            Self::Start | Self::Ready(_) | Self::Open(_) | Self::Broken(_) | Self::Login(_)
        )
    }
}

/// The part of a message's text that has come.
#[derive(Debug)]
pub(crate) struct Body {
    unstuffer: Unstuffer,
    /// As it is handed on.
    octets: u64,
    /// As it came.
    received: u64,
}

impl Body {
    pub(crate) fn new(unstuffer: Unstuffer) -> Self {
        Self {
            unstuffer,
            octets: 0,
            received: 0,
        }
    }

    /// Takes input of at most 64 KiB; gives the text in it, unless the message is refused already.
    pub(crate) fn take(&mut self, input: &[u8], limits: &Limits) -> (TextStep, Option<Bytes>) {
        let mut text = Vec::with_capacity(input.len());
        let step = self.unstuffer.read(input, &mut text);
        let used = match step {
            TextStep::More => input.len(),
            TextStep::Ended(used) => used,
        };
        self.received = self.received.saturating_add(length(used));
        (step, self.hand_on(text, limits))
    }

    /// The last chunk has come.
    pub(crate) fn finish(&mut self, limits: &Limits) -> Option<Bytes> {
        let mut text = Vec::new();
        self.unstuffer.finish(&mut text);
        self.hand_on(text, limits)
    }

    /// What is wrong with the message, if anything. A fault comes first: behind it octets are not
    /// counted, so how many came before it depends on where the input was cut.
    pub(crate) fn refusal(&self, limits: &Limits) -> Option<Reply> {
        let too_large = self.octets > limits.message_octets;
        let fault = self.fault().map(Reply::bad_text);
        fault.or_else(|| too_large.then(Reply::too_large))
    }

    /// Whether so much has come that the end is not worth waiting for.
    pub(crate) fn is_overrun(&self, limits: &Limits) -> bool {
        self.received > limits.message_octets.saturating_add(limits.overrun_octets)
    }

    /// The octets that have come.
    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    fn fault(&self) -> Option<TextFault> {
        self.unstuffer.fault()
    }

    fn hand_on(&mut self, text: Vec<u8>, limits: &Limits) -> Option<Bytes> {
        self.octets = self.octets.saturating_add(length(text.len()));
        let wanted = !text.is_empty() && self.refusal(limits).is_none();
        wanted.then(|| Bytes::from(text))
    }
}

fn length(octets: usize) -> u64 {
    u64::try_from(octets).unwrap_or(u64::MAX)
}

//! A conversation with a session, without sockets; and what must hold in all of them.

use cassmail_wire::sasl::{Acceptance, Claim, Proof};
use cassmail_wire::{Caller, Ending, Machine, Moment, SessionId, Source, Step, TlsFacts};

use crate::dice::Dice;

/// Answers the questions of a session, the same ones in the same order in the same way.
pub(super) trait World {
    type Machine: Machine;

    fn answer(
        &mut self,
        question: <Self::Machine as Machine>::Question,
    ) -> <Self::Machine as Machine>::Answer;

    fn body(&mut self, piece: &[u8]);

    /// What was asked so far.
    fn asked(&self) -> &[String];
}

/// A conversation so far.
pub(super) struct Talk<W: World> {
    pub(super) machine: W::Machine,
    pub(super) world: W,
    /// All that was sent.
    pub(super) sent: Vec<u8>,
    pub(super) rest: Rest,
}

/// What a session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Peer(Moment),
    Handshake,
    Over(Ending),
}

impl Rest {
    /// Without the time until which is waited, which depends on when something was heard last.
    fn kind(self) -> Self {
        match self {
            Self::Peer(_) => Self::Peer(Moment::default()),
            rest => rest,
        }
    }
}

/// No session does so much after one input; it would hang.
const STEPS: usize = 200_000;

/// What is gathered before it has to be sent, and a little for the reply that goes over it.
const GATHERED: usize = 256 * 1024;

impl<W: World> Talk<W> {
    pub(super) fn new(machine: W::Machine, world: W) -> Self {
        let mut talk = Self {
            machine,
            world,
            sent: Vec::new(),
            rest: Rest::Peer(Moment::default()),
        };
        talk.settle();
        talk
    }

    /// As the driver does: what comes in clear behind the wish for TLS, or after the end, is
    /// thrown away.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        if matches!(self.rest, Rest::Peer(_)) {
            self.machine.receive(bytes);
            self.settle();
        }
    }

    pub(super) fn settle(&mut self) {
        let mut output = Vec::new();
        for _ in 0..STEPS {
            let step = self.machine.next(&mut output);
            assert!(output.len() <= GATHERED, "output is bounded");
            match step {
                Step::Flush => self.sent.append(&mut output),
                Step::Ask(question) => {
                    let answer = self.world.answer(question);
                    self.machine.answer(answer);
                }
                Step::Body(piece) => self.world.body(&piece),
                Step::Note(_) => {}
                Step::StartTls => return self.wait(Rest::Handshake, output),
                Step::Idle { .. } if self.rest == Rest::Handshake => {
                    return self.wait(Rest::Handshake, output);
                }
                Step::Idle { until } => {
                    let until = until.expect("no question is open");
                    return self.wait(Rest::Peer(until), output);
                }
                Step::Close(ending) => return self.wait(Rest::Over(ending), output),
            }
        }
        panic!("the session does not come to rest");
    }

    fn wait(&mut self, rest: Rest, mut output: Vec<u8>) {
        self.rest = rest;
        self.sent.append(&mut output);
    }

    /// Ends the connection in one of the ways there are; the session has to let go of it.
    pub(super) fn end(&mut self, dice: &mut Dice) {
        match (dice.below(3), self.rest) {
            (0, Rest::Peer(deadline)) => self.machine.tick(deadline),
            (1, Rest::Peer(_)) => self.machine.stop(),
            _ => {}
        }
        self.settle();
        if self.rest == Rest::Handshake {
            self.machine.tls_started(tls());
            self.rest = Rest::Peer(Moment::default());
            self.settle();
        }
        self.machine.peer_closed();
        self.settle();
        assert!(
            matches!(self.rest, Rest::Over(_)),
            "it ends when the peer is gone"
        );
    }

    pub(super) fn is_over(&self) -> bool {
        !matches!(self.rest, Rest::Peer(_))
    }

    /// The same was said in other pieces: everything else has to be the same.
    pub(super) fn check_same(&self, cut: &Self) {
        assert_eq!(
            shown(&cut.sent),
            shown(&self.sent),
            "replies depend on cuts"
        );
        assert_eq!(
            cut.world.asked(),
            self.world.asked(),
            "questions depend on cuts"
        );
        assert_eq!(cut.rest.kind(), self.rest.kind(), "the end depends on cuts");
    }
}

/// Octets as they can be read in a failure.
pub(super) fn shown(octets: &[u8]) -> String {
    octets.escape_ascii().to_string()
}

pub(super) fn tls() -> TlsFacts {
    cassmail_transcript::tls_facts()
}

/// What a true claim earns.
pub(super) fn acceptance(claim: &Claim) -> Acceptance {
    let is_scram = matches!(claim.proof, Proof::Scram(_));
    Acceptance {
        server_signature: is_scram.then_some([7; 32]),
    }
}

/// What a claim always is: of somebody, unless a token says who it is.
pub(super) fn check_claim(claim: &Claim) {
    let is_token = matches!(claim.proof, Proof::Token(_));
    assert!(is_token || !claim.user.is_empty(), "somebody claims");
    assert!(!claim.user.contains('\0'));
}

/// Somebody who connects.
pub(super) fn caller(tls: Option<TlsFacts>) -> Caller {
    Caller {
        session: SessionId(1),
        peer: ([192, 0, 2, 1], 40_000).into(),
        source: Source::of([192, 0, 2, 1].into()),
        local: ([192, 0, 2, 2], 25).into(),
        tls,
        accepted_at: Moment::default(),
    }
}

/// The lines of some output, each with its CRLF.
pub(super) fn lines(output: &[u8]) -> impl Iterator<Item = &[u8]> {
    output.split_inclusive(|&byte| byte == b'\n')
}

/// A line that a server says: at most 512 octets with its CRLF (RFC 5321 4.5.3.1.5, RFC 2449 4),
/// and no control character.
pub(super) fn check_line(line: &[u8]) -> &[u8] {
    assert!(line.len() <= 512, "{} octets: {}", line.len(), shown(line));
    let Some(text) = line.strip_suffix(b"\r\n") else {
        panic!("a line without an end: {}", shown(line));
    };
    assert!(!text.iter().any(u8::is_ascii_control), "{}", shown(line));
    assert!(std::str::from_utf8(text).is_ok(), "{}", shown(line));
    text
}

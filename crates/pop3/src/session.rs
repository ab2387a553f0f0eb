//! The session: lines in, turns out.

use std::fmt;
use std::sync::Arc;

use cassmail_wire::sasl::Channel;
use cassmail_wire::{
    Caller, ChannelBindings, Ending, Line, Lines, Load, Machine, Moment, Step, TlsFacts,
};

use crate::command::{Command, Misuse};
use crate::note::{ForeignProtocol, Note};
use crate::options::Options;
use crate::question::{Answer, Question};
use crate::reply::Reply;
use crate::state::{Authorization, Modes, Outcome, Setting, State, Turn};
use crate::tally::Tally;
use crate::verbs;

/// A POP3 session of a server, as a value; see [`Machine`] for how it is driven.
///
/// ```
/// use std::sync::Arc;
/// use cassmail_pop3::{Options, Session};
/// use cassmail_wire::{Machine, Moment, Step};
///
/// let mut session = Session::in_clear(Arc::new(Options::default()), Moment::default());
/// let mut output = Vec::new();
/// assert!(matches!(session.next(&mut output), Step::Idle { .. }));
/// assert_eq!(output, b"+OK cassmail ready\r\n");
/// ```
pub struct Session {
    options: Arc<Options>,
    /// What logins can be bound to, once TLS is on.
    tls: Option<ChannelBindings>,
    modes: Modes,
    lines: Lines,
    state: State,
    question: OpenQuestion,
    misuses: u32,
    tally: Tally,
    /// At most two per command, handed over before the next is read.
    notes: Vec<Note>,
    now: Moment,
    load: Load,
    /// When the client was last heard, or last got something: the idle time begins here.
    active_at: Moment,
    flushing: Flushing,
    leaving: Option<Leaving>,
}

/// Whether the desk is being asked.
#[derive(Debug)]
enum OpenQuestion {
    None,
    /// The session waits.
    Asked,
    /// The answer has to be taken up.
    Answered(Answer),
}

/// Where the session is with a full output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flushing {
    /// Nothing was flushed since the clock was told.
    No,
    /// It was flushed just now: the session goes on, whatever the output holds.
    Now,
    /// It was flushed since the clock was told, so time went by unseen while a client read.
    Before,
}

/// Why the session ends at its next safe point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leaving {
    /// The process ends: no further command is read.
    Stop,
    /// The peer is gone: what it said before is carried out.
    PeerGone,
}

type PopStep = Step<Question, Note>;

impl Session {
    /// The session of a connection that was accepted.
    pub fn new(options: Arc<Options>, caller: &Caller) -> Self {
        let tls = caller.tls.as_ref().map(|facts| facts.bindings.clone());
        Self::begin(options, tls, caller.accepted_at)
    }

    /// The session of a connection in clear, for tests and examples.
    pub fn in_clear(options: Arc<Options>, now: Moment) -> Self {
        Self::begin(options, None, now)
    }

    /// What the session did; it can be read at any time, and when it is over.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    fn begin(options: Arc<Options>, tls: Option<ChannelBindings>, now: Moment) -> Self {
        Self {
            options,
            tls,
            modes: Modes::default(),
            lines: Lines::default(),
            state: State::Greeting,
            question: OpenQuestion::None,
            misuses: 0,
            tally: Tally::default(),
            notes: Vec::new(),
            now,
            load: Load::Usual,
            active_at: now,
            flushing: Flushing::No,
            leaving: None,
        }
    }
}

/// What was received can hold a password, so it does not print.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("tls", &self.tls)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl Machine for Session {
    type Question = Question;
    type Answer = Answer;
    type Note = Note;

    fn tick(&mut self, now: Moment) {
        self.now = now;
        if self.flushing != Flushing::No {
            self.active_at = now;
            self.flushing = Flushing::No;
        }
        // POP3 has no word for it: an idle session ends in silence.
        if self.waits_for_peer() && now >= self.deadline() {
            self.state = State::Ended(Ending::TimedOut);
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        // RFC 2595 4: what comes between STLS and the handshake came in clear.
        if !matches!(self.state, State::Handshaking | State::Ended(_)) {
            self.lines.receive(bytes);
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.active_at = self.now;
        match self.question {
            OpenQuestion::Asked => self.question = OpenQuestion::Answered(answer),
            OpenQuestion::None | OpenQuestion::Answered(_) => self.out_of_turn(),
        }
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        if !matches!(self.state, State::Handshaking) {
            return self.out_of_turn();
        }
        self.lines.clear();
        // RFC 2595 4: what was said in clear is forgotten.
        self.modes = Modes::default();
        self.tls = Some(facts.bindings);
        self.state = State::Authorization(Authorization::default());
        self.active_at = self.now;
    }

    fn peer_closed(&mut self) {
        self.leaving.get_or_insert(Leaving::PeerGone);
    }

    fn stop(&mut self) {
        self.leaving = Some(Leaving::Stop);
    }

    fn load_changed(&mut self, load: Load) {
        self.load = load;
    }

    fn held(&self) -> usize {
        self.lines.held()
    }

    fn next(&mut self, output: &mut Vec<u8>) -> PopStep {
        loop {
            if !self.notes.is_empty() {
                return Step::Note(self.notes.remove(0));
            }
            if matches!(self.question, OpenQuestion::Asked) {
                return Step::Idle { until: None };
            }
            if let Some(flush) = self.flush(output) {
                return flush;
            }
            if let Some(step) = self.advance(output) {
                return step;
            }
        }
    }
}

impl Session {
    /// A full output is sent before the session goes on. Once flushed the session makes progress,
    /// even if nothing was taken out of the output.
    fn flush(&mut self, output: &[u8]) -> Option<PopStep> {
        let is_full = output.len() >= self.output_limit();
        match self.flushing {
            Flushing::Now => self.flushing = Flushing::Before,
            Flushing::No | Flushing::Before if is_full && !self.is_over() => {
                self.flushing = Flushing::Now;
                return Some(Step::Flush);
            }
            Flushing::No | Flushing::Before => {}
        }
        None
    }

    fn is_over(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Makes one move; none when there is more to do without the world.
    fn advance(&mut self, output: &mut Vec<u8>) -> Option<PopStep> {
        match std::mem::replace(&mut self.state, State::Ended(Ending::Fault)) {
            State::Greeting => {
                let next = State::Authorization(Authorization::default());
                self.take(Turn::reply(next, Reply::greeting()), output)
            }
            state @ (State::Authorization(_)
            | State::Exchange(..)
            | State::Concluding(..)
            | State::Transaction(_)) => {
                self.state = state;
                self.read(output)
            }
            State::Listing(listing) => {
                self.state = listing.write(output, self.output_limit());
                None
            }
            State::StartingTls => {
                self.lines.clear();
                self.state = State::Handshaking;
                Some(Step::StartTls)
            }
            State::Handshaking => {
                self.state = State::Handshaking;
                Some(self.wait())
            }
            State::Ended(ending) => {
                self.state = State::Ended(ending);
                Some(Step::Close(ending))
            }
            state => self.resume(state, output),
        }
    }

    /// Goes on with a command that needs the desk.
    fn resume(&mut self, state: State, output: &mut Vec<u8>) -> Option<PopStep> {
        match std::mem::replace(&mut self.question, OpenQuestion::None) {
            OpenQuestion::Answered(answer) => {
                let setting = Setting {
                    options: &self.options,
                    channel: channel(self.tls.as_ref()),
                    modes: self.modes,
                };
                let turn = verbs::answered(state, answer, &setting, &mut self.tally);
                self.take(turn, output)
            }
            OpenQuestion::None | OpenQuestion::Asked => self.write_message(state, output),
        }
    }

    fn write_message(&mut self, state: State, output: &mut Vec<u8>) -> Option<PopStep> {
        let State::Retrieving(retrieval) = state else {
            self.out_of_turn();
            return None;
        };
        let written = retrieval.write(output, &mut self.tally);
        self.state = written.next;
        self.notes.extend(written.note);
        written.question.map(|question| self.ask(question))
    }

    /// Carries out what a command, or its answer, has led to: the one place that writes replies.
    fn take(&mut self, turn: Turn, output: &mut Vec<u8>) -> Option<PopStep> {
        self.state = turn.next;
        self.notes.extend(turn.note);
        if let Some(switch) = turn.switch {
            self.modes.switch(switch);
        }
        let language = self.modes.language;
        match turn.outcome {
            Outcome::Reply(reply) => reply.encode(language, output),
            Outcome::Misuse(misuse) => self.count(misuse).encode(language, output),
            Outcome::Ask(question) => return Some(self.ask(question)),
            Outcome::Nothing => {}
        }
        None
    }

    /// The reply to a command that broke a rule; the last one that is borne ends the session.
    fn count(&mut self, misuse: Misuse) -> Reply {
        let limits = &self.options.limits;
        let borne = match self.state {
            State::Transaction(_) => limits.misuses_after_login,
            _ => limits.misuses_before_login,
        };
        self.misuses = self.misuses.saturating_add(1);
        self.notes.push(Note::Misuse(misuse));
        if self.misuses < borne {
            return Reply::misuse(misuse);
        }
        self.notes.push(Note::TooManyMisuses);
        self.state = State::Ended(Ending::Abuse);
        Reply::too_many_misuses()
    }

    fn ask(&mut self, question: Question) -> PopStep {
        self.question = OpenQuestion::Asked;
        Step::Ask(question)
    }

    /// Reads a line, if there is one, and carries it out.
    fn read(&mut self, output: &mut Vec<u8>) -> Option<PopStep> {
        if self.leaving == Some(Leaving::Stop) {
            return Some(self.close(Ending::Stopped));
        }
        if let Some(foreign) = self.foreign_protocol() {
            return self.take(foreign, output);
        }
        let limit = self.line_limit();
        let Some(line) = self.lines.next_line(limit) else {
            return Some(self.wait());
        };
        self.active_at = self.now;
        let state = std::mem::replace(&mut self.state, State::Ended(Ending::Fault));
        let setting = Setting {
            options: &self.options,
            channel: channel(self.tls.as_ref()),
            modes: self.modes,
        };
        let turn = obey(state, line, &setting);
        self.take(turn, output)
    }

    /// Waits for the peer, unless nobody is there.
    fn wait(&mut self) -> PopStep {
        match self.leaving {
            None => Step::Idle {
                until: Some(self.deadline()),
            },
            Some(Leaving::PeerGone) => self.close(Ending::Dropped),
            Some(Leaving::Stop) => self.close(Ending::Stopped),
        }
    }

    fn close(&mut self, ending: Ending) -> PopStep {
        self.state = State::Ended(ending);
        Step::Close(ending)
    }

    fn waits_for_peer(&self) -> bool {
        matches!(
            self.state,
            State::Authorization(_)
                | State::Exchange(..)
                | State::Concluding(..)
                | State::Transaction(_)
                | State::Handshaking
        )
    }

    /// A client that does not read costs its output.
    fn output_limit(&self) -> usize {
        const UNDER_LOAD: usize = 16 * 1024;
        let limit = self.options.limits.output;
        match self.load {
            Load::Usual => limit,
            Load::High | Load::Full => limit.min(UNDER_LOAD),
        }
    }

    /// RFC 1939 3 gives a client ten minutes. Under load that holds for users alone: who has not
    /// logged in may be anybody.
    fn deadline(&self) -> Moment {
        let limits = &self.options.limits;
        let idle = match self.state {
            State::Transaction(_) => limits.idle,
            _ if self.load == Load::Usual => limits.idle,
            _ => limits.idle.min(limits.idle_before_login_under_load),
        };
        self.active_at.after(idle)
    }

    /// How long a line may be, without its CRLF. AUTH with an initial response is as long as a
    /// response, and is seen to be AUTH long before it is too long.
    fn line_limit(&self) -> usize {
        const CRLF: usize = 2;
        let limits = &self.options.limits;
        let start = self.lines.unread().get(..5).unwrap_or_default();
        let limit = match self.state {
            State::Exchange(..) | State::Concluding(..) => limits.sasl_line,
            State::Authorization(_) if start.eq_ignore_ascii_case(b"AUTH ") => limits.sasl_line,
            _ => limits.command_line,
        };
        limit.saturating_sub(CRLF)
    }

    /// Whoever speaks something else is recognized by the first octets, before any line is whole. A
    /// web browser is sent away at once, lest the page that it was sent from says POP3 commands in
    /// the body of its request.
    fn foreign_protocol(&self) -> Option<Turn> {
        const TLS_HANDSHAKE: u8 = 0x16;
        if !matches!(self.state, State::Authorization(_)) || !self.lines.is_at_line_start() {
            return None;
        }
        let unread = self.lines.unread();
        let closed = State::Ended(Ending::Abuse);
        if self.tls.is_none() && unread.first() == Some(&TLS_HANDSHAKE) {
            let note = Note::ForeignProtocol(ForeignProtocol::Tls);
            return Some(Turn::silent(closed).noting(note));
        }
        if HTTP_METHODS.iter().any(|method| unread.starts_with(method)) {
            let note = Note::ForeignProtocol(ForeignProtocol::Http);
            return Some(Turn::reply(closed, Reply::not_http()).noting(note));
        }
        None
    }

    fn out_of_turn(&mut self) {
        self.notes.push(Note::AnswerOutOfTurn);
        self.state = State::Ended(Ending::Fault);
        self.question = OpenQuestion::None;
    }
}

fn channel(tls: Option<&ChannelBindings>) -> Channel<'_> {
    tls.map_or(Channel::Clear, Channel::Tls)
}

/// RFC 9110 9.1, PATCH of RFC 5789, and the preface of RFC 9113 3.4.
const HTTP_METHODS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"CONNECT ",
    b"OPTIONS ",
    b"TRACE ",
    b"PATCH ",
    b"PRI ",
];

/// Carries out a line in the state that it was said in.
fn obey(state: State, line: Line<'_>, setting: &Setting<'_>) -> Turn {
    match (state, line) {
        (State::Authorization(state), line) => match parse(&line) {
            Ok(command) => verbs::in_authorization(state, command, setting),
            Err(misuse) => Turn::misuse(State::Authorization(state), misuse),
        },
        (State::Transaction(state), line) => match parse(&line) {
            Ok(command) => verbs::in_transaction(state, &command, setting),
            Err(misuse) => Turn::misuse(State::Transaction(state), misuse),
        },
        (State::Exchange(state, exchange), Line::Whole(line)) => {
            verbs::respond(state, exchange, line, setting)
        }
        (State::Concluding(claimed, verdict), Line::Whole(line)) => {
            verbs::conclude(claimed, verdict, line, setting)
        }
        (State::Concluding(claimed, _), Line::TooLong) => {
            let state = State::Authorization(claimed.back());
            Turn::misuse(state, Misuse::TooLong)
        }
        (State::Exchange(state, _), Line::TooLong) => {
            Turn::misuse(State::Authorization(state), Misuse::TooLong)
        }
        // The others read no lines.
        (state, _) => Turn::silent(state),
    }
}

fn parse(line: &Line<'_>) -> Result<Command, Misuse> {
    match line {
        Line::Whole(line) => Command::parse(line),
        Line::TooLong => Err(Misuse::TooLong),
    }
}

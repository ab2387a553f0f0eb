//! The session: input in, steps out.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use cassmail_wire::{Caller, Ending, Line, Lines, Load, Machine, Moment, Step, TextStep, TlsFacts};

use super::limits::Options;
use super::note::{Refused, legible};
use super::question::{Answer, Helo, Login, Question};
use super::state::{
    Chunk, Context, Discarding, Facts, Outcome, Refusal, ReplyTo, State, Text, Turn, Weight,
};
use super::tally::Tally;
use super::verbs::{self, auth, bdat, data};
use crate::command::{Command, CommandError, Verb};
use crate::reply::{Class, Reply};

/// The most that one piece of a message's text is made of.
const PIECE: usize = 64 * 1024;

/// Replies to pipelined commands are gathered up to here, then they have to be sent.
const GATHERED: usize = 16 * 1024;

/// An SMTP session with one client; see [`Machine`] for the rule of its use.
#[derive(Debug)]
pub struct Session {
    options: Arc<Options>,
    lines: Lines,
    state: State,
    facts: Facts,
    /// The command in work: what the next reply answers.
    verb: Verb,
    /// The answer to the open question, until the session goes on.
    answer: Option<Answer>,
    /// What is due before anything else is read.
    steps: VecDeque<Step<Question, Refused>>,
    tally: Tally,
    clock: Clock,
    signals: Signals,
}

/// What time means to the session.
#[derive(Debug)]
struct Clock {
    now: Moment,
    heard_at: Moment,
    progress_at: Moment,
    /// Octets of text since `progress_at`.
    octets: usize,
    overdue: bool,
    load: Load,
}

/// What happened outside and is attended to when the session comes to it.
#[derive(Debug, Default)]
struct Signals {
    greeted: bool,
    peer_closed: bool,
    stopping: bool,
}

impl Session {
    /// A session for a client that has just been accepted.
    pub fn new(options: Arc<Options>, caller: &Caller) -> Self {
        let now = caller.accepted_at;
        Self {
            options,
            lines: Lines::default(),
            state: State::Start,
            facts: Facts {
                tls: caller.tls.clone(),
                ..Facts::default()
            },
            verb: Verb::Unasked,
            answer: None,
            steps: VecDeque::new(),
            tally: Tally::default(),
            clock: Clock {
                now,
                heard_at: now,
                progress_at: now,
                octets: 0,
                overdue: false,
                load: Load::Usual,
            },
            signals: Signals::default(),
        }
    }

    /// How often which command got which class of replies.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What the client called itself last.
    pub fn helo(&self) -> Option<&Helo> {
        self.facts.helo.as_ref()
    }

    /// Who logged in.
    pub fn user(&self) -> Option<&Login> {
        self.facts.user.as_ref()
    }

    /// What TLS agreed on, if it is on.
    pub fn tls(&self) -> Option<&TlsFacts> {
        self.facts.tls.as_ref()
    }

    /// How many messages were stored.
    pub fn messages(&self) -> u64 {
        self.facts.messages
    }
}

impl Machine for Session {
    type Question = Question;
    type Answer = Answer;
    type Note = Refused;

    fn tick(&mut self, now: Moment) {
        self.clock.now = now;
        if self.waits_for_input() && now >= self.clock.deadline(&self.options) {
            self.clock.overdue = true;
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        debug_assert!(self.steps.is_empty(), "call next until it is idle");
        if matches!(self.state, State::Closed(_) | State::StartingTls) {
            return;
        }
        self.clock.heard_at = self.clock.now;
        // Text that arrives alone is taken without a copy in between.
        let used = if self.lines.is_empty() {
            self.take_text(bytes)
        } else {
            0
        };
        match bytes.get(used..) {
            None | Some([]) => {}
            Some(rest) => self.lines.receive(rest),
        }
    }

    fn answer(&mut self, answer: Answer) {
        self.clock.restart();
        self.answer = Some(answer);
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        if matches!(self.state, State::StartingTls) {
            self.state = State::Start;
            self.facts.tls = Some(facts);
            self.clock.restart();
        }
    }

    fn peer_closed(&mut self) {
        self.signals.peer_closed = true;
    }

    fn stop(&mut self) {
        self.signals.stopping = true;
    }

    fn load_changed(&mut self, load: Load) {
        self.clock.load = load;
        self.facts.load = load;
    }

    fn held(&self) -> usize {
        self.lines.held()
    }

    fn next(&mut self, output: &mut Vec<u8>) -> Step<Question, Refused> {
        self.greet(output);
        loop {
            if let Some(step) = self.steps.pop_front() {
                return step;
            }
            if let State::Closed(ending) = self.state {
                return Step::Close(ending);
            }
            if let Some(answer) = self.answer.take() {
                self.go_on_after(answer, output);
            } else if !self.waits_for_input() {
                return Step::Idle { until: None };
            } else if output.len() >= GATHERED {
                return Step::Flush;
            } else if !self.advance(output) {
                let until = Some(self.clock.deadline(&self.options));
                return Step::Idle { until };
            }
        }
    }
}

impl Session {
    fn greet(&mut self, output: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.signals.greeted, true) {
            let options = &self.options;
            Reply::greeting(&options.hostname, options.role.protocol()).encode(output);
        }
    }

    fn waits_for_input(&self) -> bool {
        !matches!(
            self.state,
            State::Asked(_) | State::StartingTls | State::Closed(_)
        )
    }

    fn go_on_after(&mut self, answer: Answer, output: &mut Vec<u8>) {
        let turn = match self.leave_state() {
            State::Asked(asked) => verbs::answered(asked, answer, &mut self.context()),
            _ => verbs::confused(),
        };
        self.take_turn(turn, output);
    }

    /// Does what can be done with what has come; says whether that was anything.
    fn advance(&mut self, output: &mut Vec<u8>) -> bool {
        if self.clock.overdue {
            self.end(Reply::timed_out(), Ending::TimedOut, output);
            return true;
        }
        if self.signals.stopping && self.state.may_stop() {
            self.end(Reply::stopping(), Ending::Stopped, output);
            return true;
        }
        let worked = match self.state {
            State::Text(_) | State::Chunk(_) | State::Discarding(_) => self.read_text(output),
            _ => self.read_line(output),
        };
        if !worked && self.signals.peer_closed {
            // Whatever was on its way is not delivered: its end never came.
            self.close(Ending::Dropped);
            return true;
        }
        worked
    }

    fn end(&mut self, reply: Reply, ending: Ending, output: &mut Vec<u8>) {
        self.verb = Verb::Unasked;
        self.take_turn((State::Start, Outcome::Close(reply, ending)), output);
    }

    fn close(&mut self, ending: Ending) {
        self.state = State::Closed(ending);
        self.lines.clear();
    }

    /// The state goes to a verb, which gives back the next one.
    fn leave_state(&mut self) -> State {
        std::mem::replace(&mut self.state, State::Closed(Ending::Fault))
    }

    fn context(&mut self) -> Context<'_> {
        Context {
            options: &self.options,
            facts: &mut self.facts,
        }
    }
}

/// Commands.
impl Session {
    fn read_line(&mut self, output: &mut Vec<u8>) -> bool {
        if self.begins_with_tls() {
            self.verb = Verb::Foreign;
            self.take_turn(verbs::foreign(), output);
            return true;
        }
        let limit = self.line_limit();
        let in_login = matches!(self.state, State::Login(_));
        let read = match self.lines.next_line(limit) {
            None => return false,
            Some(Line::TooLong) => Read::TooLong,
            Some(Line::Whole(line)) if in_login => Read::Response(line.to_vec()),
            Some(Line::Whole(line)) => {
                let (verb, command) = Command::parse(line);
                let about = command.is_err().then(|| about_line(verb, line));
                Read::Command(verb, command, about)
            }
        };
        self.clock.progress();
        let turn = self.turn_of(read);
        self.take_turn(turn, output);
        true
    }

    fn turn_of(&mut self, read: Read) -> Turn {
        let state = self.leave_state();
        match read {
            Read::TooLong => match state {
                State::Login(login) => auth::line_too_long(login),
                state => {
                    self.verb = Verb::Unknown;
                    (state, Reply::line_too_long().into())
                }
            },
            Read::Response(line) => match state {
                State::Login(login) => auth::respond(login, &line, &mut self.context()),
                _ => verbs::confused(),
            },
            Read::Command(verb, Ok(command), _) => {
                self.verb = verb;
                verbs::proceed(state, command, &mut self.context())
            }
            Read::Command(verb, Err(error), about) => {
                self.verb = verb;
                match verbs::of_another_role(verb, self.options.role) {
                    Some(reply) => (state, reply.into()),
                    None => malformed(state, verb, error, about),
                }
            }
        }
    }

    /// The first octet of a TLS handshake record, which no command begins with.
    fn begins_with_tls(&self) -> bool {
        const HANDSHAKE: u8 = 22;
        matches!(self.state, State::Start)
            && self.lines.is_at_line_start()
            && self.lines.unread().first() == Some(&HANDSHAKE)
    }

    fn line_limit(&self) -> usize {
        let limits = &self.options.limits;
        let word = self.lines.unread().get(..5).unwrap_or_default();
        if matches!(self.state, State::Login(_)) || word.eq_ignore_ascii_case(b"AUTH ") {
            limits.auth_line
        } else {
            limits.command_line
        }
    }
}

/// What a line turned out to be.
enum Read {
    TooLong,
    Response(Vec<u8>),
    Command(Verb, Result<Command, CommandError>, Option<String>),
}

/// What was malformed, for the operator. A malformed AUTH may hold a password.
fn about_line(verb: Verb, line: &[u8]) -> String {
    match verb {
        Verb::Auth => String::new(),
        Verb::Unknown | Verb::Foreign => legible(line),
        verb => legible(
            line.get(verb.as_str().len()..)
                .unwrap_or_default()
                .trim_ascii(),
        ),
    }
}

fn malformed(state: State, verb: Verb, error: CommandError, about: Option<String>) -> Turn {
    match verb {
        Verb::Foreign => verbs::foreign(),
        // Text that would follow cannot be told from commands.
        Verb::Bdat => (state, Outcome::Close(error.reply(), Ending::Abuse)),
        _ => {
            let refusal = Refusal {
                reply: error.reply(),
                about: about.filter(|about| !about.is_empty()),
                weight: Weight::Counts,
            };
            (state, Outcome::Refuse(refusal))
        }
    }
}

/// Texts of messages.
impl Session {
    fn read_text(&mut self, output: &mut Vec<u8>) -> bool {
        let mut lines = std::mem::take(&mut self.lines);
        let used = self.take_text(lines.unread());
        lines.consume(used);
        self.lines = lines;
        let (is_whole, overrun) = self.text_progress();
        if overrun {
            let close = Outcome::Close(Reply::too_large(), Ending::Abuse);
            self.take_turn((State::Start, close), output);
            return true;
        }
        if is_whole {
            self.clock.progress();
            let turn = self.text_is_whole();
            self.take_turn(turn, output);
        }
        is_whole || !self.steps.is_empty() || used > 0
    }

    /// Takes text from the front of the input, if text is what comes; says how much of it.
    fn take_text(&mut self, input: &[u8]) -> usize {
        let input = input.get(..PIECE).unwrap_or(input);
        let limits = &self.options.limits;
        let mut piece = None;
        let used = match &mut self.state {
            State::Text(Text { ended: true, .. }) => 0,
            State::Text(text) => {
                let (step, taken) = text.body.take(input, limits);
                piece = taken;
                text.ended = step != TextStep::More;
                match step {
                    TextStep::More => input.len(),
                    TextStep::Ended(used) => used,
                }
            }
            State::Chunk(chunk) => {
                let input = at_most(input, chunk.remaining);
                if !input.is_empty() {
                    (_, piece) = chunk.message.body.take(input, limits);
                }
                chunk.remaining = less(chunk.remaining, input.len());
                input.len()
            }
            State::Discarding(discarding) => {
                let input = at_most(input, discarding.remaining);
                discarding.remaining = less(discarding.remaining, input.len());
                input.len()
            }
            _ => 0,
        };
        self.clock.progress_by(used);
        self.hand_on(piece);
        used
    }

    fn hand_on(&mut self, piece: Option<Bytes>) {
        self.steps.extend(piece.map(Step::Body));
    }

    /// Whether the text has come whole, and whether far too much has come.
    fn text_progress(&self) -> (bool, bool) {
        let limits = &self.options.limits;
        match &self.state {
            State::Text(text) => (text.ended, !text.ended && text.body.is_overrun(limits)),
            State::Chunk(Chunk { remaining, .. })
            | State::Discarding(Discarding { remaining, .. }) => (*remaining == 0, false),
            _ => (false, false),
        }
    }

    fn text_is_whole(&mut self) -> Turn {
        match self.leave_state() {
            State::Text(text) => data::text_ended(text, &self.context()),
            State::Chunk(chunk) => {
                let (turn, piece) = bdat::chunk_ended(chunk, &self.context());
                self.hand_on(piece);
                turn
            }
            State::Discarding(discarding) => *discarding.then,
            _ => verbs::confused(),
        }
    }
}

fn at_most(input: &[u8], count: u64) -> &[u8] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    input.get(..count).unwrap_or(input)
}

fn less(remaining: u64, used: usize) -> u64 {
    remaining.saturating_sub(u64::try_from(used).unwrap_or(u64::MAX))
}

/// Replies.
impl Session {
    fn take_turn(&mut self, (state, outcome): Turn, output: &mut Vec<u8>) {
        self.state = state;
        match outcome {
            Outcome::Reply(reply) => self.say(reply, None, Weight::Counts, output),
            Outcome::Refuse(refusal) => {
                let Refusal {
                    reply,
                    about,
                    weight,
                } = refusal;
                self.say(reply, about, weight, output);
            }
            Outcome::ReplyToEach(replies) => self.say_to_each(replies, output),
            Outcome::Ask(question) => self.steps.push_back(Step::Ask(question)),
            Outcome::Read => {}
            Outcome::Close(reply, ending) => {
                self.say(reply, None, Weight::Forgiven, output);
                self.close(ending);
            }
            Outcome::RefuseAndClose(reply, about, ending) => {
                self.say(reply, Some(about), Weight::Forgiven, output);
                self.close(ending);
            }
            Outcome::StartTls(reply) => {
                self.say(reply, None, Weight::Counts, output);
                self.begin_anew();
                self.steps.push_back(Step::StartTls);
            }
        }
    }

    /// Sends the reply, unless the client has made too many errors with this one.
    fn say(&mut self, reply: Reply, about: Option<String>, weight: Weight, output: &mut Vec<u8>) {
        if self.is_one_too_many(&reply, weight) {
            self.write(Reply::too_many_errors(), about, output);
            self.close(Ending::Abuse);
        } else {
            self.write(reply, about, output);
        }
    }

    /// Sends one reply for each recipient (RFC 2033 4.2); all of them, or the client would wait for
    /// the rest. Together they weigh no more than one; the same said of many is noted once.
    fn say_to_each(&mut self, replies: Vec<ReplyTo>, output: &mut Vec<u8>) {
        let mut noted: Option<ReplyTo> = None;
        let mut errors = false;
        for reply in replies {
            errors |= reply.reply.class() == Class::Never;
            if noted.as_ref() == Some(&reply) {
                reply.reply.encode(output);
                self.tally.count(self.verb, reply.reply.class());
            } else {
                self.write(reply.reply.clone(), reply.about.clone(), output);
                noted = Some(reply);
            }
        }
        if errors {
            self.facts.errors = self.facts.errors.saturating_add(1);
        }
    }

    fn is_one_too_many(&mut self, reply: &Reply, weight: Weight) -> bool {
        let limits = &self.options.limits;
        let facts = &mut self.facts;
        if verbs::leads_nowhere(self.verb) {
            facts.idle_commands = facts.idle_commands.saturating_add(1);
        }
        let idles = verbs::leads_nowhere(self.verb) && facts.idle_commands > limits.idle_commands;
        let is_error = reply.class() == Class::Never && weight == Weight::Counts;
        if idles || is_error {
            facts.errors = facts.errors.saturating_add(1);
            return facts.errors > limits.errors;
        }
        false
    }

    fn write(&mut self, reply: Reply, about: Option<String>, output: &mut Vec<u8>) {
        reply.encode(output);
        self.tally.count(self.verb, reply.class());
        if matches!(reply.class(), Class::TryLater | Class::Never) {
            self.steps.push_back(Step::Note(Refused {
                verb: self.verb,
                about,
                reply,
            }));
        }
    }

    /// Whatever was said in clear, or is on its way in clear, is forgotten: somebody else may have
    /// said it (RFC 3207 4.2).
    fn begin_anew(&mut self) {
        self.state = State::StartingTls;
        self.lines.clear();
        self.facts.user = None;
        self.facts.helo = None;
    }
}

impl Clock {
    /// Under load who is silent goes sooner, and who dribbles; never whoever sends steadily.
    fn deadline(&self, options: &Options) -> Moment {
        let limits = &options.limits;
        let (silence, stall) = match self.load {
            Load::Usual => (limits.silence, limits.stall),
            Load::High | Load::Full => (
                limits.silence.min(limits.silence_under_load),
                limits.stall.min(limits.stall_under_load),
            ),
        };
        let silent = self.heard_at.after(silence);
        silent.min(self.progress_at.after(stall))
    }

    fn restart(&mut self) {
        self.heard_at = self.now;
        self.progress();
    }

    fn progress(&mut self) {
        self.progress_at = self.now;
        self.octets = 0;
    }

    fn progress_by(&mut self, octets: usize) {
        self.octets = self.octets.saturating_add(octets);
        if self.octets >= PIECE {
            self.progress();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use cassmail_wire::{SessionId, Source};

    use super::*;
    use crate::server::AuthOffer;

    /// Receives the same piece again and again; gives the most bytes and steps that were held.
    fn most_held(before: &[u8], endless: &[u8]) -> (usize, usize) {
        let address = SocketAddr::from(([192, 0, 2, 1], 25));
        let mut options = Options::mx("here.example".parse().unwrap());
        options.auth = AuthOffer::Always;
        options.limits.errors = u32::MAX;
        let caller = Caller {
            session: SessionId(1),
            peer: address,
            source: Source::of(address.ip()),
            local: address,
            tls: None,
            accepted_at: Moment::default(),
        };
        let mut session = Session::new(Arc::new(options), &caller);
        let mut held = (0, 0);
        settle(&mut session, &mut held);
        session.receive(before);
        settle(&mut session, &mut held);
        for _ in 0..200 {
            session.receive(endless);
            settle(&mut session, &mut held);
        }
        held
    }

    fn settle(session: &mut Session, (bytes, steps): &mut (usize, usize)) {
        let mut output = Vec::new();
        loop {
            *steps = session.steps.len().max(*steps);
            match session.next(&mut output) {
                Step::Ask(Question::Sender(_)) => session.answer(Answer::Sender(Ok(()))),
                Step::Ask(Question::Recipient(_)) => session.answer(Answer::Recipient(Ok(()))),
                Step::Ask(Question::Begin(_)) => session.answer(Answer::Begin(Ok(()))),
                Step::Ask(_) => session.answer(Answer::Forgotten),
                Step::Flush => output.clear(),
                Step::Body(_) | Step::Note(_) => {}
                Step::Idle { .. } | Step::StartTls | Step::Close(_) => break,
            }
        }
        *bytes = session.lines.unread().len().max(*bytes);
    }

    #[test]
    fn endless_input_is_never_kept() {
        const OPEN: &[u8] = b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n";
        for (before, endless) in [
            (b"".to_vec(), &[b'x'; 8192][..]),
            (b"".to_vec(), &b"XYZZY\r\n".repeat(1000)),
            (b"".to_vec(), b"\r"),
            (b"".to_vec(), b"\n\0"),
            (b"EHLO c\r\nAUTH PLAIN\r\n".to_vec(), &[b'A'; 8192]),
            (b"EHLO c\r\nAUTH PLAIN ".to_vec(), &[b'A'; 8192]),
            ([OPEN, b"DATA\r\n"].concat(), &[b'x'; 8192]),
            ([OPEN, b"DATA\r\n"].concat(), b"\r\n."),
            ([OPEN, b"DATA\r\na\nb"].concat(), &[b'\n'; 8192]),
            ([OPEN, b"BDAT 50000000\r\n"].concat(), &[0; 8192]),
            (b"EHLO c\r\nBDAT 50000000\r\n".to_vec(), &[0; 8192]),
        ] {
            let (bytes, steps) = most_held(&before, endless);
            assert!(
                bytes <= 12_288,
                "{bytes} bytes after {:?}",
                before.escape_ascii()
            );
            assert!(
                steps <= 2,
                "{steps} steps after {:?}",
                before.escape_ascii()
            );
        }
    }
}

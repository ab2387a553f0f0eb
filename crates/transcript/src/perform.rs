//! One run of a transcript against a session.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use cassmail_wire::{ChannelBindings, Ending, Machine, Moment, Step, TlsFacts, TlsVersion};

use crate::failure::Failure;
use crate::pattern::printable;
use crate::stage::{Cut, Stage, stages};
use crate::transcript::{Entry, Item, Transcript};

type Question<S> = <<S as Scripted>::Machine as Machine>::Question;
type Answer<S> = <<S as Scripted>::Machine as Machine>::Answer;
type Note<S> = <<S as Scripted>::Machine as Machine>::Note;

/// The world that a session lives in during a transcript: a desk with usual answers.
pub trait Scripted: Sized {
    /// The session.
    type Machine: Machine;

    /// Makes world and session; `settings` are the words behind `@ with`.
    ///
    /// # Errors
    /// What is wrong with the settings.
    fn begin(settings: &[String]) -> Result<(Self, Self::Machine), String>;

    /// How `?:` writes this question.
    fn question_text(&mut self, question: &Question<Self>) -> String;

    /// The answer where the transcript gives none.
    fn usual_answer(&mut self, question: Question<Self>) -> Answer<Self>;

    /// The answer that `!:` writes so.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn scripted_answer(
        &mut self,
        text: &str,
        question: Question<Self>,
    ) -> Result<Answer<Self>, String>;

    /// Takes a piece of a message.
    fn body(&mut self, piece: Bytes);

    /// How `N:` writes this note.
    fn note_text(&mut self, note: &Note<Self>) -> String;
}

/// What every handshake of a transcript agrees on, those before the first octet too: each way to
/// bind a login to the channel has octets that are all the same.
pub fn tls_facts() -> TlsFacts {
    TlsFacts {
        version: TlsVersion::Tls13,
        cipher: "TLS_AES_256_GCM_SHA384",
        server_name: None,
        bindings: ChannelBindings {
            exporter: Some([7; 32]),
            server_end_point: Some([9; 32].into()),
        },
    }
}

/// Runs a transcript in one cut.
pub(crate) fn perform<S: Scripted>(
    transcript: &Transcript,
    cut: Cut,
) -> Result<Record, Box<Failure>> {
    run::<S>(transcript, cut, Strictness::Check)
}

/// Runs a transcript as written and records how its `S:` lines should read.
pub(crate) fn record<S: Scripted>(transcript: &Transcript) -> Result<Record, Box<Failure>> {
    run::<S>(transcript, Cut::AsWritten, Strictness::Record)
}

/// How the lines of the server should read: line numbers of the file with new contents, and lines
/// to insert behind a line.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) replaced: Vec<(usize, Option<String>)>,
    pub(crate) inserted: Vec<(usize, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strictness {
    Check,
    Record,
}

fn run<S: Scripted>(
    transcript: &Transcript,
    cut: Cut,
    strictness: Strictness,
) -> Result<Record, Box<Failure>> {
    let (world, machine) = S::begin(&transcript.settings).map_err(|what| {
        Box::new(Failure {
            place: transcript.path.display().to_string(),
            run: cut.to_string(),
            what,
            before: Vec::new(),
        })
    })?;
    let mut performance = Performance::<S> {
        transcript,
        cut,
        strictness,
        world,
        machine,
        now: Moment::default(),
        output: Vec::new(),
        expected: VecDeque::new(),
        notes: VecDeque::new(),
        waiting: Waiting::ForInput(None),
        log: Vec::new(),
        line: 0,
        record: Record::default(),
    };
    for stage in stages(transcript, cut) {
        performance.play(&stage)?;
    }
    performance.finish()?;
    Ok(performance.record)
}

/// What the session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    ForInput(Option<Moment>),
    ForTls,
    Closed(Ending),
}

struct Performance<'a, S: Scripted> {
    transcript: &'a Transcript,
    cut: Cut,
    strictness: Strictness,
    world: S,
    machine: S::Machine,
    now: Moment,
    /// What the session has sent and no line has claimed.
    output: Vec<u8>,
    expected: VecDeque<&'a Entry>,
    notes: VecDeque<String>,
    waiting: Waiting,
    log: Vec<String>,
    /// Where in the file we are.
    line: usize,
    record: Record,
}

type Played = Result<(), Box<Failure>>;

impl<'a, S: Scripted> Performance<'a, S> {
    fn play(&mut self, stage: &Stage<'a>) -> Played {
        let is_note = |entry: &&Entry| matches!(entry.item, Item::Note(_));
        let (notes, others): (Vec<_>, Vec<_>) = stage.expected.iter().copied().partition(is_note);
        self.expected = others.into();
        self.expected
            .retain(|entry| !matches!(entry.item, Item::Never(_)));
        if let Some(act) = stage.act {
            self.line = act.line;
            self.log.push(act.text.clone());
            self.act(act)?;
        } else if self.line == 0 {
            self.tick_and_settle()?;
        }
        self.feed(stage)?;
        self.nothing_is_missing()?;
        self.notes_came(&notes)
    }

    fn act(&mut self, act: &Entry) -> Played {
        match &act.item {
            Item::Wait(time) => self.wait(*time),
            Item::Tls if self.waiting == Waiting::ForTls => {
                self.machine.tick(self.now);
                self.machine.tls_started(tls_facts());
                self.settle()
            }
            Item::Tls => self.fail("the session has not asked for TLS"),
            Item::Close => {
                self.machine.tick(self.now);
                self.machine.peer_closed();
                self.settle()
            }
            Item::Stop => {
                self.machine.tick(self.now);
                self.machine.stop();
                self.settle()
            }
            Item::Load(load) => {
                self.machine.tick(self.now);
                self.machine.load_changed(*load);
                self.settle()
            }
            Item::Closed(word) => self.has_closed(word.as_deref()),
            _ => Ok(()),
        }
    }

    fn has_closed(&mut self, word: Option<&str>) -> Played {
        let Waiting::Closed(ending) = self.waiting else {
            return self.fail("the session has not closed");
        };
        match word {
            Some(word) if word != ending.as_str() => {
                let what = format!("it closed with the ending {}", ending.as_str());
                self.fail(&what)
            }
            _ => Ok(()),
        }
    }

    /// Lets time go by; every deadline on the way is met.
    fn wait(&mut self, time: Duration) -> Played {
        let end = self.now.after(time);
        while let Waiting::ForInput(Some(deadline)) = self.waiting
            && deadline > self.now
            && deadline <= end
        {
            self.now = deadline;
            self.tick_and_settle()?;
        }
        self.now = end;
        self.tick_and_settle()
    }

    fn tick_and_settle(&mut self) -> Played {
        if matches!(self.waiting, Waiting::ForInput(_)) {
            self.machine.tick(self.now);
            self.settle()?;
        }
        Ok(())
    }

    fn feed(&mut self, stage: &Stage<'a>) -> Played {
        for client in &stage.clients {
            self.log.push(client.text.clone());
            self.line = client.line;
        }
        if self.cut == Cut::AsWritten
            && !stage.input.is_empty()
            && !matches!(self.waiting, Waiting::ForInput(_))
        {
            return self.fail("the session takes no input here");
        }
        for piece in stage.pieces(self.cut) {
            // What arrives for a session that closed, or in clear behind STARTTLS, is thrown away
            // by the driver.
            if matches!(self.waiting, Waiting::ForInput(_)) {
                self.machine.tick(self.now);
                self.machine.receive(piece);
                self.settle()?;
            }
        }
        Ok(())
    }

    /// Calls the session until it waits.
    fn settle(&mut self) -> Played {
        self.waiting = loop {
            let step = self.machine.next(&mut self.output);
            self.take_lines()?;
            match step {
                Step::Flush => {}
                Step::Ask(question) => self.ask(question)?,
                Step::Body(piece) => self.world.body(piece),
                Step::Note(note) => {
                    let text = self.world.note_text(&note);
                    self.notes.push_back(text);
                }
                Step::StartTls => break Waiting::ForTls,
                Step::Idle { until } => break Waiting::ForInput(until),
                Step::Close(ending) => break Waiting::Closed(ending),
            }
        };
        Ok(())
    }

    fn ask(&mut self, question: Question<S>) -> Played {
        let text = self.world.question_text(&question);
        self.log.push(format!("   asked: {text}"));
        self.must_not_be_forbidden(&text)?;
        self.forget_replies_in_front_of(&text);
        if let Some(entry) = self.expected.front()
            && let Item::Question(pattern) = &entry.item
            && pattern.matches(&text)
        {
            self.line = entry.line;
            self.expected.pop_front();
        }
        let answer = match self.expected.front() {
            Some(entry) if let Item::Answer(text) = &entry.item => {
                self.line = entry.line;
                self.expected.pop_front();
                match self.world.scripted_answer(text, question) {
                    Ok(answer) => answer,
                    Err(what) => return self.fail(&what),
                }
            }
            _ => self.world.usual_answer(question),
        };
        self.machine.tick(self.now);
        self.machine.answer(answer);
        Ok(())
    }

    fn must_not_be_forbidden(&mut self, text: &str) -> Played {
        for entry in &self.transcript.entries {
            if let Item::Never(pattern) = &entry.item
                && pattern.matches(text)
            {
                self.line = entry.line;
                return self.fail(&format!("must not be asked:\n  {text}"));
            }
        }
        Ok(())
    }

    /// While recording: replies that stand in front of the question that was asked did not come.
    fn forget_replies_in_front_of(&mut self, question: &str) {
        let is_reply = |entry: &&Entry| matches!(entry.item, Item::Server(_) | Item::Reply(_));
        let next = self.expected.iter().find(|entry| !is_reply(entry));
        let is_next = next.is_some_and(
            |entry| matches!(&entry.item, Item::Question(pattern) if pattern.matches(question)),
        );
        while self.strictness == Strictness::Record
            && is_next
            && let Some(entry) = self.expected.pop_front_if(|entry| is_reply(&&**entry))
        {
            self.record.replaced.push((entry.line, None));
        }
    }

    /// Compares all whole lines that the session has sent.
    fn take_lines(&mut self) -> Played {
        while let Some(end) = self.output.windows(2).position(|pair| pair == b"\r\n") {
            let line = printable(&self.output[..end]);
            self.output.drain(..end + 2);
            self.log.push(format!("   came:  {line}"));
            self.take_line(&line)?;
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str) -> Played {
        let Some(entry) = self.expected.front().copied() else {
            return self.differs(None, line);
        };
        let goes_on = match &entry.item {
            Item::Server(pattern) if pattern.matches(line) => false,
            Item::Reply(kind) if kind.matches(line) => kind.continues_after(line),
            _ => return self.differs(Some(entry), line),
        };
        self.line = entry.line;
        if !goes_on {
            self.expected.pop_front();
        }
        Ok(())
    }

    fn differs(&mut self, entry: Option<&'a Entry>, line: &str) -> Played {
        if self.strictness == Strictness::Check {
            self.line = entry.map_or(self.line, |entry| entry.line);
            let expected = entry.map_or("nothing", |entry| &entry.text).to_owned();
            return self.fail(&format!("expected  {expected}\ncame      S: {line}"));
        }
        match entry {
            Some(entry) if matches!(entry.item, Item::Server(_) | Item::Reply(_)) => {
                self.line = entry.line;
                self.expected.pop_front();
                let line = Some(format!("S: {line}"));
                self.record.replaced.push((entry.line, line));
            }
            _ => self.record.inserted.push((self.line, format!("S: {line}"))),
        }
        Ok(())
    }

    fn nothing_is_missing(&mut self) -> Played {
        while let Some(entry) = self.expected.pop_front() {
            let is_reply = matches!(entry.item, Item::Server(_) | Item::Reply(_));
            if self.strictness == Strictness::Record && is_reply {
                self.record.replaced.push((entry.line, None));
                continue;
            }
            self.line = entry.line;
            let rest = printable(&self.output);
            let mut what = format!("expected  {}\ncame      nothing", entry.text);
            if !rest.is_empty() {
                let _ = write!(what, " but this without a line end: {rest}");
            }
            return self.fail(&what);
        }
        Ok(())
    }

    fn notes_came(&mut self, expected: &[&Entry]) -> Played {
        for entry in expected {
            let Item::Note(pattern) = &entry.item else {
                continue;
            };
            let Some(found) = self.notes.iter().position(|note| pattern.matches(note)) else {
                self.line = entry.line;
                let what = format!("expected  {}\nnoted     {:?}", entry.text, self.notes);
                return self.fail(&what);
            };
            self.notes.drain(..=found);
        }
        if self.cut == Cut::AsWritten {
            self.notes.clear();
        }
        Ok(())
    }

    fn finish(&mut self) -> Played {
        let last = self.transcript.entries.last().map(|entry| &entry.item);
        let says_closed = matches!(last, Some(Item::Closed(_)));
        if let Waiting::Closed(ending) = self.waiting
            && !says_closed
        {
            let what = format!("the file ends without `@ closed {}`", ending.as_str());
            return self.fail(&what);
        }
        if !self.output.is_empty() {
            let what = format!("sent without a line end: {}", printable(&self.output));
            return self.fail(&what);
        }
        Ok(())
    }

    fn fail(&self, what: &str) -> Played {
        const SHOWN: usize = 12;
        let skipped = self.log.len().saturating_sub(SHOWN);
        Err(Box::new(Failure {
            place: format!("{}:{}", self.transcript.path.display(), self.line),
            run: self.cut.to_string(),
            what: what.to_owned(),
            before: self.log[skipped..].to_vec(),
        }))
    }
}

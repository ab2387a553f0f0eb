//! A protocol for the tests of the driver and the server: lines, questions, bodies, TLS.

use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use cassmail_wire::{
    Caller, Desk, Ending, Line, Lines, Load, Machine, Moment, Reception, Step, TlsFacts, TurnedAway,
};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use crate::stop::{Stage, StopOrder};
use crate::tls::{Certificates, TlsService};

/// How long a toy waits for a line.
pub(crate) const IDLE: Duration = Duration::from_mins(5);

/// What the driver may not send more of at once.
const CHUNK: usize = 16 * 1024;

type ToyStep = Step<String, String>;

/// `ECHO x`, `ASK x`, `BODY x`, `NOTE x`, `BIG n`, `STARTTLS`, `QUIT`, `ABUSE`, `PANIC`.
#[derive(Default)]
pub(crate) struct Toy {
    now: Moment,
    lines: Lines,
    heard: Moment,
    output: Vec<u8>,
    steps: Vec<ToyStep>,
    load: Load,
    big: usize,
    asking: bool,
    peer_closed: bool,
    /// Whether `next` was called until it had nothing more: the one rule of machines.
    settled: bool,
    end: Option<Ending>,
}

impl Toy {
    pub(crate) fn new() -> Self {
        Self {
            output: b"hello\r\n".to_vec(),
            settled: true,
            ..Self::default()
        }
    }

    fn input(&mut self) {
        assert!(self.settled, "an input before `next` had nothing more");
        self.settled = false;
    }

    fn say(&mut self, text: &str) {
        self.output.extend_from_slice(text.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    fn obey(&mut self, line: &str) {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "ECHO" => self.say(rest),
            "ASK" => {
                self.asking = true;
                self.steps.push(Step::Ask(rest.to_owned()));
            }
            "BODY" => self
                .steps
                .push(Step::Body(Bytes::copy_from_slice(rest.as_bytes()))),
            "NOTE" => self.steps.push(Step::Note(rest.to_owned())),
            "BIG" => self.big = rest.parse().unwrap(),
            "STARTTLS" => {
                self.say("go");
                self.lines.clear();
                self.steps.push(Step::StartTls);
            }
            "QUIT" => self.end(Ending::Quit, "bye"),
            "ABUSE" => self.end(Ending::Abuse, "enough"),
            "PANIC" => panic!("the toy was told to"),
            _ => self.say("what?"),
        }
    }

    fn end(&mut self, ending: Ending, words: &str) {
        if self.end.is_none() {
            self.say(words);
            self.end = Some(ending);
        }
    }

    fn deadline(&self) -> Moment {
        self.heard.after(match self.load {
            Load::Usual => IDLE,
            Load::High | Load::Full => IDLE / 5,
        })
    }

    fn read_line(&mut self) -> bool {
        let line = match self.lines.next_line(100) {
            Some(Line::Whole(line)) => String::from_utf8(line.to_vec()).unwrap(),
            Some(Line::TooLong) => "too long".to_owned(),
            None => return false,
        };
        self.obey(&line);
        true
    }
}

impl Machine for Toy {
    type Question = String;
    type Answer = String;
    type Note = String;

    fn tick(&mut self, now: Moment) {
        self.now = now;
        if self.heard == Moment::default() {
            self.heard = now;
        }
        if now >= self.deadline() && !self.asking {
            self.end(Ending::TimedOut, "late");
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.input();
        assert!(!self.asking, "bytes while a question is open");
        self.heard = self.now;
        self.lines.receive(bytes);
    }

    fn answer(&mut self, answer: String) {
        self.input();
        assert!(self.asking, "an answer without a question");
        self.asking = false;
        self.heard = self.now;
        self.say(&answer);
    }

    fn tls_started(&mut self, facts: TlsFacts) {
        self.say(&format!("{} {}", facts.version, facts.cipher));
    }

    fn peer_closed(&mut self) {
        self.input();
        self.peer_closed = true;
    }

    fn stop(&mut self) {
        self.input();
        self.end(Ending::Stopped, "stopping");
    }

    fn load_changed(&mut self, load: Load) {
        self.input();
        self.load = load;
    }

    fn held(&self) -> usize {
        self.lines.held()
    }

    fn next(&mut self, output: &mut Vec<u8>) -> ToyStep {
        loop {
            output.append(&mut self.output);
            if !self.steps.is_empty() {
                return self.steps.remove(0);
            }
            if self.asking {
                self.settled = true;
                return Step::Idle { until: None };
            }
            if self.big > 0 {
                self.big -= 1;
                output.resize(output.len() + CHUNK, b'x');
                return Step::Flush;
            }
            if let Some(ending) = self.end {
                return Step::Close(ending);
            }
            if !self.read_line() {
                self.settled = true;
                let until = Some(self.deadline());
                return if self.peer_closed {
                    Step::Close(Ending::Dropped)
                } else {
                    Step::Idle { until }
                };
            }
        }
    }
}

/// What happened at desks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn write(&self, entry: String) {
        self.0.lock().unwrap().push(entry);
    }
}

/// Answers a question with itself in capitals. `gate` waits until a permit is there, `never` for
/// ever, `stop` gives the word.
#[derive(Clone)]
pub(crate) struct ToyDesk {
    pub(crate) diary: Diary,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) order: Arc<StopOrder>,
}

impl ToyDesk {
    pub(crate) fn new() -> Self {
        Self {
            diary: Diary::default(),
            gate: Arc::new(Semaphore::new(0)),
            order: Arc::default(),
        }
    }
}

impl Desk for ToyDesk {
    type Machine = Toy;

    async fn answer(&mut self, question: String) -> String {
        self.diary.write(format!("asked {question}"));
        match question.as_str() {
            "gate" => self.gate.acquire().await.unwrap().forget(),
            "never" => pending().await,
            "stop" => self.order.give(Stage::Finishing),
            _ => ready(()).await,
        }
        question.to_uppercase()
    }

    async fn body(&mut self, piece: Bytes) {
        let piece = String::from_utf8(piece.to_vec()).unwrap();
        self.diary.write(format!("body {piece}"));
    }

    fn note(&mut self, note: String) {
        self.diary.write(format!("note {note}"));
    }

    fn closed(&mut self, _: &Toy, ending: Ending) {
        self.diary.write(format!("closed {}", ending.as_str()));
    }
}

/// Receives everybody with a desk like its own.
pub(crate) struct ToyReception {
    pub(crate) desk: ToyDesk,
}

impl Reception for ToyReception {
    type Machine = Toy;
    type Desk = ToyDesk;

    fn receive(&self, caller: Caller) -> (Toy, ToyDesk) {
        let Caller { peer, local, .. } = caller;
        self.desk.diary.write(format!("from {peer} to {local}"));
        (Toy::new(), self.desk.clone())
    }

    fn turn_away(&self, why: TurnedAway) -> &'static [u8] {
        match why {
            TurnedAway::TooManyConnections => b"full\r\n",
            TurnedAway::TooManyFromSource => b"too many of you\r\n",
            TurnedAway::Stopping => b"stopping\r\n",
        }
    }
}

pub(crate) struct Pem {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) der: CertificateDer<'static>,
}

/// A new certificate for `mx.example`.
pub(crate) fn pem() -> Pem {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example".into()]).unwrap();
    Pem {
        chain: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
        der: made.cert.der().clone(),
    }
}

pub(crate) fn service(pem: &Pem) -> TlsService {
    let certificates = Certificates::from_pem(pem.chain.as_bytes(), pem.key.as_bytes()).unwrap();
    TlsService::new(&certificates, &["toy"]).unwrap()
}

/// A client that trusts these certificates, and speaks these protocols.
pub(crate) fn connector(trusted: &[&Pem], alpn: &[&str]) -> TlsConnector {
    connector_of(rustls::ALL_VERSIONS, trusted, alpn)
}

/// The same, with these versions of TLS alone.
pub(crate) fn connector_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
    trusted: &[&Pem],
    alpn: &[&str],
) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    for pem in trusted {
        roots.add(pem.der.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

pub(crate) fn mx() -> ServerName<'static> {
    ServerName::try_from("mx.example").unwrap()
}

/// Polls once.
pub(crate) async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}

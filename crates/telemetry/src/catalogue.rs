//! Every metric, declared once.
//!
//! The handles are made at the start, one for each combination of labels, so that the way of a mail
//! costs a few additions and no look-up.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::process;

/// Which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// SMTP.
    Smtp,
    /// POP3.
    Pop3,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As asked.
    Ok,
    /// Not as asked.
    Failed,
}

/// Why somebody was refused, by who has to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Duty {
    /// The peer: 5xx.
    Peer,
    /// We, or time: 4xx.
    Us,
}

/// Labels are written in lower case, as Prometheus has them everywhere.
macro_rules! labels {
    ($($label:ident: $($variant:ident = $text:literal),+;)+) => {
        $(impl EncodeLabelValue for $label {
            fn encode(&self, encoder: &mut LabelValueEncoder) -> Result<(), std::fmt::Error> {
                EncodeLabelValue::encode(&match self { $(Self::$variant => $text),+ }, encoder)
            }
        })+
    };
}

labels! {
    Protocol: Smtp = "smtp", Pop3 = "pop3";
    Outcome: Ok = "ok", Failed = "failed";
    Duty: Peer = "peer", Us = "us";
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocol {
    protocol: Protocol,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocolAndOutcome {
    protocol: Protocol,
    outcome: Outcome,
}

/// What is declared of a metric.
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) labels: &'static str,
    pub(crate) help: &'static str,
}

/// The catalogue, as it is documented and registered.
pub(crate) const CATALOGUE: &[Declared] = &[
    SESSIONS,
    SESSIONS_OPEN,
    TURNED_AWAY,
    TLS_FAILURES,
    MESSAGES,
    MESSAGE_BYTES,
    ACCEPT_DURATION,
    REFUSALS,
    LOGINS,
    RETRIEVED,
    REMOVED,
    STORE_FULL,
    LOG_LINES_DROPPED,
    PANICS,
    BUILD_INFO,
    RESIDENT_MEMORY,
    OPEN_FILES,
];

macro_rules! declare {
    ($($constant:ident: $name:literal, $kind:literal, $labels:literal, $help:literal;)+) => {
        $(const $constant: Declared =
            Declared { name: $name, kind: $kind, labels: $labels, help: $help };)+
    };
}

declare! {
    SESSIONS: "cassmail_sessions", "counter", "protocol",
        "Sessions that were begun. How busy is the door?";
    SESSIONS_OPEN: "cassmail_sessions_open", "gauge", "protocol",
        "Sessions that are open now. How full is the house?";
    TURNED_AWAY: "cassmail_connections_turned_away", "counter", "",
        "Connections that were closed at once because of a limit. Are the limits right?";
    TLS_FAILURES: "cassmail_tls_failures", "counter", "",
        "TLS handshakes that failed. Do clients trust the certificate?";
    MESSAGES: "cassmail_messages", "counter", "outcome",
        "Messages that came whole, and whether they were stored. Does mail come in?";
    MESSAGE_BYTES: "cassmail_message_bytes", "counter", "",
        "Octets of messages that were stored. How much mail comes in?";
    ACCEPT_DURATION: "cassmail_smtp_accept_duration_seconds", "histogram", "",
        "From the end of a message to its 250. How fast is the store?";
    REFUSALS: "cassmail_refusals", "counter", "protocol, duty",
        "Replies that refused something; duty says who has to act. Is policy at work, or a fault?";
    LOGINS: "cassmail_logins", "counter", "protocol, outcome",
        "Claims that were checked. Is somebody guessing?";
    RETRIEVED: "cassmail_pop3_retrieved", "counter", "",
        "Messages that were given out whole. Is mail fetched?";
    REMOVED: "cassmail_pop3_removed", "counter", "outcome",
        "Messages that QUIT asked to remove, and whether it is certain. Do boxes empty?";
    STORE_FULL: "cassmail_store_full", "gauge", "",
        "1 when deliveries are refused for lack of room. Is there room?";
    LOG_LINES_DROPPED: "cassmail_log_lines_dropped", "counter", "",
        "Lines that were not written because standard error was too slow. Are the logs whole?";
    PANICS: "cassmail_panics", "counter", "",
        "Tasks that panicked. Must be zero; please report it.";
    BUILD_INFO: "cassmail_build", "info", "version",
        "Which version runs.";
    RESIDENT_MEMORY: "process_resident_memory_bytes", "gauge", "",
        "Memory of the process. Does it grow?";
    OPEN_FILES: "process_open_fds", "gauge", "",
        "Open files of the process. Is the limit near?";
}

/// All figures of the process.
pub struct Metrics {
    registry: Registry,
    sessions: [Counter; 2],
    sessions_open: [Gauge; 2],
    turned_away: Counter,
    tls_failures: Counter,
    messages: [Counter; 2],
    message_bytes: Counter,
    accept_duration: Histogram,
    refusals: [[Counter; 2]; 2],
    logins: [[Counter; 2]; 2],
    retrieved: Counter,
    removed: [Counter; 2],
    store_full: Gauge,
    log_lines_dropped: Counter,
    panics: Counter,
    resident_memory: Gauge,
    open_files: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByProtocolAndDuty {
    protocol: Protocol,
    duty: Duty,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers the whole catalogue.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register(BUILD_INFO.name, BUILD_INFO.help, info);
        let r = &mut registry;
        Self {
            sessions: by_protocol(r, &SESSIONS, Counter::default),
            sessions_open: by_protocol(r, &SESSIONS_OPEN, Gauge::default),
            turned_away: single(r, &TURNED_AWAY, Counter::default()),
            tls_failures: single(r, &TLS_FAILURES, Counter::default()),
            messages: by_outcome(r, &MESSAGES),
            message_bytes: single(r, &MESSAGE_BYTES, Counter::default()),
            accept_duration: accept_duration(r),
            refusals: by_protocol_and_duty(r),
            logins: by_protocol_and_outcome(r, &LOGINS),
            retrieved: single(r, &RETRIEVED, Counter::default()),
            removed: by_outcome(r, &REMOVED),
            store_full: single(r, &STORE_FULL, Gauge::default()),
            log_lines_dropped: single(r, &LOG_LINES_DROPPED, Counter::default()),
            panics: single(r, &PANICS, Counter::default()),
            resident_memory: single(r, &RESIDENT_MEMORY, Gauge::default()),
            open_files: single(r, &OPEN_FILES, Gauge::default()),
            registry,
        }
    }

    /// A session began.
    pub fn session_opened(&self, protocol: Protocol) {
        self.sessions[protocol as usize].inc();
        self.sessions_open[protocol as usize].inc();
    }

    /// A session ended.
    pub fn session_closed(&self, protocol: Protocol) {
        self.sessions_open[protocol as usize].dec();
    }

    /// A connection was closed at once because of a limit.
    pub fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// A TLS handshake failed.
    pub fn tls_failed(&self) {
        self.tls_failures.inc();
    }

    /// A message came whole, of `size` octets, and took so long to be stored or not.
    pub fn message_accepted(&self, outcome: Outcome, size: u64, took: Duration) {
        self.messages[outcome as usize].inc();
        self.accept_duration.observe(took.as_secs_f64());
        if outcome == Outcome::Ok {
            self.message_bytes.inc_by(size);
        }
    }

    /// Something was refused, for good (the peer has to act) or for now (we have to).
    pub fn refusal(&self, protocol: Protocol, for_good: bool) {
        let duty = if for_good { Duty::Peer } else { Duty::Us };
        self.refusals[protocol as usize][duty as usize].inc();
    }

    /// A claim was checked.
    pub fn login(&self, protocol: Protocol, outcome: Outcome) {
        self.logins[protocol as usize][outcome as usize].inc();
    }

    /// Messages were given out whole.
    pub fn pop3_retrieved(&self, count: u64) {
        self.retrieved.inc_by(count);
    }

    /// QUIT asked to remove so many.
    pub fn pop3_removed(&self, outcome: Outcome, count: usize) {
        self.removed[outcome as usize].inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Whether deliveries are refused for lack of room.
    pub fn store_full(&self, is_full: bool) {
        self.store_full.set(i64::from(is_full));
    }

    /// The counter of log lines that were not written.
    pub fn log_lines_dropped(&self) -> Counter<u64, AtomicU64> {
        self.log_lines_dropped.clone()
    }

    /// The counter of panics.
    pub fn panics(&self) -> Counter<u64, AtomicU64> {
        self.panics.clone()
    }

    /// All figures in the OpenMetrics text format, which Prometheus reads.
    pub fn encode(&self) -> String {
        self.resident_memory.set(process::resident_memory_bytes());
        self.open_files.set(process::open_files());
        let mut text = String::new();
        // Encoding into a string fails only if a metric cannot be written; none of ours can.
        let _ = text::encode(&mut text, &self.registry);
        text
    }
}

fn single<M>(registry: &mut Registry, declared: &Declared, metric: M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register(declared.name, declared.help, metric.clone());
    metric
}

fn accept_duration(registry: &mut Registry) -> Histogram {
    let bounds = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];
    let histogram = Histogram::new(bounds);
    let name = "cassmail_smtp_accept_duration";
    registry.register_with_unit(name, ACCEPT_DURATION.help, Unit::Seconds, histogram.clone());
    histogram
}

const PROTOCOLS: [Protocol; 2] = [Protocol::Smtp, Protocol::Pop3];
const OUTCOMES: [Outcome; 2] = [Outcome::Ok, Outcome::Failed];

fn by_protocol<M>(registry: &mut Registry, declared: &Declared, new: fn() -> M) -> [M; 2]
where
    M: prometheus_client::registry::Metric + Clone,
    Family<ByProtocol, M>: prometheus_client::registry::Metric,
{
    let family = Family::<ByProtocol, M>::new_with_constructor(new);
    registry.register(declared.name, declared.help, family.clone());
    PROTOCOLS.map(|protocol| family.get_or_create_owned(&ByProtocol { protocol }))
}

fn by_outcome(registry: &mut Registry, declared: &Declared) -> [Counter; 2] {
    let family = Family::<ByOutcome, Counter>::default();
    registry.register(declared.name, declared.help, family.clone());
    OUTCOMES.map(|outcome| family.get_or_create_owned(&ByOutcome { outcome }))
}

fn by_protocol_and_outcome(registry: &mut Registry, declared: &Declared) -> [[Counter; 2]; 2] {
    let family = Family::<ByProtocolAndOutcome, Counter>::default();
    registry.register(declared.name, declared.help, family.clone());
    PROTOCOLS.map(|protocol| {
        OUTCOMES
            .map(|outcome| family.get_or_create_owned(&ByProtocolAndOutcome { protocol, outcome }))
    })
}

fn by_protocol_and_duty(registry: &mut Registry) -> [[Counter; 2]; 2] {
    let family = Family::<ByProtocolAndDuty, Counter>::default();
    registry.register(REFUSALS.name, REFUSALS.help, family.clone());
    PROTOCOLS.map(|protocol| {
        [Duty::Peer, Duty::Us]
            .map(|duty| family.get_or_create_owned(&ByProtocolAndDuty { protocol, duty }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_metric_is_given_out() {
        let text = Metrics::new().encode();
        for declared in CATALOGUE {
            assert!(
                text.contains(&format!("# HELP {} ", declared.name)),
                "{}",
                declared.name
            );
            assert!(text.contains(&format!("# TYPE {} {}", declared.name, declared.kind)));
        }
        let helps = text
            .lines()
            .filter(|line| line.starts_with("# HELP "))
            .count();
        assert_eq!(
            helps,
            CATALOGUE.len(),
            "a metric that is registered is not in the catalogue"
        );
    }

    #[test]
    fn what_happens_is_counted_under_its_labels() {
        let metrics = Metrics::new();
        metrics.session_opened(Protocol::Pop3);
        metrics.login(Protocol::Smtp, Outcome::Failed);
        metrics.message_accepted(Outcome::Ok, 10, Duration::from_millis(3));
        let text = metrics.encode();
        for line in [
            "cassmail_sessions_total{protocol=\"pop3\"} 1",
            "cassmail_sessions_open{protocol=\"pop3\"} 1",
            "cassmail_logins_total{protocol=\"smtp\",outcome=\"failed\"} 1",
            "cassmail_message_bytes_total 10",
            "cassmail_smtp_accept_duration_seconds_bucket{le=\"0.005\"} 1",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}

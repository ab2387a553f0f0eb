//! Every metric, declared once: name, type, labels, help, and the question it answers.
//!
//! The handles are made at the start, one for each combination of labels, so that the way of a mail
//! costs a few additions and no look-up.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::kind::{
    Certificates, Counter, Declared, Gauge, Kind, ProcessorSeconds, Seconds, sentence,
};
use crate::labels::{
    By, ByBoth, Duty, Limit, Outcome, Protocol, ReplyClass, SmtpVerb, StoreFault, StoreOperation,
    TraceFate,
};
use crate::process;

/// Declares the metrics: their handles, how they are registered, what the documentation says.
macro_rules! catalogue {
    ($($field:ident: $kind:ty = $name:literal, $help:literal, $question:literal;)+) => {
        /// All figures of the process.
        ///
        /// Count with the handles or, where several belong together, with the methods.
        ///
        /// ```
        /// use cassmail_telemetry::{Metrics, Outcome, Protocol};
        ///
        /// let metrics = Metrics::new();
        /// metrics.session_opened(Protocol::Smtp);
        /// metrics.logins_total.of(Protocol::Smtp, Outcome::Failed).inc();
        /// assert!(metrics.encode().contains("cassmail_sessions_open{protocol=\"smtp\"} 1\n"));
        /// ```
        pub struct Metrics {
            registry: Registry,
            $(#[doc = concat!("`", $name, "`: ", $help, " ", $question)] pub $field: $kind,)+
        }

        impl Metrics {
            /// Registers the whole catalogue.
            pub fn new() -> Self {
                let mut registry = Registry::default();
                $(let $field = <$kind as Kind>::register(&mut registry, &Declared {
                    name: $name,
                    help: $help,
                });)+
                register_build_info(&mut registry);
                Self { registry, $($field,)+ }
            }
        }

        /// Name, type, labels, help and question of every metric, for the documentation.
        pub(crate) fn catalogue() -> Vec<Entry> {
            let mut entries = vec![$(Entry {
                name: $name,
                kind: <$kind as Kind>::NAME,
                labels: <$kind as Kind>::labels(),
                help: $help,
                question: $question,
            },)+];
            entries.push(BUILD_INFO);
            entries
        }
    };
}

catalogue! {
    sessions_total: By<Protocol, Counter> = "cassmail_sessions_total",
        "Sessions that were begun.", "How busy is the door?";
    sessions_open: By<Protocol, Gauge> = "cassmail_sessions_open",
        "Sessions that are open now.", "How full is the house?";
    connections_turned_away_total: Counter = "cassmail_connections_turned_away_total",
        "Connections that were closed at once because of a limit or the end of the service.",
        "Are the limits right?";
    limit_refusals_total: By<Limit, Counter> = "cassmail_limit_refusals_total",
        "Connections, logins, messages and recipients that a limit refused, and peers that were \
         dropped by one.",
        "Which limit is at work, and is it right?";
    octets_in_flight: Gauge = "cassmail_octets_in_flight",
        "Octets that wait in memory for slow peers or a slow store.",
        "How near is the budget?";
    tls_failures_total: Counter = "cassmail_tls_failures_total",
        "TLS handshakes that failed.", "Do clients trust the certificate?";
    tls_certificate_not_after_seconds: Certificates = "cassmail_tls_certificate_not_after_seconds",
        "When a certificate ends to be valid, in seconds since 1970; number 0 is tls.certificate, \
         then those of tls.further in the order of their names.",
        "Is it renewed in time?";
    smtp_commands_total: ByBoth<SmtpVerb, ReplyClass, Counter> = "cassmail_smtp_commands_total",
        "SMTP commands by the class of their replies, counted when their session ends.",
        "Who is misbehaving?";
    smtp_accept_duration_seconds: Seconds = "cassmail_smtp_accept_duration_seconds",
        "From the end of a message to its reply.", "How fast is the store?";
    messages_total: By<Outcome, Counter> = "cassmail_messages_total",
        "Messages that came whole, and whether they were stored.", "Does mail come in?";
    message_bytes_total: Counter = "cassmail_message_bytes_total",
        "Octets of messages that were stored.", "How much mail comes in?";
    refusals_total: ByBoth<Protocol, Duty, Counter> = "cassmail_refusals_total",
        "Replies that refused something, and who has to act.", "Is policy at work, or a fault?";
    logins_total: ByBoth<Protocol, Outcome, Counter> = "cassmail_logins_total",
        "Claims that were checked.", "Is somebody guessing?";
    pop3_retrieved_total: Counter = "cassmail_pop3_retrieved_total",
        "Messages that were given out whole.", "Is mail fetched?";
    pop3_removed_total: By<Outcome, Counter> = "cassmail_pop3_removed_total",
        "Messages that QUIT asked to remove, and whether it is certain.", "Do boxes empty?";
    retention_removed_total: By<Outcome, Counter> = "cassmail_retention_removed_total",
        "Messages that a rule of retention asked to remove, and whether it is certain.",
        "Is old mail removed?";
    retention_last_pass_seconds: Gauge = "cassmail_retention_last_pass_seconds",
        "When this process last ended a pass of retention, in seconds since 1970.",
        "Does retention come round?";
    quota_refusals_total: Counter = "cassmail_quota_refusals_total",
        "Recipients and messages that were refused because a mailbox is full, or too small.",
        "Do full mailboxes cost mail?";
    quota_nearly_full: Gauge = "cassmail_quota_nearly_full",
        "Mailboxes of which this process knows that nine tenths of their quota are used, without \
         those that are full.",
        "Who is to be told?";
    quota_full: Gauge = "cassmail_quota_full",
        "Mailboxes of which this process knows that their quota is used up.",
        "Who gets no mail?";
    quota_counts_total: Counter = "cassmail_quota_counts_total",
        "Listings that were made only to count a mailbox that is nearly full.",
        "What do quotas cost?";
    quota_unknown_total: Counter = "cassmail_quota_unknown_total",
        "Times that nobody could say how full a mailbox is; the mail was taken.",
        "Are quotas kept?";
    trace_events_total: By<TraceFate, Counter> = "cassmail_trace_events_total",
        "Events of the message trace, and whether they were written or had to be dropped.",
        "Is the trace whole?";
    trace_backlog: Gauge = "cassmail_trace_backlog",
        "Events of the message trace that the store could not take yet.",
        "Does the store take the trace?";
    store_faults_total: By<StoreFault, Counter> = "cassmail_store_faults_total",
        "Verbs of the store that failed.", "What ails the store?";
    store_indeterminate_total: By<StoreOperation, Counter> = "cassmail_store_indeterminate_total",
        "Verbs of the store of which nobody knows whether they happened.",
        "Must stay near zero: does it?";
    store_full: Gauge = "cassmail_store_full",
        "1 when deliveries are refused for lack of room.", "Is there room?";
    store_degraded: Gauge = "cassmail_store_degraded",
        "1 when the store goes on with a weaker promise: a data center does not answer, or what \
         was acknowledged without it is not yet healed.", "Is every data center there?";
    store_acknowledged_by_fewer_total: Counter = "cassmail_store_acknowledged_by_fewer_total",
        "Messages, counted for each owner, that fewer data centers than configured acknowledged \
         (Cassandra).",
        "What would a second loss cost?";
    store_waiting_for_healing: Gauge = "cassmail_store_waiting_for_healing",
        "Partitions that a data center lacks until it is back (Cassandra).",
        "Is the cluster whole again?";
    store_periodic_commit_logs: Gauge = "cassmail_store_periodic_commit_logs",
        "Nodes of Cassandra that acknowledge a write before it is on their disk.",
        "Does 250 mean on disk?";
    store_requests_total: Counter = "cassmail_store_requests_total",
        "Requests that were sent to Cassandra; a batch is one.", "What does a mail cost?";
    log_lines_dropped_total: Counter = "cassmail_log_lines_dropped_total",
        "Lines that were not written because standard error was too slow.", "Are the logs whole?";
    panics_total: Counter = "cassmail_panics_total",
        "Tasks that panicked; please report it.", "Must be zero: is it?";
    start_time_seconds: Gauge = "process_start_time_seconds",
        "When the process started, in seconds since 1970.", "Was it started anew?";
    resident_memory_bytes: Gauge = "process_resident_memory_bytes",
        "Memory of the process.", "Does it grow?";
    open_fds: Gauge = "process_open_fds",
        "Open files of the process.", "Is the limit near?";
    max_fds: Gauge = "process_max_fds",
        "Files that the process may have open.", "Is the limit right?";
    cpu_seconds_total: ProcessorSeconds = "process_cpu_seconds_total",
        "Processor time of the process.", "What does a mail cost?";
}

/// What a store on a cluster counts itself: totals since it was opened, and what is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClusterFigures {
    /// Requests that were sent.
    pub requests: u64,
    /// Messages that fewer data centers than configured acknowledged, counted for each owner.
    pub acknowledged_by_fewer: u64,
    /// Partitions that a data center lacks.
    pub waiting_for_healing: usize,
    /// Nodes that acknowledge a write before it is on their disk.
    pub periodic_commit_logs: usize,
}

/// What is documented of a metric.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) labels: Vec<&'static str>,
    pub(crate) help: &'static str,
    pub(crate) question: &'static str,
}

const BUILD_INFO: Entry = Entry {
    name: "cassmail_build_info",
    kind: "info",
    labels: Vec::new(),
    help: "Always 1; its label version is the release.",
    question: "Which version runs?",
};

fn register_build_info(registry: &mut Registry) {
    let info = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
    // The format adds the ending to the names of its type.
    registry.register("cassmail_build", sentence(BUILD_INFO.help), info);
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A session began.
    pub fn session_opened(&self, protocol: Protocol) {
        self.sessions_total.of(protocol).inc();
        self.sessions_open.of(protocol).inc();
    }

    /// A session ended.
    pub fn session_closed(&self, protocol: Protocol) {
        self.sessions_open.of(protocol).dec();
    }

    /// A connection was closed at once because of a limit.
    pub fn turned_away(&self) {
        self.connections_turned_away_total.inc();
    }

    /// A limit refused something.
    pub fn limited(&self, limit: Limit) {
        self.limit_refusals_total.of(limit).inc();
    }

    /// A TLS handshake failed.
    pub fn tls_failed(&self) {
        self.tls_failures_total.inc();
    }

    /// When the certificates in use end to be valid, in their order, in seconds since 1970; none
    /// for one that cannot be read.
    pub fn certificates_end(&self, ends: impl IntoIterator<Item = Option<u64>>) {
        self.tls_certificate_not_after_seconds.set(ends);
    }

    /// A message came whole, of `size` octets, and took so long to be stored or not.
    pub fn message_accepted(&self, outcome: Outcome, size: u64, took: Duration) {
        self.messages_total.of(outcome).inc();
        self.smtp_accept_duration_seconds.observe(took);
        if outcome == Outcome::Ok {
            self.message_bytes_total.inc_by(size);
        }
    }

    /// Something was refused, for good (the peer has to act) or for now (we have to).
    pub fn refusal(&self, protocol: Protocol, for_good: bool) {
        let duty = if for_good { Duty::Peer } else { Duty::Us };
        self.refusals_total.of(protocol, duty).inc();
    }

    /// A claim was checked.
    pub fn login(&self, protocol: Protocol, outcome: Outcome) {
        self.logins_total.of(protocol, outcome).inc();
    }

    /// Messages were given out whole.
    pub fn pop3_retrieved(&self, count: u64) {
        self.pop3_retrieved_total.inc_by(count);
    }

    /// QUIT asked to remove so many.
    pub fn pop3_removed(&self, outcome: Outcome, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.pop3_removed_total.of(outcome).inc_by(count);
    }

    /// A rule of retention asked to remove so many.
    pub fn retention_removed(&self, outcome: Outcome, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.retention_removed_total.of(outcome).inc_by(count);
    }

    /// Events of the trace were written or dropped.
    pub fn trace_events(&self, fate: TraceFate, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.trace_events_total.of(fate).inc_by(count);
    }

    /// So many events of the trace wait for a store that failed.
    pub fn trace_backlog(&self, count: usize) {
        self.trace_backlog
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A pass of retention ended, in seconds since 1970.
    pub fn retention_passed(&self, at: u64) {
        let at = i64::try_from(at).unwrap_or(i64::MAX);
        self.retention_last_pass_seconds.set(at);
    }

    /// How many mailboxes are nearly full, and how many are.
    pub fn quota_fullness(&self, nearly: usize, full: usize) {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.quota_nearly_full.set(count(nearly));
        self.quota_full.set(count(full));
    }

    /// A verb of the store failed.
    pub fn store_failed(&self, operation: StoreOperation, fault: StoreFault) {
        self.store_faults_total.of(fault).inc();
        if fault == StoreFault::Indeterminate {
            self.store_indeterminate_total.of(operation).inc();
        }
    }

    /// Whether deliveries are refused for lack of room.
    pub fn store_full(&self, is_full: bool) {
        self.store_full.set(i64::from(is_full));
    }

    /// Whether the store goes on with a weaker promise.
    pub fn store_degraded(&self, is_degraded: bool) {
        self.store_degraded.set(i64::from(is_degraded));
    }

    /// What a store on a cluster has counted itself.
    pub fn store_on_cluster(&self, figures: ClusterFigures) {
        let total = |counter: &Counter, is: u64| counter.inner().store(is, Ordering::Relaxed);
        total(&self.store_requests_total, figures.requests);
        total(
            &self.store_acknowledged_by_fewer_total,
            figures.acknowledged_by_fewer,
        );
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.store_waiting_for_healing
            .set(count(figures.waiting_for_healing));
        self.store_periodic_commit_logs
            .set(count(figures.periodic_commit_logs));
    }

    /// The counter of log lines that were not written.
    pub fn log_lines_dropped(&self) -> Counter {
        self.log_lines_dropped_total.clone()
    }

    /// The counter of panics.
    pub fn panics(&self) -> Counter {
        self.panics_total.clone()
    }

    /// All figures in the OpenMetrics text format, which Prometheus reads.
    pub fn encode(&self) -> String {
        self.read_process();
        let mut text = String::new();
        // Encoding into a string fails only if a metric cannot be written; none of ours can.
        let _ = text::encode(&mut text, &self.registry);
        text
    }

    /// What nobody counts is read when somebody asks.
    fn read_process(&self) {
        let times = process::times();
        self.start_time_seconds.set(times.started_at);
        self.cpu_seconds_total.set(times.processor_seconds);
        self.resident_memory_bytes
            .set(process::resident_memory_bytes());
        self.open_fds.set(process::open_files());
        self.max_fds.set(process::open_files_limit());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_declared_metric_is_given_out_with_its_type_and_help() {
        let metrics = Metrics::new();
        // How many certificates there are, nobody knows beforehand.
        metrics.certificates_end([Some(1)]);
        let text = metrics.encode();
        for Entry {
            name, kind, help, ..
        } in catalogue()
        {
            let ending = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            let family = name.strip_suffix(ending).unwrap();
            assert!(
                text.contains(&format!("# HELP {family} {help}\n")),
                "{name}"
            );
            assert!(
                text.contains(&format!("# TYPE {family} {kind}\n")),
                "{name}"
            );
            assert!(text.contains(&format!("\n{name}")), "{name} has no value");
        }
        let helps = text.lines().filter(|line| line.starts_with("# HELP "));
        let given = catalogue().len();
        assert_eq!(helps.count(), given, "a metric is not in the catalogue");
    }

    #[test]
    fn names_have_the_prefix_and_their_unit_last() {
        for Entry { name, kind, .. } in catalogue() {
            assert!(
                name.starts_with("cassmail_") || name.starts_with("process_"),
                "{name}"
            );
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            assert_eq!(
                kind == "histogram",
                name.ends_with("_duration_seconds"),
                "{name}"
            );
        }
    }

    #[test]
    fn what_happens_is_counted_under_its_labels() {
        let metrics = Metrics::new();
        metrics.certificates_end([Some(1), Some(2), Some(3), Some(4)]);
        metrics.certificates_end([Some(1_700_000_000), None, Some(1_800_000_000)]);
        metrics.session_opened(Protocol::Pop3);
        metrics.login(Protocol::Smtp, Outcome::Failed);
        metrics.message_accepted(Outcome::Ok, 10, Duration::from_millis(3));
        metrics.message_accepted(Outcome::Failed, 10, Duration::from_mins(1));
        metrics.store_failed(StoreOperation::Commit, StoreFault::Indeterminate);
        metrics.store_failed(StoreOperation::Other, StoreFault::NoRoom);
        let class = ReplyClass::Never;
        metrics
            .smtp_commands_total
            .of(SmtpVerb::Rcpt, class)
            .inc_by(3);
        let text = metrics.encode();
        assert!(!text.contains("certificate=\"1\""), "it has no value");
        assert!(!text.contains("certificate=\"3\""), "it is gone");
        for line in [
            "cassmail_tls_certificate_not_after_seconds{certificate=\"0\"} 1700000000",
            "cassmail_tls_certificate_not_after_seconds{certificate=\"2\"} 1800000000",
            "cassmail_sessions_total{protocol=\"pop3\"} 1",
            "cassmail_sessions_open{protocol=\"pop3\"} 1",
            "cassmail_sessions_open{protocol=\"smtp\"} 0",
            "cassmail_logins_total{protocol=\"smtp\",outcome=\"failed\"} 1",
            "cassmail_messages_total{outcome=\"ok\"} 1",
            "cassmail_message_bytes_total 10",
            "cassmail_smtp_accept_duration_seconds_bucket{le=\"0.0025\"} 0",
            "cassmail_smtp_accept_duration_seconds_bucket{le=\"0.005\"} 1",
            "cassmail_smtp_accept_duration_seconds_count 2",
            "cassmail_store_faults_total{fault=\"no_room\"} 1",
            "cassmail_store_indeterminate_total{operation=\"commit\"} 1",
            "cassmail_store_indeterminate_total{operation=\"other\"} 0",
            "cassmail_smtp_commands_total{verb=\"rcpt\",class=\"5xx\"} 3",
            concat!(
                "cassmail_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_session_that_ended_is_open_no_more() {
        let metrics = Metrics::new();
        metrics.session_opened(Protocol::Smtp);
        metrics.session_closed(Protocol::Smtp);
        let text = metrics.encode();
        assert!(text.contains("cassmail_sessions_total{protocol=\"smtp\"} 1\n"));
        assert!(text.contains("cassmail_sessions_open{protocol=\"smtp\"} 0\n"));
    }

    #[test]
    fn the_process_is_read_when_somebody_asks() {
        let metrics = Metrics::new();
        metrics.encode();
        assert!(metrics.resident_memory_bytes.get() > 100_000);
        assert!(metrics.open_fds.get() >= 3);
        assert!(metrics.max_fds.get() >= metrics.open_fds.get());
        // Later than the first line of this code.
        assert!(metrics.start_time_seconds.get() > 1_700_000_000);
    }
}

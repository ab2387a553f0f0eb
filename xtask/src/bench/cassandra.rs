//! The budgets of the store on Cassandra, measured on one node that syncs its commit log.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::budgets::{self, Line};
use super::cassmail::Service;
use super::cluster::{Nodes, Ring, Site};
use super::generator::{Door, Generator, Load};
use super::machine::Machine;
use super::options::Options;
use super::place::Place;
use super::report::{Table, median, write_json, write_section};
use crate::command::say;

/// Long enough for any single run, and no longer.
const PATIENCE: Duration = Duration::from_mins(10);
const FIVE: &str = "user{n}@example.org --users 5";
/// Polled are others: nobody's mailbox got ten thousand mails in the minute before.
const OTHERS: &str = "user{n}@example.org --users 5 --first 6";
const ALL: u32 = 10;
/// As many threads as there are connections. They wait for the commit log, and for two processors
/// the 128 that a node has for requests are too many: it pays a quarter more for each mail.
const THREADS: [&str; 4] = [
    "--yaml",
    "native_transport_max_threads: 32",
    "--yaml",
    "concurrent_writes: 32",
];
const DRAIN: &str = "--mode drain --pipeline --connections 5";
/// What runs at a start has run.
const A_WHILE: Duration = Duration::from_secs(5);

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    rounds: u32,
    /// Seconds of a load before anything is measured: the Java machine compiles what is used often.
    warm_up: u32,
    /// Seconds of a load that is timed.
    seconds: u32,
    /// Messages that are read and removed.
    drained: u32,
    /// Mails that a thousand connections deliver.
    crowd: u32,
}

const WHOLE: Amounts = Amounts {
    rounds: 3,
    warm_up: 60,
    seconds: 10,
    drained: 10_000,
    crowd: 10_000,
};
const QUICK: Amounts = Amounts {
    rounds: 1,
    warm_up: 2,
    seconds: 2,
    drained: 1_000,
    crowd: 2_000,
};

/// Measures, prints the tables, and fails when a budget is missed.
pub(super) fn run(options: &Options) -> Result<()> {
    let mut amounts = if options.quick { QUICK } else { WHOLE };
    amounts.rounds = options.number(0, amounts.rounds);
    let place = Place::prepare(&options.folder)?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let started = [&["--jit", "full"], &THREADS[..]].concat();
    let ring = Ring::start(options.net, "1x1", &started)?;
    let rig = Rig::new(&place, &ring)?;
    let figures = rig.measure_all(&amounts)?;

    let lines = figures.lines();
    let text = tables(&lines, &figures, &machine, options);
    say(&format!("\n{text}"));
    let json = json!({
        "quick": options.quick,
        "machine": machine.json(),
        "budgets": lines.iter().map(Line::json).collect::<Vec<_>>(),
        "figures": figures.json(),
    });
    let beside = place.target.join("bench-cassandra.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("cassandra", &text)?;
    }
    budgets::judge(&lines)
}

/// One server on one node.
struct Rig {
    generator: Generator,
    nodes: Nodes,
    /// That of the node, whose use is reported together with the server's.
    node: u32,
}

/// A load, and what it cost.
#[derive(Debug, Clone)]
struct Cost {
    /// Its CPU time is that of server and node together, until both are idle.
    load: Load,
    /// The CPU time of the server alone.
    own: Duration,
    /// Requests to Cassandra.
    requests: f64,
}

#[derive(Debug)]
struct Round {
    accept: Cost,
    retrieve: Cost,
    drain: Cost,
    poll: Cost,
    /// In MiB, of the server.
    peak: f64,
}

/// Everything that was measured.
struct Figures {
    /// Of mailboxes that nothing was removed from.
    fresh: Cost,
    rounds: Vec<Round>,
    /// In MiB, of the server.
    idle: f64,
    crowd: f64,
    receiving: f64,
}

impl Rig {
    fn new(place: &Place, ring: &Ring) -> Result<Self> {
        let site = Site {
            ring,
            keyspace: "bench",
            centers: &["dc1"],
            users: ALL,
        };
        let nodes = Nodes::install(place, site)?;
        nodes.init()?;
        let processes = ring.processes()?;
        Ok(Self {
            generator: Generator::new(place)?,
            nodes,
            node: *processes.first().context("no node runs")?,
        })
    }

    fn measure_all(&self, amounts: &Amounts) -> Result<Figures> {
        let mut services = self.nodes.start_first()?;
        let service = services.pop().context("no server runs")?;
        say("polls before anything was removed");
        let fresh = self.poll(&service, 1)?;
        say(&format!("{} s to warm up", amounts.warm_up));
        let words = format!("--duration {}s", amounts.warm_up);
        self.deliver(&service, FIVE, &words)?;
        self.visit(&service, FIVE, DRAIN)?;
        self.poll(&service, amounts.warm_up.div_ceil(10))?;
        let mut rounds = Vec::new();
        for number in 1..=amounts.rounds {
            say(&format!("round {number} of {}", amounts.rounds));
            rounds.push(self.round(&service, amounts)?);
        }
        service.stop()?;
        say("memory");
        let service = self.nodes.start(0)?;
        thread::sleep(A_WHILE);
        let idle = mebibytes(service.process.resident()?);
        let words = format!("--connections 1000 --size 10KiB --count {}", amounts.crowd);
        let crowd = self.peak_of(&service, &words)?;
        let receiving = self.peak_of(&service, "--connections 32 --size 25MB --count 32")?;
        service.stop()?;
        Ok(Figures {
            fresh,
            rounds,
            idle,
            crowd,
            receiving,
        })
    }

    fn round(&self, service: &Service, amounts: &Amounts) -> Result<Round> {
        service.process.forget_peak()?;
        let words = format!("--duration {}s", amounts.seconds);
        let accept = self.deliver(service, FIVE, &words)?;
        self.visit(service, FIVE, DRAIN)?;
        let words = format!("--count {}", amounts.drained);
        self.deliver(service, FIVE, &words)?;
        let retrieve = self.visit(service, FIVE, "--mode retrieve --pipeline --connections 5")?;
        let drain = self.visit(service, FIVE, DRAIN)?;
        expect("read", &retrieve, "messages", amounts.drained.into())?;
        expect("removed", &drain, "removed", amounts.drained.into())?;
        Ok(Round {
            accept,
            retrieve,
            drain,
            poll: self.poll(service, amounts.seconds)?,
            peak: mebibytes(service.process.peak()?),
        })
    }

    /// Polls of five mailboxes with 100 messages each, which are empty before and afterwards.
    fn poll(&self, service: &Service, seconds: u32) -> Result<Cost> {
        self.deliver(service, OTHERS, "--count 500")?;
        // The first login of an account computes a hash, the others do not.
        self.visit(service, OTHERS, "--mode poll --connections 5 --count 100")?;
        let words = format!("--mode poll --connections 16 --duration {seconds}s");
        let poll = self.visit(service, OTHERS, &words)?;
        expect("listed", &poll, "listed", poll.load.count("sessions") * 100)?;
        self.visit(service, OTHERS, DRAIN)?;
        Ok(poll)
    }

    fn deliver(&self, service: &Service, users: &str, words: &str) -> Result<Cost> {
        let words = format!("--to {users} --size 10KiB --connections 32 {words}");
        self.cost_of(service, &words, |words| {
            let smtp = [service.target.smtp];
            self.generator.deliver(&smtp, words, PATIENCE)
        })
    }

    fn visit(&self, service: &Service, users: &str, words: &str) -> Result<Cost> {
        let words = format!("--login {users} {words}");
        self.cost_of(service, &words, |words| {
            let pop3 = [service.target.pop3];
            self.generator.visit(&pop3, words, PATIENCE)
        })
    }

    fn cost_of(
        &self,
        service: &Service,
        words: &str,
        load: impl Fn(&str) -> Result<Load>,
    ) -> Result<Cost> {
        const REQUESTS: &str = "cassmail_store_requests_total";
        let words = format!("{words} --pid {} --idle-wait 30", self.node);
        let before = service.process.cpu()?;
        let requests = self.nodes.metric(0, REQUESTS)?;
        let load = load(&words)?;
        Ok(Cost {
            load,
            own: service.process.cpu()?.saturating_sub(before),
            requests: self.nodes.metric(0, REQUESTS)? - requests,
        })
    }

    /// The most memory that the server has while it takes these mails.
    fn peak_of(&self, service: &Service, words: &str) -> Result<f64> {
        service.process.forget_peak()?;
        let words = format!("--to {FIVE} {words}");
        let smtp: [Door; 1] = [service.target.smtp];
        self.generator.deliver(&smtp, &words, PATIENCE)?;
        Ok(mebibytes(service.process.peak()?))
    }
}

/// A figure that says that the work was done.
fn expect(what: &str, cost: &Cost, of: &str, expected: u64) -> Result<()> {
    let found = cost.load.count(of);
    if found != expected {
        bail!("{what}: {found} instead of {expected} messages");
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "memory in MiB has few digits")]
fn mebibytes(octets: u64) -> f64 {
    octets as f64 / 1_048_576.0
}

impl Cost {
    /// CPU milliseconds of the server for each of these.
    fn own_cpu(&self, of: &str) -> f64 {
        self.own.as_secs_f64() * 1e3 / self.number_of(of)
    }

    fn requests(&self, of: &str) -> f64 {
        self.requests / self.number_of(of)
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn number_of(&self, of: &str) -> f64 {
        self.load.count(of).max(1) as f64
    }

    fn json(&self) -> Value {
        json!({
            "load": self.load.0,
            "own_cpu_seconds": self.own.as_secs_f64(),
            "requests": self.requests,
        })
    }
}

impl Figures {
    fn lines(&self) -> Vec<Line> {
        let of = |figure: fn(&Round) -> f64| median(self.rounds.iter().map(figure));
        let peaks = self.rounds.iter().map(|round| round.peak);
        let remove =
            |round: &Round| round.drain.requests("messages") - round.retrieve.requests("messages");
        let measured = [
            (
                budgets::CLUSTER_ACCEPT_CPU,
                of(|round| round.accept.own_cpu("mails")),
            ),
            (
                budgets::CLUSTER_WHOLE_CPU,
                of(|round| round.accept.load.cpu_per("mails")),
            ),
            (
                budgets::CLUSTER_ACCEPT_REQUESTS,
                of(|round| round.accept.requests("mails")),
            ),
            (
                budgets::CLUSTER_POLL_REQUESTS,
                Some(self.fresh.requests("sessions")),
            ),
            (
                budgets::CLUSTER_RETRIEVE_REQUESTS,
                of(|round| round.retrieve.requests("messages")),
            ),
            (budgets::CLUSTER_REMOVE_REQUESTS, of(remove)),
            (budgets::CLUSTER_MEMORY_IDLE, Some(self.idle)),
            (
                budgets::CLUSTER_MEMORY_LOAD,
                peaks.chain([self.crowd]).max_by(f64::total_cmp),
            ),
        ];
        let line = |(budget, measured)| Line { budget, measured };
        measured.into_iter().map(line).collect()
    }

    fn json(&self) -> Value {
        let round = |round: &Round| {
            json!({
                "accept": round.accept.json(),
                "retrieve": round.retrieve.json(),
                "drain": round.drain.json(),
                "poll": round.poll.json(),
                "peak_mib": round.peak,
            })
        };
        json!({
            "fresh_poll": self.fresh.json(),
            "rounds": self.rounds.iter().map(round).collect::<Vec<_>>(),
            "idle_mib": self.idle,
            "thousand_connections_mib": self.crowd,
            "receiving_large_mib": self.receiving,
        })
    }
}

fn tables(lines: &[Line], figures: &Figures, machine: &Machine, options: &Options) -> String {
    let held = budgets::table(lines);
    let mut details = Table::new(&["what", "measured"]);
    for (what, decimals, figure) in DETAILS {
        let figure = median(figures.rounds.iter().map(figure)).unwrap_or_default();
        details.row(vec![what.to_owned(), format!("{figure:.decimals$}")]);
    }
    details.row(vec![
        "memory while receiving 32 mails of 25 MB at once, MiB".to_owned(),
        format!("{:.0}", figures.receiving),
    ]);
    let rounds = figures.rounds.len();
    let mut note = format!(
        "Medians of {rounds} rounds. The node has 32 threads for requests and 32 for writes."
    );
    if options.quick {
        note += " A quick run, on a Java machine that is cold, which proves nothing.";
    }
    format!(
        "{}\n{note}\n\n{}\n{}",
        held.text(),
        details.text(),
        machine.table().text()
    )
}

/// A figure of a round, with its decimals.
type Detail = (&'static str, usize, fn(&Round) -> f64);

const DETAILS: [Detail; 17] = [
    ("accept: mails/s", 0, |it| it.accept.load.rate("mails")),
    ("accept: CPU ms per mail, cassmail", 3, |it| {
        it.accept.own_cpu("mails")
    }),
    ("accept: CPU ms per mail, Cassandra", 3, |it| {
        it.accept.load.cpu_per("mails") - it.accept.own_cpu("mails")
    }),
    ("accept: ms per mail, p50", 1, |it| {
        it.accept.load.latency("mail", "p50")
    }),
    ("accept: ms per mail, p99", 1, |it| {
        it.accept.load.latency("mail", "p99")
    }),
    ("poll: sessions/s", 0, |it| it.poll.load.rate("sessions")),
    ("poll: CPU ms per session, cassmail", 3, |it| {
        it.poll.own_cpu("sessions")
    }),
    ("poll: CPU ms per session, Cassandra", 3, |it| {
        it.poll.load.cpu_per("sessions") - it.poll.own_cpu("sessions")
    }),
    ("poll: requests per session", 1, |it| {
        it.poll.requests("sessions")
    }),
    ("poll: ms per session, p50", 1, |it| {
        it.poll.load.latency("session", "p50")
    }),
    ("poll: ms per session, p99", 1, |it| {
        it.poll.load.latency("session", "p99")
    }),
    ("retrieve: messages/s", 0, |it| {
        it.retrieve.load.rate("messages")
    }),
    ("drain: messages/s", 0, |it| it.drain.load.rate("messages")),
    ("drain: CPU ms per message, cassmail", 3, |it| {
        it.drain.own_cpu("messages")
    }),
    ("drain: CPU ms per message, Cassandra", 3, |it| {
        it.drain.load.cpu_per("messages") - it.drain.own_cpu("messages")
    }),
    ("drain: requests per message", 2, |it| {
        it.drain.requests("messages")
    }),
    ("memory of cassmail at most, MiB", 0, |it| it.peak),
];

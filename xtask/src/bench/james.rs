//! The experiment of Apache James: two data centers, a hundred mails a second for ten minutes to 80
//! users, then STAT of all, DELE and QUIT of all, and STAT again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::cassmail::Service;
use super::clock;
use super::cluster::{Nodes, Ring, Site};
use super::generator::{Door, Generator, Load};
use super::machine::{self, Machine};
use super::options::Options;
use super::place::Place;
use super::process::cpu_of;
use super::report::{Table, write_json, write_section};
use crate::command::say;

const PATIENCE: Duration = Duration::from_mins(30);
const USERS: u32 = 80;
/// The servers, in the order of their data centers.
const CENTERS: [&str; 4] = ["dc1", "dc1", "dc2", "dc2"];
const IN_FIRST: usize = 2;
/// What is tried to find out what this machine can do.
const RATES: [u32; 5] = [20, 40, 60, 80, 100];

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    rounds: u32,
    minutes: u32,
    /// Seconds of load before anything is measured, and of each rate that is tried.
    warm_up: u32,
    trial: u32,
}

/// Runs the rounds, prints the tables, and fails when a mail is missing or comes back.
pub(super) fn run(options: &Options) -> Result<()> {
    let mut amounts = Amounts {
        rounds: 3,
        minutes: 10,
        warm_up: 120,
        trial: 20,
    };
    if options.quick {
        amounts = Amounts {
            rounds: 1,
            minutes: 1,
            warm_up: 10,
            trial: 5,
        };
    }
    amounts.rounds = options.number(0, amounts.rounds);
    amounts.minutes = options.minutes.unwrap_or(amounts.minutes);
    let place = Place::prepare(&options.folder)?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let ring = Ring::start(options.net, "2x3", &["--jit", "full"])?;
    let rig = Rig::new(&place, &ring)?;
    let figures = rig.experiment(&amounts, options.rate)?;

    let text = tables(&figures, &machine);
    say(&format!("\n{text}"));
    let json = json!({
        "quick": options.quick,
        "machine": machine.json(),
        "trials": figures.trials.iter().map(Sent::json).collect::<Vec<_>>(),
        "rounds": figures.rounds.iter().map(Round::json).collect::<Vec<_>>(),
    });
    let beside = place.target.join("bench-james.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("james", &text)?;
    }
    let faults: u64 = figures.rounds.iter().map(Round::faults).sum();
    match faults {
        0 => Ok(()),
        faults => bail!("{faults} mails are missing or came back"),
    }
}

/// Four servers on six nodes.
struct Rig {
    generator: Generator,
    services: Vec<Service>,
    /// The processes of Cassandra.
    ring: Vec<u32>,
}

struct Figures {
    trials: Vec<Sent>,
    rounds: Vec<Round>,
}

/// Mails at a rate, what came of them, and who kept the machine busy.
struct Sent {
    rate: u32,
    load: Load,
    shares: Shares,
}

/// Parts of the time of all processors.
#[derive(Debug, Clone, Copy)]
struct Shares {
    cassandra: f64,
    cassmail: f64,
    generator: f64,
    others: f64,
}

struct Round {
    sent: Sent,
    /// By the servers of each data center.
    listed: Vec<Load>,
    removed: Load,
    listed_again: Vec<Load>,
}

/// What was used until a moment.
struct Moment {
    at: Instant,
    busy: Duration,
    cassandra: Duration,
    cassmail: Duration,
}

impl Rig {
    fn new(place: &Place, ring: &Ring) -> Result<Self> {
        let site = Site {
            ring,
            keyspace: "bench",
            centers: &CENTERS,
            users: USERS,
        };
        let nodes = Nodes::install(place, site)?;
        nodes.init()?;
        Ok(Self {
            generator: Generator::new(place)?,
            services: nodes.start_first()?,
            ring: ring.processes()?,
        })
    }

    fn experiment(&self, amounts: &Amounts, rate: Option<u32>) -> Result<Figures> {
        say(&format!("{} s to warm up", amounts.warm_up));
        let words = format!("--connections 8 --duration {}s", amounts.warm_up);
        self.send(&words)?;
        self.remove()?;
        let mut trials = Vec::new();
        for rate in RATES {
            if rate > RATES[0] && trials.last().is_some_and(|it: &Sent| !it.is_well()) {
                break;
            }
            let sent = self.send_at(rate, &format!("{}s", amounts.trial))?;
            say(&sent.line());
            trials.push(sent);
            self.remove()?;
        }
        let best = trials.iter().rfind(|sent| sent.is_well());
        let rate = rate.unwrap_or(best.map_or(RATES[0], |sent| sent.rate));
        let mut rounds = Vec::new();
        for number in 1..=amounts.rounds {
            say(&format!(
                "round {number} of {}: {rate} mails/s, {} min",
                amounts.rounds, amounts.minutes
            ));
            let round = self.round(rate, amounts.minutes)?;
            say(&round.sent.line());
            rounds.push(round);
        }
        Ok(Figures { trials, rounds })
    }

    fn round(&self, rate: u32, minutes: u32) -> Result<Round> {
        Ok(Round {
            sent: self.send_at(rate, &format!("{minutes}m"))?,
            listed: self.list()?,
            removed: self.remove()?,
            listed_again: self.list()?,
        })
    }

    fn send_at(&self, rate: u32, time: &str) -> Result<Sent> {
        let before = self.moment()?;
        // Enough connections that none has to be waited for: 100 mails a second, each in a second.
        let words = format!("--rate {rate} --duration {time} --connections 100");
        let load = self.send(&words)?;
        let after = self.moment()?;
        let shares = Shares::between(&before, &after, &load);
        Ok(Sent { rate, load, shares })
    }

    fn send(&self, words: &str) -> Result<Load> {
        let words = format!("--to user{{n}}@example.org --users {USERS} --size 10KiB {words}");
        let words = self.watched(&words);
        let doors = self.doors(|service| service.target.smtp);
        self.generator
            .start_delivery(&doors, &words)?
            .report(PATIENCE)
    }

    /// STAT of all mailboxes, by the servers of the one data center and then of the other.
    fn list(&self) -> Result<Vec<Load>> {
        let doors = self.doors(|service| service.target.pop3);
        let (first, second) = doors.split_at(IN_FIRST);
        [first, second]
            .iter()
            .map(|doors| self.visit(doors, "--mode stat --connections 8"))
            .collect()
    }

    /// DELE of all, QUIT.
    fn remove(&self) -> Result<Load> {
        let doors = self.doors(|service| service.target.pop3);
        self.visit(&doors, "--mode remove --pipeline --connections 8")
    }

    fn visit(&self, doors: &[Door], words: &str) -> Result<Load> {
        let words = format!("--login user{{n}}@example.org --users {USERS} {words}");
        let words = self.watched(&words);
        self.generator.start_visits(doors, &words)?.report(PATIENCE)
    }

    /// The CPU time of Cassandra is that of the server as well.
    fn watched(&self, words: &str) -> String {
        let pids = self.ring.iter().map(|pid| format!(" --pid {pid}"));
        format!("{words}{}", pids.collect::<String>())
    }

    fn doors(&self, door: impl Fn(&Service) -> Door) -> Vec<Door> {
        self.services.iter().map(door).collect()
    }

    fn moment(&self) -> Result<Moment> {
        let mut cassandra = Duration::ZERO;
        for process in &self.ring {
            cassandra += cpu_of(*process)?;
        }
        let mut cassmail = Duration::ZERO;
        for service in &self.services {
            cassmail += service.process.cpu()?;
        }
        Ok(Moment {
            at: clock::now(),
            busy: machine::busy(),
            cassandra,
            cassmail,
        })
    }
}

impl Shares {
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    fn between(before: &Moment, after: &Moment, load: &Load) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        let all = after.at.duration_since(before.at).as_secs_f64() * cores;
        let of = |part: fn(&Moment) -> Duration| {
            part(after).saturating_sub(part(before)).as_secs_f64() / all
        };
        let per_mail = load.0["generator_cpu_ms_per_operation"].as_f64();
        let generator = per_mail.unwrap_or_default() * load.number("succeeded") as f64 / 1e3 / all;
        let (cassandra, cassmail) = (of(|it| it.cassandra), of(|it| it.cassmail));
        Self {
            cassandra,
            cassmail,
            generator,
            others: (of(|it| it.busy) - cassandra - cassmail - generator).max(0.0),
        }
    }

    fn words(&self) -> String {
        let percent = |share: f64| format!("{:.0} %", share * 100.0);
        format!(
            "{} / {} / {} / {}",
            percent(self.cassandra),
            percent(self.cassmail),
            percent(self.generator),
            percent(self.others)
        )
    }
}

impl Sent {
    /// Every mail was taken, and none waited for a connection.
    fn is_well(&self) -> bool {
        self.errors() == 0 && self.load.number("succeeded") > 0
    }

    fn errors(&self) -> u64 {
        self.load.number("failed") + self.load.number("missed")
    }

    fn line(&self) -> String {
        format!(
            "{} mails/s offered: {:.1} taken, {} errors, p50 {:.0} ms, p99 {:.0} ms, processors {}",
            self.rate,
            self.load.rate("mails"),
            self.errors(),
            self.load.latency("mail", "p50"),
            self.load.latency("mail", "p99"),
            self.shares.words()
        )
    }

    fn json(&self) -> Value {
        json!({
            "rate": self.rate,
            "load": self.load.0,
            "shares": {
                "cassandra": self.shares.cassandra,
                "cassmail": self.shares.cassmail,
                "generator": self.shares.generator,
                "others": self.shares.others,
            },
        })
    }
}

impl Round {
    /// Mails that were acknowledged and are not listed, by the data center that lists fewer, and
    /// those that are listed again after all were removed.
    fn faults(&self) -> u64 {
        let acknowledged = self.sent.load.count("mails");
        let listed = self.listed.iter().map(|load| load.count("listed"));
        let missing = listed.map(|listed| acknowledged.saturating_sub(listed));
        let again = self.listed_again.iter().map(|load| load.count("listed"));
        let sessions = self.listed.iter().chain(&self.listed_again);
        let failed = sessions
            .chain([&self.removed])
            .map(|it| it.number("failed"));
        missing.max().unwrap_or(0) + again.max().unwrap_or(0) + failed.sum::<u64>()
    }

    fn json(&self) -> Value {
        let loads = |loads: &[Load]| loads.iter().map(|load| load.0.clone()).collect::<Vec<_>>();
        json!({
            "sent": self.sent.json(),
            "listed": loads(&self.listed),
            "removed": self.removed.0,
            "listed_again": loads(&self.listed_again),
        })
    }
}

fn tables(figures: &Figures, machine: &Machine) -> String {
    format!(
        "{}\n{}\nMinute by minute:\n\n{}\n{}",
        trials(&figures.trials),
        rounds(&figures.rounds),
        time_line(&figures.rounds),
        machine.table().text()
    )
}

fn trials(trials: &[Sent]) -> String {
    let mut table = Table::new(&[
        "offered, mails/s",
        "taken",
        "errors",
        "p50, ms",
        "p99, ms",
        "Cassandra / cassmail / generator / others",
    ]);
    for sent in trials {
        table.row(vec![
            sent.rate.to_string(),
            format!("{:.1}", sent.load.rate("mails")),
            sent.errors().to_string(),
            format!("{:.0}", sent.load.latency("mail", "p50")),
            format!("{:.0}", sent.load.latency("mail", "p99")),
            sent.shares.words(),
        ]);
    }
    table.text()
}

/// A row of the rounds, and what is known of James there.
type Line = (
    &'static str,
    &'static str,
    &'static str,
    fn(&Round) -> String,
);

const LINES: [Line; 11] = [
    ("offered, mails/s", "100", "12, 24", |it| {
        it.sent.rate.to_string()
    }),
    (
        "taken, mails/s",
        "73 with lightweight transactions, 85 without",
        "24 at most, 12 without falling behind",
        |it| format!("{:.1}", it.sent.load.rate("mails")),
    ),
    ("errors", "476 timeouts of reads, 0", "", |it| {
        it.sent.errors().to_string()
    }),
    ("ms per mail, p50 / p99", "", "", |it| {
        latencies(&it.sent.load, "mail")
    }),
    ("CPU ms per mail", "", "78 to 126", |it| {
        format!("{:.1}", it.sent.load.cpu_per("mails"))
    }),
    ("acknowledged", "", "", |it| {
        it.sent.load.count("mails").to_string()
    }),
    ("listed in dc1, in dc2", "", "", |it| {
        counts(&it.listed, "listed")
    }),
    ("login to STAT, ms, p50 / p99", "", "", |it| {
        let first = it.listed.first();
        first.map_or_else(String::new, |load| latencies(load, "login to STAT"))
    }),
    ("DELE and QUIT, messages/s", "", "40 to 50", |it| {
        format!("{:.0}", it.removed.rate("removed"))
    }),
    ("CPU ms per removed message", "", "44 to 47", |it| {
        format!("{:.2}", it.removed.cpu_per("removed"))
    }),
    ("listed afterwards in dc1, in dc2", "", "", |it| {
        counts(&it.listed_again, "listed")
    }),
];

fn rounds(rounds: &[Round]) -> String {
    let mut head = vec!["what".to_owned()];
    head.push("James, as published".to_owned());
    head.push("James 3.8.1, on such a machine".to_owned());
    head.extend((1..=rounds.len()).map(|number| format!("round {number}")));
    let words: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new(&words);
    for (what, published, here, figure) in LINES {
        let mut row = vec![what.to_owned(), published.to_owned(), here.to_owned()];
        row.extend(rounds.iter().map(figure));
        table.row(row);
    }
    table.text()
}

fn latencies(load: &Load, of: &str) -> String {
    let at = |which| format!("{:.0}", load.latency(of, which));
    format!("{} / {}", at("p50"), at("p99"))
}

fn counts(loads: &[Load], of: &str) -> String {
    let counts = loads.iter().map(|load| load.count(of).to_string());
    counts.collect::<Vec<_>>().join(", ")
}

fn time_line(rounds: &[Round]) -> String {
    let mut head = vec!["minute".to_owned()];
    for number in 1..=rounds.len() {
        head.push(format!("round {number}: mails"));
        head.push("ms, p50 / p99".to_owned());
    }
    let words: Vec<&str> = head.iter().map(String::as_str).collect();
    let mut table = Table::new(&words);
    let all: Vec<_> = rounds
        .iter()
        .map(|round| minutes(&round.sent.load))
        .collect();
    let last = all.iter().filter_map(|minutes| minutes.keys().max()).max();
    for minute in 0..=last.copied().unwrap_or(0) {
        let mut row = vec![(minute + 1).to_string()];
        for minutes in &all {
            let of = minutes.get(&minute);
            let at = |which: &str| of.and_then(|of| of[which].as_f64()).unwrap_or_default();
            row.push(format!("{:.0}", at("count")));
            row.push(format!("{:.0} / {:.0}", at("p50"), at("p99")));
        }
        table.row(row);
    }
    table.text()
}

fn minutes(load: &Load) -> BTreeMap<u32, &Value> {
    let minutes = load.0["minutes_ms"].as_object().into_iter().flatten();
    minutes
        .filter_map(|(minute, of)| Some((minute.parse().ok()?, of)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Load, Round, Sent, Shares, time_line};

    fn round(listed: [u64; 2], again: [u64; 2]) -> Round {
        let load = |count: u64| Load(json!({ "counts": { "listed": count } }));
        let minute = |count: u64| json!({ "count": count, "p50": 4.0, "p99": 9.4 });
        let shares = Shares {
            cassandra: 0.5,
            cassmail: 0.1,
            generator: 0.0,
            others: 0.0,
        };
        Round {
            sent: Sent {
                rate: 1,
                load: Load(json!({
                    "counts": { "mails": 10 },
                    "minutes_ms": { "0": minute(7), "10": minute(3) },
                })),
                shares,
            },
            listed: listed.map(load).to_vec(),
            removed: load(10),
            listed_again: again.map(load).to_vec(),
        }
    }

    #[test]
    fn what_is_missing_in_either_data_center_or_comes_back_is_a_fault() {
        assert_eq!(round([10, 10], [0, 0]).faults(), 0);
        assert_eq!(round([10, 8], [0, 0]).faults(), 2);
        assert_eq!(round([10, 10], [0, 1]).faults(), 1);
    }

    #[test]
    fn the_time_line_has_a_row_for_each_minute_in_their_order() {
        let text = time_line(&[round([10, 10], [0, 0])]);
        let rows: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(rows.len(), 11);
        assert!(
            rows[0].starts_with("| 1 ") && rows[0].contains("| 7 "),
            "{text}"
        );
        assert!(
            rows[10].contains("| 3 ") && rows[10].contains("4 / 9"),
            "{text}"
        );
    }
}

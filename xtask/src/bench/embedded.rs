//! The budgets of the embedded store, measured beside Postfix and Dovecot.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::budgets::{self, Line};
use super::cassmail::{Cassmail, Service};
use super::generator::{Generator, Load};
use super::machine::Machine;
use super::measure::{self, Alone, Amounts, LARGE, Round};
use super::options::Options;
use super::peers::Peers;
use super::place::Place;
use super::report::{Table, median, write_json, write_section};
use crate::command::say;

const WHOLE: Amounts = Amounts {
    rounds: 3,
    seconds: 10,
    drained: 20_000,
    large: 100_000,
};
const QUICK: Amounts = Amounts {
    rounds: 1,
    seconds: 2,
    drained: 2_000,
    large: 5_000,
};

/// Everything that was measured.
struct Figures {
    ours: Vec<Round>,
    peers: Vec<Round>,
    alone: Alone,
}

/// Measures, prints the tables, and fails when something is short of its half-way mark.
pub(super) fn run(options: &Options) -> Result<()> {
    let mut amounts = if options.quick { QUICK } else { WHOLE };
    amounts.rounds = options.number(0, amounts.rounds);
    let place = Place::prepare(&options.folder)?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let generator = Generator::new(&place)?;
    let cassmail = Cassmail::install(&place, &options.store, Some(LARGE), "")?;
    let service = cassmail.start_first()?;
    let peers = options.peers.then(|| Peers::start(&place)).flatten();
    let who = peers.as_ref().map(|peers| peers.versions.clone());

    let figures = measure_all(&generator, &cassmail, service, peers, &amounts)?;
    let lines = figures.lines();
    let text = tables(&lines, &figures, &machine, who.as_deref(), options);
    say(&format!("\n{text}"));
    let json = json!({
        "store": options.store,
        "quick": options.quick,
        "machine": machine.json(),
        "peers": who,
        "budgets": lines.iter().map(Line::json).collect::<Vec<_>>(),
        "loads": figures.json(),
    });
    let beside = place.target.join("bench-embedded.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("embedded", &text)?;
    }
    budgets::judge(&lines)
}

/// All sides take turns, so that whatever else the machine does falls on all of them.
fn measure_all(
    generator: &Generator,
    cassmail: &Cassmail,
    service: Service,
    peers: Option<Peers>,
    amounts: &Amounts,
) -> Result<Figures> {
    say("polls before anything was removed");
    let fresh = measure::poll(generator, &service.target, amounts)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 1..=amounts.rounds {
        say(&format!("round {number} of {}: cassmail", amounts.rounds));
        ours.push(measure::round(generator, &service.target, amounts)?);
        if let Some(peers) = &peers {
            say(&format!(
                "round {number} of {}: Postfix, Dovecot",
                amounts.rounds
            ));
            theirs.push(measure::round(generator, &peers.target(), amounts)?);
        }
    }
    drop(peers);
    let alone = measure::alone(generator, cassmail, service, fresh, amounts)?;
    Ok(Figures {
        ours,
        peers: theirs,
        alone,
    })
}

impl Figures {
    fn lines(&self) -> Vec<Line> {
        let alone = &self.alone;
        let starts: Vec<f64> = alone
            .starts
            .iter()
            .map(|start| start.as_secs_f64() * 1e3)
            .collect();
        let ours = |figure: fn(&Round) -> f64| median(self.ours.iter().map(figure));
        // Against Postfix counts when the mail is in the mailbox, which with us is when we say 250.
        let to_postfix = self.ratio(|us| us.accept.rate("mails"), delivered);
        let to_dovecot = self.ratio(|us| us.poll.rate("sessions"), |it| it.poll.rate("sessions"));
        let drain = |it: &Round| it.drain.cpu_per("messages");
        let measured = [
            (budgets::ACCEPT_CPU, ours(|us| us.accept.cpu_per("mails"))),
            (budgets::ACCEPT_RATE, to_postfix),
            (budgets::POLL_CPU, ours(|us| us.poll.cpu_per("sessions"))),
            (budgets::POLL_RATE, to_dovecot),
            (budgets::DRAIN_CPU, self.ratio(drain, drain)),
            (
                budgets::STAT,
                Some(alone.large.latency("login to STAT", "p50")),
            ),
            (budgets::MEMORY_IDLE, Some(alone.idle)),
            (budgets::MEMORY_CROWD, Some(alone.crowd)),
            (budgets::MEMORY_LARGE, Some(alone.receiving)),
            (budgets::START, median(starts.into_iter())),
        ];
        let line = |(budget, measured)| Line { budget, measured };
        measured.into_iter().map(line).collect()
    }

    /// The median of the ratios of each round.
    fn ratio(&self, us: impl Fn(&Round) -> f64, them: impl Fn(&Round) -> f64) -> Option<f64> {
        let rounds = self.ours.iter().zip(&self.peers);
        median(rounds.map(|(ours, theirs)| us(ours) / them(theirs)))
    }

    fn json(&self) -> serde_json::Value {
        let rounds = |rounds: &[Round]| {
            let loads = |Round {
                             accept,
                             drain,
                             poll,
                         }: &Round| {
                json!({ "accept": accept.0, "drain": drain.0, "poll": poll.0 })
            };
            rounds.iter().map(loads).collect::<Vec<_>>()
        };
        let alone = &self.alone;
        json!({
            "cassmail": rounds(&self.ours),
            "peers": rounds(&self.peers),
            "fresh_poll": alone.fresh.0,
            "large_mailbox": alone.large.0,
            "starts_seconds": alone.starts.iter().map(Duration::as_secs_f64).collect::<Vec<_>>(),
            "memory_mib": {
                "idle": alone.idle,
                "idle_after_rounds": alone.used,
                "thousand_connections": alone.crowd,
                "receiving_large": alone.receiving,
            },
            "thousand_connections": alone.crowd_load.0,
            "receiving_large": alone.receiving_load.0,
        })
    }
}

/// Mails in a second that are in their mailboxes.
fn delivered(round: &Round) -> f64 {
    let acknowledged = round.accept.rate("mails");
    round.accept.rate_to_idle().unwrap_or(acknowledged)
}

fn tables(
    lines: &[Line],
    figures: &Figures,
    machine: &Machine,
    peers: Option<&str>,
    options: &Options,
) -> String {
    let mut verdicts = Table::new(&["what", "budget", "half-way", "measured", "verdict"]);
    for line in lines {
        verdicts.row(line.cells());
    }
    let mut sides = Table::new(&["what", "cassmail", "peer"]);
    for (what, decimals, figure) in DETAILS {
        let of = |rounds: &[Round]| {
            let figure = median(rounds.iter().map(figure));
            figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.decimals$}"))
        };
        sides.row(vec![what.to_owned(), of(&figures.ours), of(&figures.peers)]);
    }
    let alone = &figures.alone;
    for (what, figure) in [
        (
            "poll before anything was removed: CPU ms per session",
            format!("{:.3}", alone.fresh.cpu_per("sessions")),
        ),
        (
            "memory after all this, with nothing to do, MiB",
            format!("{:.0}", alone.used),
        ),
    ] {
        sides.row(vec![what.to_owned(), figure, "-".to_owned()]);
    }
    let mut here = machine.table();
    here.row(vec!["store".into(), options.store.clone()]);
    here.row(vec!["peers".into(), peers.unwrap_or("none").to_owned()]);
    let rounds = figures.ours.len();
    let mut note =
        format!("Medians of {rounds} rounds; the loads of a round are the same for all.");
    if options.quick {
        // The budgets name what a whole run does.
        note += " A quick run: a twentieth of the messages, which proves nothing.";
    }
    format!(
        "{}\n{note}\n\n{}\n{}",
        verdicts.text(),
        sides.text(),
        here.text()
    )
}

/// A figure of a round, with its decimals.
type Detail = (&'static str, usize, fn(&Round) -> f64);

const DETAILS: [Detail; 14] = [
    ("accept: mails/s acknowledged", 0, |it| {
        it.accept.rate("mails")
    }),
    ("accept: mails/s until idle", 0, delivered),
    ("accept: CPU ms per mail", 3, |it| {
        it.accept.cpu_per("mails")
    }),
    ("accept: ms per mail, p50", 2, |it| {
        it.accept.latency("mail", "p50")
    }),
    ("accept: ms per mail, p99", 2, |it| {
        it.accept.latency("mail", "p99")
    }),
    ("accept: ms per mail, max", 2, |it| {
        it.accept.latency("mail", "max")
    }),
    ("accept: memory, MiB", 0, |it| memory(&it.accept)),
    ("poll: sessions/s", 0, |it| it.poll.rate("sessions")),
    ("poll: CPU ms per session", 3, |it| {
        it.poll.cpu_per("sessions")
    }),
    ("poll: ms per session, p50", 2, |it| {
        it.poll.latency("session", "p50")
    }),
    ("poll: ms per session, p99", 2, |it| {
        it.poll.latency("session", "p99")
    }),
    ("drain: messages/s", 0, |it| it.drain.rate("messages")),
    ("drain: CPU ms per message", 4, |it| {
        it.drain.cpu_per("messages")
    }),
    ("drain: memory, MiB", 0, |it| memory(&it.drain)),
];

/// Shared pages counted once; without the right to see that, all that is resident.
fn memory(load: &Load) -> f64 {
    let server = &load.0["server"];
    let octets = server["pss_peak_bytes"].as_f64();
    octets.or(server["rss_peak_bytes"].as_f64()).unwrap_or(0.0) / 1_048_576.0
}

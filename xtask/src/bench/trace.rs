//! What the message trace costs: two services that differ in nothing else take turns, in one run.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::budgets::{self, Line};
use super::cassmail::{Cassmail, Installation, Ports, Service};
use super::cluster::{Nodes, Ring, Site};
use super::generator::{DELIVERY, Door, Generator, Load, USERS};
use super::machine::Machine;
use super::options::Options;
use super::place::{Place, free_ports};
use super::report::{Table, median, write_json, write_section};
use crate::command::say;

const PATIENCE: Duration = Duration::from_mins(5);
const FIVE: &str = "user{n}@example.org --users 5";
const OFF: (&str, &str) = ("CASSMAIL_TRACE__KEEP_DAYS", "");

/// Two services that run.
struct Pair {
    without: Service,
    with: Service,
    /// Those of Cassandra, whose use is that of the service too.
    nodes: Vec<u32>,
}

/// One delivery with each.
struct Round {
    without: Load,
    with: Load,
}

/// Measures, prints the table, and fails when the trace costs more than it may.
pub(super) fn run(options: &Options) -> Result<()> {
    let (rounds, seconds) = if options.quick { (2, 3) } else { (6, 10) };
    let rounds = options.number(0, rounds);
    let place = Place::prepare_built(&options.folder, options.build())?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let generator = Generator::new(&place)?;
    let ring = match options.store.as_str() {
        "cassandra" => Some(Ring::start(options.net, "1x1", &["--jit", "full"])?),
        _ => None,
    };
    let pair = match &ring {
        Some(ring) => on_cassandra(&place, ring)?,
        None => on_a_disk(&place, &options.store)?,
    };
    let figures = measure(&generator, &pair, rounds, seconds)?;
    pair.without.stop()?;
    pair.with.stop()?;

    let lines = lines(&figures);
    let text = text(&lines, &figures, &machine, options);
    say(&format!("\n{text}"));
    let loads = figures.iter();
    let loads = loads.map(|round| json!({ "without": round.without.0, "with": round.with.0 }));
    let json = json!({
        "store": options.store,
        "quick": options.quick,
        "machine": machine.json(),
        "budgets": lines.iter().map(Line::json).collect::<Vec<_>>(),
        "rounds": loads.collect::<Vec<_>>(),
    });
    let beside = place.target.join("bench-trace.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("trace", &text)?;
    }
    budgets::judge(&lines)
}

fn on_a_disk(place: &Place, store: &str) -> Result<Pair> {
    let [first, second, third, fourth] = free_ports()?;
    let install = |name, smtp, pop3, more| {
        let installation = Installation {
            name,
            store,
            accounts: USERS.map(str::to_owned).to_vec(),
            ports: Ports { smtp, pop3 },
            more,
        };
        Cassmail::install_as(place, installation)
    };
    let without = install("without", first, second, "[trace]\nkeep_days = \"\"\n")?;
    let with = install("with", third, fourth, "")?;
    Ok(Pair {
        without: without.start_first()?,
        with: with.start_first()?,
        nodes: Vec::new(),
    })
}

/// Both on the same tables, so that whatever these are like they are for both.
fn on_cassandra(place: &Place, ring: &Ring) -> Result<Pair> {
    let site = Site {
        ring,
        keyspace: "trace",
        centers: &["dc1", "dc1"],
        users: 5,
    };
    let nodes = Nodes::install(place, site)?;
    nodes.init()?;
    let mut services = nodes.start_first()?;
    let with = services.pop().context("no server runs")?;
    services.pop().context("no server runs")?.stop()?;
    Ok(Pair {
        without: nodes.start_with(0, &[OFF])?,
        with,
        nodes: ring.processes()?,
    })
}

/// Who is first changes from round to round, so that neither always follows the other.
fn measure(generator: &Generator, pair: &Pair, rounds: u32, seconds: u32) -> Result<Vec<Round>> {
    let deliver = |service: &Service, words: &str| {
        let door = service.target.smtp;
        let nodes = pair.nodes.iter().map(|&process| Door { process, ..door });
        let watched: Vec<Door> = std::iter::once(door).chain(nodes).collect();
        let words = format!("--to {FIVE} --size 10KiB --connections 32 --idle-wait 60 {words}");
        let load = generator.deliver(&watched, &words, PATIENCE)?;
        let drain = format!("--login {FIVE} --mode remove --pipeline --connections 5");
        generator.visit(&[service.target.pop3], &drain, PATIENCE)?;
        Ok::<_, anyhow::Error>(load)
    };
    say("both, to warm up");
    for service in [&pair.without, &pair.with] {
        deliver(service, &format!("--duration {seconds}s"))?;
    }
    let timed = format!("--duration {seconds}s");
    let mut all = Vec::new();
    for number in 1..=rounds {
        say(&format!("round {number} of {rounds}"));
        all.push(if number % 2 == 1 {
            let without = deliver(&pair.without, &timed)?;
            let with = deliver(&pair.with, &timed)?;
            Round { without, with }
        } else {
            let with = deliver(&pair.with, &timed)?;
            let without = deliver(&pair.without, &timed)?;
            Round { without, with }
        });
    }
    Ok(all)
}

fn lines(rounds: &[Round]) -> Vec<Line> {
    let rate = |round: &Round| round.without.rate("mails") / round.with.rate("mails").max(1e-9);
    let cpu =
        |round: &Round| round.with.cpu_per("mails") / round.without.cpu_per("mails").max(1e-9);
    let line = |budget, measured| Line { budget, measured };
    vec![
        line(budgets::TRACE_RATE, median(rounds.iter().map(rate))),
        line(budgets::TRACE_CPU, median(rounds.iter().map(cpu))),
    ]
}

fn text(lines: &[Line], rounds: &[Round], machine: &Machine, options: &Options) -> String {
    let mut table = Table::new(&[&["round", ""], &DELIVERY[..]].concat());
    for (number, round) in (1..).zip(rounds) {
        for (which, load) in [
            ("without trace", &round.without),
            ("with trace", &round.with),
        ] {
            let mut cells = vec![format!("{number}"), which.to_owned()];
            cells.extend(load.delivery_cells());
            table.row(cells);
        }
    }
    format!(
        "Store {}{}; 10 KiB, 32 open connections, pipelined.\n\n{}\n{}\n{}",
        options.store,
        options.doubt(),
        budgets::table(lines).text(),
        table.text(),
        machine.table().text(),
    )
}

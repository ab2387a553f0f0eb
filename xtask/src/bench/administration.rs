//! What an administrator waits for in a large store: an import, a page of each list, the trace of a
//! message; and whether deliveries cost more there.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::budgets::{self, Line};
use super::cassmail::{Cassmail, Installation, Ports, Service};
use super::clock;
use super::generator::{DELIVERY, Generator, Load};
use super::machine::Machine;
use super::options::Options;
use super::place::{Place, free_ports};
use super::report::{Table, median, write_json, write_section};
use crate::command::{output, say};

const PATIENCE: Duration = Duration::from_mins(30);

/// Each page is asked for so often.
const LOOKS: usize = 25;

/// How large it becomes.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Imported first, and timed.
    first_accounts: u32,
    accounts: u32,
    aliases: u32,
    messages: u32,
    /// Of these, delivered at the beginning and at the end, and timed.
    timed: u32,
}

const LARGE: Size = Size {
    first_accounts: 10_000,
    accounts: 100_000,
    aliases: 500,
    messages: 1_000_000,
    timed: 30_000,
};

const SMALL: Size = Size {
    first_accounts: 100,
    accounts: 1000,
    aliases: 20,
    messages: 2000,
    timed: 200,
};

/// How long each answer to a question took, in milliseconds.
#[derive(Debug)]
struct Page {
    what: &'static str,
    times: Vec<f64>,
    octets: usize,
}

struct Figures {
    import: Duration,
    before: Load,
    after: Load,
    lists: Vec<Page>,
    trace: Page,
}

/// Measures, prints the table, and fails when somebody waits too long.
pub(super) fn run(options: &Options) -> Result<()> {
    let size = if options.quick { SMALL } else { LARGE };
    let place = Place::prepare_built(&options.folder, options.build())?;
    let machine = Machine::look(place.path())?;
    machine.say_doubts();
    let generator = Generator::new(&place)?;
    let [smtp, pop3, api] = free_ports()?;
    let more = format!("[admin]\nlisten_in_clear = [\"127.0.0.1:{api}\"]\n");
    let cassmail = Cassmail::install_as(
        &place,
        Installation {
            name: "cassmail",
            store: &options.store,
            accounts: Vec::new(),
            ports: Ports { smtp, pop3 },
            more: &more,
        },
    )?;
    let service = cassmail.start_first()?;
    let figures = measure(&place, &cassmail, (&service, api), &generator, size)?;
    service.stop()?;

    let lines = lines(&figures);
    let text = text(&lines, &figures, (&machine, options, size));
    say(&format!("\n{text}"));
    let pages = figures.lists.iter().chain([&figures.trace]);
    let pages = pages.map(|page| json!({ "what": page.what, "ms": page.times }));
    let json = json!({
        "store": options.store,
        "quick": options.quick,
        "machine": machine.json(),
        "budgets": lines.iter().map(Line::json).collect::<Vec<_>>(),
        "pages": pages.collect::<Vec<_>>(),
        "deliveries": [figures.before.0, figures.after.0],
    });
    let beside = place.target.join("bench-administration.json");
    write_json(options.json.as_deref().unwrap_or(&beside), &json)?;
    if options.write {
        write_section("administration", &text)?;
    }
    budgets::judge(&lines)
}

fn measure(
    place: &Place,
    cassmail: &Cassmail,
    (service, api): (&Service, u16),
    generator: &Generator,
    size: Size,
) -> Result<Figures> {
    say(&format!("{} accounts", size.accounts));
    let import = import(place, cassmail, 1..=size.first_accounts)?;
    self::import(place, cassmail, size.first_accounts + 1..=size.accounts)?;
    let token = output(cassmail.command(&["token", "add", "bench"]))?;
    let api = Api {
        port: api,
        token: token.trim_end().to_owned(),
    };
    for n in 1..=size.aliases {
        let alias = format!("alias{n}@example.org");
        api.post(
            "/v1/aliases",
            &json!({ "address": alias, "targets": [address(n)] }),
        )?;
    }
    let deliver = |count: u32| {
        say(&format!("{count} mails"));
        let words = format!(
            "--to user{{n}}@example.org --users {} --pick random --seed {count} --size 1KiB \
             --connections 32 --idle-wait 60 --count {count}",
            size.accounts
        );
        generator.deliver(&[service.target.smtp], &words, PATIENCE)
    };
    let before = deliver(size.timed)?;
    deliver(size.messages - 2 * size.timed)?;
    let after = deliver(size.timed)?;
    say("lists");
    let full = fullest(&api, size)?;
    let lists = [
        ("domains", "/v1/domains".to_owned()),
        (
            "accounts, the first page",
            "/v1/accounts?domain=example.org".to_owned(),
        ),
        (
            "accounts, a page in the middle",
            "/v1/accounts?domain=example.org&after=user5".to_owned(),
        ),
        ("aliases", "/v1/aliases?domain=example.org".to_owned()),
        (
            "a mailbox",
            format!("/v1/mailboxes/{}/messages", full.address),
        ),
        ("messages: the latest events", "/v1/messages".to_owned()),
        (
            "messages: events of an address",
            format!("/v1/messages?address={}", full.address),
        ),
        ("audit", "/v1/audit".to_owned()),
        ("nodes", "/v1/nodes".to_owned()),
        ("sessions", "/v1/sessions".to_owned()),
    ];
    let lists = lists.iter().map(|(what, path)| api.time(what, path));
    let lists = lists.collect::<Result<Vec<_>>>()?;
    let trace = api.time(
        "the trace of a message",
        &format!("/v1/messages/{}", full.message),
    )?;
    Ok(Figures {
        import,
        before,
        after,
        lists,
        trace,
    })
}

fn address(n: u32) -> String {
    format!("user{n}@example.org")
}

/// Imports accounts with hashes from elsewhere, and says how long that took.
fn import(
    place: &Place,
    cassmail: &Cassmail,
    numbers: std::ops::RangeInclusive<u32>,
) -> Result<Duration> {
    // Of no password: sixteen octets of salt, thirty-two of hash.
    const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA\
        $aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    let file = place.path().join("accounts.csv");
    let mut lines = String::new();
    for n in numbers {
        writeln!(lines, "{},{HASH}", address(n))?;
    }
    fs::write(&file, lines)?;
    let file = file.display().to_string();
    let begin = clock::now();
    cassmail.run(&["account", "import", &file])?;
    Ok(clock::now().duration_since(begin))
}

/// A mailbox with mail, and a message in it.
struct Full {
    address: String,
    message: String,
}

/// Of the first accounts the one with the most messages.
fn fullest(api: &Api, size: Size) -> Result<Full> {
    let mut most: Option<(usize, Full)> = None;
    for n in 1..=size.first_accounts.min(100) {
        let address = address(n);
        let listed = api.get(&format!("/v1/mailboxes/{address}/messages"))?;
        let listed: Value = serde_json::from_str(&listed)?;
        let listed = listed.as_array().context("no list")?;
        let Some(message) = listed.first().and_then(|first| first["id"].as_str()) else {
            continue;
        };
        if most.as_ref().is_none_or(|(count, _)| listed.len() > *count) {
            let message = message.to_owned();
            most = Some((listed.len(), Full { address, message }));
        }
    }
    Ok(most.context("nobody has mail")?.1)
}

/// The HTTP API in clear, a connection for each request as from the command line.
struct Api {
    port: u16,
    token: String,
}

impl Api {
    fn get(&self, path: &str) -> Result<String> {
        self.ask("GET", path, "")
    }

    fn post(&self, path: &str, body: &Value) -> Result<String> {
        self.ask("POST", path, &body.to_string())
    }

    /// The body of an answer that is well.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(Duration::from_mins(1)))?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let is_well = answer.starts_with("HTTP/1.1 20");
        match answer.split_once("\r\n\r\n") {
            Some((_, body)) if is_well => Ok(body.to_owned()),
            _ => bail!("{method} {path}: {answer}"),
        }
    }

    fn time(&self, what: &'static str, path: &str) -> Result<Page> {
        let mut page = Page {
            what,
            times: Vec::with_capacity(LOOKS),
            octets: 0,
        };
        for _ in 0..LOOKS {
            let begin = clock::now();
            page.octets = self.get(path)?.len();
            let took = clock::now().duration_since(begin);
            page.times.push(took.as_secs_f64() * 1000.0);
        }
        Ok(page)
    }
}

impl Page {
    fn median(&self) -> f64 {
        median(self.times.iter().copied()).unwrap_or_default()
    }

    fn slowest(&self) -> f64 {
        self.times.iter().copied().fold(0.0, f64::max)
    }
}

fn lines(figures: &Figures) -> Vec<Line> {
    let line = |budget, measured| Line {
        budget,
        measured: Some(measured),
    };
    let pages = figures.lists.iter().map(Page::median);
    let cpu = |load: &Load| load.cpu_per("mails");
    vec![
        line(budgets::IMPORT, figures.import.as_secs_f64()),
        line(budgets::LIST, pages.fold(0.0, f64::max)),
        line(budgets::TRACE_LOOK, figures.trace.median()),
        line(
            budgets::FULL_CPU,
            cpu(&figures.after) / cpu(&figures.before).max(1e-9),
        ),
    ]
}

fn text(
    lines: &[Line],
    figures: &Figures,
    (machine, options, size): (&Machine, &Options, Size),
) -> String {
    let mut pages = Table::new(&["page", "median", "slowest", "octets"]);
    for page in figures.lists.iter().chain([&figures.trace]) {
        pages.row(vec![
            page.what.to_owned(),
            format!("{:.1} ms", page.median()),
            format!("{:.1} ms", page.slowest()),
            format!("{}", page.octets),
        ]);
    }
    let mut deliveries = Table::new(&[&["deliveries"], &DELIVERY[..]].concat());
    for (which, load) in [
        ("the first ones", &figures.before),
        ("the last ones", &figures.after),
    ] {
        let mut cells = vec![format!("{which}, {}", size.timed)];
        cells.extend(load.delivery_cells());
        deliveries.row(cells);
    }
    format!(
        "Store {}{}; {} accounts, {} aliases, {} messages of 1 KiB.\n\n{}\n{}\n{}\n{}",
        options.store,
        options.doubt(),
        size.accounts,
        size.aliases,
        size.messages,
        budgets::table(lines).text(),
        pages.text(),
        deliveries.text(),
        machine.table().text(),
    )
}

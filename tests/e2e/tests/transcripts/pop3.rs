//! The conversations in `tests/transcripts/pop3`, each on a mailbox with the three messages of the
//! transcripts.

use std::collections::BTreeSet;
use std::io::Result;

use cassmail_e2e::{Configuration, Conversation, Maildrop, Port, Server, Wire, delivery, stuffed};
use cassmail_transcript::{Connection, Live, Pace, run_live_at};

use crate::world::{Place, Plan, call};

const SESAME: &str = "sesame";

/// What is in bob's mailbox.
const MESSAGES: [&[u8]; 3] = [
    b"Subject: one\r\n\r\nfirst\r\n",
    b"Subject: two\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n",
    b"Subject: three\r\n\r\na\r\n\r\nc\r\n",
];

#[test]
fn pop3_conversations_hold_over_real_sockets() {
    let plan = Plan::read("pop3", place);
    let mut failures = Vec::new();
    for (configuration, transcripts) in &plan.servers {
        let server = Server::configured(configuration);
        settle(&server);
        let mut bob = Lens::default();
        let runs = Pace::ALL
            .into_iter()
            .flat_map(|pace| transcripts.iter().map(move |t| (pace, t)));
        for (pace, (transcript, port)) in runs {
            if configuration.certificate {
                bob.renew(&server);
            }
            let mut line = Line {
                server: &server,
                port: *port,
                bob: &bob,
            };
            failures.extend(run_live_at(pace, transcript, &mut line).err());
        }
    }
    plan.tell();
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(plan.count() >= 80, "only {}", plan.count());
}

fn place(settings: &[String]) -> std::result::Result<Place, String> {
    let mut place = Place {
        configuration: Configuration {
            clear_text_login: false,
            ..Configuration::default()
        },
        port: Port::Pop3,
    };
    for setting in settings {
        match setting.split_once('=').unwrap_or((setting, "")) {
            ("login-in-clear", _) => place.configuration.clear_text_login = true,
            ("no-certificate", _) => place.configuration.certificate = false,
            ("implicit-tls", _) => place.port = Port::Pop3s,
            // In which pieces messages come is the store's affair, and must not be seen.
            ("pieces", _) => {}
            (name, _) => return Err(format!("the binary has no setting for {name}")),
        }
    }
    Ok(place)
}

fn settle(server: &Server) {
    server.administer(&["domain", "add", "here.example"], "");
    server.administer(
        &["account", "add", "bob@here.example", "--password-stdin"],
        &format!("{SESAME}\n"),
    );
}

/// Bob's mailbox as it really is, beside what the transcripts say of it.
#[derive(Default)]
struct Lens {
    sizes: Vec<usize>,
    identifiers: Vec<String>,
    /// Lines that delivery wrote in front of messages.
    trace: BTreeSet<String>,
}

impl Lens {
    /// Brings the three messages into the mailbox, unless they are all still there.
    fn renew(&mut self, server: &Server) {
        let mut maildrop = open(server);
        let identifiers = maildrop.identifiers().expect("lists");
        if identifiers.len() == MESSAGES.len() && identifiers == self.identifiers {
            return;
        }
        maildrop.empty().expect("removes");
        let mut sender = Conversation::open(server.port(Port::Mx)).expect("welcomes");
        for message in MESSAGES {
            let reply = sender.offer_to("bob@here.example", &stuffed(message));
            let reply = reply.expect("answers");
            assert!(reply.starts_with("250"), "{reply}");
        }
        *self = Self::of(&mut open(server));
    }

    fn of(maildrop: &mut Maildrop) -> Self {
        let stored = maildrop
            .retrieve_all()
            .expect("every message can be fetched");
        let mut trace = BTreeSet::new();
        for (sent, stored) in MESSAGES.into_iter().zip(&stored) {
            delivery::unchanged(sent, stored).expect("is what was sent");
            let front = String::from_utf8_lossy(&stored[..stored.len() - sent.len()]).into_owned();
            // As transcripts write a tab, which begins a line that continues a field.
            trace.extend(front.lines().map(|line| line.replace('\t', "\\x09")));
        }
        Self {
            sizes: stored.iter().map(Vec::len).collect(),
            identifiers: maildrop.identifiers().expect("lists"),
            trace,
        }
    }

    /// A number of octets as transcripts have it: that of some of the messages, without trace
    /// fields.
    fn number(&self, digits: &str) -> Option<String> {
        let all = 1_usize..1 << self.sizes.len();
        let sum = |sizes: &[usize], which: usize| -> usize {
            let chosen = sizes.iter().enumerate();
            chosen
                .filter(|(at, _)| which >> at & 1 == 1)
                .map(|(_, size)| size)
                .sum()
        };
        let sent = MESSAGES.map(<[u8]>::len);
        let digits: usize = digits.parse().ok()?;
        let which = all
            .into_iter()
            .find(|which| sum(&self.sizes, *which) == digits)?;
        Some(sum(&sent, which).to_string())
    }
}

/// Bob's mailbox, in a way that every server with a certificate has.
fn open(server: &Server) -> Maildrop {
    let wire = Wire::connect(server.port(Port::Pop3s)).and_then(Wire::into_tls);
    Maildrop::over(wire.expect("welcomes"), "bob", SESAME).expect("logs in")
}

/// A port of a server, heard through the lens.
struct Line<'a> {
    server: &'a Server,
    port: Port,
    bob: &'a Lens,
}

impl Live for Line<'_> {
    fn connect(&mut self) -> Result<Box<dyn Connection>> {
        call(self.server, self.port)
    }

    fn seen(&mut self, line: String) -> Option<String> {
        if self.bob.trace.contains(&line) {
            return None;
        }
        let mut line = line;
        for (number, identifier) in (1..).zip(&self.bob.identifiers) {
            line = line.replace(identifier, &format!("{number:026}"));
        }
        let words = line.split_inclusive(|letter: char| !letter.is_ascii_digit());
        let mut seen = String::new();
        for word in words {
            // A number behind a hyphen is part of a name, such as SCRAM-SHA-256.
            let is_name = seen.ends_with('-');
            let word = if is_name {
                word.to_owned()
            } else {
                translated(self.bob, word)
            };
            seen.push_str(&word);
        }
        Some(seen)
    }
}

/// A number, perhaps, and the letter that ends it.
fn translated(bob: &Lens, word: &str) -> String {
    let digits = word.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let number = bob.number(digits);
    number.map_or_else(|| word.to_owned(), |number| number + &word[digits.len()..])
}

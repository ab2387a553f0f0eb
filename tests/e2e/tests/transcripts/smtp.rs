//! The conversations in `tests/transcripts/smtp`. Where a transcript names what is committed, that
//! has to be in a mailbox afterwards; where it forbids it, it must not.

use std::collections::BTreeSet;

use cassmail_e2e::{Configuration, Maildrop, Port, Server, Wire, delivery};
use cassmail_transcript::{Pace, Transcript, run_live_at};

use crate::world::{Line, Place, Plan};

/// The password of bob and of carol.
const SECRET: &str = "secret";

#[test]
fn smtp_conversations_hold_over_real_sockets() {
    let plan = Plan::read("smtp", place);
    let mut failures = Vec::new();
    for (configuration, transcripts) in &plan.servers {
        let server = Server::configured(configuration);
        settle(
            &server,
            transcripts.iter().map(|(transcript, _)| transcript),
        );
        for pace in Pace::ALL {
            let run = |(transcript, port): &(Transcript, Port)| {
                run(&server, pace, transcript, *port).err()
            };
            failures.extend(transcripts.iter().filter_map(run));
        }
    }
    plan.tell();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(plan.count() >= 170, "only {}", plan.count());
}

fn place(settings: &[String]) -> Result<Place, String> {
    let mut place = Place {
        configuration: Configuration::default(),
        port: Port::Mx,
    };
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
        match (name, value) {
            ("submission", _) => place.port = Port::Submission,
            ("submissions", _) => place.port = Port::Submissions,
            ("lmtp", _) => place.port = Port::Lmtp,
            ("bare-lf", "convert") => place.port = Port::Printers,
            ("no-tls", _) => place.configuration.certificate = false,
            ("errors", errors) => {
                place.configuration.max_errors = errors.parse().expect("a number of errors");
            }
            ("size" | "recipients", _) => {
                return Err("its limit is lower than a configuration may have it".into());
            }
            (name, _) => return Err(format!("the binary has no setting for {name}")),
        }
    }
    Ok(place)
}

/// The people of the transcripts: bob, carol, retired, and the members whom they name.
fn settle<'a>(server: &Server, transcripts: impl Iterator<Item = &'a Transcript>) {
    let mut accounts: BTreeSet<String> = ["bob", "carol", "retired"].map(str::to_owned).into();
    for transcript in transcripts {
        accounts.extend(members(&String::from_utf8_lossy(&transcript.input())));
    }
    let lines: Vec<String> = accounts
        .iter()
        .map(|account| format!("{account}@here.example,{SECRET}\n"))
        .collect();
    server.administer(&["domain", "add", "here.example"], "");
    server.administer(&["account", "import", "-"], &lines.concat());
    server.administer(
        &[
            "domain",
            "add",
            "here.example",
            "--postmaster",
            "bob@here.example",
        ],
        "",
    );
    server.administer(&["account", "disable", "retired@here.example"], "");
}

/// Local parts that begin with `member` and are not too long for RFC 5321 4.5.3.1.1.
fn members(input: &str) -> BTreeSet<String> {
    let locals = input
        .split('<')
        .filter_map(|path| path.split_once("@here.example>"))
        .map(|(local, _)| local);
    locals
        .filter(|local| local.starts_with("member") && local.len() <= 64)
        .map(str::to_owned)
        .collect()
}

fn run(server: &Server, pace: Pace, transcript: &Transcript, port: Port) -> Result<(), String> {
    let run = run_live_at(pace, transcript, &mut Line { server, port });
    let stored: Vec<Vec<u8>> = ["bob", "carol"]
        .into_iter()
        .flat_map(|account| collect(server, account))
        .collect();
    run.map_err(|failure| failure.to_string())?;
    for wanted in transcript.questions("commit") {
        let came = |message: &Vec<u8>| readings(message, port).any(|text| wanted.matches(&text));
        if !stored.iter().any(came) {
            let path = transcript.path().display();
            return Err(format!("{path}: in no mailbox is {wanted}"));
        }
    }
    for message in &stored {
        if let Some(text) = readings(message, port).find(|text| transcript.forbids(text)) {
            return Err(format!("{}: stored {text}", transcript.path().display()));
        }
    }
    Ok(())
}

/// Takes all messages out of a mailbox.
fn collect(server: &Server, account: &str) -> Vec<Vec<u8>> {
    let wire = Wire::connect(server.port(Port::Pop3)).expect("welcomes");
    let mut maildrop = Maildrop::over(wire, account, SECRET).expect("logs in");
    let messages = maildrop
        .retrieve_all()
        .expect("every message can be fetched");
    maildrop.empty().expect("removes");
    messages
}

/// A stored message as a transcript tells of it. Submission may have added fields in front.
fn readings(message: &[u8], port: Port) -> impl Iterator<Item = String> {
    let below = delivery::below_trace(message);
    let ends = below
        .iter()
        .enumerate()
        .filter(|(_, octet)| **octet == b'\n');
    let starts: Vec<usize> = match port {
        Port::Mx | Port::Printers | Port::Lmtp => vec![0],
        _ => std::iter::once(0)
            .chain(ends.map(|(at, _)| at + 1))
            .collect(),
    };
    starts
        .into_iter()
        .map(|start| format!("commit \"{}\"", below[start..].escape_ascii()))
}

//! `cassmail-bench`: a load generator and checker for any SMTP and POP3 server.
//!
//! It depends on nothing else of this project, so that it can judge it, and others beside it.
//!
//! # Use
//!
//! Ten thousand mails of 10 KiB to a hundred users over 32 connections, each acknowledgement
//! entered in a ledger, with the CPU time of the server (process 4711 and its children) until it is
//! idle:
//!
//! ```text
//! cassmail-bench smtp --target 127.0.0.1:2525 --to 'user{n}@example.org' --users 100 \
//!     --connections 32 --count 10000 --size 10KiB --pipeline \
//!     --ledger run.ledger --pid 4711 --idle-wait 60
//! ```
//!
//! The SPECmail2001 mix at 100 mails a second, whatever the server does (open loop), as JSON:
//!
//! ```text
//! cassmail-bench smtp --target a:25 --target b:25 --to 'user{n}@example.org' --users 10000 \
//!     --size spec --recipients spec --rate 100 --duration 10m --connections 200 --json -
//! ```
//!
//! Are all acknowledged mails there, once and whole, and nothing else?
//!
//! ```text
//! cassmail-bench verify --target 127.0.0.1:1110 --password secret --ledger run.ledger
//! ```
//!
//! Polls, downloads, and downloads with removal, which the ledger must know:
//!
//! ```text
//! cassmail-bench pop3 --target 127.0.0.1:1110 --login 'user{n}@example.org' --users 100 \
//!     --password secret --mode poll --connections 16 --duration 30s
//! cassmail-bench pop3 ... --mode drain --ledger run.ledger
//! ```
//!
//! How long a large mailbox takes to open and to list:
//!
//! ```text
//! cassmail-bench mailbox --target 127.0.0.1:1110 --login big@example.org --password secret
//! ```
//!
//! What strangers do to a server, and how somebody fares who is served beside them:
//!
//! ```text
//! cassmail-bench hostile --smtp 127.0.0.1:2525 --pop3 127.0.0.1:2110 --neighbour a@example.org \
//!     --victims b@example.org,c@example.org --password secret --pid 4711
//! ```
//!
//! # What is worth knowing
//!
//! - Exit codes: 0 well, 1 failed (operations failed, unless `--allow-errors`; promises broken), 2
//!   usage.
//! - Closed loop latency counts from the moment a connection is free; open loop latency from the
//!   scheduled moment, so that a stall is seen by all who would have waited.
//! - A mail without a final answer, or with 4xx after its body, is *uncertain*: it may be there or
//!   not. `--retry` sends it again with the same token, and each uncertain attempt explains one
//!   more copy.
//! - Certificates are not verified. This is a program for tests.
//! - One thread makes 50 000 to 100 000 mails of 10 KiB a second; give it a core of its own.
//! - Every message proves itself (`message`), so that `retrieve` and `drain` check what they read
//!   too.
//!
//! Absent on purpose: IMAP, scenarios in files, distributed generators.

mod arrivals;
mod cli;
mod clock;
mod crew;
mod hostile;
mod ledger;
mod mailboxes;
mod measure;
mod message;
mod output;
mod pop3;
mod process;
mod random;
mod report;
mod sizes;
mod smtp;
#[cfg(test)]
mod testing;
mod verify;
mod wire;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command};
use crate::report::Report;

fn main() -> ExitCode {
    process::raise_open_files();
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(command: Command) -> Result<bool> {
    if let Command::Hostile(args) = command {
        let report = hostile::attack(&args)?;
        output::present(&report, &report.table(), args.json.as_deref())?;
        return Ok(report.is_good());
    }
    let (Outcome { report, good }, json) = perform(command)?;
    output::present(&report, &report.table(), json.as_deref())?;
    Ok(good)
}

/// The report of a subcommand and whether it means success.
#[derive(Debug)]
struct Outcome {
    report: Report,
    good: bool,
}

fn perform(command: Command) -> Result<(Outcome, Option<PathBuf>)> {
    let (report, json, allow_errors) = match command {
        Command::Smtp(args) => {
            let (json, allow) = (args.load.json.clone(), args.load.allow_errors);
            (Report::of_load("smtp", smtp::deliver(*args)?), json, allow)
        }
        Command::Pop3(args) => {
            let (json, allow) = (args.load.json.clone(), args.load.allow_errors);
            (Report::of_load("pop3", pop3::visit(args)?), json, allow)
        }
        Command::Verify(args) => {
            let json = args.json.clone();
            (Report::of_findings(verify::verify(args)?), json, false)
        }
        Command::Hostile(_) => anyhow::bail!("it has a report of its own"),
        Command::Mailbox(args) => {
            let json = args.json.clone();
            (
                Report::of_load("mailbox", pop3::time_mailbox(args)?),
                json,
                false,
            )
        }
    };
    let good = allow_errors || report.is_good();
    Ok((Outcome { report, good }, json))
}

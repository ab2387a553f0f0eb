//! What is measured, in which order, and how much of it.

use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};

use super::cassmail::{Cassmail, Service};
use super::generator::{Generator, Load, Target};
use crate::command::say;

/// Long enough for any single run, and no longer.
const PATIENCE: Duration = Duration::from_mins(5);
/// The mailbox that is large; only cassmail has it.
pub(super) const LARGE: &str = "large@example.org";
const FIVE: &str = "user{n}@example.org --users 5";
/// What runs at a start or after a load has ended, and what runs every second has run.
const A_WHILE: Duration = Duration::from_secs(3);
const MEBIBYTE: f64 = 1_048_576.0;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amounts {
    /// Rounds, each with all servers, of whose figures the median counts.
    pub(super) rounds: u32,
    /// Seconds of a load that is timed.
    pub(super) seconds: u32,
    /// Messages that are drained.
    pub(super) drained: u32,
    /// Messages of the large mailbox.
    pub(super) large: u32,
}

/// The loads of one server in one round.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) accept: Load,
    pub(super) drain: Load,
    pub(super) poll: Load,
}

/// What only cassmail is asked for.
#[derive(Debug, Clone)]
pub(super) struct Alone {
    /// A poll before anything was ever removed.
    pub(super) fresh: Load,
    /// In MiB: after all loads of the rounds, with nothing to do.
    pub(super) used: f64,
    pub(super) large: Load,
    pub(super) starts: Vec<Duration>,
    /// In MiB.
    pub(super) idle: f64,
    pub(super) crowd: f64,
    pub(super) crowd_load: Load,
    pub(super) receiving: f64,
    pub(super) receiving_load: Load,
}

/// One round of what both sides can do: accept, drain, poll.
pub(super) fn round(generator: &Generator, target: &Target, amounts: &Amounts) -> Result<Round> {
    let deliver = |words: &str| {
        let words = format!("--to {FIVE} --size 10KiB --connections 32 --idle-wait 60 {words}");
        generator.deliver(&[target.smtp], &words, PATIENCE)
    };
    let visit = |words: &str| {
        let words = format!("--login {FIVE} {words}");
        generator.visit(&[target.pop3], &words, PATIENCE)
    };
    // Processes that are started once, pages that are read once and the like are nobody's figures.
    deliver("--count 500")?;
    let accept = deliver(&format!("--duration {}s", amounts.seconds))?;
    visit("--mode drain --pipeline --connections 5")?;
    deliver(&format!("--count {}", amounts.drained))?;
    let drain = visit("--mode drain --pipeline --connections 5")?;
    expect(
        "drained",
        drain.count("removed"),
        u64::from(amounts.drained),
    )?;
    let poll = poll(generator, target, amounts)?;
    Ok(Round {
        accept,
        drain,
        poll,
    })
}

/// Polls of five mailboxes with 100 messages each, which are empty before and afterwards.
pub(super) fn poll(generator: &Generator, target: &Target, amounts: &Amounts) -> Result<Load> {
    let visit = |words: &str| {
        let words = format!("--login {FIVE} {words}");
        generator.visit(&[target.pop3], &words, PATIENCE)
    };
    let words = format!("--to {FIVE} --size 10KiB --connections 32 --idle-wait 60 --count 500");
    generator.deliver(&[target.smtp], &words, PATIENCE)?;
    // The first login of an account computes a hash, the others do not.
    visit("--mode poll --connections 5 --count 100")?;
    let poll = visit(&format!(
        "--mode poll --connections 16 --duration {}s",
        amounts.seconds
    ))?;
    let sessions = poll.count("sessions");
    expect("listed", poll.count("listed"), sessions * 100)?;
    visit("--mode drain --pipeline --connections 5")?;
    Ok(poll)
}

/// A figure that says that the servers did the same work.
fn expect(what: &str, found: u64, expected: u64) -> Result<()> {
    if found != expected {
        bail!("{what}: {found} instead of {expected} messages");
    }
    Ok(())
}

/// The large mailbox, starts, and memory; ends the service.
pub(super) fn alone(
    generator: &Generator,
    cassmail: &Cassmail,
    service: Service,
    fresh: Load,
    amounts: &Amounts,
) -> Result<Alone> {
    thread::sleep(A_WHILE);
    let used = mebibytes(service.process.resident()?);

    say("a large mailbox");
    let words = format!(
        "--to {LARGE} --size 1KiB --connections 32 --count {}",
        amounts.large
    );
    generator.deliver(&[service.target.smtp], &words, PATIENCE)?;
    let words = format!("--login {LARGE} --repeat 21");
    let large = generator.open(service.target.pop3, &words, PATIENCE)?;
    let all = u64::from(amounts.large) * large.count("sessions");
    expect("listed", large.count("listed"), all)?;

    say("starts and memory");
    let mut starts = Vec::new();
    let mut service = service;
    for _ in 0..5 {
        service.stop()?;
        service = cassmail.start()?;
        starts.push(service.started_in);
    }
    thread::sleep(A_WHILE);
    let idle = mebibytes(service.process.resident()?);

    let words = format!("--to {FIVE} --size 10KiB --connections 1000 --count 20000");
    let (crowd, crowd_load) = peak_of(generator, &service, &words)?;
    service.stop()?;
    let service = cassmail.start()?;
    let words = format!("--to {FIVE} --size 25MB --connections 32 --count 32");
    let (receiving, receiving_load) = peak_of(generator, &service, &words)?;
    service.stop()?;
    Ok(Alone {
        fresh,
        used,
        large,
        starts,
        idle,
        crowd,
        crowd_load,
        receiving,
        receiving_load,
    })
}

/// The most memory that the service has while it takes these mails.
fn peak_of(generator: &Generator, service: &Service, words: &str) -> Result<(f64, Load)> {
    service.process.forget_peak()?;
    let load = generator.deliver(&[service.target.smtp], words, PATIENCE)?;
    Ok((mebibytes(service.process.peak()?), load))
}

#[expect(clippy::cast_precision_loss, reason = "memory in MiB has few digits")]
fn mebibytes(octets: u64) -> f64 {
    octets as f64 / MEBIBYTE
}

//! Hostile load: what strangers do to a server on the open network, with somebody beside them who
//! only wants mail delivered and fetched.
//!
//! Each scene has its attackers, which do one thing again and again until the scene is over; the
//! neighbour delivers and polls all the while, in a thread of its own. Then everybody leaves, and
//! the server has to give back what it had for them: sockets, sessions, memory.
//!
//! Everything is bounded: attackers, seconds, waits. It attacks loopback addresses alone.

mod neighbour;
mod peer;
mod scenes;
mod watch;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde::Serialize;
use tokio::runtime;
use tokio::task::{JoinSet, LocalSet};

use crate::clock;
use crate::wire::Dial;
use neighbour::{Neighbour, Served};
use peer::Street;
use scenes::Scene;
use watch::{Seen, Watch};

/// What is attacked, and how hard.
#[derive(Debug, Args)]
pub(crate) struct HostileArgs {
    /// The SMTP port, a loopback address, with STARTTLS for what needs TLS.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) smtp: SocketAddr,
    /// The POP3 port, passwords in clear.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) pop3: SocketAddr,
    /// Where /metrics is shown; without it sessions are not looked at.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) readings: Option<SocketAddr>,
    /// The mailbox of the neighbour; everything in it is removed.
    #[arg(long)]
    pub(crate) neighbour: String,
    /// Mailboxes that the attackers have passwords of.
    #[arg(long, value_delimiter = ',')]
    pub(crate) victims: Vec<String>,
    /// The password of all of them.
    #[arg(long)]
    pub(crate) password: String,
    /// The server's process.
    #[arg(long)]
    pub(crate) pid: u32,
    /// Attackers, in hundredths of the whole number.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) strength: u32,
    /// How long a scene lasts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) seconds: u64,
    /// Only scenes with this in their name.
    #[arg(long)]
    pub(crate) only: Option<String>,
    /// Write JSON to this file, or to standard output if it is "-".
    #[arg(long)]
    pub(crate) json: Option<std::path::PathBuf>,
}

/// What came of it.
#[derive(Debug, Serialize)]
pub(crate) struct HostileReport {
    pub(crate) command: &'static str,
    /// The server before anybody came, warm and at rest.
    pub(crate) start: Seen,
    pub(crate) scenes: Vec<Played>,
    /// The server when everybody had gone, at rest again.
    pub(crate) end: Seen,
}

/// One scene.
#[derive(Debug, Serialize)]
pub(crate) struct Played {
    pub(crate) name: &'static str,
    pub(crate) attackers: u32,
    /// Connections that were made.
    pub(crate) connections: u64,
    /// Those that the server ended, or refused to begin.
    pub(crate) sent_away: u64,
    pub(crate) neighbour: Served,
    /// The most that was seen while it lasted.
    pub(crate) peak: Seen,
    /// When everybody had left, and the server had had its time.
    pub(crate) end: Seen,
    /// How long that took, from when they left.
    pub(crate) settled_seconds: f64,
    /// Whether the sockets and sessions were as few as before.
    pub(crate) settled: bool,
}

impl HostileReport {
    /// Whether the neighbour was served in every scene and nothing was left.
    pub(crate) fn is_good(&self) -> bool {
        let is_good = |scene: &Played| scene.neighbour.is_good() && scene.settled;
        !self.scenes.is_empty() && self.scenes.iter().all(is_good)
    }

    /// A table for people.
    pub(crate) fn table(&self) -> String {
        let mut text = format!(
            "{:<26} {:>9} {:>9} {:>6} {:>6} {:>9} {:>9} {:>8} {:>8}\n",
            "scene",
            "made",
            "sent away",
            "served",
            "failed",
            "slowest",
            "peak MiB",
            "end MiB",
            "settled"
        );
        for scene in &self.scenes {
            let served = &scene.neighbour;
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "{:<26} {:>9} {:>9} {:>6} {:>6} {:>6.0} ms {:>9.1} {:>8.1} {:>6.1} s{}",
                scene.name,
                scene.connections,
                scene.sent_away,
                served.deliveries + served.polls,
                served.failures,
                served.slowest_ms,
                scene.peak.memory_mib,
                scene.end.memory_mib,
                scene.settled_seconds,
                if scene.settled { "" } else { " NOT SETTLED" }
            );
            if let Some(first) = &served.first_failure {
                let _ = writeln!(text, "    {first}");
            }
        }
        text
    }
}

/// How long a server may take to notice that everybody has left.
const SETTLE: Duration = Duration::from_mins(1);

/// What was made for the last who came may be kept for the next for a while, such as the memory of
/// password hashes; after so long without anybody it has gone.
const REST: Duration = Duration::from_secs(15);

/// Memory has returned when it is so many times that of the start.
const RETURNED: f64 = 1.2;

/// Plays all scenes.
pub(crate) fn attack(args: &HostileArgs) -> Result<HostileReport> {
    for address in [args.smtp, args.pop3] {
        if !address.ip().is_loopback() {
            bail!("{address} is not on the loopback");
        }
    }
    if args.victims.is_empty() {
        bail!("no victims are named");
    }
    let dial = Dial::new(Vec::new(), Duration::from_secs(30), false);
    let street = Street {
        smtp: args.smtp,
        pop3: args.pop3,
        victims: args.victims.clone(),
        password: args.password.clone(),
        tls: dial.tls,
        connections: 0.into(),
        sent_away: 0.into(),
    };
    let neighbour = Neighbour {
        smtp: args.smtp,
        pop3: args.pop3,
        mailbox: args.neighbour.clone(),
        password: args.password.clone(),
    };
    let watch = Watch {
        pid: args.pid,
        readings: args.readings,
    };
    neighbour
        .warm_up()
        .context("the neighbour, before anybody else came")?;
    street.furnish()?;
    thread::sleep(REST);
    let start = watch.look()?;
    let wanted = |scene: &&Scene| {
        let only = args.only.as_deref();
        only.is_none_or(|only| scene.name.contains(only))
    };
    let mut played = Vec::new();
    let street = Rc::new(street);
    for scene in scenes::ALL.iter().filter(wanted) {
        played.push(play(scene, args, &street, &neighbour, &watch)?);
    }
    watch.wait_for_memory(start.memory_mib * RETURNED, REST * 2);
    Ok(HostileReport {
        command: "hostile",
        start,
        scenes: played,
        end: watch.look()?,
    })
}

fn play(
    scene: &Scene,
    args: &HostileArgs,
    street: &Rc<Street>,
    neighbour: &Neighbour,
    watch: &Watch,
) -> Result<Played> {
    let attackers = (scene.attackers * args.strength).div_ceil(100);
    let before = watch.look()?;
    watch.forget_peak();
    street.begin_counting();
    let is_over = Arc::new(AtomicBool::new(false));
    let (served, peak) = thread::scope(|threads| {
        let serving = threads.spawn(|| neighbour.live(&is_over));
        let watching = threads.spawn(|| watch.until(&is_over));
        let stormed = storm(scene, attackers, args.seconds, street);
        is_over.store(true, Ordering::Relaxed);
        let served = serving.join().unwrap_or_default();
        stormed.map(|()| (served, watching.join().unwrap_or_default()))
    })?;
    let left = clock::now();
    let settled = watch.settle(&before, SETTLE);
    let settled_seconds = clock::now().duration_since(left).as_secs_f64();
    Ok(Played {
        name: scene.name,
        attackers,
        connections: street.connections.get(),
        sent_away: street.sent_away.get(),
        neighbour: served,
        peak,
        end: watch.look()?,
        settled_seconds,
        settled,
    })
}

/// Lets the attackers loose until the scene is over; then all their connections are closed.
fn storm(scene: &Scene, attackers: u32, seconds: u64, street: &Rc<Street>) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    let until = clock::now() + Duration::from_secs(seconds);
    local.block_on(&runtime, async {
        let mut crowd = JoinSet::new();
        for number in 0..attackers {
            let attack = (scene.attack)(Rc::clone(street), number);
            let street = Rc::clone(street);
            crowd.spawn_local(async move {
                if attack.await.is_err() {
                    street.sent_away.set(street.sent_away.get() + 1);
                }
            });
        }
        tokio::time::sleep(until.saturating_duration_since(clock::now())).await;
        crowd.shutdown().await;
    });
    Ok(())
}

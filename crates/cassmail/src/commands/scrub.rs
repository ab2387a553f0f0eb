//! `scrub`: a look at everything in a store on Cassandra, beside the running services.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cassmail_config::{Settings, StoreKind};
use cassmail_net::Clock;
use cassmail_office::{Clock as _, Recounted, Recounting};
use cassmail_store_cassandra::scrub::{
    Begin, Bodies, Count, Effect, End, Finding, Heal, Meaning, Options, Progress, Report, Scrub,
    ScrubError,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::cli::{self, Which};
use crate::clock::OfficeClock;
use crate::cluster::NoSchema;
use crate::exit::{Failure, Outcome};
use crate::{cluster, print, settings, wiring};

/// Runs the `scrub` command.
pub(crate) fn run(runtime: &Runtime, which: &Which, how: &cli::Scrub) -> Outcome {
    let loaded = settings::load(which)?;
    let refusal = match loaded.settings.store.kind {
        StoreKind::Cassandra => {
            settings::check(&loaded, &which.given())?;
            return runtime.block_on(scrub(&loaded.settings, how));
        }
        StoreKind::Embedded => {
            "scrub is for stores on Cassandra; the embedded store is verified with: cassmail store \
             check (it cleans up by itself)"
        }
        StoreKind::Memory => "scrub is for stores on Cassandra; a store in memory needs none",
    };
    Err(Failure::failed(anyhow::anyhow!(refusal)))
}

async fn scrub(settings: &Settings, how: &cli::Scrub) -> Outcome {
    let options = cluster::options(settings, None)?;
    let scrub = Scrub::open(&options).await.map_err(cluster::not_open)?;
    let is_stopped = stop_on_signal();
    let bar = bar();
    let mut on_progress = |progress| {
        draw(&bar, progress);
        if is_stopped.load(Ordering::SeqCst) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let told = scrub.run(options_of(how), &mut on_progress).await;
    bar.finish_and_clear();
    scrub.close().await;
    let report = told.map_err(failure)?;
    let recounted = recount(settings, how, &is_stopped).await?;
    if how.json {
        print::data(in_json(&report, recounted, how));
    } else {
        tell(&report, how);
        tell_recounted(recounted);
    }
    verdict(&report)
}

/// Counts the mailboxes that have a quota, and mends what is noted of them.
async fn recount(
    settings: &Settings,
    how: &cli::Scrub,
    is_stopped: &AtomicBool,
) -> Outcome<Recounted> {
    let opened = wiring::open_store(settings, NoSchema::IsRefused).await?;
    let recounting = if how.dry_run {
        Recounting::Looks
    } else {
        Recounting::Mends
    };
    let how = (wiring::quota_standard(settings), recounting);
    let now = OfficeClock(Clock::system()).wall();
    let go_on = |_| {
        if is_stopped.load(Ordering::SeqCst) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let recounted = cassmail_office::recount(&*opened.store, how, now, go_on).await;
    opened.store.close().await.map_err(Failure::unavailable)?;
    recounted.map_err(Failure::unavailable)
}

/// Nothing where nobody has a quota.
fn tell_recounted(recounted: Recounted) {
    if recounted.counted == 0 {
        return;
    }
    print::data(format!(
        "quotas: {} mailboxes counted, {} figures wrong, {} full",
        recounted.counted, recounted.mended, recounted.full
    ));
}

fn options_of(how: &cli::Scrub) -> Options {
    Options {
        effect: if how.dry_run {
            Effect::DryRun
        } else {
            Effect::Mend
        },
        bodies: if how.verify {
            Bodies::Verified
        } else {
            Bodies::Present
        },
        heal: if how.heal {
            Heal::AllTables
        } else {
            Heal::Nothing
        },
        begin: match (how.resume, how.restart) {
            (true, _) => Begin::Resume,
            (false, true) => Begin::Restart,
            (false, false) => Begin::WhereLeft,
        },
        rate: how.rate,
    }
}

/// Becomes true with the first signal: the piece that is under way is finished.
fn stop_on_signal() -> Arc<AtomicBool> {
    let is_stopped = Arc::new(AtomicBool::new(false));
    let signalled = Arc::clone(&is_stopped);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            print::remark("stopping; the next scrub goes on from here");
            signalled.store(true, Ordering::SeqCst);
        }
    });
    is_stopped
}

/// The length of the bar.
const WHOLE: u64 = 1000;

/// On standard error, if that is a terminal.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {percent:>3}% {msg}");
    ProgressBar::new(WHOLE).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn draw(bar: &ProgressBar, progress: Progress) {
    let thousandths = (0..=WHOLE).take_while(|&n| {
        let part = f64::from(u32::try_from(n).unwrap_or_default()) / 1000.0;
        part <= progress.done
    });
    bar.set_position(thousandths.last().unwrap_or_default());
    bar.set_message(progress.walk);
}

fn failure(error: ScrubError) -> Failure {
    match error {
        ScrubError::Taken(_) | ScrubError::NothingToResume => Failure::failed(error),
        ScrubError::Store(error) => Failure::unavailable(error),
    }
}

/// What was seen, what was found, and each finding word by word.
fn tell(report: &Report, how: &cli::Scrub) {
    for &count in Count::ALL {
        let number = report.get(count);
        if number > 0 && count.meaning() == Meaning::Size {
            print::data(format!("{number:>12} {}", count.words()));
        }
    }
    for (count, number) in report.remarkable() {
        let mark = match count.meaning() {
            Meaning::Trouble => "trouble: ",
            Meaning::Mended | Meaning::Size => "found: ",
        };
        print::data(format!("{mark}{number} {}", count.words()));
    }
    for finding in report.findings() {
        print::data(format!("  {finding}"));
    }
    print::data(conclusion(report, how));
}

fn conclusion(report: &Report, how: &cli::Scrub) -> &'static str {
    match (report.is_empty(), report.has_trouble(), how.dry_run) {
        (true, ..) => "nothing is wrong",
        (false, true, _) => "an operator has to act: see docs/operations/cassandra.md",
        (false, false, true) => "a scrub would mend this; nothing was changed",
        (false, false, false) => {
            "mended as far as it is proved; what was not found for the first time is deleted by a \
             scrub that does not find it either, an hour or a day later"
        }
    }
}

fn in_json(report: &Report, recounted: Recounted, how: &cli::Scrub) -> Value {
    let counts = Count::ALL
        .iter()
        .map(|&count| (count.key().to_owned(), json!(report.get(count))));
    json!({
        "end": match report.end {
            End::Finished => "finished",
            End::Stopped => "stopped",
            End::GaveUp => "gave_up",
        },
        "dry_run": how.dry_run,
        "well": report.is_empty(),
        "trouble": report.has_trouble(),
        "counts": counts.collect::<Map<_, _>>(),
        "quotas": {
            "counted": recounted.counted,
            "mended": recounted.mended,
            "full": recounted.full,
        },
        "findings": report.findings().map(finding_in_json).collect::<Vec<_>>(),
    })
}

fn finding_in_json(finding: &Finding) -> Value {
    json!({
        "what": finding.count.key(),
        "account": finding.account.map(|account| account.to_string()),
        "bucket": finding.bucket.map(|bucket| bucket.to_string()),
        "id": finding.id.map(|id| id.to_string()),
    })
}

/// What is not well, or not whole, ends with a code for scripts.
fn verdict(report: &Report) -> Outcome {
    match report.end {
        End::GaveUp => Err(Failure::unavailable(anyhow::anyhow!(
            "too many reads failed; the next scrub goes on from here"
        ))),
        End::Stopped => Err(Failure::failed(anyhow::anyhow!(
            "stopped; the next scrub goes on from here"
        ))),
        End::Finished if report.has_trouble() => Err(Failure::failed(anyhow::anyhow!(
            "the scrub found what it cannot mend"
        ))),
        End::Finished => Ok(()),
    }
}

//! Threads and connections: who works, until when, and what is seen meanwhile.

use std::cell::{RefCell, RefMut};
use std::future::Future;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime;
use tokio::task::LocalSet;

use crate::arrivals::{Arrivals, Plan};
use crate::clock;
use crate::ledger::{FLUSH_EVERY, LedgerWriter};
use crate::measure::Stats;
use crate::process::{Meter, Used, own_cpu};

/// How many work, at what, and whom they watch.
#[derive(Debug, Clone)]
pub(crate) struct Crew {
    pub(crate) plan: Plan,
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    pub(crate) pids: Vec<u32>,
    pub(crate) idle_wait: Option<Duration>,
}

/// What a crew brought back.
#[derive(Debug)]
pub(crate) struct Harvest {
    pub(crate) stats: Stats,
    pub(crate) begun_unix_micros: u64,
    /// From the beginning to the end of the last operation.
    pub(crate) elapsed: Duration,
    pub(crate) own_cpu: Duration,
    pub(crate) used: Option<Used>,
    /// Operations that succeeded and that failed, second by second.
    pub(crate) timeline: Vec<(u64, u64)>,
    pub(crate) missed: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
}

/// What all threads share.
#[derive(Debug)]
struct Shared {
    arrivals: Arrivals,
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// Why the run makes no sense.
    fatal: Mutex<Option<String>>,
}

/// What the connections of one thread share.
#[derive(Debug)]
pub(crate) struct Worker {
    shared: Arc<Shared>,
    stats: RefCell<Stats>,
    ledger: Option<RefCell<LedgerWriter>>,
}

impl Worker {
    pub(crate) fn arrivals(&self) -> &Arrivals {
        &self.shared.arrivals
    }

    /// The figures. Not to be held while waiting.
    pub(crate) fn stats(&self) -> RefMut<'_, Stats> {
        self.stats.borrow_mut()
    }

    pub(crate) fn succeed(&self) {
        self.shared.succeeded.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn fail(&self) {
        self.shared.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Ends the whole run with this reason.
    pub(crate) fn give_up(&self, reason: String) {
        self.shared.arrivals.stop();
        if let Ok(mut fatal) = self.shared.fatal.lock() {
            fatal.get_or_insert(reason);
        }
    }

    /// Enters something in the ledger, if there is one.
    pub(crate) fn enter(&self, entry: impl FnOnce(&mut LedgerWriter)) {
        let Some(ledger) = &self.ledger else { return };
        let mut ledger = ledger.borrow_mut();
        entry(&mut ledger);
        if ledger.is_due() {
            self.flushed(ledger.flush());
        }
    }

    fn flush(&self) {
        if let Some(ledger) = &self.ledger {
            self.flushed(ledger.borrow_mut().flush());
        }
    }

    fn flushed(&self, result: std::io::Result<()>) {
        if let Err(error) = result {
            self.give_up(format!("cannot write the ledger: {error}"));
        }
    }
}

/// Runs `task` once for each connection and returns when all have ended.
pub(crate) fn run<T, F>(crew: &Crew, ledger: Option<&LedgerWriter>, task: T) -> Result<Harvest>
where
    T: Fn(Rc<Worker>, usize) -> F + Send + Sync,
    F: Future<Output = ()> + 'static,
{
    let meter = Meter::start(&crew.pids)?;
    let own_before = own_cpu();
    let begun_unix_micros = clock::unix_micros();
    let shared = Arc::new(Shared {
        arrivals: Arrivals::new(&crew.plan),
        succeeded: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        fatal: Mutex::new(None),
    });
    let threads = crew.threads.clamp(1, crew.connections.max(1));
    let (results, timeline) = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|number| {
                let (shared, ledger) = (Arc::clone(&shared), ledger.map(LedgerWriter::another));
                let mine = (number..crew.connections).step_by(threads);
                let task = &task;
                scope.spawn(move || work(shared, ledger, mine, task))
            })
            .collect();
        let timeline = observe(&crew.plan, &shared, || {
            handles.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        let results: Vec<_> = handles
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        (results, timeline)
    });
    let mut stats = Stats::default();
    let mut end = shared.arrivals.begin();
    for result in results {
        let (theirs, ended) =
            result.map_err(|_| anyhow!("a thread of the generator panicked"))??;
        stats.add(theirs);
        end = end.max(ended);
    }
    let own_cpu = own_cpu().saturating_sub(own_before);
    if let Some(reason) = shared.fatal.lock().ok().and_then(|mut fatal| fatal.take()) {
        bail!("{reason}");
    }
    Ok(Harvest {
        stats,
        begun_unix_micros,
        elapsed: end.duration_since(shared.arrivals.begin()),
        own_cpu,
        used: meter.map(|meter| meter.finish(crew.idle_wait)),
        timeline,
        missed: shared.arrivals.missed(),
        succeeded: shared.succeeded.load(Ordering::Relaxed),
        failed: shared.failed.load(Ordering::Relaxed),
    })
}

fn work<T, F>(
    shared: Arc<Shared>,
    ledger: Option<LedgerWriter>,
    connections: impl Iterator<Item = usize>,
    task: &T,
) -> Result<(Stats, Instant)>
where
    T: Fn(Rc<Worker>, usize) -> F,
    F: Future<Output = ()> + 'static,
{
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let ledger = ledger.map(RefCell::new);
    let worker = Rc::new(Worker {
        shared,
        stats: RefCell::default(),
        ledger,
    });
    let local = LocalSet::new();
    let tasks: Vec<_> = connections
        .map(|number| local.spawn_local(task(Rc::clone(&worker), number)))
        .collect();
    let attendant = local.spawn_local(attend(Rc::clone(&worker)));
    let joined = local.block_on(&runtime, async move {
        for task in tasks {
            task.await?;
        }
        Ok::<(), tokio::task::JoinError>(())
    });
    let ended = clock::now();
    attendant.abort();
    joined.context("a connection of the generator panicked")?;
    worker.flush();
    Ok((worker.stats.take(), ended))
}

/// Keeps the ledger close to the truth and listens for the wish to stop.
async fn attend(worker: Rc<Worker>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return worker.give_up("cannot listen for signals".into());
    };
    let mut flush = tokio::time::interval(FLUSH_EVERY);
    loop {
        tokio::select! {
            _ = interrupt.recv() => worker.arrivals().stop(),
            _ = terminate.recv() => worker.arrivals().stop(),
            _ = flush.tick() => worker.flush(),
        }
    }
}

fn observe(plan: &Plan, shared: &Shared, is_over: impl Fn() -> bool) -> Vec<(u64, u64)> {
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let bar = progress_bar(plan);
    let mut timeline = Vec::new();
    let mut before = (0, 0);
    let mut next_second = shared.arrivals.begin() + Duration::from_secs(1);
    let mut next_draw = shared.arrivals.begin();
    loop {
        let over = is_over();
        let now = clock::now();
        if now >= next_second || over {
            let sums = (
                shared.succeeded.load(Ordering::Relaxed),
                shared.failed.load(Ordering::Relaxed),
            );
            timeline.push((sums.0 - before.0, sums.1 - before.1));
            before = sums;
            next_second += Duration::from_secs(1);
        }
        if over {
            bar.finish_and_clear();
            return timeline;
        }
        if now >= next_draw {
            draw(&bar, plan, shared);
            next_draw = now + 10 * LOOK_EVERY;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn progress_bar(plan: &Plan) -> ProgressBar {
    // Hidden by the library when standard error is not a terminal.
    let target = ProgressDrawTarget::stderr();
    let length = plan
        .count
        .or(plan.duration.map(|duration| duration.as_secs()));
    let bar = ProgressBar::with_draw_target(length, target);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn draw(bar: &ProgressBar, plan: &Plan, shared: &Shared) {
    let succeeded = shared.succeeded.load(Ordering::Relaxed);
    let failed = shared.failed.load(Ordering::Relaxed);
    let elapsed = clock::now().duration_since(shared.arrivals.begin());
    bar.set_position(if plan.count.is_some() {
        succeeded + failed
    } else {
        elapsed.as_secs()
    });
    bar.set_message(format!("{succeeded} done, {failed} failed"));
}

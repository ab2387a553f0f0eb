//! The driver on stable Rust: seeds, mutated at random, for a while.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use crate::corpus::seeds;
use crate::dice::Dice;
use crate::mutation::mutated;
use crate::targets::Target;

/// How long, and with which numbers.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// For each target.
    pub time: Duration,
    /// The same seed tries the same inputs in the same order.
    pub seed: u64,
}

/// What was done with a target.
#[derive(Debug)]
pub struct Report {
    /// The target.
    pub name: &'static str,
    /// How many inputs were tried.
    pub executions: u64,
    /// How many of them were the seeds.
    pub seeds: usize,
    /// What was found, with which everything ends.
    pub finding: Option<Finding>,
}

/// An input with which something does not hold.
#[derive(Debug)]
pub struct Finding {
    /// The input, made as short as could be done in a while.
    pub input: Vec<u8>,
    /// What was said of it.
    pub message: String,
}

/// How long a finding is made shorter.
const SHORTENING: Duration = Duration::from_secs(10);

/// How long a single input may take; it is a thousand times what they take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Tries seeds as they are, then mutated ones until the time is over or something is found.
pub fn run(target: &'static Target, plan: Plan, hung: Hung) -> Report {
    let corpus = seeds(target);
    let mut report = Report {
        name: target.name,
        executions: 0,
        seeds: corpus.len(),
        finding: None,
    };
    let mut dice = Dice::new(plan.seed);
    let begun = now();
    let watched = watch(target, hung);
    let mut tries = corpus.iter().cloned();
    loop {
        let input = match tries.next() {
            Some(seed) => seed,
            None if begun.elapsed() >= plan.time => return report,
            None => mutated(&mut dice, &corpus, target.words),
        };
        report.executions += 1;
        note(&watched, &input);
        if let Some(message) = fault(target, &input) {
            report.finding = Some(shortened(target, input, message));
            return report;
        }
    }
}

/// What a target says against an input, if anything.
pub fn fault(target: &Target, input: &[u8]) -> Option<String> {
    listen();
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    outcome.is_err().then(|| SAID.take())
}

/// Is called with an input that hangs; the thread that it hangs in cannot be ended.
pub type Hung = fn(&Target, &[u8]);

/// The input in work, and since when.
type Watched = Arc<Mutex<(Instant, Vec<u8>)>>;

fn note(watched: &Watched, input: &[u8]) {
    let mut current = watched.lock().unwrap_or_else(PoisonError::into_inner);
    current.0 = now();
    current.1.clear();
    current.1.extend_from_slice(input);
}

/// Looks every second whether an input takes too long, as long as somebody notes inputs.
fn watch(target: &'static Target, hung: Hung) -> Watched {
    let watched = Watched::new(Mutex::new((now(), Vec::new())));
    let looked_at = Arc::downgrade(&watched);
    std::thread::spawn(move || {
        while let Some(watched) = looked_at.upgrade() {
            let current = watched.lock().unwrap_or_else(PoisonError::into_inner);
            if current.0.elapsed() > PATIENCE {
                hung(target, &current.1);
            }
            drop(current);
            drop(watched);
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    watched
}

thread_local! {
    /// What the last panic of this thread said.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Keeps what panics say instead of printing it.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        panic::set_hook(Box::new(|info| SAID.set(info.to_string())));
    });
}

/// Leaves out what is not needed for it: halves first, single bytes in the end.
fn shortened(target: &Target, mut input: Vec<u8>, mut message: String) -> Finding {
    let begun = now();
    let mut step = input.len().div_ceil(2);
    while step > 0 {
        let mut at = 0;
        while at < input.len() && begun.elapsed() < SHORTENING {
            let mut shorter = input.clone();
            shorter.drain(at..input.len().min(at + step));
            match fault(target, &shorter) {
                Some(said) => (input, message) = (shorter, said),
                None => at += step,
            }
        }
        step /= 2;
    }
    Finding { input, message }
}

/// Runs targets, so many at once, in their order.
pub fn run_all(
    targets: &[&'static Target],
    plan: Plan,
    at_once: usize,
    hung: Hung,
    done: &(dyn Fn(Report) + Sync),
) {
    let waiting = Mutex::new(targets.iter());
    let work = || {
        let next = || {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.next().copied()
        };
        while let Some(target) = next() {
            done(run(target, plan, hung));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(work);
        }
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver stops when its time is over"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::TARGETS;

    /// Does not hold for what has a dot behind an x.
    static PLANTED: Target = Target {
        name: "planted",
        about: "a fault to be found",
        run: |data| {
            let x = data.iter().position(|&byte| byte == b'x');
            let from = &data[x.unwrap_or(data.len())..];
            assert!(!from.contains(&b'.'), "a dot behind an x");
        },
        seeds: || vec![b"abcdefgh".to_vec(), b"0123456789".to_vec()],
        words: &[b"x", b"."],
    };

    fn never_hangs(_: &Target, _: &[u8]) {
        unreachable!("nothing hangs here");
    }

    fn tried(target: &'static Target, seed: u64, time: Duration) -> Report {
        run(target, Plan { time, seed }, never_hangs)
    }

    #[test]
    fn a_fault_is_found_and_made_short() {
        let report = tried(&PLANTED, 1, Duration::from_mins(1));
        let finding = report.finding.expect("the fault that was planted");
        assert_eq!(finding.input, b"x.");
        assert!(
            finding.message.contains("a dot behind an x"),
            "{}",
            finding.message
        );
    }

    #[test]
    fn the_same_seed_finds_the_same_with_as_many_tries() {
        let tries = |seed| tried(&PLANTED, seed, Duration::from_mins(1)).executions;
        assert_eq!(tries(7), tries(7));
        assert_ne!([tries(7), tries(8)], [tries(9), tries(10)]);
    }

    #[test]
    fn every_seed_of_every_target_passes() {
        for target in &TARGETS {
            let seeds = seeds(target);
            assert!(seeds.len() > 3, "{} has {} seeds", target.name, seeds.len());
            for seed in seeds {
                let fault = fault(target, &seed);
                assert_eq!(fault, None, "{} \"{}\"", target.name, seed.escape_ascii());
            }
        }
    }
}

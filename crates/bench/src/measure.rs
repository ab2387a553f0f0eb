//! What a run counted and timed.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::wire::Failure;

/// The figures of one thread, then of all.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    times: BTreeMap<&'static str, Times>,
    /// By the minute in which it began, what the run is about.
    minutes: BTreeMap<u64, Times>,
    counts: BTreeMap<&'static str, u64>,
    errors: BTreeMap<String, Fault>,
}

#[derive(Debug)]
struct Times {
    histogram: Histogram<u64>,
    first: Duration,
}

/// One kind of error.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    pub(crate) count: u64,
    /// What the first of them said.
    pub(crate) first: String,
}

/// The summary of a distribution, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
    /// The first one that was taken.
    pub(crate) first: f64,
}

const SHORTEST: u64 = 1_000;
const LONGEST: u64 = 3_600_000_000_000;

impl Stats {
    pub(crate) fn time(&mut self, what: &'static str, taken: Duration) {
        let nanoseconds = u64::try_from(taken.as_nanos()).unwrap_or(LONGEST);
        let times = self
            .times
            .entry(what)
            .or_insert_with(|| Times::beginning(taken));
        times.histogram.saturating_record(nanoseconds);
    }

    /// Also takes note of the minute of the run.
    pub(crate) fn time_in_minute(&mut self, minute: u64, taken: Duration) {
        let nanoseconds = u64::try_from(taken.as_nanos()).unwrap_or(LONGEST);
        let times = self
            .minutes
            .entry(minute)
            .or_insert_with(|| Times::beginning(taken));
        times.histogram.saturating_record(nanoseconds);
    }

    pub(crate) fn count(&mut self, what: &'static str, number: u64) {
        *self.counts.entry(what).or_default() += number;
    }

    /// Counts a failure under its stage and its class.
    pub(crate) fn fail(&mut self, stage: &str, failure: &Failure) {
        let (kind, text) = match failure {
            Failure::Connect(error) => ("no connection".to_owned(), error.to_string()),
            Failure::Lost(error) => ("connection lost".to_owned(), error.to_string()),
            Failure::Timeout => ("no answer in time".to_owned(), String::new()),
            Failure::Refused { code: 0, text } => ("-ERR".to_owned(), text.clone()),
            Failure::Refused { code, text } => (code.to_string(), text.clone()),
            Failure::Garbled(text) | Failure::Impossible(text) => {
                ("not understood".to_owned(), text.clone())
            }
        };
        let fault = Fault {
            count: 0,
            first: text,
        };
        self.errors
            .entry(format!("{stage}: {kind}"))
            .or_insert(fault)
            .count += 1;
    }

    pub(crate) fn add(&mut self, other: Self) {
        add_times(&mut self.times, other.times);
        add_times(&mut self.minutes, other.minutes);
        for (what, number) in other.counts {
            *self.counts.entry(what).or_default() += number;
        }
        for (what, fault) in other.errors {
            let empty = Fault {
                count: 0,
                first: fault.first,
            };
            self.errors.entry(what).or_insert(empty).count += fault.count;
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.counts
            .iter()
            .map(|(what, number)| ((*what).to_owned(), *number))
            .collect()
    }

    pub(crate) fn errors(&self) -> BTreeMap<String, Fault> {
        self.errors.clone()
    }

    /// Minute by minute.
    pub(crate) fn minutes(&self) -> BTreeMap<u64, Summary> {
        let minutes = self.minutes.iter();
        minutes
            .map(|(minute, times)| (*minute, times.summary()))
            .collect()
    }

    pub(crate) fn latencies(&self) -> BTreeMap<String, Summary> {
        self.times
            .iter()
            .map(|(what, times)| ((*what).to_owned(), times.summary()))
            .collect()
    }
}

fn add_times<K: Ord>(mine: &mut BTreeMap<K, Times>, other: BTreeMap<K, Times>) {
    for (what, times) in other {
        match mine.get_mut(&what) {
            // Both have the same bounds, so that nothing can be out of them.
            Some(mine) => mine.histogram.add(times.histogram).unwrap_or(()),
            None => {
                mine.insert(what, times);
            }
        }
    }
}

impl Times {
    fn beginning(first: Duration) -> Self {
        #[expect(clippy::expect_used, reason = "the bounds are constants and valid")]
        let histogram = Histogram::new_with_bounds(SHORTEST, LONGEST, 3).expect("valid bounds");
        Self { histogram, first }
    }

    fn summary(&self) -> Summary {
        let at = |quantile| milliseconds(self.histogram.value_at_quantile(quantile));
        Summary {
            count: self.histogram.len(),
            mean: self.histogram.mean() / 1e6,
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: milliseconds(self.histogram.max()),
            first: self.first.as_secs_f64() * 1e3,
        }
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Stats;
    use crate::wire::Failure;

    #[test]
    fn the_figures_of_two_threads_are_added() {
        let mut one = Stats::default();
        let mut two = Stats::default();
        for (stats, milliseconds) in [(&mut one, 10), (&mut two, 30)] {
            stats.time("mail", Duration::from_millis(milliseconds));
            stats.time_in_minute(milliseconds / 20, Duration::from_millis(milliseconds));
            stats.count("mails", 1);
            stats.fail(
                "RCPT",
                &Failure::Refused {
                    code: 550,
                    text: "550 no".into(),
                },
            );
        }
        one.add(two);
        let summary = &one.latencies()["mail"];
        assert_eq!(summary.count, 2);
        assert!((29.9..30.2).contains(&summary.max), "{}", summary.max);
        assert_eq!(one.counts()["mails"], 2);
        let minutes = one.minutes();
        let counts: Vec<_> = minutes.iter().map(|(at, it)| (*at, it.count)).collect();
        assert_eq!(counts, [(0, 1), (1, 1)]);
        assert_eq!(one.errors()["RCPT: 550"].count, 2);
    }
}

//! What a metric can be, and how it is registered.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{self, Registry, Unit};

use crate::labels::{By, ByBoth, Label};

/// Only grows.
pub type Counter = counter::Counter<u64, AtomicU64>;

/// Goes up and down.
pub type Gauge = gauge::Gauge<i64, AtomicI64>;

/// How long something took, in buckets from a millisecond to ten seconds: below is the noise of any
/// machine, above no client waits patiently.
#[derive(Debug)]
pub struct Seconds(Histogram);

impl Seconds {
    const BUCKETS: [f64; 13] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];

    /// Something took so long.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

/// Seconds that the system counts.
#[derive(Debug)]
pub struct ProcessorSeconds(counter::Counter<f64, AtomicU64>);

impl ProcessorSeconds {
    pub(crate) fn set(&self, seconds: f64) {
        let bits = seconds.to_bits();
        self.0.inner().store(bits, Ordering::Relaxed);
    }
}

/// The certificates in use, by their numbers in the configuration.
#[derive(Debug)]
pub struct Certificates(Family<Vec<(&'static str, String)>, Gauge>);

impl Certificates {
    const LABEL: &'static str = "certificate";

    /// Sets those that have a value, and forgets the others.
    pub(crate) fn set(&self, values: impl IntoIterator<Item = Option<u64>>) {
        self.0.clear();
        for (number, value) in values.into_iter().enumerate() {
            if let Some(value) = value {
                let gauge = self
                    .0
                    .get_or_create(&vec![(Self::LABEL, number.to_string())]);
                gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
    }
}

/// What is declared of a metric.
pub(crate) struct Declared {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
}

/// A kind of metric, with its labels.
pub(crate) trait Kind {
    const NAME: &'static str;

    fn labels() -> Vec<&'static str> {
        Vec::new()
    }

    fn register(registry: &mut Registry, declared: &Declared) -> Self;
}

impl Kind for Counter {
    const NAME: &'static str = "counter";

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        register(registry, declared, Self::default())
    }
}

impl Kind for Gauge {
    const NAME: &'static str = "gauge";

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        register(registry, declared, Self::default())
    }
}

impl Kind for Seconds {
    const NAME: &'static str = "histogram";

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        Self(register(registry, declared, Histogram::new(Self::BUCKETS)))
    }
}

impl Kind for ProcessorSeconds {
    const NAME: &'static str = "counter";

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        Self(register(registry, declared, counter::Counter::default()))
    }
}

impl Kind for Certificates {
    const NAME: &'static str = "gauge";

    fn labels() -> Vec<&'static str> {
        vec![Self::LABEL]
    }

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        Self(register(registry, declared, Family::default()))
    }
}

/// The names and values of the labels of one metric.
type LabelSet = Vec<(&'static str, &'static str)>;

/// A kind that can have labels.
pub(crate) trait Labelled: Kind + registry::Metric + Clone + Default {}

impl Labelled for Counter {}
impl Labelled for Gauge {}

impl<A: Label, M: Labelled> Kind for By<A, M>
where
    Family<LabelSet, M>: registry::Metric,
{
    const NAME: &'static str = M::NAME;

    fn labels() -> Vec<&'static str> {
        vec![A::NAME]
    }

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        let family = register(registry, declared, Family::<LabelSet, M>::default());
        Self::new(|a: A| family.get_or_create_owned(&vec![(A::NAME, a.text())]))
    }
}

impl<A: Label, B: Label, M: Labelled> Kind for ByBoth<A, B, M>
where
    Family<LabelSet, M>: registry::Metric,
{
    const NAME: &'static str = M::NAME;

    fn labels() -> Vec<&'static str> {
        vec![A::NAME, B::NAME]
    }

    fn register(registry: &mut Registry, declared: &Declared) -> Self {
        let family = register(registry, declared, Family::<LabelSet, M>::default());
        Self::new(|a: A, b: B| {
            family.get_or_create_owned(&vec![(A::NAME, a.text()), (B::NAME, b.text())])
        })
    }
}

/// Registers under the name without what the format adds to it: the unit, and the `_total` of
/// counters.
fn register<M: registry::Metric + Clone>(
    registry: &mut Registry,
    declared: &Declared,
    metric: M,
) -> M {
    let name = declared.name;
    let name = name.strip_suffix("_total").unwrap_or(name);
    let help = sentence(declared.help);
    if let Some(name) = name.strip_suffix("_seconds") {
        registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    } else if let Some(name) = name.strip_suffix("_bytes") {
        registry.register_with_unit(name, help, Unit::Bytes, metric.clone());
    } else {
        registry.register(name, help, metric.clone());
    }
    metric
}

/// A help without its full stop: the encoder ends each with one of its own.
pub(crate) fn sentence(help: &str) -> &str {
    help.strip_suffix('.').unwrap_or(help)
}

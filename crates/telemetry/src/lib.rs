//! What the service says about itself: logs, the names of events, the catalogue of metrics.
//!
//! Every metric is declared once, in [`catalogue`](Metrics), with its type, unit, help and the
//! question it answers; every event has a name in [`event`]. `docs/metrics.md` is made of both.
//!
//! Absent on purpose: the contents of mail. Logs carry envelope addresses, never subjects, bodies
//! or passwords; metrics carry only labels from closed enums, never an address, a domain or an id.
//!
//! Read first: [`Metrics`], [`event`], [`logs`].

mod catalogue;
mod chain;
mod documentation;
pub mod event;
mod kind;
mod labels;
pub mod logs;
pub mod panics;
mod process;

pub use catalogue::{ClusterFigures, Metrics};
pub use chain::chain;
pub use documentation::documentation;
pub use kind::{Certificates, Counter, Gauge, ProcessorSeconds, Seconds};
pub use labels::{
    By, ByBoth, Duty, Label, Limit, Outcome, Protocol, ReplyClass, SmtpVerb, StoreFault,
    StoreOperation, TraceFate,
};

//! The promises kept in one local folder, for one machine.
//!
//! Mail is written once, read once or twice, removed. So bodies go into append-only files, the
//! [`segment`]s, once; everything else lives in an [`index`], whose atomic batches are the truth.
//! Both are synced side by side, once per group of mails, by the one [`writer`].
//!
//! | question | file |
//! |---|---|
//! | what is on disk? | `folder.rs`, `segment/record.rs`, `rows.rs` |
//! | what is done before a 250? | the order in front of `writer/mod.rs` |
//! | what does a crash leave, and who mends it? | `opening.rs` |
//! | who gives room back? | `writer/cleaning.rs` |
//! | what became of messages? | `traces/`, in files of their own |
//! | what is promised? | `accounts.rs`, `maildrops.rs`, `delivery.rs`, `reading.rs` |
//!
//! Files and index are reached through two small traits ([`disk`], [`index`]), so that the tests in
//! `histories` can lose power at every operation, in thousands of histories.
//!
//! Absent on purpose: a clock (ids and times come from the caller), protocols, a second writer.
//!
//! Read first: [`Embedded`], [`Options`], then `writer/mod.rs`.

mod accounts;
mod administration;
mod backup;
mod bytes_in;
mod check;
mod delivery;
mod disk;
mod embedded;
mod error;
mod folder;
pub mod forms;
mod front;
#[cfg(test)]
mod histories;
mod inbox;
mod index;
mod library;
mod listings;
mod maildrops;
mod opening;
mod options;
mod reading;
mod rows;
mod salvage;
mod segment;
mod traces;
mod usages;
mod workers;
mod writer;

pub use backup::Copied;
pub use check::{Checked, Fault};
pub use embedded::Embedded;
pub use error::OpenError;
pub use options::{Codec, Options, Pace};
pub use salvage::{Salvaged, salvage};
pub use segment::Damage;

/// The name of the events in the log, as the catalogue of events has it.
const MAINTAINED: &str = "store.maintained";

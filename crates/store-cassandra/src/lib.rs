//! The promises kept on Apache Cassandra: over several machines and data centers, without
//! lightweight transactions, counters, or anything that has to be agreed on.
//!
//! | question | file |
//! |---|---|
//! | what is in which table? | `schema/*.cql` |
//! | which CQL is there, how sure is it? | `statements.rs`, `profiles.rs` |
//! | are writes on disk when they are acknowledged? | `commit_logs.rs` |
//! | what does a failure of the driver mean? | `error.rs` |
//! | how long is a change repeated? | `changing.rs` |
//! | what if too much is asked at once? | `lane.rs` |
//! | does Cassandra answer here at all? | `pulse.rs` |
//! | when does an account exist? | `accounts.rs` |
//! | what is written before a 250? | the order in front of `delivery.rs`, then `spool.rs` |
//! | what if a data center is away? | `breaker.rs`, `waiting.rs`, `mending.rs` |
//! | in which partition is a message? | `buckets.rs` |
//! | when is a bucket left behind for good? | `retiring.rs` |
//! | how is a body kept? | `frames.rs`, `bodies.rs` |
//! | who finishes the work of a dead node? | `nodes.rs`, `spool.rs` |
//! | is a cluster fit for mail? | `survey/` |
//! | what became of messages? | `traces.rs` |
//! | how does an older schema become ours? | `migrate.rs` |
//! | what is promised? | the traits of `cassmail-store` |
//!
//! What makes it work without agreement: ids come from the caller; everything that belongs to a
//! message is written at the time of its id and deleted one microsecond later, so a replay never
//! wins over a deletion; a listing row is written once and deleted once; a write that timed out may
//! have happened and is never rolled back.
//!
//! Absent on purpose: a clock (it is passed in), protocols, conditional statements.
//!
//! Read first: [`Cassandra`], [`Options`], then `statements.rs`.

mod accounts;
mod administration;
mod bodies;
mod breaker;
mod buckets;
mod cassandra;
mod changing;
mod claims;
mod commit_logs;
mod copying;
mod delivery;
mod engine;
mod envelope;
mod error;
pub mod forms;
mod frames;
mod freshness;
mod gate;
mod lane;
mod listing;
mod maildrops;
mod mending;
mod migrate;
mod nodes;
mod options;
mod pauses;
mod profiles;
mod pulse;
mod retiring;
mod rows;
mod schema;
pub mod scrub;
mod spool;
mod statements;
mod survey;
mod tls;
mod together;
mod traces;
mod turns;
mod usages;
mod waiting;
mod workers;

/// The event of lines about what was found or mended.
const MAINTAINED: &str = "store.maintained";

/// The event of all lines about how far acknowledgements reach.
const REACH: &str = "store.reach.changed";

pub use cassandra::{Cassandra, Figures};
pub use copying::{ClaimError, CopyClaim};
pub use error::OpenError;
pub use migrate::{Effect, Migration, Step, migrate, plan};
pub use nodes::NodeSeen;
pub use options::{Clock, CommitLog, Login, Options};
pub use schema::{Replication, init};
pub use survey::{Finding, State, Survey, Topic, survey};
pub use tls::{Encryption, EncryptionError, EncryptionFiles};

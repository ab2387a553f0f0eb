//! The promises of a store, in few verbs that mean something to a postmaster.
//!
//! A back-end implements [`Accounts`], [`Maildrops`], [`Administrators`], [`Audit`], [`Traces`],
//! [`Usages`] and [`Store`]; the office uses it as `Arc<dyn Store>`. Each verb's comment has five
//! parts: *Promise*, *Retry* (what a second call with the same ids does), *Crash* (what may be
//! found afterwards), *Errors* (beside `Unavailable` and `Corrupt`, which every verb may answer),
//! *Cancel* (what dropping the future leaves). The suite in `cassmail-store-contract` has at
//! least one test for each sentence.
//!
//! Absent on purpose: transactions (Cassandra cannot keep that promise across partitions), keys and
//! values, anything of an engine, a clock. Ids and times come from the caller, so every write can
//! be repeated. Addresses come in the directory's canonical form: here they are compared as they
//! are.
//!
//! Read first: [`Maildrops`], [`StoreError`], [`AddressEntry`]; for tests [`MemoryStore`] and
//! [`Faulty`].

mod accounts;
mod administrators;
mod adoption;
mod audit;
pub mod copy;
mod delivered;
mod error;
mod fault;
mod health;
mod maildrops;
mod memory;
mod quota;
mod record;
mod retention;
mod traces;
mod usages;
mod workers;

pub use accounts::{Accounts, NewAccount};
pub use administrators::{
    AdminName, AdminNameError, Administrator, Administrators, Realm, Rights, Scope, ScopeError,
    Token, TokenId, TokenIdError,
};
pub use adoption::Adoption;
pub use audit::{Audit, AuditOutcome, AuditRecord, AuditSpan};
pub use delivered::{AsDelivered, delivered_size, delivered_surrogate_size};
pub use error::{ErrorKind, Reason, StoreError, StoreResult, Work};
pub use fault::{At, Fault, Faulty, Gate, Script, Side, Verb};
pub use health::{Health, Store};
pub use maildrops::{BodyReader, Maildrops, MessageWriter, Patience};
pub use memory::MemoryStore;
pub use quota::Quota;
pub use record::{
    AccountState, AddressEntry, AddressFilter, AppPassword, Credentials, DomainEntry, Profile,
    RecordError, Service,
};
pub use retention::{Bound, Retention};
pub use traces::{
    Arrival, EventId, Happened, Page, Reached, Refusal, Remover, Rule, Search, TraceEvent,
    TraceKey, TraceQuery, Traced, Traces, Way, pack, unpack,
};
pub use usages::{Counted, Usage, UsageNotes, Usages, Writer};
pub use workers::Workers;

//! The suite that every back-end must pass: one test per sentence of the promises in
//! `cassmail-store`, and random histories compared with the memory store.
//!
//! To prove a new back-end:
//!
//! 1. Take this crate as a dev-dependency, and write `tests/contract.rs` with a type that makes a
//!    store, reopens it, crashes it, fills it and damages it: a [`Subject`]. Whatever it needs (a
//!    folder, a keyspace) it holds, and cleans up in its `Drop`.
//! 2. Write one line below it:
//!
//!    ```text
//!    cassmail_store_contract::contract_tests!(MyStore);
//!    ```
//!
//! 3. Run `cargo test`. Every test appears as `contract::<sentence>` or `model::<sentence>`; the
//!    doc comment of the function with that name says which promise it is about.
//!
//! There is one macro and one list, so the suite cannot be half used; `cargo xtask check` compares
//! the numbers of tests. Each test gets a fresh subject on a current-thread runtime of its own with
//! timers and sockets enabled, and all may run at once. Nothing sleeps: a verb that answers has to
//! mean it. See `tests/memory.rs` here for the shortest example.
//!
//! Absent on purpose: anything that only one engine has (torn files, lost sync, timeouts of a
//! cluster). Such tests stand beside that engine.
//!
//! Read first: [`Subject`], then [`delivery`].

#![expect(clippy::missing_panics_doc, reason = "a test panics in order to fail")]

pub mod accounts;
pub mod addresses;
pub mod administration;
pub mod adoption;
mod bench;
pub mod closing;
pub mod crash;
pub mod crowd;
pub mod delivery;
mod letter;
mod list;
pub mod model;
pub mod reading;
pub mod removal;
pub mod retry;
pub mod room;
mod subject;
pub mod traces;
pub mod usages;
pub mod workers;

pub use bench::{Bench, run};
pub use subject::Subject;

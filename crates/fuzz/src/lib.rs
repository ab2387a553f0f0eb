//! Any bytes at all, for every parser and every session.
//!
//! A [`Target`] is a plain function over bytes that panics when something that must always hold
//! does not. Two drivers call the same functions: the one of this crate, on stable Rust, which
//! mutates seeds at random (`cargo xtask fuzz`, ten seconds each in CI), and libFuzzer, which is
//! guided by coverage (`cargo xtask fuzz guided`, in the workspace `fuzz/`, on nightly Rust).
//!
//! What is found becomes a transcript or a test beside the code before it is mended.
//!
//! Absent on purpose: anything that is shipped; access to what crates keep to themselves, so that
//! every target reaches the code the way its users do.
//!
//! Read first: [`Target`], `targets/mod.rs`, `driver.rs`.

mod corpus;
mod dice;
mod driver;
mod mutation;
mod targets;

pub use corpus::seeds;
pub use driver::{Finding, Hung, PATIENCE, Plan, Report, fault, run, run_all};
pub use targets::{TARGETS, Target, find};

//! The binary as it is typed: what it prints, what it says, and the code it ends with.

mod administration;
mod config;
mod copy;
mod directory;
mod import;
mod mailbox;
mod run;
mod secured;
mod serve;
mod store;
mod trace;
mod usage;

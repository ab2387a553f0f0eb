//! The surrogate of an internationalized message, for clients that read ASCII headers only.
//!
//! [`Surrogate`] is a filter over the pieces of a message, cut anywhere. What RFC 6858 says is all
//! that it does: addresses become ones that cannot be replied to and tell what they were, a Subject
//! becomes encoded words, parameters of MIME fields and whole fields that cannot be shown are left
//! out. That holds for the header of the message, of its parts, and of messages within it. Fields
//! in ASCII and all bodies come through octet by octet.
//!
//! The size of a surrogate is kept with each message and its octets are made again for each client,
//! so **the same message must give the same octets for ever**: a change here needs another form
//! beside this one, and `tests/golden.rs` says when that happens.
//!
//! Absent on purpose: more than one field in memory; any decision which messages need this, which
//! is `office`'s; I/O, clocks, stores, protocols.
//!
//! Read first: [`Surrogate`], then `field.rs`.

#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects
    )
)]

mod addresses;
mod encoded;
mod entity;
mod field;
mod filter;
mod parameters;

pub use filter::Surrogate;

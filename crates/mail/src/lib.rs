//! The vocabulary of the house: what every other crate speaks about.
//!
//! Plain values with their grammar and their order, nothing else. This crate does no I/O, reads no
//! clock, draws no randomness and knows no storage format; whoever needs a time or a random number
//! passes it in.
//!
//! Read first: [`Address`] (who), [`MessageId`] (what), and the receipts [`Stored`] and
//! [`Removed`], which are the only things that a 250 or a +OK to QUIT can be made from.

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

mod address;
mod base32;
mod domain;
mod entry;
mod envelope;
mod hex;
mod id;
mod receipt;
mod secret;
mod time;
mod uidl;

pub use address::{Address, AddressError, LocalPart};
pub use domain::{Domain, DomainError};
pub use entry::{Entry, SurrogateSize, delivered_to_line};
pub use envelope::{Delivery, Owner, ReversePath};
pub use hex::hex;
pub use id::{AccountId, IdMinter, MessageId, MessageIdError, NodeId};
pub use receipt::{Removed, Stored};
pub use secret::Secret;
pub use time::UnixTime;
pub use uidl::{Uidl, UidlError};

//! How far a copy has come, for whoever watches.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted by a copy, read by somebody else at any time.
#[derive(Debug, Default)]
pub struct Progress {
    accounts: AtomicU64,
    done: AtomicU64,
    messages: AtomicU64,
    verified: AtomicU64,
    octets: AtomicU64,
}

/// The counts at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// How many accounts are known so far.
    pub accounts: u64,
    /// How many of them are copied and verified.
    pub done: u64,
    /// How many messages were written.
    pub messages: u64,
    /// How many messages were read back.
    pub verified: u64,
    /// How many octets were written.
    pub octets: u64,
}

impl Progress {
    /// The counts now.
    pub fn reading(&self) -> Reading {
        Reading {
            accounts: self.accounts.load(Ordering::Relaxed),
            done: self.done.load(Ordering::Relaxed),
            messages: self.messages.load(Ordering::Relaxed),
            verified: self.verified.load(Ordering::Relaxed),
            octets: self.octets.load(Ordering::Relaxed),
        }
    }

    pub(super) fn account_is_known(&self) {
        self.accounts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn account_is_done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn message_is_written(&self, octets: u64) {
        self.messages.fetch_add(1, Ordering::Relaxed);
        self.octets.fetch_add(octets, Ordering::Relaxed);
    }

    pub(super) fn message_is_verified(&self) {
        self.verified.fetch_add(1, Ordering::Relaxed);
    }
}

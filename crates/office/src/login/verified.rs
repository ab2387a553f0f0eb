//! A memory for what was verified.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// Remembers claims that were verified, so that a client that polls costs microseconds.
///
/// What is kept is a digest over a key that is drawn at every start of the process, the password
/// and the stored hash: it proves nothing elsewhere, and another hash makes another digest.
pub(crate) struct Verified {
    key: [u8; 32],
    digests: Mutex<HashSet<[u8; 32]>>,
    limit: usize,
}

impl Verified {
    pub(crate) fn new(limit: usize) -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self {
            key,
            digests: Mutex::default(),
            limit,
        })
    }

    pub(crate) fn digest(&self, password: &str, hash: &str) -> [u8; 32] {
        let mut keyed = Sha256::new();
        keyed.update(self.key);
        for part in [password, hash] {
            keyed.update(part.len().to_le_bytes());
            keyed.update(part.as_bytes());
        }
        keyed.finalize().into()
    }

    /// Digests over a secret key tell nothing by the time that their comparison takes.
    pub(crate) fn contains(&self, digest: &[u8; 32]) -> bool {
        self.digests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(digest)
    }

    /// When the memory is full it starts anew: everybody is verified once more, nobody is refused.
    pub(crate) fn remember(&self, digest: [u8; 32]) {
        let mut digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() >= self.limit {
            digests.clear();
        }
        digests.insert(digest);
    }
}

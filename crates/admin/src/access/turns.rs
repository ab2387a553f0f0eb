//! Changes of one thing come one after the other, in this process: what was compared with If-Match
//! is still so when it is changed.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use tokio::sync::{Mutex, MutexGuard};

/// Turns for all things there are; two may share one.
pub(crate) struct Turns(Vec<Mutex<()>>);

impl Turns {
    pub(crate) fn new() -> Self {
        const TURNS: usize = 64;
        Self((0..TURNS).map(|_| Mutex::new(())).collect())
    }

    /// Waits for the turn of what has this name.
    pub(crate) async fn take(&self, name: &str) -> MutexGuard<'_, ()> {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(name);
        let place = usize::try_from(hash).unwrap_or_default() % self.0.len();
        self.0[place].lock().await
    }
}

//! One at a time for each message: the same message may come twice at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use cassmail_mail::MessageId;
use tokio::sync::OwnedMutexGuard;

#[derive(Default)]
pub(crate) struct Turns {
    waiting: Mutex<HashMap<MessageId, Arc<tokio::sync::Mutex<()>>>>,
}

/// Nobody else works on the message as long as this lives.
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    id: MessageId,
    _guard: OwnedMutexGuard<()>,
}

impl Turns {
    pub(crate) async fn wait_for(&self, id: MessageId) -> Turn<'_> {
        let own = Arc::clone(self.lock().entry(id).or_default());
        Turn {
            turns: self,
            id,
            _guard: own.lock_owned().await,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<MessageId, Arc<tokio::sync::Mutex<()>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut waiting = self.turns.lock();
        // The map and this guard: whoever waits holds one more.
        if waiting
            .get(&self.id)
            .is_some_and(|own| Arc::strong_count(own) <= 2)
        {
            waiting.remove(&self.id);
        }
    }
}

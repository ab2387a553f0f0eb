//! What waits for the writer: everybody puts requests in, the writer takes all of them at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::writer::Request;

/// How many octets may wait to be written, so that memory is bounded however slow the disk is.
const OCTETS_WAITING: usize = 32 * 1024 * 1024;

/// What a request without a body counts for.
const SMALL: usize = 512;

/// A queue whose reader takes everything.
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct Waiting {
    requests: Vec<Request>,
    /// Holds room until the writer has done with the requests.
    room: Vec<OwnedSemaphorePermit>,
    maintenance_is_due: bool,
    end: Option<End>,
}

/// How the writer shall end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// After everything that waits.
    Orderly,
    /// Now, as if the process had been killed.
    Abrupt,
}

/// Nobody takes requests any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ended;

/// What the writer has to do now.
pub(crate) struct Batch {
    pub(crate) requests: Vec<Request>,
    pub(crate) maintenance_is_due: bool,
    /// Set when nothing comes after this batch.
    pub(crate) end: Option<End>,
    /// Gives the room back when it is dropped.
    _room: Vec<OwnedSemaphorePermit>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Condvar::new(),
            room: Arc::new(Semaphore::new(OCTETS_WAITING)),
        }
    }

    /// Waits for room, then puts a request of so many octets in.
    ///
    /// Cancel safe: the request is in or it is not.
    pub(crate) async fn put(&self, request: Request, octets: usize) -> Result<(), Ended> {
        let octets = octets.clamp(SMALL, OCTETS_WAITING);
        let permits = u32::try_from(octets).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(permits).await;
        let room = room.map_err(|_| Ended)?;
        let mut waiting = self.lock();
        if waiting.end.is_some() {
            return Err(Ended);
        }
        waiting.requests.push(request);
        waiting.room.push(room);
        drop(waiting);
        self.changed.notify_all();
        Ok(())
    }

    /// Asks for a step of maintenance with the next batch.
    pub(crate) fn ask_for_maintenance(&self) {
        self.lock().maintenance_is_due = true;
        self.changed.notify_all();
    }

    /// Takes no more requests. An orderly end does not take back an abrupt one, after which nobody
    /// may be there to take what waits: it is dropped, so that whoever waits learns of the end.
    pub(crate) fn end(&self, how: End) {
        let mut waiting = self.lock();
        if waiting.end != Some(End::Abrupt) {
            waiting.end = Some(how);
        }
        let left = match how {
            End::Abrupt => Self::take_from(&mut waiting).requests,
            End::Orderly => Vec::new(),
        };
        drop(waiting);
        drop(left);
        self.room.close();
        self.changed.notify_all();
    }

    /// Everything that waits, perhaps nothing.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Batch {
        Self::take_from(&mut self.lock())
    }

    /// Everything that waits; blocks until there is something.
    pub(crate) fn wait(&self) -> Batch {
        let is_idle = |waiting: &mut Waiting| {
            waiting.requests.is_empty() && !waiting.maintenance_is_due && waiting.end.is_none()
        };
        let waiting = self.changed.wait_while(self.lock(), is_idle);
        Self::take_from(&mut waiting.unwrap_or_else(PoisonError::into_inner))
    }

    fn take_from(waiting: &mut Waiting) -> Batch {
        let taken = std::mem::take(waiting);
        waiting.end = taken.end;
        Batch {
            requests: taken.requests,
            maintenance_is_due: taken.maintenance_is_due,
            end: taken.end,
            _room: taken.room,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_not_left_waiting_by_an_abrupt_end() {
        let inbox = Inbox::new();
        let (answer, answered) = tokio::sync::oneshot::channel();
        inbox.put(Request::Moment(answer), 0).await.unwrap();
        inbox.end(End::Abrupt);
        assert!(answered.await.is_err());
    }
}

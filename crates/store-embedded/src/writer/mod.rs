//! The one writer: nobody else changes segments or index.
//!
//! It takes all that waits as one group. The order of its durable steps, and what a crash at each
//! point leaves:
//!
//! 1. Bodies are written to the head segment, in one write. *Crash*: dead octets.
//! 2. At the same time: the segment is synced; and one batch goes to the index (rows, live octets,
//!    and how far bodies were known to be on disk **before** this step, `proven`), and the index is
//!    synced. *Crash*: the rows are there or not, the bodies are there or not. The batch names the
//!    messages it adds as unproven, so the next opening verifies just those and drops what does not
//!    verify: nobody was told of it.
//! 3. When both are done: the new state is published, and everybody is answered. **Only here can a
//!    250 or a +OK begin.** *Crash*: all of it stays.
//!
//! While the disks sync, the next group gathers. Readers use the published state, so nothing is
//! seen before it is safe.
//!
//! A failed write or sync ends the store ([`Breakdown`]): everybody who waits is told that nobody
//! knows, and the process ends in an orderly way.

mod beside;
mod bodies;
mod breakdown;
mod cleaning;
mod draft;
mod group;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use tokio::sync::oneshot;

#[cfg(test)]
pub(crate) use beside::InTurns;
pub(crate) use beside::{Beside, InThread};
pub(crate) use bodies::{Bodies, Hold};
pub(crate) use breakdown::{Breakdown, Refusal};
pub(crate) use cleaning::Cleaning;
use group::Touched;
pub(crate) use group::{Group, Pending, Waiting};

use crate::disk::SegmentNumber;
use crate::folder::Lock;
use crate::front::{Front, State};
use crate::inbox::{Batch, End};
use crate::index::{Index, Snapshot};
use crate::rows::{Added, encode_added, meta, meta_key, unproven_key};
use crate::segment::{Extent, Position, Record};

/// What can be asked of the writer.
pub(crate) enum Request {
    /// A chunk of a large message, which is not waited for.
    Append(Record, oneshot::Sender<Placed>),
    /// A step that is answered when it is safe.
    Change(Box<dyn Waiting>),
    /// The store at one moment, for a copy.
    Moment(oneshot::Sender<Moment>),
}

/// A chunk that has its place, and what keeps it there until the message is committed.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) extent: Extent,
    pub(crate) _hold: Hold,
}

/// Everything that is safe on disk at one moment.
pub(crate) struct Moment {
    pub(crate) snapshot: Arc<dyn Snapshot>,
    /// Segments that never change again, with their lengths.
    pub(crate) sealed: Vec<(SegmentNumber, u64)>,
    /// The segment that is being written, and how much of it is safe.
    pub(crate) head: Option<(SegmentNumber, u64)>,
    pub(crate) synced: Position,
    /// Keeps segments from being removed.
    _hold: Hold,
}

/// Whether there is more to maintain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    Yes,
    No,
}

/// Whether the writer goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    GoesOn,
    Ended,
}

pub(crate) struct Writer {
    front: Arc<Front>,
    index: Box<dyn Index>,
    beside: Box<dyn Beside>,
    bodies: Bodies,
    cleaning: Cleaning,
    /// The keys of unproven groups, the oldest first.
    unproven: VecDeque<Position>,
    /// As the index has it.
    proven: Position,
    more: More,
    /// The folder is ours until the writer ends.
    _lock: Option<Lock>,
    /// Whoever calls for maintenance sees by its end that the writer has ended.
    _ticking: Option<SyncSender<()>>,
}

/// What a writer begins with.
pub(crate) struct Start {
    pub(crate) index: Box<dyn Index>,
    pub(crate) beside: Box<dyn Beside>,
    pub(crate) bodies: Bodies,
    pub(crate) cleaning: Cleaning,
    pub(crate) proven: Position,
    pub(crate) lock: Option<Lock>,
    pub(crate) ticking: Option<SyncSender<()>>,
}

impl Writer {
    /// Begins with what an opening made of the folder.
    pub(crate) fn new(front: Arc<Front>, start: Start) -> Self {
        front.publish(Some(start.index.snapshot()));
        Self {
            front,
            index: start.index,
            beside: start.beside,
            bodies: start.bodies,
            cleaning: start.cleaning,
            unproven: VecDeque::new(),
            proven: start.proven,
            more: More::No,
            _lock: start.lock,
            _ticking: start.ticking,
        }
    }

    /// Works until the store is closed or cannot go on.
    pub(crate) fn run(mut self) {
        let _alarm = Alarm(Arc::clone(&self.front));
        loop {
            let batch = self.front.inbox.wait();
            if self.work(batch) == Flow::Ended {
                return self.let_go();
            }
        }
    }

    /// Works on what waits, as one group.
    pub(crate) fn work(&mut self, batch: Batch) -> Flow {
        if batch.end == Some(End::Abrupt) {
            return Flow::Ended;
        }
        let is_last = batch.end.is_some();
        let mut done = self.group(batch);
        if is_last {
            done = done.and_then(|()| self.finish());
        }
        match done {
            Ok(()) if is_last => Flow::Ended,
            Ok(()) => Flow::GoesOn,
            Err(breakdown) => {
                self.poison(&breakdown);
                Flow::Ended
            }
        }
    }

    /// Whether the last step of maintenance left something to do.
    #[cfg(test)]
    pub(crate) fn more(&self) -> More {
        self.more
    }

    /// Requests that are dropped on the way are answered with "nobody knows".
    fn group(&mut self, batch: Batch) -> Result<(), Breakdown> {
        let base = self.index.snapshot();
        let mut group = Group::new(&mut self.bodies, base);
        let mut appended = Vec::new();
        let mut waiting = Vec::new();
        let mut moments = Vec::new();
        for request in batch.requests {
            match request {
                Request::Append(record, answer) => match group.append(&record) {
                    Ok(extent) => appended.push((extent, answer)),
                    Err(Refusal::Broken(breakdown)) => return Err(breakdown),
                    // Without an answer the message cannot be committed.
                    Err(_) => drop(answer),
                },
                Request::Change(mut change) => {
                    change.prepare(&mut group)?;
                    waiting.push(change);
                }
                Request::Moment(answer) => moments.push(answer),
            }
        }
        if batch.maintenance_is_due {
            self.more = self.cleaning.step(&mut group)?;
        }

        group.bodies.write_out()?;
        for (extent, answer) in appended {
            let hold = group.bodies.hold(extent.segment);
            let _ = answer.send(Placed {
                extent,
                _hold: hold,
            });
        }
        let Group {
            draft,
            added,
            touched,
            wants_sync,
            ..
        } = group;
        if wants_sync || !draft.is_empty() {
            self.make_durable(draft, &added, touched)?;
        }
        for change in waiting {
            change.answer();
        }
        if !moments.is_empty() {
            self.prove_everything()?;
        }
        for answer in moments {
            let _ = answer.send(self.moment());
        }
        if batch.maintenance_is_due {
            self.front.look_for_room();
            self.clear_away()?;
            self.front.set_busy(self.more);
        }
        Ok(())
    }

    /// Steps 2 and 3 of the order above.
    fn make_durable(
        &mut self,
        mut draft: draft::Draft,
        added: &[Added],
        touched: Vec<Touched>,
    ) -> Result<(), Breakdown> {
        let end = self.bodies.end();
        if !added.is_empty() {
            draft.put(unproven_key(end), encode_added(added));
            self.unproven.push_back(end);
        }
        self.prove(&mut draft);
        let segment = self.bodies.unsynced();
        let batch = draft.into_changes();
        self.beside.sync_both(segment, &*self.index, batch)?;
        self.bodies.has_synced(end);
        self.front.publish(Some(self.index.snapshot()));
        for (account, brought) in touched {
            self.front.listings.changed(account, brought);
        }
        Ok(())
    }

    /// Notes how far bodies are known to be on disk, and what need not be verified any more.
    fn prove(&mut self, draft: &mut draft::Draft) {
        let synced = self.bodies.synced();
        if synced == self.proven {
            return;
        }
        self.proven = synced;
        draft.put(meta_key(meta::PROVEN), synced.encode().to_vec());
        while let Some(end) = self.unproven.pop_front_if(|end| *end <= synced) {
            draft.remove(unproven_key(end));
        }
    }

    /// An opening cuts what is not proven off its file. A file that a copy has, too, must never be
    /// cut.
    fn prove_everything(&mut self) -> Result<(), Breakdown> {
        if self.bodies.synced() == self.proven {
            return Ok(());
        }
        let nothing = draft::Draft::new(self.index.snapshot());
        self.make_durable(nothing, &[], Vec::new())
    }

    fn moment(&self) -> Moment {
        let synced = self.bodies.synced();
        let head = self.bodies.head().map(|(number, _)| number);
        let head = head.filter(|number| *number == synced.segment);
        let sealed = self.bodies.sealed().iter();
        Moment {
            snapshot: self.index.snapshot(),
            sealed: sealed.map(|(&number, &length)| (number, length)).collect(),
            head: head.map(|number| (number, synced.offset)),
            synced,
            _hold: self.cleaning.hold(),
        }
    }

    /// Removes segments that no row speaks of any more, as the index on disk has it.
    fn clear_away(&mut self) -> Result<(), Breakdown> {
        let snapshot = self.index.snapshot();
        let dead = self.cleaning.dead(&mut self.bodies, &*snapshot)?;
        if dead.is_empty() {
            return Ok(());
        }
        for number in &dead {
            self.front.library.forget(*number);
        }
        self.bodies
            .remove(&dead)
            .map_err(Breakdown::of("remove a segment"))?;
        self.front.look_for_room();
        Ok(())
    }

    /// An orderly end: nothing is unproven, no room is wasted.
    fn finish(&mut self) -> Result<(), Breakdown> {
        self.bodies.seal()?;
        let mut draft = draft::Draft::new(self.index.snapshot());
        self.prove(&mut draft);
        self.index.apply(draft.into_changes())?;
        self.index.sync()?;
        self.index.settle();
        self.more = More::No;
        self.clear_away()
    }

    fn poison(&self, breakdown: &Breakdown) {
        poison(&self.front, &breakdown.text());
    }

    /// Lets go of everything, so that another process can open the store.
    pub(crate) fn let_go(self) {
        let Self {
            front,
            index,
            _lock: lock,
            ..
        } = self;
        let is_poisoned = matches!(front.state(), State::Poisoned(_));
        if !is_poisoned {
            front.publish(None);
            index.close();
        }
        drop(lock);
        if !is_poisoned {
            front.become_(State::Closed);
        }
    }
}

/// The end of the store: nobody is left to do what is asked.
fn poison(front: &Front, why: &str) {
    tracing::error!(event = crate::MAINTAINED, why, "the store cannot go on");
    front.become_(State::Poisoned(why.into()));
    front.inbox.end(End::Abrupt);
}

/// A writer that panics leaves a state that nobody knows, as a failed sync does.
struct Alarm(Arc<Front>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if std::thread::panicking() {
            poison(&self.0, "the writer panicked");
        }
    }
}

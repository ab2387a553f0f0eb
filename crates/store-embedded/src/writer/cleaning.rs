//! Giving back the room of what was removed.
//!
//! A sealed segment that is less than half alive is walked from front to back, the oldest first.
//! What is alive is copied to the head; only when the copy is proven to be on disk do the rows
//! point there (else a crash could leave a trusted row without a body). When no row points into a
//! segment, its file goes. *Crash*: at any point each message has one whole copy that its row
//! points to.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use cassmail_mail::MessageId;

use super::More;
use super::bodies::{Bodies, Hold};
use super::breakdown::{Breakdown, Refusal};
use super::group::Group;
use crate::disk::{SegmentFile, SegmentNumber};
use crate::index::{IndexError, Snapshot, Space, go_on_while};
use crate::rows::{account_of, listed_id, message_key, segment_key};
use crate::segment::{Extent, PREAMBLE, Position, ReadError, Record, read_header, read_record};

/// How many messages of a removed account go in one step.
const LEAVING_STEP: usize = 1000;

/// How many records are looked at in one step, alive or not.
const RECORDS_STEP: u32 = 4096;

/// So many small segments, which restarts leave, are worth being joined.
const SMALL_SEGMENTS: usize = 8;

/// The state of the cleaner.
pub(crate) struct Cleaning {
    step: u64,
    segment_size: u64,
    walk: Option<Walk>,
    /// Copies that rows do not point to yet.
    moves: Vec<Move>,
    /// Segments with damage that cannot be cleaned, until the next opening.
    given_up: BTreeSet<SegmentNumber>,
    /// Where the head ended when it was looked at last.
    head_end: Option<(SegmentNumber, u64)>,
    /// A copy of the store is being made as long as there is a second owner.
    copying: Hold,
}

struct Walk {
    segment: SegmentNumber,
    file: Arc<dyn SegmentFile>,
    at: u64,
    length: u64,
    has_copied: bool,
}

struct Move {
    id: MessageId,
    from: Extent,
    to: Extent,
}

impl Cleaning {
    /// A cleaner that copies about `step` octets at once.
    pub(crate) fn new(step: u64, segment_size: u64) -> Self {
        Self {
            step: step.max(1),
            segment_size,
            walk: None,
            moves: Vec::new(),
            given_up: BTreeSet::new(),
            head_end: None,
            copying: Hold::default(),
        }
    }

    /// Keeps all segments as long as the answer lives.
    pub(super) fn hold(&self) -> Hold {
        Arc::clone(&self.copying)
    }

    /// A step, as a part of a group.
    pub(super) fn step(&mut self, group: &mut Group<'_>) -> Result<More, Breakdown> {
        let leaving = tolerate(group.step(empty_a_leaving_maildrop), More::No)?;
        self.finish_moves(group)?;
        if self.walk.is_none() && self.moves.is_empty() {
            self.seal_an_idle_head(group)?;
            self.walk = tolerate(self.choose(group), None)?;
        }
        self.copy_some(group)?;
        let is_cleaning = self.walk.is_some() || !self.moves.is_empty();
        Ok(match leaving {
            More::No if !is_cleaning => More::No,
            _ => More::Yes,
        })
    }

    /// Rows point to copies that are on disk. A message that was removed meanwhile has no row; then
    /// its copy is dead.
    fn finish_moves(&mut self, group: &mut Group<'_>) -> Result<(), Breakdown> {
        let synced = group.bodies.synced();
        for done in self.moves.extract_if(.., |m| m.to.end() <= synced) {
            tolerate(group.step(|group| finish_move(group, &done)), ())?;
        }
        Ok(())
    }

    /// A head that nobody writes to and that is mostly dead is sealed, to be cleaned like others.
    fn seal_an_idle_head(&mut self, group: &mut Group<'_>) -> Result<(), Breakdown> {
        let head = group.bodies.head();
        let was_idle = head.is_some() && head == self.head_end;
        self.head_end = head;
        let Some((number, written)) = head.filter(|_| was_idle) else {
            return Ok(());
        };
        let live = tolerate(group.live(number), written)?;
        if written >= self.segment_size / 16 && is_mostly_dead(live, written) {
            group.bodies.seal()?;
        }
        Ok(())
    }

    fn choose(&self, group: &mut Group<'_>) -> Result<Option<Walk>, Refusal> {
        let sealed: Vec<_> = group
            .bodies
            .sealed()
            .iter()
            .map(|(&n, &l)| (n, l))
            .collect();
        let is_small = |length: u64| length < self.segment_size / 4;
        let small = sealed.iter().filter(|(_, length)| is_small(*length));
        let joins_small = small.count() >= SMALL_SEGMENTS;
        for (segment, length) in sealed {
            if self.given_up.contains(&segment) || group.bodies.is_held(segment) {
                continue;
            }
            let live = group.live(segment)?;
            let is_due = is_mostly_dead(live, length) || (joins_small && is_small(length));
            if live > 0 && is_due {
                let file = match group.bodies.open(segment) {
                    Ok(file) => file,
                    // Nothing was written: no files left to open is no end of the store.
                    Err(error) => {
                        let event = crate::MAINTAINED;
                        tracing::error!(event, %segment, %error, "a segment cannot be cleaned now");
                        continue;
                    }
                };
                return Ok(Some(Walk {
                    segment,
                    file,
                    at: PREAMBLE as u64,
                    length,
                    has_copied: false,
                }));
            }
        }
        Ok(None)
    }

    fn copy_some(&mut self, group: &mut Group<'_>) -> Result<(), Breakdown> {
        let Some(mut walk) = self.walk.take() else {
            return Ok(());
        };
        let mut copied = 0;
        for _ in 0..RECORDS_STEP {
            if copied >= self.step || walk.at >= walk.length {
                break;
            }
            match copy_next(group, &mut walk) {
                Ok(None) => {}
                Ok(Some(copy)) => {
                    copied = copied.saturating_add(copy.to.length);
                    self.moves.push(copy);
                    walk.has_copied = true;
                    group.wants_sync = true;
                }
                Err(CopyError::Refused(Refusal::Broken(breakdown))) => return Err(breakdown),
                // No room at the moment, or a row that cannot be read: later, from the beginning.
                Err(CopyError::Refused(refusal)) => {
                    let (event, segment) = (crate::MAINTAINED, walk.segment);
                    tracing::warn!(event, ?refusal, %segment, "cleaning is interrupted");
                    return Ok(());
                }
                Err(CopyError::Unreadable(error)) => {
                    let (event, segment) = (crate::MAINTAINED, walk.segment);
                    tracing::error!(event, %segment, ?error, "a segment cannot be cleaned");
                    self.given_up.insert(segment);
                    if !matches!(error, ReadError::Damaged(_)) {
                        return Ok(());
                    }
                }
            }
        }
        if walk.at < walk.length {
            self.walk = Some(walk);
        } else if !walk.has_copied {
            // Either the last living message went meanwhile, or the books are wrong: another walk
            // would find the same.
            self.given_up.insert(walk.segment);
        }
        Ok(())
    }

    /// Sealed segments that no row points into, that nobody is receiving into or copying.
    pub(super) fn dead(
        &mut self,
        bodies: &mut Bodies,
        snapshot: &dyn Snapshot,
    ) -> Result<Vec<SegmentNumber>, IndexError> {
        let mut dead = Vec::new();
        if Arc::strong_count(&self.copying) > 1 {
            return Ok(dead);
        }
        let sealed: Vec<_> = bodies.sealed().keys().copied().collect();
        for number in sealed {
            let (space, key) = segment_key(number);
            if snapshot.get(space, &key)?.is_none() && !bodies.is_held(number) {
                dead.push(number);
            }
        }
        self.walk.take_if(|walk| dead.contains(&walk.segment));
        Ok(dead)
    }
}

/// What a step of maintenance cannot do now waits; only a breakdown ends the store.
fn tolerate<T>(done: Result<T, Refusal>, otherwise: T) -> Result<T, Breakdown> {
    match done {
        Ok(done) => Ok(done),
        Err(Refusal::Broken(breakdown)) => Err(breakdown),
        Err(refusal) => {
            tracing::error!(
                event = crate::MAINTAINED,
                ?refusal,
                "a step of maintenance is left out"
            );
            Ok(otherwise)
        }
    }
}

fn is_mostly_dead(live: u64, length: u64) -> bool {
    live < length / 2
}

/// Removes some messages of an account that was removed.
fn empty_a_leaving_maildrop(group: &mut Group<'_>) -> Result<More, Refusal> {
    let base = Arc::clone(group.draft.base());
    let mut leaving = None;
    base.scan(Space::Leaving, &[], None, &mut |key, _| {
        leaving = Some(key.to_vec());
        ControlFlow::Break(())
    })?;
    let Some(key) = leaving else {
        return Ok(More::No);
    };
    let account = account_of(&key).ok_or(Refusal::CORRUPT)?;
    let mut ids = Vec::new();
    base.scan(Space::Maildrop, &key, None, &mut |key, _| {
        ids.extend(listed_id(key));
        go_on_while(ids.len() < LEAVING_STEP)
    })?;
    if ids.len() < LEAVING_STEP {
        group.draft.remove((Space::Leaving, key));
    }
    for id in ids {
        group.remove_listed(account, id)?;
    }
    Ok(More::Yes)
}

fn finish_move(group: &mut Group<'_>, done: &Move) -> Result<(), Refusal> {
    let Some(mut row) = group.message(done.id)? else {
        return Ok(());
    };
    let Some(extent) = row.extents.iter_mut().find(|e| **e == done.from) else {
        return Ok(());
    };
    *extent = done.to;
    group.draft.put(message_key(done.id), row.encode());
    group.deaden(&[done.from])?;
    group.enliven(&[done.to])
}

enum CopyError {
    Refused(Refusal),
    Unreadable(ReadError),
}

impl From<Refusal> for CopyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ReadError> for CopyError {
    fn from(error: ReadError) -> Self {
        Self::Unreadable(error)
    }
}

/// Copies the next record if a row points to it, and goes on behind it. Damage that leaves the way
/// on unknown ends the walk.
fn copy_next(group: &mut Group<'_>, walk: &mut Walk) -> Result<Option<Move>, CopyError> {
    let at = Position {
        segment: walk.segment,
        offset: walk.at,
    };
    let store = group.bodies.store();
    let header = match read_header(&*walk.file, store, at) {
        Ok(header) => header,
        Err(error) => {
            walk.at = walk.length;
            return Err(error.into());
        }
    };
    let from = Extent {
        segment: at.segment,
        offset: at.offset,
        length: header.length(),
    };
    let is_alive = match group.message(header.id)? {
        Some(row) => row.extents.contains(&from),
        None => false,
    };
    if !is_alive {
        walk.at = from.end().offset;
        return Ok(None);
    }
    let read = read_record(&*walk.file, store, from);
    let (header, payload) = read.inspect_err(|_| walk.at = from.end().offset)?;
    let record = Record {
        kind: header.kind,
        id: header.id,
        payload: payload.into(),
        checksum: header.checksum,
    };
    let to = group.append(&record)?;
    walk.at = from.end().offset;
    Ok(Some(Move {
        id: header.id,
        from,
        to,
    }))
}

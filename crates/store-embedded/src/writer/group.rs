//! What is done together: changes of the index, and the bodies they speak of.

use std::sync::Arc;

use cassmail_mail::{AccountId, MessageId};
use cassmail_store::{ErrorKind, StoreError, StoreResult};
use tokio::sync::oneshot;

use super::bodies::Bodies;
use super::breakdown::{Breakdown, Refusal};
use super::draft::Draft;
use crate::disk::SegmentNumber;
use crate::front::Verb;
use crate::index::Snapshot;
use crate::rows::{Added, MessageRow, decode_number, maildrop_key, message_key, segment_key};
use crate::segment::{Extent, Record};

/// A maildrop that is changed, and the message that it gets, if it is that.
pub(super) type Touched = (AccountId, Option<MessageId>);

/// A group that is being put together.
pub(crate) struct Group<'w> {
    pub(crate) bodies: &'w mut Bodies,
    pub(crate) draft: Draft,
    /// Messages whose rows the group adds.
    pub(super) added: Vec<Added>,
    /// Maildrops that list something else afterwards.
    pub(super) touched: Vec<Touched>,
    /// Whether what is written shall be synced even if no row speaks of it.
    pub(super) wants_sync: bool,
}

impl<'w> Group<'w> {
    pub(crate) fn new(bodies: &'w mut Bodies, base: Arc<dyn Snapshot>) -> Self {
        Self {
            bodies,
            draft: Draft::new(base),
            added: Vec::new(),
            touched: Vec::new(),
            wants_sync: false,
        }
    }

    /// Does a step wholly or not at all.
    pub(super) fn step<T>(
        &mut self,
        step: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.draft.begin_step();
        let added = self.added.len();
        let done = step(self);
        if done.is_err() {
            self.draft.undo_step();
            self.added.truncate(added);
        }
        done
    }

    /// Gives a record its place. If the step fails later, these octets are dead.
    pub(crate) fn append(&mut self, record: &Record) -> Result<Extent, Refusal> {
        self.bodies.append(record)
    }

    /// The row of a message, if it has one.
    pub(crate) fn message(&self, id: MessageId) -> Result<Option<MessageRow>, Refusal> {
        match self.draft.get(&message_key(id))? {
            None => Ok(None),
            Some(value) => MessageRow::decode(&value).map(Some).ok_or(Refusal::CORRUPT),
        }
    }

    /// Adds a message whose rows in the maildrops of `owners` are there already.
    pub(crate) fn add_message(
        &mut self,
        id: MessageId,
        row: &MessageRow,
        owners: Vec<AccountId>,
    ) -> Result<(), Refusal> {
        self.enliven(&row.extents)?;
        self.draft.put(message_key(id), row.encode());
        let touched = owners.iter().map(|&owner| (owner, Some(id)));
        self.touched.extend(touched);
        self.added.push(Added { id, owners });
        Ok(())
    }

    /// Takes a message from one owner. What belongs to nobody any more is dead, in the same group.
    pub(crate) fn remove_listed(
        &mut self,
        account: AccountId,
        id: MessageId,
    ) -> Result<(), Refusal> {
        let key = maildrop_key(account, id);
        if self.draft.get(&key)?.is_none() {
            return Ok(());
        }
        self.draft.remove(key);
        self.touch(account);
        let Some(mut row) = self.message(id)? else {
            return Ok(());
        };
        row.owners = row.owners.saturating_sub(1);
        if row.owners > 0 {
            self.draft.put(message_key(id), row.encode());
            return Ok(());
        }
        self.draft.remove(message_key(id));
        self.deaden(&row.extents)
    }

    /// The maildrop lists fewer messages afterwards.
    pub(crate) fn touch(&mut self, account: AccountId) {
        if self.touched.last() != Some(&(account, None)) {
            self.touched.push((account, None));
        }
    }

    /// These octets belong to a row now.
    pub(crate) fn enliven(&mut self, extents: &[Extent]) -> Result<(), Refusal> {
        for extent in extents {
            let live = self.live(extent.segment)?.saturating_add(extent.length);
            self.set_live(extent.segment, live);
        }
        Ok(())
    }

    /// These octets belong to no row any more.
    pub(crate) fn deaden(&mut self, extents: &[Extent]) -> Result<(), Refusal> {
        for extent in extents {
            let live = self.live(extent.segment)?.saturating_sub(extent.length);
            self.set_live(extent.segment, live);
        }
        Ok(())
    }

    /// How many octets of a segment belong to rows.
    pub(crate) fn live(&self, number: SegmentNumber) -> Result<u64, Refusal> {
        let value = self.draft.get(&segment_key(number))?;
        let decode = |value: Vec<u8>| decode_number(&value).ok_or(Refusal::CORRUPT);
        value.map_or(Ok(0), decode)
    }

    fn set_live(&mut self, number: SegmentNumber, live: u64) {
        if live == 0 {
            self.draft.remove(segment_key(number));
        } else {
            let value = live.to_be_bytes().to_vec();
            self.draft.put(segment_key(number), value);
        }
    }
}

/// A step that somebody waits for.
pub(crate) trait Waiting: Send {
    /// Does the step in the group.
    fn prepare(&mut self, group: &mut Group<'_>) -> Result<(), Breakdown>;

    /// The group is safe on disk: tells whoever waits what came of the step. Dropped without it,
    /// the answer is that nobody knows.
    fn answer(self: Box<Self>);
}

/// The general [`Waiting`]: a closure, and who gets its result.
pub(crate) struct Pending<T, F> {
    verb: Verb,
    step: Option<F>,
    done: Option<StoreResult<T>>,
    answer: oneshot::Sender<StoreResult<T>>,
}

impl<T, F> Pending<T, F> {
    pub(crate) fn new(verb: Verb, step: F, answer: oneshot::Sender<StoreResult<T>>) -> Self {
        Self {
            verb,
            step: Some(step),
            done: None,
            answer,
        }
    }
}

impl<T, F> Waiting for Pending<T, F>
where
    T: Send,
    F: FnOnce(&mut Group<'_>) -> Result<T, Refusal> + Send,
{
    fn prepare(&mut self, group: &mut Group<'_>) -> Result<(), Breakdown> {
        let Some(step) = self.step.take() else {
            return Ok(());
        };
        self.done = Some(match group.step(step) {
            Ok(done) => Ok(done),
            Err(Refusal::Refused(kind)) => Err(StoreError::new(kind, self.verb)),
            Err(Refusal::Unreadable(error)) => Err(crate::front::unreadable(self.verb, error)),
            Err(Refusal::Broken(breakdown)) => return Err(breakdown),
        });
        Ok(())
    }

    fn answer(self: Box<Self>) {
        let nobody_knows = || Err(StoreError::new(ErrorKind::Indeterminate, self.verb));
        // Whoever waited may have gone; the step is done all the same.
        let _ = self.answer.send(self.done.unwrap_or_else(nobody_knows));
    }
}

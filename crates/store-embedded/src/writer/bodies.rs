//! The segments as the writer has them: the head that grows, and those that are sealed.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::breakdown::{Breakdown, Refusal, is_lack_of_room};
use crate::bytes_in::octets;
use crate::disk::{Disk, SegmentFile, SegmentNumber};
use crate::segment::{Extent, PREAMBLE, Position, Record, StoreId, preamble};

/// All segments of a store. Only the writer has them.
pub(crate) struct Bodies {
    disk: Arc<dyn Disk>,
    store: StoreId,
    segment_size: u64,
    /// Made with the first record: an opening that writes nothing leaves no file.
    head: Option<Head>,
    /// With their lengths.
    sealed: BTreeMap<SegmentNumber, u64>,
    next: SegmentNumber,
    /// Every octet before it is on disk.
    synced: Position,
    /// Somebody who is still receiving has chunks there, as long as there is a second owner.
    holds: BTreeMap<SegmentNumber, Hold>,
}

/// Keeps a segment from being cleaned or removed.
pub(crate) type Hold = Arc<()>;

/// The segment that is being written.
struct Head {
    number: SegmentNumber,
    file: Arc<dyn SegmentFile>,
    /// How long the file may grow.
    size: u64,
    /// Written to the file, though perhaps not to the disk.
    written: u64,
    /// Has its place, but is not written yet.
    waiting: Vec<u8>,
}

impl Head {
    fn end(&self) -> Position {
        Position {
            segment: self.number,
            offset: self.written.saturating_add(octets(self.waiting.len())),
        }
    }

    fn write_out(&mut self) -> io::Result<()> {
        if !self.waiting.is_empty() {
            self.file.write_at(&self.waiting, self.written)?;
            self.written = self.end().offset;
            self.waiting.clear();
        }
        // A rare large group must not be paid for with memory for ever.
        self.waiting.shrink_to(1024 * 1024);
        Ok(())
    }
}

impl Bodies {
    /// The segments that an opening found; `proven` lies behind all of them that are in use.
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        store: StoreId,
        segment_size: u64,
        sealed: BTreeMap<SegmentNumber, u64>,
        proven: Position,
    ) -> Self {
        let last = sealed.keys().next_back().copied().unwrap_or_default();
        Self {
            disk,
            store,
            segment_size,
            head: None,
            sealed,
            next: last.max(proven.segment).next(),
            synced: proven,
            holds: BTreeMap::new(),
        }
    }

    pub(crate) fn store(&self) -> StoreId {
        self.store
    }

    /// Gives a record its place, behind all others. It is in the file after
    /// [`Bodies::write_out`], on disk after a sync.
    pub(crate) fn append(&mut self, record: &Record) -> Result<Extent, Refusal> {
        let length = record.length();
        let has_room = |head: &Head| head.end().offset.saturating_add(length) <= head.size;
        if !self.head.as_ref().is_some_and(has_room) {
            self.change_segment(length)?;
        }
        let store = self.store;
        let Some(head) = &mut self.head else {
            return Err(Refusal::FULL);
        };
        let place = head.end();
        record.write_to(&mut head.waiting, store, place);
        Ok(Extent {
            segment: place.segment,
            offset: place.offset,
            length,
        })
    }

    /// Begins a segment with room for `least` octets, then seals the old one. In this order a lack
    /// of room changes nothing. The name is durable before anything can point there.
    fn change_segment(&mut self, least: u64) -> Result<(), Refusal> {
        let number = self.next;
        let size = self
            .segment_size
            .max(least.saturating_add(octets(PREAMBLE)));
        let file = match self.disk.create(number, size) {
            Ok(file) => file,
            Err(error) if is_lack_of_room(&error) => return Err(Refusal::FULL),
            Err(error) => return Err(Breakdown::of("create a segment")(error).into()),
        };
        self.next = number.next();
        self.disk
            .sync_folder()
            .map_err(Breakdown::of("sync the folder of segments"))?;
        self.seal()?;
        let start = Position {
            segment: number,
            offset: 0,
        };
        self.head = Some(Head {
            number,
            file,
            size,
            written: 0,
            waiting: preamble(self.store, start),
        });
        Ok(())
    }

    /// Ends the head: all of it is on disk, and the room it did not need is given back.
    pub(crate) fn seal(&mut self) -> Result<(), Breakdown> {
        let Some(mut head) = self.head.take() else {
            return Ok(());
        };
        head.write_out()
            .map_err(Breakdown::of("write to a segment"))?;
        let end = head.end();
        head.file
            .truncate(end.offset)
            .map_err(Breakdown::of("cut off a segment"))?;
        head.file.sync().map_err(Breakdown::of("sync a segment"))?;
        self.synced = self.synced.max(end);
        self.sealed.insert(end.segment, end.offset);
        Ok(())
    }

    /// Writes everything that has a place.
    pub(crate) fn write_out(&mut self) -> Result<(), Breakdown> {
        match &mut self.head {
            Some(head) => head
                .write_out()
                .map_err(Breakdown::of("write to a segment")),
            None => Ok(()),
        }
    }

    /// Behind everything that has a place.
    pub(crate) fn end(&self) -> Position {
        self.head.as_ref().map_or(self.synced, Head::end)
    }

    /// Every octet before it is on disk.
    pub(crate) fn synced(&self) -> Position {
        self.synced
    }

    /// The file whose sync makes everything that is written durable; none if everything is.
    pub(crate) fn unsynced(&self) -> Option<Arc<dyn SegmentFile>> {
        let head = self.head.as_ref()?;
        (head.end() > self.synced).then(|| Arc::clone(&head.file))
    }

    /// A sync of everything up to there has finished.
    pub(crate) fn has_synced(&mut self, end: Position) {
        self.synced = self.synced.max(end);
    }

    /// Keeps the segment from being cleaned as long as the answer lives.
    pub(crate) fn hold(&mut self, number: SegmentNumber) -> Hold {
        Arc::clone(self.holds.entry(number).or_default())
    }

    /// Whether somebody is still receiving into it.
    pub(crate) fn is_held(&mut self, number: SegmentNumber) -> bool {
        self.holds.retain(|_, hold| Arc::strong_count(hold) > 1);
        self.holds.contains_key(&number)
    }

    /// Segments that never change again, with their lengths, the oldest first.
    pub(crate) fn sealed(&self) -> &BTreeMap<SegmentNumber, u64> {
        &self.sealed
    }

    /// The head's number and how much is written to it.
    pub(crate) fn head(&self) -> Option<(SegmentNumber, u64)> {
        let head = self.head.as_ref()?;
        Some((head.number, head.end().offset))
    }

    /// A sealed segment is shorter now.
    pub(crate) fn was_cut_off(&mut self, end: Position) {
        self.sealed.insert(end.segment, end.offset);
    }

    pub(crate) fn open(&self, number: SegmentNumber) -> io::Result<Arc<dyn SegmentFile>> {
        self.disk.open(number)
    }

    /// Removes sealed segments whole. Should their names come back after a crash, the next opening
    /// removes them again: nothing points there.
    pub(crate) fn remove(&mut self, numbers: &[SegmentNumber]) -> io::Result<()> {
        for number in numbers {
            match self.disk.remove(*number) {
                // Somebody else was first.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            self.sealed.remove(number);
        }
        self.disk.sync_folder()
    }
}

//! Segment files that are open for reading: a few of them, the last used ones.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, SegmentFile, SegmentNumber};
use crate::segment::StoreId;

type Open = (SegmentNumber, Arc<dyn SegmentFile>);

/// Opens segments for readers.
pub(crate) struct Library {
    disk: Arc<dyn Disk>,
    pub(crate) store: StoreId,
    /// The last used one is the last.
    open: Mutex<Vec<Open>>,
    most: usize,
}

impl Library {
    /// Keeps at most so many files open.
    pub(crate) fn new(disk: Arc<dyn Disk>, store: StoreId, most: usize) -> Self {
        Self {
            disk,
            store,
            open: Mutex::default(),
            most: most.max(1),
        }
    }

    /// The file of a segment. Whoever has it can go on reading when the segment is removed.
    pub(crate) fn file(&self, number: SegmentNumber) -> io::Result<Arc<dyn SegmentFile>> {
        if let Some(file) = self.used_again(number) {
            return Ok(file);
        }
        let file = self.disk.open(number)?;
        let mut open = self.lock();
        if open.len() >= self.most {
            open.remove(0);
        }
        open.push((number, Arc::clone(&file)));
        Ok(file)
    }

    fn used_again(&self, number: SegmentNumber) -> Option<Arc<dyn SegmentFile>> {
        let mut open = self.lock();
        let at = open.iter().rposition(|(other, _)| *other == number)?;
        if let Some(behind) = open.get_mut(at..) {
            behind.rotate_left(1);
        }
        open.last().map(|(_, file)| Arc::clone(file))
    }

    /// The segment is about to be removed.
    pub(crate) fn forget(&self, number: SegmentNumber) {
        self.lock().retain(|(other, _)| *other != number);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

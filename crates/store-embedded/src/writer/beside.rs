//! The two syncs of a group, at the same time.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::breakdown::Breakdown;
use crate::disk::SegmentFile;
use crate::index::{Change, Index};

/// Syncs a segment beside the index. Neither waits for the other: recovery needs no order.
pub(crate) trait Beside: Send {
    /// Applies the batch and syncs the index, and syncs the segment if there is one. Both are done
    /// when it returns, also when one of them failed.
    fn sync_both(
        &mut self,
        segment: Option<Arc<dyn SegmentFile>>,
        index: &dyn Index,
        batch: Vec<Change>,
    ) -> Result<(), Breakdown>;
}

/// Syncs segments in a thread of its own.
pub(crate) struct InThread {
    files: SyncSender<Arc<dyn SegmentFile>>,
    done: Receiver<io::Result<()>>,
}

impl InThread {
    /// Starts the thread; it ends when this is dropped.
    pub(crate) fn start() -> io::Result<Self> {
        let (files, waiting) = sync_channel::<Arc<dyn SegmentFile>>(1);
        let (answer, done) = sync_channel(1);
        thread::Builder::new()
            .name("segment-sync".to_owned())
            .spawn(move || {
                for file in waiting {
                    if answer.send(file.sync()).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { files, done })
    }
}

impl Beside for InThread {
    fn sync_both(
        &mut self,
        segment: Option<Arc<dyn SegmentFile>>,
        index: &dyn Index,
        batch: Vec<Change>,
    ) -> Result<(), Breakdown> {
        let has_segment = segment.is_some();
        if let Some(file) = segment {
            self.files
                .send(file)
                .map_err(|_| gone())
                .map_err(Breakdown::of("sync a segment"))?;
        }
        let applied = index.apply(batch).and_then(|()| index.sync());
        if has_segment {
            let synced = self.done.recv().unwrap_or_else(|_| Err(gone()));
            synced.map_err(Breakdown::of("sync a segment"))?;
        }
        Ok(applied?)
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that syncs segments is gone")
}

/// Every order in which two threads could come to the disk, one after the other: for simulations,
/// which must be the same each time.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct InTurns {
    turn: u32,
}

#[cfg(test)]
impl Beside for InTurns {
    fn sync_both(
        &mut self,
        segment: Option<Arc<dyn SegmentFile>>,
        index: &dyn Index,
        batch: Vec<Change>,
    ) -> Result<(), Breakdown> {
        self.turn = (self.turn + 1) % 3;
        let sync_segment = |turn| match &segment {
            Some(file) if self.turn == turn => file.sync(),
            _ => Ok(()),
        };
        let first = sync_segment(0);
        let applied = index.apply(batch);
        let second = sync_segment(1);
        let synced = applied.and_then(|()| index.sync());
        let third = sync_segment(2);
        for done in [first, second, third] {
            done.map_err(Breakdown::of("sync a segment"))?;
        }
        Ok(synced?)
    }
}

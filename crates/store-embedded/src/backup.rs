//! A copy of the store, made while it is used: opening the copy is restoring it.
//!
//! At one moment the writer says what is safe. Sealed segments never change, so they are linked
//! where that is possible; of the head, what is safe is copied; the index is written anew. What
//! makes the folder a store is written last: a copy that was interrupted is none.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::bytes_in::octets;
use crate::disk::{Disk, FolderDisk, SegmentNumber};
use crate::folder::Folder;
use crate::index::{Change, FjallIndex, Index, Snapshot, Space, go_on_while};
use crate::rows::{meta, meta_key};
use crate::segment::StoreId;
use crate::writer::Moment;
use crate::{Embedded, OpenError};

/// What a copy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// How many messages.
    pub messages: u64,
    /// How many files of bodies.
    pub segments: u64,
    /// How many octets those have; of files that were linked, too.
    pub octets: u64,
}

/// So many rows go into one batch.
const ROWS: usize = 1000;

/// So many octets are copied at once.
const COPY: usize = 1024 * 1024;

impl Embedded {
    /// Copies everything that was acknowledged before the call to a new folder, durably.
    ///
    /// Deliveries and removals go on; nothing of the store is removed from disk meanwhile. Dropping
    /// the future leaves the copy to finish in the background.
    ///
    /// # Errors
    /// [`OpenError::NotNew`] when there is something at `folder`; others when the copy could not be
    /// finished, and then it is no store.
    pub async fn backup(&self, folder: PathBuf) -> Result<Copied, OpenError> {
        const COPYING: &str = "copy the store";
        let moment = self.front.moment(COPYING).await;
        let moment = moment.map_err(OpenError::other(COPYING))?;
        let disk = Arc::clone(&self.front.disk);
        let store = self.front.library.store;
        let copying = move || copy(&moment, &*disk, store, &folder);
        let copied = tokio::task::spawn_blocking(copying).await;
        copied.unwrap_or_else(|error| Err(OpenError::other(COPYING)(error)))
    }
}

fn copy(
    moment: &Moment,
    disk: &dyn Disk,
    store: StoreId,
    folder: &Path,
) -> Result<Copied, OpenError> {
    let is_new = match folder.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    };
    if !is_new {
        return Err(OpenError::NotNew(folder.to_owned()));
    }
    let folder = Folder::new(folder);
    folder.make()?;
    let _lock = folder.lock()?;
    let target = FolderDisk::new(folder.bodies());
    let failed =
        |number: SegmentNumber| OpenError::file("copy", folder.bodies().join(number.to_string()));
    let mut copied = Copied::default();
    for &(number, length) in &moment.sealed {
        let linked = target.link(disk, number).map_err(failed(number))?;
        if !linked {
            copy_segment(disk, &target, number, length).map_err(failed(number))?;
        }
        copied.segments += 1;
        copied.octets += length;
    }
    if let Some((number, length)) = moment.head {
        copy_segment(disk, &target, number, length).map_err(failed(number))?;
        copied.segments += 1;
        copied.octets += length;
    }
    target
        .sync_folder()
        .map_err(OpenError::file("sync", folder.bodies()))?;
    copied.messages = copy_index(moment, &folder)?;
    folder.write_format(store)?;
    Ok(copied)
}

fn copy_segment(
    from: &dyn Disk,
    to: &dyn Disk,
    number: SegmentNumber,
    length: u64,
) -> io::Result<()> {
    let source = from.open(number)?;
    let target = to.create(number, length)?;
    let mut buffer = vec![0; COPY];
    let mut at = 0;
    while at < length {
        let rest = usize::try_from(length - at).unwrap_or(usize::MAX);
        let piece = &mut buffer[..rest.min(COPY)];
        source.read_at(piece, at)?;
        target.write_at(piece, at)?;
        at += octets(piece.len());
    }
    target.sync()
}

/// Answers how many messages there are.
fn copy_index(moment: &Moment, folder: &Folder) -> Result<u64, OpenError> {
    let failed = |error| OpenError::other("copy the index")(error);
    let index = FjallIndex::open(&folder.index(), 8 * 1024 * 1024).map_err(failed)?;
    let mut messages = 0;
    for space in Space::ALL {
        // All that the copy has is proven, since it is synced.
        if space == Space::Unproven {
            continue;
        }
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = rows(&*moment.snapshot, space, after.as_deref()).map_err(failed)?;
            let Some(((_, last), _)) = rows.last() else {
                break;
            };
            after = Some(last.clone());
            if space == Space::Message {
                messages += octets(rows.len());
            }
            index.apply(rows).map_err(failed)?;
        }
    }
    let proven = moment.synced.encode().to_vec();
    index
        .apply(vec![(meta_key(meta::PROVEN), Some(proven))])
        .and_then(|()| index.sync())
        .map_err(failed)?;
    index.settle();
    Box::new(index).close();
    Ok(messages)
}

fn rows(
    snapshot: &dyn Snapshot,
    space: Space,
    after: Option<&[u8]>,
) -> Result<Vec<Change>, crate::index::IndexError> {
    let mut rows = Vec::with_capacity(ROWS);
    snapshot.scan(space, &[], after, &mut |key, value| {
        rows.push(((space, key.to_vec()), Some(value.to_vec())));
        go_on_while(rows.len() < ROWS)
    })?;
    Ok(rows)
}

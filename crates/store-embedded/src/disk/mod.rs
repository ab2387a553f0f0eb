//! The few things that are done with segment files, so that a disk can be simulated.

mod real;
#[cfg(test)]
mod simulated;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub(crate) use real::{FolderDisk, make_private_folder, sync_folder};
#[cfg(test)]
pub(crate) use simulated::{Draw, Fault, SimulatedDisk, Whole, World, injected};

/// The number of a segment; its file is named after it. Numbers only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct SegmentNumber(pub(crate) u64);

impl SegmentNumber {
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Reads the name of a file, as [`fmt::Display`] writes it.
    pub(crate) fn of_file(name: &str) -> Option<Self> {
        let number = Self(name.strip_suffix(".seg")?.parse().ok()?);
        (number.to_string() == name).then_some(number)
    }
}

impl fmt::Display for SegmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:010}.seg", self.0)
    }
}

/// A folder of segment files.
pub(crate) trait Disk: Send + Sync {
    /// Makes a new file with room for `size` octets. `StorageFull` when there is none; then nothing
    /// is left of it. Durable only after [`Disk::sync_folder`].
    fn create(&self, number: SegmentNumber, size: u64) -> io::Result<Arc<dyn SegmentFile>>;

    /// Opens a file for reading (and for cutting off its end).
    fn open(&self, number: SegmentNumber) -> io::Result<Arc<dyn SegmentFile>>;

    /// All files with their lengths, in any order.
    fn list(&self) -> io::Result<Vec<(SegmentNumber, u64)>>;

    /// Removes a file; whoever has it open can go on reading.
    fn remove(&self, number: SegmentNumber) -> io::Result<()>;

    /// Makes the names durable.
    fn sync_folder(&self) -> io::Result<()>;

    /// How many octets can still be used.
    fn free_space(&self) -> io::Result<u64>;

    /// The folder, if it is one of the operating system.
    fn folder(&self) -> Option<&Path>;

    /// Makes a file of `from` a file of this folder too, if both can; false if not.
    fn link(&self, from: &dyn Disk, number: SegmentNumber) -> io::Result<bool>;
}

/// One segment file. Offsets are from its beginning.
pub(crate) trait SegmentFile: Send + Sync {
    /// Writes all of `bytes`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads until `into` is full; `UnexpectedEof` when the file ends before.
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()>;

    /// As [`SegmentFile::read_at`], but only if that takes no waiting for a disk; false if it
    /// would, or if it cannot be read at all.
    fn read_cached_at(&self, into: &mut [u8], offset: u64) -> bool {
        self.read_at(into, offset).is_ok()
    }

    /// Makes durable what was written and how long the file is.
    fn sync(&self) -> io::Result<()>;

    /// Cuts the file off.
    fn truncate(&self, length: u64) -> io::Result<()>;
}

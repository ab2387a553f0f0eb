//! Segment files in a folder of the operating system.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{Disk, SegmentFile, SegmentNumber};

/// The folder `bodies`.
#[derive(Debug)]
pub(crate) struct FolderDisk {
    folder: PathBuf,
}

impl FolderDisk {
    /// The folder must be there.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, number: SegmentNumber) -> PathBuf {
        self.folder.join(number.to_string())
    }

    /// A full disk leaves no empty file behind.
    fn create_with_room(path: &Path, size: u64) -> io::Result<File> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        match preallocate(&file, size) {
            Ok(()) => Ok(file),
            Err(error) => {
                fs::remove_file(path)?;
                Err(error)
            }
        }
    }
}

/// Makes a folder that only its owner can enter, and its parents.
pub(crate) fn make_private_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Where the file system cannot preallocate, the file is only made as long: its blocks are then
/// found one by one, which is slower, and a full disk is found while writing.
fn preallocate(file: &File, size: u64) -> io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(size),
        done => Ok(done?),
    }
}

impl Disk for FolderDisk {
    fn create(&self, number: SegmentNumber, size: u64) -> io::Result<Arc<dyn SegmentFile>> {
        let file = Self::create_with_room(&self.path(number), size)?;
        Ok(Arc::new(RealFile { file }))
    }

    fn open(&self, number: SegmentNumber) -> io::Result<Arc<dyn SegmentFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(number))?;
        Ok(Arc::new(RealFile { file }))
    }

    fn list(&self) -> io::Result<Vec<(SegmentNumber, u64)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if let Some(number) = name.to_str().and_then(SegmentNumber::of_file) {
                found.push((number, entry.metadata()?.len()));
            }
        }
        Ok(found)
    }

    fn remove(&self, number: SegmentNumber) -> io::Result<()> {
        fs::remove_file(self.path(number))
    }

    fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.folder)
    }

    fn free_space(&self) -> io::Result<u64> {
        let stat = statvfs(&self.folder)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.folder)
    }

    fn link(&self, from: &dyn Disk, number: SegmentNumber) -> io::Result<bool> {
        let Some(source) = from.folder() else {
            return Ok(false);
        };
        match fs::hard_link(source.join(number.to_string()), self.path(number)) {
            Ok(()) => Ok(true),
            // Another file system, or one without links: copying will do.
            Err(error) if error.kind() != io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

struct RealFile {
    file: File,
}

impl SegmentFile for RealFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn read_cached_at(&self, into: &mut [u8], offset: u64) -> bool {
        let wanted = into.len();
        let mut parts = [io::IoSliceMut::new(into)];
        let read = preadv2(&self.file, &mut parts, offset, ReadWriteFlags::NOWAIT);
        read == Ok(wanted)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }
}

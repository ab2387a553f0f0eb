//! The folder of a store: what is where, who has it open, what wrote it.
//!
//! ```text
//! LOCK      held while open; has the holder's process id
//! FORMAT    what this folder is: format, id of the store, which version made it
//! bodies/   the segments
//! index/    fjall
//! trace/    what became of messages; nothing that mail needs
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::OpenError;
use crate::disk::{make_private_folder, sync_folder};
use crate::segment::StoreId;

const TITLE: &str = "cassmail store";
const FORMAT: &str = "1";

/// A folder that is a store or will become one.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// The folder is ours as long as this lives; the operating system sees to it when the process dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn bodies(&self) -> PathBuf {
        self.0.join("bodies")
    }

    pub(crate) fn index(&self) -> PathBuf {
        self.0.join("index")
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.0.join("trace")
    }

    fn format(&self) -> PathBuf {
        self.0.join("FORMAT")
    }

    /// Makes the folder and the one for bodies, if they are not there.
    pub(crate) fn make(&self) -> Result<(), OpenError> {
        for path in [self.0.clone(), self.bodies()] {
            make_private_folder(&path).map_err(OpenError::file("make the folder", &path))?;
        }
        Ok(())
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// [`OpenError::InUse`] with the holder's process id.
    pub(crate) fn lock(&self) -> Result<Lock, OpenError> {
        let path = self.0.join("LOCK");
        let failed = OpenError::file("open", &path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(self.in_use(&mut file)),
            Err(error) => return Err(OpenError::file("lock", &path)(error.into())),
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(OpenError::file("write", &path))?;
        Ok(Lock { _file: file })
    }

    fn in_use(&self, file: &mut File) -> OpenError {
        let mut holder = String::new();
        let read = file.read_to_string(&mut holder);
        if read.is_err() || holder.trim().is_empty() {
            "unknown".clone_into(&mut holder);
        }
        OpenError::InUse {
            folder: self.0.clone(),
            holder: holder.trim().to_owned(),
        }
    }

    /// Removes what an interrupted making of an index left, which is nothing that can be read.
    pub(crate) fn clear_index(&self) -> Result<(), OpenError> {
        match fs::remove_dir_all(self.index()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(OpenError::file("remove", self.index())(error))
            }
            _ => Ok(()),
        }
    }

    /// Whose store this is; none if it is not one yet.
    pub(crate) fn read_format(&self) -> Result<Option<StoreId>, OpenError> {
        let path = self.format();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            // It is not even a text.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(OpenError::BadFormat(path));
            }
            Err(error) => return Err(OpenError::file("read", &path)(error)),
        };
        let value = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(' '));
            lines
                .find(|(found, _)| *found == name)
                .map(|(_, v)| v.trim())
        };
        if text.lines().next() != Some(TITLE) {
            return Err(OpenError::BadFormat(path));
        }
        match value("format") {
            Some(FORMAT) => {}
            Some(found) if found.parse::<u32>().is_ok() => {
                return Err(OpenError::NewerFormat {
                    folder: self.0.clone(),
                    found: found.to_owned(),
                });
            }
            _ => return Err(OpenError::BadFormat(path)),
        }
        let id = value("id").and_then(|id| u128::from_str_radix(id, 16).ok());
        let id = id.ok_or(OpenError::BadFormat(path))?;
        Ok(Some(StoreId(id.to_be_bytes())))
    }

    /// Makes the folder a store: the last step of making one, durable when it returns.
    pub(crate) fn write_format(&self, store: StoreId) -> Result<(), OpenError> {
        let path = self.format();
        let new = self.0.join("FORMAT.new");
        let text = format!(
            "{TITLE}\nformat {FORMAT}\nid {store}\ncreated-with {}\n",
            env!("CARGO_PKG_VERSION")
        );
        let created = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new);
        let written = created.and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written
            .and_then(|()| fs::rename(&new, &path))
            .and_then(|()| sync_folder(&self.0))
            .map_err(OpenError::file("write", &path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, Folder) {
        let there = tempfile::tempdir().unwrap();
        let folder = Folder::new(there.path());
        (there, folder)
    }

    #[test]
    fn a_format_comes_back_and_others_are_refused_with_a_reason() {
        let (_there, folder) = folder();
        assert!(folder.read_format().unwrap().is_none());
        folder.write_format(StoreId([7; 16])).unwrap();
        assert_eq!(folder.read_format().unwrap(), Some(StoreId([7; 16])));
        let path = folder.format();
        for (text, expected) in [
            (
                "cassmail store\nformat 2\nid 07\n",
                "this version reads format 1",
            ),
            ("cassmail store\nid 07\n", "is damaged"),
            ("cassmail store\nformat 1\nid x\n", "is damaged"),
            ("", "is damaged"),
        ] {
            fs::write(&path, text).unwrap();
            let error = folder.read_format().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let (_there, folder) = folder();
        let lock = folder.lock().unwrap();
        let error = folder.lock().unwrap_err().to_string();
        let holder = format!("process {}", std::process::id());
        assert!(error.contains(&holder), "{error}");
        drop(lock);
        folder.lock().unwrap();
    }
}

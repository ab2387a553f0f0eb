//! Why a store cannot be opened, copied or salvaged: for operators.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use crate::Damage;

/// A store cannot be opened, or something that is done with a whole store failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("{folder} is in use by process {holder}; stop it first, or talk to it over its socket")]
    InUse {
        /// Which store.
        folder: PathBuf,
        /// The process's id, as far as it is known.
        holder: String,
    },
    /// A newer version wrote it.
    #[error("{folder} has format {found}, this version reads format 1; use the newer version")]
    NewerFormat {
        /// Which store.
        folder: PathBuf,
        /// Its format.
        found: String,
    },
    /// The file that says what the folder is cannot be understood.
    #[error("{0} is damaged; restore it from a backup, or try: cassmail store salvage")]
    BadFormat(PathBuf),
    /// There are bodies without an index, or with that of another store.
    #[error("{0}: the index is lost; restore a backup, or try: cassmail store salvage")]
    IndexLost(PathBuf),
    /// There are segments, but not the file that says what the folder is.
    #[error("{0} is missing, but there are bodies; restore it from a backup")]
    FormatLost(PathBuf),
    /// A folder that must be new is not.
    #[error("{0} is there already; name a folder that is not there yet")]
    NotNew(PathBuf),
    /// A row of the index cannot be understood.
    #[error("a row of the index is damaged; restore a backup, or try: cassmail store salvage")]
    DamagedRow,
    /// A segment is not what it should be.
    #[error("stored data is damaged")]
    Damaged(#[from] Damage),
    /// Something with files failed.
    #[error("failed to {operation} {path}")]
    File {
        /// What was tried.
        operation: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Something else failed.
    #[error("failed to {operation}")]
    Other {
        /// What was tried.
        operation: &'static str,
        /// What went wrong.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl OpenError {
    /// Something with a file failed.
    pub(crate) fn file(
        operation: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            operation,
            path: path.as_ref().to_owned(),
            source,
        }
    }

    /// Something else failed.
    pub(crate) fn other<E: Into<Box<dyn Error + Send + Sync>>>(
        operation: &'static str,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Other {
            operation,
            source: source.into(),
        }
    }
}

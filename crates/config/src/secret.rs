//! Files that only this service may read.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Why a secret file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Everybody on this machine may read it.
    #[error("{0} can be read by everybody on this machine; mend it with: chmod o= {0}")]
    ReadableByAll(PathBuf),
    /// It cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Refuses a file that everybody may read.
///
/// # Errors
/// See [`SecretError`].
pub fn check_secret_file(path: &Path) -> Result<(), SecretError> {
    let failed = |source| SecretError::Read {
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path)
        .map_err(failed)?
        .permissions()
        .mode();
    if mode & 0o004 == 0 {
        Ok(())
    } else {
        Err(SecretError::ReadableByAll(path.to_owned()))
    }
}

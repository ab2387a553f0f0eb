//! Files that only this service may read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// What stands in a secret file. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The secret itself, for the one who needs it; never for logs, errors or answers.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(...)")
    }
}

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
        source: io::Error,
    },
}

/// Reads a secret from its file, without the end of its last line. A file that everybody may read
/// is refused.
///
/// # Errors
/// See [`SecretError`].
pub fn read_secret(path: &Path) -> Result<Secret, SecretError> {
    let failed = failed_to_read(path);
    let mut file = open(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    Ok(Secret(secret.to_owned()))
}

/// Refuses a file that everybody may read, for those that others read.
///
/// # Errors
/// See [`SecretError`].
pub fn check_secret_file(path: &Path) -> Result<(), SecretError> {
    open(path).map(drop)
}

/// The rights are those of the file that is open, whatever its path becomes.
fn open(path: &Path) -> Result<File, SecretError> {
    let failed = failed_to_read(path);
    let file = File::open(path).map_err(&failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    if mode & 0o004 == 0 {
        Ok(file)
    } else {
        Err(SecretError::ReadableByAll(path.to_owned()))
    }
}

fn failed_to_read(path: &Path) -> impl Fn(io::Error) -> SecretError {
    |source| SecretError::Read {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str, mode: u32) -> PathBuf {
        let name = format!("cassmail-secret-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_secret_is_read_without_its_line_end_and_does_not_print() {
        let path = file("own", "hush \n", 0o640);
        let secret = read_secret(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(secret.expose(), "hush ");
        assert_eq!(format!("{secret:?}"), "Secret(...)");
    }

    #[test]
    fn a_file_that_everybody_may_read_is_refused_with_the_remedy() {
        let path = file("public", "hush", 0o644);
        let refused = read_secret(&path).unwrap_err().to_string();
        let checked = check_secret_file(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        let remedy = format!("mend it with: chmod o= {}", path.display());
        assert!(refused.ends_with(&remedy), "{refused}");
        assert_eq!(refused, checked);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = read_secret(Path::new("/nonexistent/key.pem")).unwrap_err();
        assert_eq!(missing.to_string(), "failed to read /nonexistent/key.pem");
    }
}

//! The secret that salts of SCRAM are made with: the operator's, or one that is drawn once.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use cassmail_config::{Settings, read_secret};
use cassmail_office::{SaltSecret, draw_secret};

use crate::exit::{Failure, Outcome};

/// What a secret of ours is called in the data folder.
const NAME: &str = "salt-secret";

/// The secret of the file that is configured, else the one in the data folder.
pub(crate) fn secret(settings: &Settings) -> Outcome<SaltSecret> {
    match &settings.login.salt_secret_file {
        Some(file) => {
            let secret = read_secret(file).context("login.salt_secret_file");
            let secret = secret.map_err(Failure::configuration)?;
            if secret.expose().len() < 16 {
                return Err(Failure::configuration(anyhow::anyhow!(
                    "login.salt_secret_file: expected at least 16 characters in {}; draw some \
                     with: openssl rand -hex 32",
                    file.display()
                )));
            }
            Ok(SaltSecret::of(secret.expose().as_bytes()))
        }
        None => kept_in(&settings.identity.data_dir),
    }
}

/// The secret in a folder, which is drawn if there is none. Where there is no folder, as for a
/// command about a store on other machines, it lives as long as the process.
fn kept_in(folder: &Path) -> Outcome<SaltSecret> {
    let file = folder.join(NAME);
    let failed = |what: &str, error: io::Error| {
        let error = anyhow::Error::new(error);
        Failure::unavailable(error.context(format!("failed to {what} {}", file.display())))
    };
    match std::fs::read(&file) {
        Ok(octets) if octets.len() >= 16 => return Ok(SaltSecret::of(&octets)),
        // A crash between making and filling it: nobody has seen a salt of it.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", error)),
    }
    let drawn = drawn()?;
    if folder.is_dir() {
        write(&file, drawn.as_bytes()).map_err(|error| failed("write", error))?;
    }
    Ok(SaltSecret::of(drawn.as_bytes()))
}

fn drawn() -> Outcome<String> {
    draw_secret().map_err(|error| {
        Failure::software(anyhow::Error::new(error).context("failed to draw a random number"))
    })
}

fn write(file: &Path, octets: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut opened = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)?;
    opened.write_all(octets)?;
    opened.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_drawn_once_and_for_its_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept_in(folder.path()).unwrap();
        assert_eq!(kept_in(folder.path()).unwrap(), first);
        let file = folder.path().join(NAME);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&file, "").unwrap();
        assert_ne!(kept_in(folder.path()).unwrap(), first);
        std::fs::remove_file(&file).unwrap();
        assert_ne!(kept_in(folder.path()).unwrap(), first);
    }

    #[test]
    fn where_there_is_no_folder_none_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let absent = folder.path().join("absent");
        assert!(kept_in(&absent).is_ok());
        assert!(!absent.exists());
    }
}

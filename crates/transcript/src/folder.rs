//! All transcripts of a folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::bless::bless;
use crate::failure::Failure;
use crate::perform::{Scripted, perform};
use crate::stage::cuts;
use crate::transcript::Transcript;

/// Runs every transcript (`*.txt`) of a folder in all cuts; gives how many there are. With
/// `CASSMAIL_BLESS=1` in the environment the `S:` lines are rewritten first.
///
/// # Errors
/// All failures, printed: the first of each file.
pub fn check_folder<S: Scripted>(folder: &Path) -> Result<usize, String> {
    if wants_blessing() {
        bless::<S>(folder)?;
    }
    let transcripts = transcripts_in(folder)?;
    let mut failures = String::new();
    for transcript in &transcripts {
        if let Err(failure) = check::<S>(transcript) {
            let _ = writeln!(failures, "{failure}");
        }
    }
    if failures.is_empty() {
        Ok(transcripts.len())
    } else {
        Err(failures)
    }
}

/// Runs one transcript in all cuts.
///
/// # Errors
/// The first failure.
pub fn check<S: Scripted>(transcript: &Transcript) -> Result<(), Box<Failure>> {
    for cut in cuts(transcript) {
        perform::<S>(transcript, cut)?;
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a switch for whoever runs tests, which no configuration should know"
)]
fn wants_blessing() -> bool {
    std::env::var("CASSMAIL_BLESS").is_ok_and(|value| value == "1")
}

/// Reads the transcripts of a folder, in the order of their names.
///
/// # Errors
/// The first that cannot be read.
pub fn transcripts_in(folder: &Path) -> Result<Vec<Transcript>, String> {
    let shown = |error: &dyn std::error::Error| format!("{}: {error}", folder.display());
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| shown(&error))?
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| Transcript::read(path).map_err(|error| error.to_string()))
        .collect()
}

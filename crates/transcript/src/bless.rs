//! Rewriting what the server is expected to say.

use std::fmt::Write as _;
use std::path::Path;

use crate::failure::Failure;
use crate::folder::transcripts_in;
use crate::perform::{Scripted, record};
use crate::transcript::Transcript;

/// Rewrites the `S:` lines of every transcript of a folder to what the session says. Lines that fit
/// already stay, with their `*`. Gives the paths of the files that changed.
///
/// # Errors
/// All files that fail for another reason than an `S:` line, printed.
pub fn bless<S: Scripted>(folder: &Path) -> Result<Vec<String>, String> {
    let mut changed = Vec::new();
    let mut failures = String::new();
    for transcript in transcripts_in(folder)? {
        match blessed::<S>(&transcript) {
            Ok(text) if text == transcript.source => {}
            Ok(text) => {
                std::fs::write(transcript.path(), text).map_err(|error| error.to_string())?;
                changed.push(transcript.path().display().to_string());
            }
            Err(failure) => {
                let _ = writeln!(failures, "{failure}");
            }
        }
    }
    if failures.is_empty() {
        Ok(changed)
    } else {
        Err(failures)
    }
}

/// The text of the file with its `S:` lines as the session says them.
pub(crate) fn blessed<S: Scripted>(transcript: &Transcript) -> Result<String, Box<Failure>> {
    let record = record::<S>(transcript)?;
    let mut text = String::new();
    for (index, line) in transcript.source.lines().enumerate() {
        let number = index + 1;
        let replaced = record.replaced.iter().find(|(at, _)| *at == number);
        let kept = replaced.map_or(Some(line), |(_, new)| new.as_deref());
        let inserted = record.inserted.iter().filter(|(at, _)| *at == number);
        for line in kept.into_iter().chain(inserted.map(|(_, new)| &**new)) {
            text.extend([line, "\n"]);
        }
    }
    Ok(text)
}

//! Where seeds come from: the golden conversations and the awkward messages of the tests.

use std::path::{Path, PathBuf};

use cassmail_transcript::{Transcript, transcripts_in};

use crate::targets::Target;

/// What a target begins with; its own examples are always there, those of the repository when it
/// is found where this crate was built.
pub fn seeds(target: &Target) -> Vec<Vec<u8>> {
    let mut seeds = (target.seeds)();
    seeds.retain(|seed| seed.len() <= 16 * 1024);
    seeds.sort_unstable();
    seeds.dedup();
    seeds
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests")
}

/// The conversations of a protocol.
pub(crate) fn transcripts(protocol: &str) -> Vec<Transcript> {
    transcripts_in(&tests().join("transcripts").join(protocol)).unwrap_or_default()
}

/// The text of the files with these conversations.
pub(crate) fn transcript_files() -> Vec<Vec<u8>> {
    ["smtp", "pop3"]
        .into_iter()
        .flat_map(transcripts)
        .filter_map(|transcript| std::fs::read(transcript.path()).ok())
        .collect()
}

/// The awkward messages, but for the long ones.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    let folder = tests().join("messages");
    let folders = [folder.clone(), folder.join("refused")];
    let files = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "eml"));
    files
        .filter_map(|path| std::fs::read(path).ok())
        .filter(|message| message.len() <= 4096)
        .collect()
}

//! Golden conversations: any text is one, or is refused with its line.

use std::path::Path;

use cassmail_transcript::{Pattern, Transcript};

use super::Target;
use crate::corpus::transcript_files;

pub(super) const TARGET: Target = Target {
    name: "transcript-file",
    about: "the parser of golden conversations",
    run,
    seeds: transcript_files,
    words: &[
        b"C: ",
        b"S: ",
        b"C= \"",
        b"C* 1000 \"",
        b"S~ done",
        b"?: ",
        b"!: ",
        b"?! ",
        b"N: ",
        b"@ wait 5m",
        b"@ tls",
        b"@ with ",
        b"\\x0",
        b"\\",
        b"*",
        b"\"",
        b"# ",
        b"\n",
    ],
};

fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(transcript) = Transcript::parse(Path::new("fuzz"), &text) {
        assert!(!transcript.about().is_empty());
        let _ = (transcript.input(), transcript.needs_a_stage());
        let patterns: Vec<&Pattern> = transcript.questions("").collect();
        for pattern in patterns.iter().take(8) {
            let _ = pattern.matches(&text[..text.floor_char_boundary(text.len().min(200))]);
        }
    }
}

//! Which input arrives in which pieces.

use crate::transcript::{Entry, Item, Transcript};

/// How the client's bytes are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Lines that follow one another arrive together, when what is in front of them has come.
    AsWritten,
    /// Everything up to the next `@` line arrives in one piece.
    Joined,
    /// Byte by byte.
    Single,
    /// As `Joined`, but cut in two in front of this byte of the whole.
    At(usize),
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AsWritten => f.write_str("as written"),
            Self::Joined => f.write_str("all input in one piece"),
            Self::Single => f.write_str("byte by byte"),
            Self::At(byte) => write!(f, "input cut in front of byte {byte}"),
        }
    }
}

/// An act, then input, then what has to come of them.
#[derive(Debug, Default)]
pub(crate) struct Stage<'a> {
    pub(crate) act: Option<&'a Entry>,
    pub(crate) input: Vec<u8>,
    /// Where `input` begins in the whole input.
    pub(crate) offset: usize,
    pub(crate) clients: Vec<&'a Entry>,
    pub(crate) expected: Vec<&'a Entry>,
}

/// The stages of a run.
pub(crate) fn stages(transcript: &Transcript, cut: Cut) -> Vec<Stage<'_>> {
    let mut stages = Vec::new();
    let mut stage = Stage::default();
    let mut offset = 0;
    for entry in &transcript.entries {
        let begins_another = match &entry.item {
            Item::Client(_) => cut == Cut::AsWritten && !stage.expected.is_empty(),
            item => item.is_barrier(),
        };
        if begins_another {
            stages.push(std::mem::take(&mut stage));
            stage.offset = offset;
        }
        match &entry.item {
            Item::Client(bytes) => {
                stage.input.extend_from_slice(bytes);
                stage.clients.push(entry);
                offset += bytes.len();
            }
            item if item.is_barrier() => stage.act = Some(entry),
            _ => stage.expected.push(entry),
        }
    }
    stages.push(stage);
    stages
}

impl Stage<'_> {
    /// The input in its pieces.
    pub(crate) fn pieces(&self, cut: Cut) -> Vec<&[u8]> {
        let pieces: Vec<&[u8]> = match cut {
            Cut::AsWritten | Cut::Joined => vec![&self.input],
            Cut::Single => self.input.chunks(1).collect(),
            Cut::At(byte) => {
                let at = byte.saturating_sub(self.offset).min(self.input.len());
                let (before, after) = self.input.split_at(at);
                vec![before, after]
            }
        };
        pieces.into_iter().filter(|p| !p.is_empty()).collect()
    }
}

/// The runs that a transcript has to pass: all cuts where they are few, else those near the ends of
/// lines and of client entries.
pub(crate) fn cuts(transcript: &Transcript) -> Vec<Cut> {
    const FEW: usize = 6000;
    const MOST: usize = 600;
    let mut input = Vec::new();
    let mut borders = Vec::new();
    for entry in &transcript.entries {
        if let Item::Client(bytes) = &entry.item {
            input.extend_from_slice(bytes);
            borders.push(input.len());
        }
    }
    let mut positions: Vec<usize> = (1..input.len()).collect();
    if input.len() > FEW {
        let line_ends = input.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        borders.extend(line_ends.map(|(at, _)| at));
        let near = |border: &usize| border.saturating_sub(3)..border + 4;
        positions = borders.iter().flat_map(near).collect();
        positions.retain(|&at| at > 0 && at < input.len());
        positions.sort_unstable();
        positions.dedup();
        let step = positions.len().div_ceil(MOST).max(1);
        positions = positions.into_iter().step_by(step).collect();
    }
    let mut cuts = vec![Cut::AsWritten, Cut::Joined, Cut::Single];
    cuts.extend(positions.into_iter().map(Cut::At));
    cuts
}

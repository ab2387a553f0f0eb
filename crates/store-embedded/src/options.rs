//! What can be chosen about a store.

use std::path::PathBuf;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is; made if it is not there.
    pub folder: PathBuf,
    /// How large a file of bodies grows before the next one is begun. At least 1 MiB.
    pub segment_size: u64,
    /// Below so much free space deliveries are refused; cleaning needs at least two segments.
    pub low_water: u64,
    /// How bodies are kept.
    pub codec: Codec,
    /// How much of the index is kept in memory, in bytes, beside what was written last.
    pub index_cache: u64,
    /// How much cleaning copies in one step of maintenance, in bytes.
    pub cleaning_step: u64,
    /// How often there is maintenance.
    pub pace: Pace,
    /// How many files of bodies are kept open for reading.
    pub open_files: usize,
    /// How much traces may take, in bytes; of more the oldest go.
    pub trace_size: u64,
}

/// How bodies are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// As they come.
    #[default]
    Plain,
    /// LZ4, each piece for itself; pieces that do not get smaller are kept as they come.
    Lz4,
}

/// How often a step of maintenance is taken: cleaning, emptying the maildrops of removed accounts,
/// looking whether there is room again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two steps while there is work: with the size of a step, this is the throttle.
    pub busy: Duration,
    /// Between two looks whether there is work.
    pub idle: Duration,
}

impl Options {
    /// What a server on a machine of its own needs.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            segment_size: 256 * MIB,
            low_water: 2 * 256 * MIB,
            codec: Codec::default(),
            index_cache: 8 * MIB,
            cleaning_step: MIB,
            pace: Pace {
                busy: Duration::from_millis(50),
                idle: Duration::from_secs(1),
            },
            open_files: 32,
            trace_size: 1024 * MIB,
        }
    }

    /// What development and tests need: the same with small segments.
    pub fn small(folder: impl Into<PathBuf>) -> Self {
        Self {
            segment_size: 16 * MIB,
            low_water: 2 * 16 * MIB,
            ..Self::new(folder)
        }
    }
}

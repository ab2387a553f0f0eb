//! `store`: check, backup, salvage.

use tokio::runtime::Runtime;

use crate::cli::{Store, Which};
use crate::exit::Outcome;

pub(crate) fn run(_runtime: &Runtime, _which: &Which, _command: Store) -> Outcome {
    Ok(())
}

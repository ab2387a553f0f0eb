//! What CI runs, and nothing else.

use anyhow::Result;

use crate::{check, clusters, setup, test};

/// Setup, checks, tests on real clusters, all other tests; ends with the lines of
/// `cargo test`.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    check::run()?;
    clusters::run()?;
    test::run(&[])
}

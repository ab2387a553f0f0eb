//! What CI runs, and nothing else.

use anyhow::Result;

use crate::{check, clusters, fuzz, setup, test};

/// Setup, checks, tests on real clusters, any bytes at all for a while, all other tests; ends with
/// the lines of `cargo test`.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    check::run()?;
    clusters::run()?;
    fuzz::briefly()?;
    test::run(&[])
}

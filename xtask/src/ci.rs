//! What CI runs, and nothing else.

use anyhow::Result;

use crate::{check, clusters, docs, setup, test};

/// Setup, checks, documents, tests on real clusters, all other tests; ends with the lines of
/// `cargo test`.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    check::run()?;
    docs::check()?;
    clusters::run()?;
    test::run(&[])
}

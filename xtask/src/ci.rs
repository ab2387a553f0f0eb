//! What CI runs, and nothing else.

use anyhow::Result;

use crate::{check, docs, setup, test};

/// Setup, checks, documents, tests; ends with the lines of `cargo test`.
pub(crate) fn run() -> Result<()> {
    setup::run()?;
    check::run()?;
    docs::check()?;
    test::run(&[])
}

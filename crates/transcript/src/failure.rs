//! How a transcript that failed is told.

use std::fmt;

/// What went wrong, where, after what.
#[derive(Debug)]
pub struct Failure {
    /// The file and the line in it.
    pub place: String,
    /// How the input was cut.
    pub run: String,
    /// What was expected and what came.
    pub what: String,
    /// The end of the conversation until then.
    pub before: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} ({})", self.place, self.run)?;
        for line in self.what.lines() {
            writeln!(f, "    {line}")?;
        }
        writeln!(f, "  the conversation before:")?;
        for line in &self.before {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

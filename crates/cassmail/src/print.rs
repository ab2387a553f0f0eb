//! Data to standard output, everything else to standard error.
//!
//! Who has read enough closes the pipe, as `head` does: what is left is not printed, and that is no
//! fault of the command.

use std::fmt::Display;
use std::io::Write as _;

/// Prints a line of data.
pub(crate) fn data(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints octets as they are.
pub(crate) fn octets(octets: &[u8]) {
    let _ = std::io::stdout().write_all(octets);
}

/// Prints a line for the person in front of the terminal.
pub(crate) fn remark(line: impl Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

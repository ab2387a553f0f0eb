//! Data to standard output, everything else to standard error.

/// Prints a line of data.
#[expect(clippy::print_stdout, reason = "this is what commands print")]
pub(crate) fn data(line: impl std::fmt::Display) {
    println!("{line}");
}

/// Prints a line for the person in front of the terminal.
#[expect(clippy::print_stderr, reason = "this is what commands say")]
pub(crate) fn remark(line: impl std::fmt::Display) {
    eprintln!("{line}");
}

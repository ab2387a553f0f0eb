//! Exit codes, after sysexits; [`HELP`] says them to users.

use std::process::ExitCode;

/// The end of `--help`.
pub(crate) const HELP: &str = "\
Exit codes:
   0  done
   1  refused, or only a part was done; the message says what
   2  the command line is wrong
  69  the service or the store cannot be reached or opened, or a port is in use
  70  the service ended because of a fault of its own
  77  this user may not do it
  78  the configuration is wrong";

/// What a command could not do, with the code it ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    error: anyhow::Error,
}

/// It was refused, or it failed.
const FAILED: u8 = 1;
/// The command line is wrong (clap ends with this itself).
pub(crate) const USAGE: u8 = 2;
/// The store or the service cannot be reached or opened.
const UNAVAILABLE: u8 = 69;
/// The service ended because of a fault of its own, such as a failed sync.
const SOFTWARE: u8 = 70;
/// This user may not do it.
const NO_PERMISSION: u8 = 77;
/// The configuration is wrong.
const CONFIGURATION: u8 = 78;

/// What a command gives.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// Refused or failed: 1.
    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: FAILED,
            error: error.into(),
        }
    }

    /// The command line is wrong in a way that clap cannot see: 2.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self {
            code: USAGE,
            error: anyhow::Error::msg(text.into()),
        }
    }

    /// The store or the service cannot be reached or opened: 69.
    pub(crate) fn unavailable(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: UNAVAILABLE,
            error: error.into(),
        }
    }

    /// A fault of our own: 70.
    pub(crate) fn software(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: SOFTWARE,
            error: error.into(),
        }
    }

    /// Not allowed: 77.
    pub(crate) fn no_permission(text: impl Into<String>) -> Self {
        Self {
            code: NO_PERMISSION,
            error: anyhow::Error::msg(text.into()),
        }
    }

    /// The configuration is wrong: 78.
    pub(crate) fn configuration(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: CONFIGURATION,
            error: error.into(),
        }
    }

    /// The same failure, with what it is about (and a colon) in front.
    pub(crate) fn about(self, what: &str) -> Self {
        Self {
            code: self.code,
            error: anyhow::anyhow!("{what} {:#}", self.error),
        }
    }

    /// A line with all causes; one for each problem of a configuration.
    pub(crate) fn line(&self) -> String {
        format!("error: {:#}", self.error).replace('\n', "\nerror: ")
    }

    /// The same for a log, where a line is one line.
    pub(crate) fn reason(&self) -> String {
        format!("{:#}", self.error).replace('\n', "; ")
    }

    /// The code to end with.
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

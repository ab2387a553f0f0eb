//! Passwords from a terminal or from standard input, never from the command line, where everybody
//! on the machine could read them.

use std::io::{BufRead as _, IsTerminal as _};

use cassmail_mail::Secret;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::exit::{Failure, Outcome};
use crate::print;

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The first line of standard input.
    StandardInput,
    /// Asked twice on the terminal.
    Terminal,
}

impl Source {
    /// What `--password-stdin` says.
    pub(crate) fn of(password_stdin: bool) -> Self {
        if password_stdin {
            Self::StandardInput
        } else {
            Self::Terminal
        }
    }

    /// Refuses to ask where nobody is.
    pub(crate) fn check(self) -> Outcome {
        if self == Self::StandardInput || std::io::stdin().is_terminal() {
            return Ok(());
        }
        Err(Failure::usage(
            "standard input is no terminal to ask for a password; give it with --password-stdin",
        ))
    }

    /// Reads a password.
    pub(crate) fn read(self) -> Outcome<Secret> {
        match self {
            Self::StandardInput => read_line(),
            Self::Terminal => ask_twice(),
        }
    }
}

fn ask_twice() -> Outcome<Secret> {
    let first = ask("password: ")?;
    let second = ask("again: ")?;
    if first == second {
        Ok(first)
    } else {
        Err(Failure::failed(anyhow::anyhow!(
            "the passwords differ; nothing was changed"
        )))
    }
}

fn ask(prompt: &str) -> Outcome<Secret> {
    print::remark(prompt);
    let _hidden = Hidden::begin()?;
    read_line()
}

fn read_line() -> Outcome<Secret> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    read.map_err(|error| {
        Failure::failed(anyhow::Error::new(error).context("failed to read a password"))
    })?;
    let end = line.trim_end_matches(['\r', '\n']).len();
    line.truncate(end);
    Ok(Secret::new(line))
}

/// Keeps the terminal from showing what is typed, until it is dropped.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> Outcome<Self> {
        let failed = |error: rustix::io::Errno| {
            Failure::failed(anyhow::Error::new(error).context("failed to hide the password"))
        };
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Now, &silent).map_err(failed)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // When the terminal is gone there is nobody to show anything to.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

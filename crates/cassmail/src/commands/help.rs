//! `completions` and `man`: made of the definitions of the command line.

use std::io::Write as _;

use clap::{Command, CommandFactory as _};
use clap_complete::Shell as Kind;

use crate::cli::{Cli, Shell};
use crate::exit::{Failure, Outcome};

/// Prints what a shell has to know in order to complete what is typed.
pub(crate) fn completions(shell: Shell) {
    let kind = match shell {
        Shell::Bash => Kind::Bash,
        Shell::Zsh => Kind::Zsh,
        Shell::Fish => Kind::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(kind, &mut Cli::command(), "cassmail", &mut script);
    write(&script);
}

/// Prints the manual page of a command, in the form that man reads.
pub(crate) fn manual(words: &[String]) -> Outcome {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(named(words)?).render(&mut page);
    rendered.map_err(|error| Failure::software(anyhow::Error::new(error)))?;
    write(&page);
    Ok(())
}

fn named(words: &[String]) -> Outcome<Command> {
    let mut command = Cli::command();
    // Gives subcommands the names that their pages have.
    command.build();
    for word in words {
        let found = command.find_subcommand(word).cloned();
        let unknown = || Failure::usage(format!("there is no command {}", words.join(" ")));
        command = found.ok_or_else(unknown)?;
    }
    Ok(command)
}

fn write(text: &[u8]) {
    // Who has read enough closes the pipe.
    let _ = std::io::stdout().write_all(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_agree_with_themselves() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pages_are_found_by_the_words_of_their_command() {
        let words = ["account", "app-password", "add"].map(str::to_owned);
        let page = named(&words).unwrap();
        let name = page.get_display_name();
        assert_eq!(name, Some("cassmail-account-app-password-add"));
        assert!(named(&["fly".to_owned()]).is_err());
    }
}

//! `config`: the defaults, a check, what is in effect.

use cassmail_config::{DEFAULT, Shown, show};

use crate::cli::{Config, Which};
use crate::exit::Outcome;
use crate::{print, settings, wiring};

/// Runs a `config` command.
pub(crate) fn run(which: &Which, command: Config) -> Outcome {
    match command {
        Config::Default => print::data(DEFAULT.trim_end()),
        Config::Check => {
            let loaded = settings::load(which)?;
            let advice = settings::check(&loaded, &which.given())?;
            settings::certificates(&loaded)?;
            settings::tokens(&loaded)?;
            wiring::server_options(&loaded.settings, &cassmail_net::Clock::system())?;
            for advice in advice {
                print::remark(format!("advice: {advice}"));
            }
            print::remark("the configuration is well");
        }
        Config::Show { changed } => {
            let loaded = settings::load(which)?;
            let shown = if changed { Shown::Changed } else { Shown::All };
            print::data(show(&loaded, shown).trim_end());
        }
    }
    Ok(())
}

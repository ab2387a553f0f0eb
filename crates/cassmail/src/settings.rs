//! Settings from the file that was named and the environment.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use cassmail_config::{Loaded, Problem, Settings};
use cassmail_mail::Domain;
use cassmail_net::{Certificates, TlsError};
use cassmail_office::Tokens;
use cassmail_telemetry::logs::{self, Level};

use crate::cli::Which;
use crate::exit::{Failure, Outcome};
use crate::wiring;

/// Loads what `--config` names, else the defaults; `--data` replaces the data folder.
pub(crate) fn load(which: &Which) -> Outcome<Loaded> {
    let text = which.config.as_deref().map(read).transpose()?;
    let name = which
        .config
        .as_deref()
        .map(|path| path.display().to_string());
    let file = name.as_deref().zip(text.as_deref());
    let mut loaded = cassmail_config::load(file, environment()).map_err(Failure::configuration)?;
    if let Some(folder) = &which.data {
        loaded.settings.identity.data_dir.clone_from(folder);
        loaded.settings.identity.run_dir = None;
    }
    Ok(loaded)
}

/// What of the settings was given on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    /// The data folder.
    Data,
    /// The level of the log.
    Log,
}

/// Checks settings against each other; gives advice.
pub(crate) fn check(loaded: &Loaded, given: &[Given]) -> Outcome<Vec<String>> {
    cassmail_config::check(loaded).map_err(|mut problems| {
        problems
            .0
            .iter_mut()
            .for_each(|problem| blame(problem, given));
        if problems
            .0
            .iter()
            .all(|problem| problem.place.starts_with("--"))
        {
            Failure::usage(problems.to_string())
        } else {
            Failure::configuration(problems)
        }
    })
}

/// Names the option where the value came from one.
fn blame(problem: &mut Problem, given: &[Given]) {
    let place = match problem.key.as_str() {
        "log.level" if given.contains(&Given::Log) => "--log",
        "data_dir" if given.contains(&Given::Data) => {
            // The remedy for a file is none for a folder that replaces the file's.
            let text = problem.text.split(';').next().unwrap_or_default();
            problem.text = format!(
                "{text}; name a shorter one, or set data_dir and run_dir in a file for --config"
            );
            "--data"
        }
        _ => return,
    };
    place.clone_into(&mut problem.place);
    problem.key.clear();
}

/// Loads the certificates that are configured, if any are; says which setting is wrong.
pub(crate) fn certificates(loaded: &Loaded) -> Outcome<Option<Certificates>> {
    certificates_are_readable(loaded)?;
    let files = wiring::certificate_files(&loaded.settings);
    let read = files.map(|(first, others)| Certificates::from_files(&first, &others));
    let read = read.transpose();
    read.map_err(|error| about_certificates(loaded, error))
}

/// A certificate that cannot be used, with the setting that names it.
pub(crate) fn about_certificates(loaded: &Loaded, error: TlsError) -> Failure {
    let place = loaded.place("tls.certificate");
    Failure::configuration(error).about(&format!("{place}: tls.certificate: failed to"))
}

/// Looks whether the files are there and the key is nobody else's; says which setting is wrong.
pub(crate) fn certificates_are_readable(loaded: &Loaded) -> Outcome {
    let about = |key: &str| format!("{}: {key}:", loaded.place(key));
    let tls = &loaded.settings.tls;
    if let Some(path) = &tls.certificate {
        let opened = std::fs::File::open(path);
        let expected = || {
            format!(
                "expected a certificate in PEM form; failed to read {}",
                path.display()
            )
        };
        opened
            .with_context(expected)
            .map_err(|error| Failure::configuration(error).about(&about("tls.certificate")))?;
    }
    if let Some(path) = &tls.key {
        cassmail_config::check_secret_file(path)
            .map_err(|error| Failure::configuration(error).about(&about("tls.key")))?;
    }
    for key in tls.further.0.values() {
        cassmail_config::check_secret_file(key)
            .map_err(|error| Failure::configuration(error).about(&about("tls.further")))?;
    }
    Ok(())
}

/// How much is logged.
pub(crate) fn level(settings: &Settings) -> Outcome<Level> {
    let level = logs::parse_level(&settings.log.level).context("log.level");
    level.map_err(Failure::configuration)
}

/// Loads the keys of those whose tokens are believed, if anybody's are; says what is wrong.
pub(crate) fn tokens(loaded: &Loaded) -> Outcome<Option<Arc<Tokens>>> {
    let key = "login.oauth.jwks_file";
    wiring::tokens(&loaded.settings)
        .map_err(|failure| failure.about(&format!("{}: {key}:", loaded.place(key))))
}

fn read(path: &Path) -> Outcome<String> {
    let read = std::fs::read_to_string(path);
    read.with_context(|| format!("failed to read the configuration {}", path.display()))
        .map_err(Failure::configuration)
}

/// The variables that are texts; others cannot be settings.
fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |value: std::ffi::OsString| value.into_string().ok();
    std::env::vars_os().filter_map(move |(name, value)| Some((text(name)?, text(value)?)))
}

/// Where the admin socket is.
pub(crate) fn socket(settings: &Settings) -> PathBuf {
    let identity = &settings.identity;
    identity
        .run_dir
        .as_ref()
        .unwrap_or(&identity.data_dir)
        .join("admin.sock")
}

/// The configured name of this server, else the system's.
pub(crate) fn hostname(settings: &Settings) -> Domain {
    let system = rustix::system::uname();
    let system = system
        .nodename()
        .to_str()
        .ok()
        .and_then(|name| name.parse().ok());
    let configured = settings.identity.hostname.clone();
    configured.or(system).unwrap_or_else(|| {
        // A system without a usable name still has mail for itself.
        "localhost".parse().expect("localhost is a domain")
    })
}

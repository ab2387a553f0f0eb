//! Settings from the file that was named and the environment.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use cassmail_config::{Loaded, Settings};
use cassmail_mail::Domain;

use crate::cli::Which;
use crate::exit::{Failure, Outcome};

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

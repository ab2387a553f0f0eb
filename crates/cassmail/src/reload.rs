//! SIGHUP: what of a changed configuration takes effect at once, and what waits for a restart.
//!
//! All or nothing: the file is read and checked, every certificate is read, and only when all of it
//! is well anything changes. Sessions that are open keep what they began with.

use std::sync::Arc;

use anyhow::Context as _;
use cassmail_admin::ReloadShown;
use cassmail_config::{Listener, Loaded, Settings, changes};
use cassmail_net::Certificates;
use cassmail_office::Tokens;
use cassmail_telemetry::{Metrics, event, logs};

use crate::cli::Which;
use crate::exit::{Failure, Outcome};
use crate::reception::{Pop3Reception, SmtpReception};
use crate::settings::{self, Given};
use crate::wiring::{self, TlsThere};

/// The settings that change while the service runs, besides `listener.NAME.bare_newline`. Others
/// are built into what was opened at the start.
const LIVE: [&str; 10] = [
    "log.level",
    "pop3.clear_text_login",
    "pop3.idle_timeout",
    "pop3.max_errors",
    "smtp.idle_timeout",
    "smtp.max_errors",
    "smtp.max_message_size",
    "smtp.max_recipients",
    "tls.certificate",
    "tls.key",
];

/// Those of [`LIVE`] that need a certificate at the start.
const OF_CERTIFICATES: [&str; 3] = ["tls.certificate", "tls.further", "tls.key"];

/// Who receives at one listener.
pub(crate) enum Receives {
    Smtp(Arc<SmtpReception>),
    Pop3(Arc<Pop3Reception>),
}

/// What a reload acts on.
pub(crate) struct Running {
    /// The listeners that are open, by their names.
    pub(crate) receptions: Vec<(String, Receives)>,
    pub(crate) certificates: Option<Certificates>,
    /// Whose tokens are believed.
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) levels: logs::Levels,
    pub(crate) metrics: Arc<Metrics>,
}

/// Loads the configuration anew.
pub(crate) struct Reloader {
    which: Which,
    given: Vec<Given>,
    /// As the service was started: what needs a restart is compared with this.
    started: Loaded,
    /// As it is in effect: what changes at once is compared with this.
    last: Loaded,
    running: Running,
}

impl Reloader {
    pub(crate) fn new(which: Which, given: Vec<Given>, started: Loaded, running: Running) -> Self {
        let last = started.clone();
        let reloader = Self {
            which,
            given,
            started,
            last,
            running,
        };
        reloader.look_at_certificates();
        reloader
    }

    /// Loads anew and says in the log what came of it.
    pub(crate) fn reload(&mut self) -> Result<ReloadShown, String> {
        match self.try_reload() {
            Ok(Changes { now, later }) => {
                tracing::info!(
                    event = event::SERVICE_RELOADED,
                    changed = now.join(" "),
                    needs_restart = later.join(" "),
                    "the configuration is loaded anew"
                );
                Ok(ReloadShown {
                    changed: now,
                    needs_restart: later,
                })
            }
            Err(failure) => {
                let error = failure.reason();
                tracing::error!(event = event::SERVICE_RELOADED, error, "nothing is changed");
                Err(error)
            }
        }
    }

    fn try_reload(&mut self) -> Outcome<Changes> {
        let new = settings::load(&self.which)?;
        settings::check(&new, &self.given)?;
        let level = settings::level(&new.settings)?;
        let keys = self.read_keys()?;
        self.reload_certificates(&new)?;
        self.replace_keys(keys)?;
        // From here on nothing can fail.
        let effective = effective(&self.started.settings, &new.settings);
        for (name, reception) in &self.running.receptions {
            let listener = effective.listeners.iter().find(|one| one.name == *name);
            if let Some(listener) = listener {
                self.set_options(&effective, listener, reception);
            }
        }
        if !self.given.contains(&Given::Log) {
            self.running.levels.set(level);
        }
        let changes = self.changes(&new);
        self.last = new;
        Ok(changes)
    }

    /// Only where TLS was there at the start: which listeners are open depends on it.
    fn reload_certificates(&self, new: &Loaded) -> Outcome {
        let Some(certificates) = &self.running.certificates else {
            return Ok(());
        };
        settings::certificates_are_readable(new)?;
        if let Some((first, others)) = wiring::certificate_files(&new.settings) {
            let replaced = certificates.replace(&first, &others);
            replaced.map_err(|error| settings::about_certificates(new, error))?;
        }
        self.look_at_certificates();
        tracing::info!(event = event::TLS_RELOADED, "certificates are loaded anew");
        Ok(())
    }

    /// The keys of those who make tokens, as their file has them now.
    fn read_keys(&self) -> Outcome<Option<Vec<u8>>> {
        let file = self.started.settings.oauth.jwks_file.as_ref();
        let Some(file) = file.filter(|_| self.running.tokens.is_some()) else {
            return Ok(None);
        };
        let keys = wiring::jwks(file)?;
        Tokens::check_keys(&keys)
            .with_context(|| format!("failed to use {}", file.display()))
            .map_err(Failure::configuration)?;
        Ok(Some(keys))
    }

    /// They were checked already.
    fn replace_keys(&self, keys: Option<Vec<u8>>) -> Outcome {
        let (Some(tokens), Some(keys)) = (&self.running.tokens, keys) else {
            return Ok(());
        };
        tokens.replace_keys(&keys).map_err(Failure::configuration)?;
        let text = "the keys of tokens are loaded anew";
        tracing::info!(event = event::LOGIN_KEYS_RELOADED, "{text}");
        Ok(())
    }

    fn set_options(&self, settings: &Settings, listener: &Listener, reception: &Receives) {
        let hostname = settings::hostname(settings);
        let tls = match self.running.certificates {
            Some(_) => TlsThere::Yes,
            None => TlsThere::No,
        };
        match reception {
            Receives::Smtp(reception) => {
                let options = wiring::smtp_options(settings, listener, &hostname, tls);
                if let Some(options) = options {
                    reception.options.store(Arc::new(options));
                }
            }
            Receives::Pop3(reception) => {
                let options = wiring::pop3_options(settings, tls);
                reception.options.store(Arc::new(options));
            }
        }
    }

    fn changes(&self, new: &Loaded) -> Changes {
        let has_certificates =
            self.running.certificates.is_some() && new.settings.tls.certificate.is_some();
        let is_now = |name: &String| {
            is_live(name) && (has_certificates || !OF_CERTIFICATES.contains(&name.as_str()))
        };
        let mut now = changes(&self.last, new);
        now.retain(is_now);
        let mut later = changes(&self.started, new);
        later.retain(|name| !is_now(name));
        Changes { now, later }
    }

    /// Tells the metrics when certificates end, and the log when that is soon.
    fn look_at_certificates(&self) {
        const SOON: u64 = 14;
        let Some(certificates) = &self.running.certificates else {
            return;
        };
        let expiries = certificates.expiries();
        let ends = expiries.iter().map(|expiry| expiry.0);
        self.running.metrics.certificates_end(ends);
        let now = cassmail_net::Clock::system().wall_micros();
        for (number, expiry) in expiries.iter().enumerate() {
            if let Some(days) = expiry.days_left(now).filter(|days| *days < SOON) {
                tracing::warn!(
                    event = event::SERVICE_ADVICE,
                    certificate = number,
                    days,
                    "a certificate ends soon or has ended; put a new one in its place and send \
                     SIGHUP"
                );
            }
        }
    }
}

struct Changes {
    /// What is in effect now.
    now: Vec<String>,
    /// What is not before a restart.
    later: Vec<String>,
}

fn is_live(name: &str) -> bool {
    let of_listener = name.starts_with("listener.") && name.ends_with(".bare_newline");
    of_listener || LIVE.contains(&name) || OF_CERTIFICATES.contains(&name)
}

/// The settings of the start with those of `new` that change while the service runs.
fn effective(started: &Settings, new: &Settings) -> Settings {
    let mut settings = started.clone();
    settings.log.level.clone_from(&new.log.level);
    settings.pop3.clear_text_login = new.pop3.clear_text_login;
    settings.pop3.idle_timeout = new.pop3.idle_timeout;
    settings.pop3.max_errors = new.pop3.max_errors;
    settings.smtp.idle_timeout = new.smtp.idle_timeout;
    settings.smtp.max_errors = new.smtp.max_errors;
    settings.smtp.max_message_size = new.smtp.max_message_size;
    settings.smtp.max_recipients = new.smtp.max_recipients;
    settings.tls.certificate.clone_from(&new.tls.certificate);
    settings.tls.key.clone_from(&new.tls.key);
    settings.tls.further.clone_from(&new.tls.further);
    for listener in &mut settings.listeners {
        let same = |one: &&Listener| one.name == listener.name && one.role == listener.role;
        if let Some(new) = new.listeners.iter().find(same) {
            listener.bare_newline = new.bare_newline;
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Loaded {
        cassmail_config::load(Some(("cassmail.toml", text)), []).unwrap()
    }

    const LISTENER: &str =
        "[[listener]]\nname = \"mx\"\nrole = \"mx\"\naddresses = [\"127.0.0.1:25\"]\n";

    /// What is said to take effect does, and nothing else.
    #[test]
    fn what_is_named_as_live_is_what_takes_effect() {
        for (line, name) in [
            ("[log]\nlevel = \"debug\"", "log.level"),
            ("[pop3]\nclear_text_login = true", "pop3.clear_text_login"),
            ("[pop3]\nidle_timeout = \"11m\"", "pop3.idle_timeout"),
            ("[pop3]\nmax_errors = 7", "pop3.max_errors"),
            ("[pop3]\nexclusive = true", "pop3.exclusive"),
            ("[smtp]\nidle_timeout = \"4m\"", "smtp.idle_timeout"),
            ("[smtp]\nmax_errors = 7", "smtp.max_errors"),
            (
                "[smtp]\nmax_message_size = \"1 MiB\"",
                "smtp.max_message_size",
            ),
            ("[smtp]\nmax_recipients = 200", "smtp.max_recipients"),
            ("[smtp]\nmax_hops = 99", "smtp.max_hops"),
            ("[tls]\ncertificate = \"/c\"", "tls.certificate"),
            ("[tls]\nkey = \"/k\"", "tls.key"),
            ("[tls]\nfurther = { \"/c\" = \"/k\" }", "tls.further"),
            ("[tls]\nhandshake_timeout = \"9s\"", "tls.handshake_timeout"),
            ("[log]\nformat = \"json\"", "log.format"),
            ("[store]\nkind = \"memory\"", "store.kind"),
            ("[shutdown]\ndeadline = \"9s\"", "shutdown.deadline"),
        ] {
            let (old, new) = (loaded(""), loaded(line));
            assert_eq!(changes(&old, &new), [name]);
            let effective = effective(&old.settings, &new.settings);
            assert_eq!(effective == new.settings, is_live(name), "{name}");
            assert_eq!(effective == old.settings, !is_live(name), "{name}");
        }
        for name in LIVE {
            assert!(is_live(name));
        }
    }

    #[test]
    fn of_a_listener_only_its_policy_for_newlines_changes() {
        for (line, is_live) in [
            ("bare_newline = \"convert\"\n", true),
            ("max_connections = 7\n", false),
        ] {
            let (old, new) = (loaded(LISTENER), loaded(&format!("{LISTENER}{line}")));
            let [name] = &changes(&old, &new)[..] else {
                panic!("one change");
            };
            assert_eq!(super::is_live(name), is_live, "{name}");
            let effective = effective(&old.settings, &new.settings);
            assert_eq!(effective == new.settings, is_live, "{name}");
        }
        let elsewhere = LISTENER.replace("\"mx\"\nrole", "\"in\"\nrole");
        let effective = effective(&loaded(LISTENER).settings, &loaded(&elsewhere).settings);
        assert_eq!(effective, loaded(LISTENER).settings);
    }
}

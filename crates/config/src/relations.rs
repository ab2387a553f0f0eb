//! What is wrong or unwise although every value has its right type.

use crate::error::{Problem, Problems};
use crate::layer::Loaded;
use crate::settings::{Role, Settings, StoreKind};

/// Something that works, but that an operator should know, with the remedy.
pub type Advice = String;

/// Checks settings against each other.
///
/// # Errors
/// What cannot work.
pub fn check(loaded: &Loaded) -> Result<Vec<Advice>, Problems> {
    let settings = &loaded.settings;
    let checks = [
        listeners_have_names_of_their_own(settings),
        key_and_certificate_come_together(settings),
        room_is_kept_for_two_segments(settings),
        level(settings),
        loops_can_be_told_from_mail(settings),
    ];
    let problems: Vec<Problem> = checks
        .into_iter()
        .flatten()
        .map(|(key, text)| Problem {
            place: place_of(loaded, key),
            key: key.to_owned(),
            text,
        })
        .collect();
    if problems.is_empty() {
        Ok(advice(settings))
    } else {
        Err(Problems(problems))
    }
}

fn place_of(loaded: &Loaded, key: &str) -> String {
    let placed = loaded.layer.values.get(key);
    placed.map_or_else(
        || "configuration".to_owned(),
        |placed| placed.origin.to_string(),
    )
}

type Fault = Option<(&'static str, String)>;

fn listeners_have_names_of_their_own(settings: &Settings) -> Fault {
    let mut names: Vec<&str> = settings.listeners.iter().map(|l| l.name.as_str()).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1])?;
    Some((
        "listener",
        format!(
            "two listeners have the name {:?}; names are for one",
            twice[0]
        ),
    ))
}

fn key_and_certificate_come_together(settings: &Settings) -> Fault {
    match (&settings.tls.certificate, &settings.tls.key) {
        (Some(_), None) => Some((
            "tls.key",
            "expected the private key of tls.certificate, got none".to_owned(),
        )),
        (None, Some(_)) => Some((
            "tls.certificate",
            "expected the certificate that belongs to tls.key, got none".to_owned(),
        )),
        _ => None,
    }
}

fn room_is_kept_for_two_segments(settings: &Settings) -> Fault {
    let (low_water, segment) = (settings.embedded.low_water, settings.embedded.segment_size);
    if segment.0 < 1 << 20 {
        return Some((
            "store.embedded.segment_size",
            format!("expected at least \"1 MiB\", got {segment}"),
        ));
    }
    (low_water.0 < 2 * segment.0).then(|| {
        let text = format!("expected at least two segments of {segment}, got {low_water}");
        ("store.embedded.low_water", text)
    })
}

fn level(settings: &Settings) -> Fault {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let wrong = settings.log.level.split(',').find(|part| {
        let level = part.rsplit('=').next().unwrap_or_default();
        !LEVELS.contains(&level.trim().to_lowercase().as_str())
    })?;
    Some((
        "log.level",
        format!("expected error, warn, info, debug or trace, got {wrong:?}"),
    ))
}

fn loops_can_be_told_from_mail(settings: &Settings) -> Fault {
    let hops = settings.smtp.max_hops;
    // RFC 5321 6.3: simple counting is good enough, with a threshold of at least 100 or so.
    (hops < 30).then(|| ("smtp.max_hops", format!("expected at least 30, got {hops}")))
}

fn advice(settings: &Settings) -> Vec<Advice> {
    let mut advice = Vec::new();
    let wants_tls = |role| {
        matches!(
            role,
            Role::Submission | Role::Submissions | Role::Pop3s | Role::Pop3 | Role::Mx
        )
    };
    if settings.tls.certificate.is_none() && settings.listeners.iter().any(|l| wants_tls(l.role)) {
        advice.push(
            "there is no certificate, so nothing that needs TLS is offered; \
             set tls.certificate and tls.key"
                .to_owned(),
        );
    }
    if settings.pop3.clear_text_login {
        advice.push(
            "POP3 passwords may travel in clear; set pop3.clear_text_login = false unless the \
             network is trusted"
                .to_owned(),
        );
    }
    if settings.store.kind == StoreKind::Memory {
        advice.push("the store is memory: all mail is gone when the process ends".to_owned());
    }
    if settings.smtp.max_recipients < 100 {
        advice.push("smtp.max_recipients is below the 100 that RFC 5321 4.5.3.1.8 asks for".into());
    }
    advice
}

//! The environment as a layer: `CASSMAIL_SMTP__MAX_RECIPIENTS` is `smtp.max_recipients`.

use std::borrow::Cow;

use toml::de::DeValue;

use crate::error::{Problem, closest};
use crate::known::Known;
use crate::layer::{Layer, Origin};

const PREFIX: &str = "CASSMAIL_";

/// What a variable sets; none when it is not ours.
pub(crate) fn layer(variable: &str, value: &str, known: &Known) -> Option<Result<Layer, Problem>> {
    let is_ours = variable.starts_with(PREFIX);
    is_ours.then(
        || match known.keys().find(|key| variable_of(key) == variable) {
            Some(key) => {
                let origin = Origin::Environment(variable.to_owned());
                Ok(Layer::of_value(key, &parse(value), &origin))
            }
            None => Err(no_such_setting(variable, known)),
        },
    )
}

fn no_such_setting(variable: &str, known: &Known) -> Problem {
    let key = variable.trim_start_matches(PREFIX).to_lowercase();
    let text = match closest(&key.replace("__", "."), known.keys()) {
        Some(key) => format!(
            "there is no such setting; did you mean {}?",
            variable_of(key)
        ),
        None => "there is no such setting; list them with: cassmail config default".to_owned(),
    };
    Problem {
        place: variable.to_owned(),
        key: String::new(),
        text,
    }
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// A value of TOML, or else a text without its quotes: `5m` is as good as `"5m"`.
fn parse(value: &str) -> DeValue<'_> {
    let text = DeValue::String(Cow::Borrowed(value));
    match DeValue::parse(value).map(toml::Spanned::into_inner) {
        // No setting is a fraction or a date, but a text may look like one.
        Ok(DeValue::Float(_) | DeValue::Datetime(_)) | Err(_) => text,
        Ok(parsed) => parsed,
    }
}

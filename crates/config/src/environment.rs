//! The environment as a layer: `CASSMAIL_SMTP__MAX_RECIPIENTS` is `smtp.max_recipients`.

use toml::de::DeValue;

use crate::error::{Problem, closest};
use crate::layer::{Origin, Placed, Raw, raw};

const PREFIX: &str = "CASSMAIL_";

/// What a variable sets; none when it is not ours.
pub(crate) fn place(
    variable: &str,
    value: &str,
    known: &[String],
) -> Option<Result<(String, Placed), Problem>> {
    let name = variable.strip_prefix(PREFIX)?;
    let key = name.to_lowercase().replace("__", ".");
    let origin = Origin::Environment(variable.to_owned());
    if known.contains(&key) {
        return Some(Ok((
            key,
            Placed {
                raw: parse(value),
                origin,
            },
        )));
    }
    let variables: Vec<String> = known.iter().map(|key| variable_of(key)).collect();
    let text = match closest(variable, variables.iter().map(String::as_str)) {
        Some(similar) => format!("there is no such setting; did you mean {similar}?"),
        None => "there is no such setting; list them with: cassmail config default".to_owned(),
    };
    Some(Err(Problem {
        place: variable.to_owned(),
        key: String::new(),
        text,
    }))
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

/// A value of TOML, or else a text without its quotes: `5m` is as good as `"5m"`.
fn parse(value: &str) -> Raw {
    match DeValue::parse(value) {
        Ok(parsed) => match raw(parsed.get_ref()) {
            Raw::Other(_) => Raw::Text(value.to_owned()),
            raw => raw,
        },
        Err(_) => Raw::Text(value.to_owned()),
    }
}

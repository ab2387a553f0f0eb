//! Bodies of requests, read before anything is decided, and what of them may be kept.

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use cassmail_office::Clock;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::Value;
use std::time::Duration;

use crate::problem::Problem;

/// An import of a thousand accounts with the longest passwords, each octet escaped, is smaller.
pub(crate) const LARGEST_BODY: usize = 8 << 20;

/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads all of a body, if it is not too large and does not take too long.
pub(super) async fn read(body: Body, clock: &dyn Clock) -> Result<Bytes, Problem> {
    let whole = Limited::new(body, LARGEST_BODY).collect();
    // Both branches are cancel safe: who is late gets no second chance.
    let read = tokio::select! {
        biased;
        read = whole => read,
        () = clock.sleep(PATIENCE) => {
            let text = "the body of the request did not come in time";
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, text));
        }
    };
    match read {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let text = format!("expected a body of at most {LARGEST_BODY} octets");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text))
        }
        Err(_) => {
            let text = "the body of the request ended early";
            Err(Problem::new(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// What stands for a secret.
const HIDDEN: &str = "(not shown)";

/// Takes out what nobody may read later.
pub(super) fn without_secrets(mut value: Value) -> Value {
    hide(&mut value);
    value
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if is_secret(name) && !value.is_null() {
                    *value = Value::String(HIDDEN.to_owned());
                } else {
                    hide(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hide),
        _ => {}
    }
}

fn is_secret(name: &str) -> bool {
    ["password", "secret", "token", "hash"]
        .iter()
        .any(|word| name.to_ascii_lowercase().contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_are_taken_out_wherever_they_are() {
        let body = json!([{ "address": "a@x.example", "password": "x", "Password_Hash": null,
            "more": { "token": ["x"], "days": 3 } }]);
        let shown = json!([{ "address": "a@x.example", "password": HIDDEN, "Password_Hash": null,
            "more": { "token": HIDDEN, "days": 3 } }]);
        assert_eq!(without_secrets(body), shown);
    }
}

//! What pages know and do: the API, in the same process, as whoever looks at the page.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use cassmail_office::Principal;
use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_service::Service as _;

use crate::access::Origin;
use crate::problem::Problem;

/// Asks the API, gate and all.
#[derive(Clone)]
pub(crate) struct Ask {
    inner: Router,
}

/// Something as it is now.
pub(super) struct Seen<T> {
    pub(super) shown: T,
    /// Names what it is, for a change of it.
    pub(super) tag: String,
}

/// A change that a page asks for.
#[derive(Clone)]
pub(super) struct Wish<'a> {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    /// What the page knew of what it changes.
    pub(super) tag: Option<&'a str>,
}

/// As whom something is asked.
#[derive(Clone)]
pub(super) struct Asker {
    pub(super) principal: Principal,
    pub(super) origin: Origin,
}

impl Ask {
    pub(crate) fn new(inner: Router) -> Self {
        Self { inner }
    }

    /// Shows something.
    pub(super) async fn see<T: DeserializeOwned>(
        &self,
        asker: &Asker,
        path: &str,
    ) -> Result<Seen<T>, Problem> {
        let response = self.raw(asker, path).await?;
        let tag = response.headers().get(header::ETAG);
        let tag = tag.and_then(|tag| tag.to_str().ok()).unwrap_or_default();
        let tag = tag.to_owned();
        let shown = serde_json::from_slice(&read(response).await?).map_err(not_understood)?;
        Ok(Seen { shown, tag })
    }

    /// Shows a text.
    pub(super) async fn text(&self, asker: &Asker, path: &str) -> Result<String, Problem> {
        let shown = read(self.raw(asker, path).await?).await?;
        Ok(String::from_utf8_lossy(&shown).into_owned())
    }

    /// Shows something as it comes.
    pub(super) async fn raw(&self, asker: &Asker, path: &str) -> Result<Response, Problem> {
        let request = Request::builder().uri(path).body(Body::empty());
        self.call(asker, request.map_err(not_understood)?).await
    }

    /// Changes something; null if the answer has nothing to say.
    pub(super) async fn change(&self, asker: &Asker, wish: Wish<'_>) -> Result<Value, Problem> {
        let mut request = Request::builder()
            .method(wish.method)
            .uri(wish.path)
            .header(header::CONTENT_TYPE, "application/json");
        if let Some(tag) = wish.tag {
            request = request.header(header::IF_MATCH, tag);
        }
        let body = match wish.body {
            Value::Null => Body::empty(),
            body => Body::from(body.to_string()),
        };
        let request = request.body(body).map_err(not_understood)?;
        let answer = read(self.call(asker, request).await?).await?;
        if answer.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&answer).map_err(not_understood)
    }

    async fn call(&self, asker: &Asker, mut request: Request<Body>) -> Result<Response, Problem> {
        request.extensions_mut().insert(asker.principal.clone());
        request.extensions_mut().insert(asker.origin.clone());
        let answer = self.inner.clone().call(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let told = read(answer).await?;
        Err(serde_json::from_slice(&told).unwrap_or_else(|_| {
            let text = String::from_utf8_lossy(&told).trim().to_owned();
            Problem::new(status, text)
        }))
    }
}

async fn read(response: Response) -> Result<Bytes, Problem> {
    let body = response.into_body().collect().await;
    body.map(http_body_util::Collected::to_bytes)
        .map_err(not_understood)
}

fn not_understood(error: impl std::fmt::Display) -> Problem {
    let text = format!("what the service says of it cannot be shown: {error}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text)
}

/// What stands in a part of a path as it is.
const PART: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A path of these parts, each of which may be any text.
pub(super) fn path(parts: &[&str]) -> String {
    parts.iter().fold(String::new(), |path, part| {
        path + "/" + &utf8_percent_encode(part, PART).to_string()
    })
}

/// A path with a query.
pub(super) fn query(path: &str, fields: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_paths_stay_parts() {
        assert_eq!(path(&["v1", "a/b?c#d"]), "/v1/a%2Fb%3Fc%23d");
        assert_eq!(query("/x", &[("a", "b&c=d"), ("e", "")]), "/x?a=b%26c%3Dd");
        assert_eq!(query("/x", &[("e", "")]), "/x");
    }
}

//! Parts of requests; what cannot be read is answered as every other problem is.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::page_size;
use crate::problem::Problem;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// What stands behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

/// Which page of which domain.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    pub(super) domain: String,
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Which page of a mailbox.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MailPage {
    /// The id of the last message of the page before.
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Which records of the audit log; all that is left out is not asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AuditPage {
    /// In seconds since 1970: nothing that is earlier.
    pub(super) from: Option<u64>,
    /// In seconds since 1970: nothing from then on.
    pub(super) until: Option<u64>,
    /// A part of who asked.
    pub(super) who: Option<String>,
    /// A part of the path.
    pub(super) resource: Option<String>,
    /// The domain.
    pub(super) domain: Option<String>,
    /// The id of the last record of the page before.
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Which events of the message trace: all of it has to be so, what is left out may be anything.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct TraceWanted {
    /// Of whoever sent, was named, fetched, or owns an account that it came to.
    pub(super) address: Option<String>,
    /// The field `Message-ID`, with or without its angle brackets.
    pub(super) message_id: Option<String>,
    /// An address, or a network that is not too large.
    pub(super) source: Option<String>,
    /// Seconds since 1970.
    pub(super) from: Option<u64>,
    /// Seconds since 1970.
    pub(super) until: Option<u64>,
    /// The `next` of the page before.
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
}

/// Which page of a list that is one's own.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Rest {
    /// The name of the last one of the page before.
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Rest {
    /// A page of a list that is sorted by these names. Several lines can have one name: they are on
    /// one page, since the next one begins behind the name.
    pub(super) fn page<T>(&self, mut lines: Vec<T>, name: fn(&T) -> &str) -> Vec<T> {
        let after = self.after.as_deref();
        lines.retain(|line| after.is_none_or(|after| name(line) > after));
        let limit = page_size(self.limit);
        if let Some((page, behind)) = lines.split_at_checked(limit)
            && let Some(last) = page.last()
        {
            let more = behind.iter().take_while(|line| name(line) == name(last));
            let end = limit.saturating_add(more.count());
            lines.truncate(end);
        }
        lines
    }
}

/// The name of one thing, as the last variable part of the path.
pub(super) struct Named(pub(super) String);

/// The names of one thing and of one that belongs to it, as the variable parts of the path.
pub(super) struct NamedWithin(pub(super) String, pub(super) String);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        let problem = |why: JsonRejection| Problem::new(why.status(), why.body_text());
        read.map(|Json(body)| Self(body)).map_err(problem)
    }
}

impl<S, T> FromRequestParts<S> for Asked<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        let problem = |why: QueryRejection| Problem::new(why.status(), why.body_text());
        read.map(|Query(asked)| Self(asked)).map_err(problem)
    }
}

impl<S> FromRequestParts<S> for Named
where
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let problem = |why: PathRejection| Problem::new(why.status(), why.body_text());
        read.map(|Path(name)| Self(name)).map_err(problem)
    }
}

impl<S> FromRequestParts<S> for NamedWithin
where
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read: Result<Path<(String, String)>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let problem = |why: PathRejection| Problem::new(why.status(), why.body_text());
        read.map(|Path((name, within))| Self(name, within))
            .map_err(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_name_are_on_one_page() {
        let lines = || ["a", "b", "b", "b", "c"].map(str::to_owned).to_vec();
        let page = |after: Option<&str>, limit| {
            let rest = Rest {
                after: after.map(str::to_owned),
                limit: Some(limit),
            };
            rest.page(lines(), String::as_str).concat()
        };
        assert_eq!(page(None, 2), "abbb");
        assert_eq!(page(Some("b"), 2), "c");
        assert_eq!(page(None, 1), "a");
        assert_eq!(page(None, 5), "abbbc");
        assert_eq!(page(Some("c"), 5), "");
    }
}

//! Parts of requests; what cannot be read is answered as every other problem is.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

/// What stands behind the question mark.
pub(super) struct Asked<T>(pub(super) T);

/// Which page of a list that is one's own.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rest {
    /// The name of the last one of the page before.
    pub(super) after: Option<String>,
    pub(super) limit: Option<usize>,
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

//! `/v1/...`: what can be changed.

mod accounts;
mod aliases;
mod app_passwords;
mod domains;
mod request;
mod retention;
mod store;

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use cassmail_office::{Administration, Janitor};

pub use store::{Report, StoreKeeper, Upkeep};

use crate::problem::Problem;
use crate::readings::{Readings, readings};

/// What the handlers work with.
#[derive(Clone)]
struct Api {
    administration: Administration,
    janitor: Arc<Janitor>,
    keeper: Arc<dyn StoreKeeper>,
}

/// The parts of the office that are administered.
#[derive(Clone)]
pub struct Administered {
    /// Who changes the directory.
    pub administration: Administration,
    /// Who knows what is due by the rules of retention.
    pub janitor: Arc<Janitor>,
}

type Answer<T> = Result<T, Problem>;

/// Everything an administrator may do, and the readings.
pub fn administration(
    office: Administered,
    keeper: Arc<dyn StoreKeeper>,
    figures: Readings,
) -> Router {
    let Administered {
        administration,
        janitor,
    } = office;
    let api = Router::new()
        .merge(domains::routes())
        .merge(accounts::routes())
        .merge(aliases::routes())
        .merge(app_passwords::routes())
        .merge(retention::routes())
        .merge(store::routes())
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Api {
            administration,
            janitor,
            keeper,
        });
    Router::new()
        .nest("/v1", api)
        .merge(readings(figures))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
}

async fn no_such_path(uri: Uri) -> Problem {
    let text = format!(
        "there is no {}; is this client of another version?",
        uri.path()
    );
    Problem::new(StatusCode::NOT_FOUND, text)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let text = format!("{method} means nothing to {}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
}

/// An import of a thousand accounts with the longest passwords, each octet escaped, is smaller.
const LARGEST_BODY: usize = 8 << 20;

/// Reads a field, or says which one is wrong and what was expected.
fn field<T>(name: &str, text: &str) -> Answer<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| Problem::invalid(name, format!("{text:?}: {error}")))
}

/// The largest page that a listing gives.
const LARGEST_PAGE: usize = 1000;

fn page_size(limit: Option<usize>) -> usize {
    limit.unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE)
}

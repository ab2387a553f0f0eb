//! `/v1/...`: what can be changed.

mod accounts;
mod aliases;
mod domains;
mod store;

use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use cassmail_office::Administration;

pub use store::{Report, StoreKeeper, Upkeep};

use crate::problem::Problem;
use crate::readings::{Readings, readings};

/// What the handlers work with.
#[derive(Clone)]
struct Api {
    administration: Administration,
    keeper: Arc<dyn StoreKeeper>,
}

type Answer<T> = Result<T, Problem>;

/// Everything an administrator may do, and the readings.
pub fn administration(
    administration: Administration,
    keeper: Arc<dyn StoreKeeper>,
    figures: Readings,
) -> Router {
    let api = Router::new()
        .merge(domains::routes())
        .merge(accounts::routes())
        .merge(aliases::routes())
        .merge(store::routes())
        .with_state(Api {
            administration,
            keeper,
        });
    Router::new().nest("/v1", api).merge(readings(figures))
}

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

//! Paths where no page is, when a browser asks: the API would make it ask for a password of its
//! own.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use super::layout::Tab;
use super::visitor::Visitor;
use super::{Front, guarded};
use crate::problem::Problem;

/// Stands in front of the API: what that refuses to a browser is shown as a page, or as the way to
/// the login. Programs, and whoever asks for a path of the API itself, get what the API says.
pub(super) async fn meet(State(front): State<Front>, request: Request, next: Next) -> Response {
    if !comes_from_a_browser(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let answer = next.run(Request::from_parts(parts.clone(), body)).await;
    match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::NOT_FOUND => guarded(no_page(&parts, &front).await),
        _ => answer,
    }
}

/// RFC 9110 12.5.1: browsers name what they can show, programs ask for anything or for JSON.
fn comes_from_a_browser(request: &Request) -> bool {
    let accepted = request.headers().get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    request.method() == Method::GET
        && !request.uri().path().starts_with("/v1/")
        && accepted.any(|value| value.contains("text/html"))
}

async fn no_page(parts: &Parts, front: &Front) -> Response {
    match Visitor::come(parts, front).await {
        Err(elsewhere) => elsewhere,
        Ok(visitor) => {
            let text = format!("there is no page {}", parts.uri.path());
            let problem = Problem::new(StatusCode::NOT_FOUND, text);
            visitor.show("Not found", Tab::None, Err(problem))
        }
    }
}

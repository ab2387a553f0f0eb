//! Pages for people, beside `/v1` on TCP: HTML that is made here, one style, one small script.
//!
//! A page is a client of the API in the same process: [`Ask`] calls the router behind the door with
//! the rights of whoever looks, so the gate, its table of rights, the tags and the audit log hold,
//! and nothing can be done here alone. [`Visitor`](visitor::Visitor) is somebody with a session,
//! [`Sent`](visitor::Sent) a form of his that is proved to come from a page of ours.
//!
//! Everything works without the script. Texts of others (names, subjects, addresses) come into a
//! page through `maud` alone, which escapes them.

mod accounts;
mod administrators;
mod aliases;
mod ask;
mod assets;
mod audit;
mod domains;
mod layout;
mod limits;
mod login;
mod mailboxes;
mod messages;
mod nodes;
mod overview;
mod parts;
mod plot;
mod sessions;
mod stray;
mod visitor;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use cassmail_office::{Clock, Source};

pub(crate) use ask::Ask;

use crate::access::{LoginAuthenticator, protect};
use sessions::Sessions;

/// What the pages need beside the API.
#[derive(Clone)]
pub struct Pages {
    /// Who verifies names and passwords.
    pub logins: Arc<LoginAuthenticator>,
}

/// What the pages work with.
#[derive(Clone)]
pub(crate) struct Front {
    logins: Arc<LoginAuthenticator>,
    sessions: Arc<Sessions>,
    ask: Ask,
    clock: Arc<dyn Clock>,
    source_of: Arc<dyn Fn(IpAddr) -> Source + Send + Sync>,
}

impl Front {
    pub(crate) fn new(
        pages: Pages,
        ask: Ask,
        clock: Arc<dyn Clock>,
        source_of: Arc<dyn Fn(IpAddr) -> Source + Send + Sync>,
    ) -> Self {
        let sessions = Sessions::new(Arc::clone(&pages.logins.logins), Arc::clone(&clock));
        Self {
            logins: pages.logins,
            sessions: Arc::new(sessions),
            ask,
            clock,
            source_of,
        }
    }
}

/// The pages; what is none of them is the API's.
pub(crate) fn in_front_of(api: Router, front: Front) -> Router {
    let api = api.layer(from_fn_with_state(front.clone(), stray::meet));
    let pages = Router::new()
        .merge(assets::routes())
        .merge(login::routes())
        .merge(overview::routes())
        .merge(domains::routes())
        .merge(accounts::routes())
        .merge(aliases::routes())
        .merge(mailboxes::routes())
        .merge(messages::routes())
        .merge(limits::routes())
        .merge(nodes::routes())
        .merge(administrators::routes())
        .merge(audit::routes())
        .layer(from_fn(guard_headers))
        .with_state(front);
    pages.fallback_service(api)
}

/// A page loads nothing from elsewhere, runs nothing that stands in it, and is in no frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

async fn guard_headers(request: Request, next: Next) -> Response {
    guarded(next.run(request).await)
}

/// The same for a page that stands for an answer of the API.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fields = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // With `no-referrer` a browser would say that forms come from the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
    ];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    protect(headers);
    response
}

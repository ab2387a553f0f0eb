//! Who calls, for handlers and for the audit log.

use axum::Router;
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::IncomingStream;
use cassmail_office::Principal;
use tokio::net::UnixListener;

use crate::problem::Problem;

/// Who calls.
pub(crate) struct Caller(pub(crate) Principal);

/// From where somebody calls, in words.
#[derive(Debug, Clone)]
pub(crate) struct Origin(pub(crate) String);

/// Who is at the other end of a Unix socket.
#[derive(Debug, Clone)]
pub(crate) struct SocketPeer(Option<u32>);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let principal = parts.extensions.get::<Principal>().cloned();
        principal.map(Self).ok_or_else(unknown)
    }
}

/// Nobody has said who it is.
pub(super) fn unknown() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "expected the name and password of an administrator, or a token",
    )
}

impl Connected<IncomingStream<'_, UnixListener>> for SocketPeer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let peer = stream.io().peer_cred();
        Self(peer.ok().map(|peer| peer.uid()))
    }
}

/// Whoever reaches this router owns the service.
pub(crate) fn owned(router: Router) -> Router {
    router.layer(from_fn(let_the_owner_in))
}

async fn let_the_owner_in(mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketPeer>>();
    let origin = match peer {
        Some(ConnectInfo(SocketPeer(Some(uid)))) => format!("the socket, user {uid}"),
        Some(ConnectInfo(SocketPeer(None))) => "the socket".to_owned(),
        None => "the command line".to_owned(),
    };
    let extensions = request.extensions_mut();
    extensions.insert(Origin(origin));
    extensions.insert(Principal::owner());
    next.run(request).await
}

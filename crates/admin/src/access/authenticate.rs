//! Who is it, over TCP: passwords and tokens in the header (RFC 7617, RFC 6750), and whatever else
//! an [`Authenticator`] knows.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cassmail_mail::Secret;
use cassmail_office::{AdminClaim, AdminLoginFailure, AdminLogins, Principal, Source, Who};
use cassmail_store::{Realm, Rights};
use cassmail_telemetry::{Label as _, Metrics, chain, event};

use super::caller::{Origin, unknown};
use crate::problem::Problem;

/// Whoever connected.
#[derive(Debug, Clone, Copy)]
pub struct Claimant {
    /// His address.
    pub peer: SocketAddr,
    /// Whom limits take him for.
    pub source: Source,
}

/// A judgement in progress; none if nothing says who it is.
pub type Judged<'a> = Pin<Box<dyn Future<Output = Option<Result<Principal, Refused>>> + Send + 'a>>;

/// Finds out who somebody is by what he sends.
pub trait Authenticator: Send + Sync {
    /// Who it is; none if nothing says so that this one understands.
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap, claimant: Claimant) -> Judged<'a>;
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// He is not who he says.
    Wrong,
    /// Too many have tried lately.
    TooMany,
    /// Nobody can say now.
    Unavailable,
}

/// Whether `/healthz` and `/readyz` are for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthAccess {
    /// For whoever reaches the port.
    Anybody,
    /// For those who are known.
    LoggedIn,
}

/// How people and programs are let in over TCP.
#[derive(Clone)]
pub struct AdminDoor {
    /// Who find out who somebody is, in this order.
    pub authenticators: Vec<Arc<dyn Authenticator>>,
    /// Whether the health is for everybody.
    pub health: HealthAccess,
    /// The source that an address belongs to.
    pub source_of: Arc<dyn Fn(IpAddr) -> Source + Send + Sync>,
}

/// Knows the names, passwords and tokens of the store.
pub struct LoginAuthenticator {
    /// Who verifies them.
    pub logins: Arc<AdminLogins>,
    /// Who counts the refused.
    pub metrics: Arc<Metrics>,
}

/// Whoever reaches this router has to say who he is.
pub(crate) fn guarded(router: Router, door: AdminDoor) -> Router {
    router.layer(from_fn_with_state(door, let_in))
}

async fn let_in(State(door): State<AdminDoor>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let principal = match door.judge(&parts).await {
        Ok(principal) => principal,
        Err(problem) => return closed(&problem.0, problem.1),
    };
    let mut request = Request::from_parts(parts, body);
    let peer = request.extensions().get::<SocketAddr>().copied();
    let origin = peer.map_or_else(String::new, |peer| peer.ip().to_string());
    request.extensions_mut().insert(Origin(origin));
    request.extensions_mut().insert(principal);
    let mut response = next.run(request).await;
    protect(response.headers_mut());
    response
}

/// A problem, and the header that goes with it.
type Closed = (Problem, Option<(header::HeaderName, &'static str)>);

fn closed(problem: &Problem, header: Option<(header::HeaderName, &'static str)>) -> Response {
    let mut response = problem.clone().into_response();
    if let Some((name, value)) = header {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    protect(response.headers_mut());
    response
}

impl AdminDoor {
    async fn judge(&self, request: &Parts) -> Result<Principal, Closed> {
        let headers = &request.headers;
        if !request.method.is_safe() && comes_from_elsewhere(headers) {
            let text = "this was asked for by a page of another site";
            return Err((Problem::new(StatusCode::FORBIDDEN, text), None));
        }
        let is_health = matches!(request.uri.path(), "/healthz" | "/readyz");
        if is_health && self.health == HealthAccess::Anybody {
            return Ok(anybody());
        }
        // Put there by whoever accepted the connection.
        let peer = request.extensions.get::<SocketAddr>().copied();
        let peer = peer.ok_or_else(|| (unknown(), None))?;
        let claimant = Claimant {
            peer,
            source: (self.source_of)(peer.ip()),
        };
        for authenticator in &self.authenticators {
            if let Some(judged) = authenticator.authenticate(headers, claimant).await {
                return judged.map_err(why);
            }
        }
        Err(why(Refused::Wrong))
    }
}

fn why(refused: Refused) -> Closed {
    match refused {
        Refused::Wrong => {
            let methods = "Basic realm=\"cassmail\", charset=\"UTF-8\", Bearer realm=\"cassmail\"";
            (unknown(), Some((header::WWW_AUTHENTICATE, methods)))
        }
        Refused::TooMany => {
            let text = "too many wrong passwords or tokens came from there; wait some minutes";
            let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, text);
            (problem, Some((header::RETRY_AFTER, "300")))
        }
        Refused::Unavailable => {
            let text = "nobody can say now who you are; try again later";
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, text);
            (problem, Some((header::RETRY_AFTER, "5")))
        }
    }
}

/// May see whether the service is well.
fn anybody() -> Principal {
    Principal {
        who: Who::Anybody,
        rights: Rights {
            scopes: std::collections::BTreeSet::new(),
            realm: Realm::Domains(std::collections::BTreeSet::new()),
        },
    }
}

/// A browser says where a request comes from; programs do not. It sends a password that it knows by
/// itself, so pages of others must not be able to make it.
pub(crate) fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    match (text("origin"), text("host")) {
        (None, _) => false,
        (Some(origin), Some(host)) => {
            let own = origin.split_once("://").map(|(_, own)| own);
            own != Some(host)
        }
        (Some(_), None) => true,
    }
}

/// What is answered here is for no cache, and no page may make anything else of it.
pub(crate) fn protect(headers: &mut HeaderMap) {
    let fields = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
    ];
    for (name, value) in fields {
        // What a handler says itself stays.
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

impl Authenticator for LoginAuthenticator {
    fn authenticate<'a>(&'a self, headers: &'a HeaderMap, claimant: Claimant) -> Judged<'a> {
        Box::pin(async move {
            let field = headers.get(header::AUTHORIZATION)?;
            let Some(claim) = field.to_str().ok().and_then(claim) else {
                return Some(Err(Refused::Wrong));
            };
            Some(self.check(&claim, claimant).await)
        })
    }
}

impl LoginAuthenticator {
    pub(crate) async fn check(
        &self,
        claim: &AdminClaim,
        claimant: Claimant,
    ) -> Result<Principal, Refused> {
        let failure = match self.logins.check(claim, claimant.source).await {
            Ok(principal) => return Ok(principal),
            Err(failure) => failure,
        };
        let client = claimant.peer.ip();
        let reason = match &failure {
            AdminLoginFailure::Wrong(reason) => (*reason).to_owned(),
            AdminLoginFailure::TooMany(limit) => {
                self.metrics.limit_refusals_total.of(*limit).inc();
                limit.text().to_owned()
            }
            AdminLoginFailure::Store(error) => chain(error).to_string(),
            AdminLoginFailure::Password(error) => chain(error).to_string(),
        };
        tracing::info!(
            event = event::ADMIN_LOGIN_REFUSED,
            client.address = %client,
            name = claim.name(),
            reason,
        );
        Err(match failure {
            AdminLoginFailure::Wrong(_) => Refused::Wrong,
            AdminLoginFailure::TooMany(_) => Refused::TooMany,
            AdminLoginFailure::Store(_) | AdminLoginFailure::Password(_) => Refused::Unavailable,
        })
    }
}

/// RFC 7617 2, RFC 6750 2.1.
fn claim(field: &str) -> Option<AdminClaim> {
    let (scheme, rest) = field.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(AdminClaim::Token(Secret::new(rest.to_owned())));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let both = BASE64_STANDARD.decode(rest).ok()?;
    let both = Secret::new(String::from_utf8(both).ok()?);
    let (name, password) = both.expose().split_once(':')?;
    Some(AdminClaim::Password {
        name: name.to_owned(),
        password: Secret::new(password.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |&(name, value): &(&'static str, &'static str)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        fields.iter().map(field).collect()
    }

    #[test]
    fn changes_that_pages_of_others_ask_for_are_known() {
        let elsewhere = |fields: &[_]| comes_from_elsewhere(&headers(fields));
        assert!(!elsewhere(&[]));
        assert!(!elsewhere(&[
            ("sec-fetch-site", "same-origin"),
            ("origin", "https://x")
        ]));
        assert!(!elsewhere(&[("sec-fetch-site", "none")]));
        assert!(elsewhere(&[("sec-fetch-site", "cross-site")]));
        assert!(elsewhere(&[("sec-fetch-site", "same-site")]));
        assert!(!elsewhere(&[
            ("origin", "https://mx.example:2443"),
            ("host", "mx.example:2443")
        ]));
        assert!(elsewhere(&[
            ("origin", "https://evil.example"),
            ("host", "mx.example")
        ]));
        assert!(elsewhere(&[("origin", "null"), ("host", "mx.example")]));
        assert!(elsewhere(&[("origin", "https://mx.example")]));
    }

    #[test]
    fn claims_are_read_from_the_header() {
        assert!(matches!(claim("bearer abc"), Some(AdminClaim::Token(t)) if t.expose() == "abc"));
        let basic = claim("Basic YWxpY2U6YTpi");
        assert!(
            matches!(basic, Some(AdminClaim::Password { name, password })
            if name == "alice" && password.expose() == "a:b")
        );
        for wrong in [
            "",
            "Basic",
            "Basic !",
            "Basic YWxpY2U=",
            "Digest x",
            "Basic /w==",
        ] {
            assert!(claim(wrong).is_none(), "{wrong}");
        }
    }
}

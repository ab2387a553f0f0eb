//! What everything goes through: may he, is it still what he thinks, write it down, do it, write
//! down what came of it.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Query, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use cassmail_mail::{Address, Domain};
use cassmail_office::{AdministrationError, AuditLog, Change, Clock, Principal};
use cassmail_store::{AuditOutcome, AuditRecord, Realm, StoreError};
use cassmail_telemetry::{chain, event};
use http_body_util::{BodyExt as _, Collected};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tower_service::Service as _;

use super::body::{self, without_secrets};
use super::caller::{Origin, unknown};
use super::etag::{self, ETag};
use super::rules::{Found, Needs, Of, Rule, find};
use super::turns::Turns;
use crate::problem::Problem;

/// What the gate works with.
#[derive(Clone)]
pub(crate) struct Gate {
    /// What is behind it: it asks there what something is before it is changed.
    inner: Router,
    audit: AuditLog,
    clock: Arc<dyn Clock>,
    turns: Arc<Turns>,
}

/// A request, taken apart.
struct Asked {
    rule: &'static Rule,
    principal: Principal,
    /// The variables of the path.
    names: Vec<(String, String)>,
    parts: Parts,
    body: Bytes,
    /// The body, where it is JSON.
    json: Option<Value>,
    /// Whose it is, as far as that can be read.
    domains: Vec<Domain>,
}

impl Gate {
    pub(crate) fn new(inner: Router, audit: AuditLog, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            audit,
            clock,
            turns: Arc::new(Turns::new()),
        }
    }
}

/// Lets a request through, or says why not.
pub(crate) async fn pass(
    State(gate): State<Gate>,
    matched: MatchedPath,
    names: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let names = match names {
        Ok(names) => names
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        Err(why) => return Problem::new(why.status(), why.body_text()).into_response(),
    };
    let asked = match gate.look_at(matched.as_str(), names, request).await {
        Ok(asked) => asked,
        Err(refusal) => return *refusal,
    };
    if asked.parts.method.is_safe() {
        show(asked, next).await
    } else {
        // In a task of its own: who hangs up in the middle leaves nothing half done, and what came
        // of it is written down all the same.
        let change = tokio::spawn(async move { gate.change(asked, next).await });
        match change.await {
            Ok(changed) => changed.unwrap_or_else(Problem::into_response),
            Err(_) => {
                let text = "the change failed in the middle; look what came of it";
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
            }
        }
    }
}

/// A change that may be made.
struct Permitted {
    resource: Option<String>,
    record: AuditRecord,
}

impl Gate {
    /// Finds the rule, reads the body, and refuses what the caller may not do.
    async fn look_at(
        &self,
        path: &str,
        names: Vec<(String, String)>,
        request: Request,
    ) -> Result<Asked, Box<Response>> {
        let refused = |problem: Problem| Box::new(problem.into_response());
        let (parts, body) = request.into_parts();
        let rule = match find(&parts.method, path) {
            Found::Rule(rule) => rule,
            Found::OtherMethods(methods) => {
                return Err(Box::new(other_methods(&parts, &methods)));
            }
            Found::Nothing => {
                let text = format!("{path} is not in the table of rights, so nobody may call it");
                return Err(refused(Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    text,
                )));
            }
        };
        let principal = parts.extensions.get::<Principal>().cloned();
        let principal = principal.ok_or_else(|| refused(unknown()))?;
        check_scope(rule, &principal).map_err(refused)?;
        let body = body::read(body, &*self.clock).await.map_err(refused)?;
        let json = serde_json::from_slice(&body).ok();
        let mut asked = Asked {
            rule,
            principal,
            names,
            parts,
            body,
            json,
            domains: Vec::new(),
        };
        asked.domains = asked.find_domains();
        asked.check_realm().map_err(refused)?;
        Ok(asked)
    }

    async fn change(&self, mut asked: Asked, next: Next) -> Result<Response, Problem> {
        let resource = asked.resource();
        let _turn = match &resource {
            Some(resource) => Some(self.turns.take(resource).await),
            // What makes something new is a conflict, or none, in the store.
            None => None,
        };
        let permitted = self.permit(&asked, resource).await?;
        let body = std::mem::take(&mut asked.body);
        let request = Request::from_parts(asked.parts.clone(), Body::from(body));
        let (mut response, problem) = told(next.run(request).await).await;
        let status = response.status();
        self.write_down(asked.rule, permitted.record, status, problem)
            .await;
        if status.is_success()
            && asked.parts.method != Method::DELETE
            && let Some(resource) = &permitted.resource
            && let Some((tag, _)) = self.what_is_at(resource, &asked.principal).await
        {
            put_tag(&mut response, &tag);
        }
        Ok(response)
    }

    /// Compares what is there with what the caller knows, and writes down what is asked for.
    async fn permit(&self, asked: &Asked, resource: Option<String>) -> Result<Permitted, Problem> {
        let there = match &resource {
            Some(resource) => self.what_is_at(resource, &asked.principal).await,
            None => None,
        };
        let (tag, old) = there.unzip();
        etag::check(&asked.parts.headers, tag.as_ref())?;
        let change = asked.change(old.as_deref());
        let record = self.audit.begin(change).await.map_err(not_written)?;
        Ok(Permitted { resource, record })
    }

    /// What a GET would show, and its tag; none if there is nothing.
    async fn what_is_at(&self, path: &str, principal: &Principal) -> Option<(ETag, Bytes)> {
        let mut request = Request::builder().uri(path).body(Body::empty()).ok()?;
        request.extensions_mut().insert(principal.clone());
        let answer = self.inner.clone().call(request).await;
        let answer = answer.unwrap_or_else(|never| match never {});
        if !answer.status().is_success() {
            return None;
        }
        let shown = answer.into_body().collect().await.ok()?.to_bytes();
        Some((ETag::of(&shown), shown))
    }

    /// Failing to do so changes nothing any more: the record stays without an outcome.
    async fn write_down(
        &self,
        rule: &Rule,
        begun: AuditRecord,
        status: StatusCode,
        problem: Option<String>,
    ) {
        tracing::info!(
            event = event::ADMIN_CHANGED,
            who = begun.who,
            from = begun.from,
            action = begun.action,
            resource = begun.resource,
            status = status.as_u16(),
            "{}",
            rule.what
        );
        let outcome = AuditOutcome {
            status: status.as_u16(),
            problem,
        };
        if let Err(error) = self.audit.end(begun, outcome).await {
            tracing::error!(
                event = event::STORE_OPERATION_FAILED,
                error = %chain(&error)
            );
        }
    }
}

fn check_scope(rule: &Rule, principal: &Principal) -> Result<(), Problem> {
    match rule.needs {
        Needs::Scope(scope) if !principal.rights.scopes.contains(&scope) => {
            let text = format!(
                "this needs the scope {scope}, which {} lacks",
                principal.who
            );
            Err(Problem::new(StatusCode::FORBIDDEN, text))
        }
        _ => Ok(()),
    }
}

fn not_written(error: StoreError) -> Problem {
    let mut problem = Problem::from(AdministrationError::from(error));
    problem.detail.push_str("; nothing was changed");
    problem
}

fn other_methods(parts: &Parts, methods: &[Method]) -> Response {
    let text = format!("{} means nothing to {}", parts.method, parts.uri.path());
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, text);
    let mut response = problem.into_response();
    let names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if let Ok(allowed) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

impl Asked {
    fn variable(&self, name: &str) -> Option<&str> {
        let mut named = self.names.iter().filter(|(own, _)| own == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// Whose it is; empty where the rule does not say, or where it cannot be read.
    fn find_domains(&self) -> Vec<Domain> {
        let of_address = |text: &str| text.parse().ok().map(|a: Address| a.domain().clone());
        let field = |name: &str, entry: &Value| entry[name].as_str().map(str::to_owned);
        let one: Option<Domain> = match self.rule.of {
            Of::Service | Of::Caller => None,
            Of::DomainInPath(name) => self.variable(name).and_then(|text| text.parse().ok()),
            Of::AddressInPath(name) => self.variable(name).and_then(of_address),
            Of::DomainInQuery(name) => {
                let query = Query::<HashMap<String, String>>::try_from_uri(&self.parts.uri);
                query.ok().and_then(|query| query.get(name)?.parse().ok())
            }
            Of::AddressInBody(name) => {
                let body = self.json.as_ref();
                let text = body.and_then(|body| field(name, body));
                text.and_then(|text| of_address(&text))
            }
            Of::AddressesInBody(name) => {
                let entries = self.json.as_ref().and_then(Value::as_array);
                let domains = entries.into_iter().flatten().map(|entry| {
                    let text = field(name, entry)?;
                    of_address(&text)
                });
                return domains.collect::<Option<Vec<_>>>().unwrap_or_default();
            }
        };
        one.into_iter().collect()
    }

    /// Whoever has some domains alone has to ask for something in them.
    fn check_realm(&self) -> Result<(), Problem> {
        let realm = &self.principal.rights.realm;
        let foreign = |text: String| Err(Problem::new(StatusCode::FORBIDDEN, text));
        match (realm, self.rule.of) {
            (Realm::Everything, _) | (_, Of::Caller) => Ok(()),
            (Realm::Domains(_), Of::Service) => foreign(
                "this is for those who administer the whole service, not single domains".into(),
            ),
            (Realm::Domains(_), _) if self.domains.is_empty() => {
                foreign("expected something in a domain that you administer".into())
            }
            (Realm::Domains(_), _) => match self.domains.iter().find(|one| !realm.has(one)) {
                None => Ok(()),
                Some(other) => foreign(format!("you do not administer {other}")),
            },
        }
    }

    /// The path of what is changed.
    fn resource(&self) -> Option<String> {
        let template = self.rule.resource?;
        let mut path = template.to_owned();
        for (name, value) in &self.names {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            path = path.replace(&format!("{{{name}}}"), &value);
        }
        Some(path)
    }

    /// What the audit log says: the path as people read it.
    fn change(&self, old: Option<&[u8]>) -> Change {
        let mut resource = self.rule.path.to_owned();
        for (name, value) in &self.names {
            resource = resource.replace(&format!("{{{name}}}"), value);
        }
        let body = self.json.clone().map(|body| match self.rule.of {
            // Of thousands, who they are is enough.
            Of::AddressesInBody(name) => fields(&body, name),
            _ => without_secrets(body),
        });
        let new = match (body, self.body.len()) {
            (Some(body), _) if !body.is_null() => Some(body.to_string()),
            (_, 0) | (Some(_), _) => None,
            (None, octets) => Some(format!("\"{octets} octets\"")),
        };
        let mut domains = self.domains.clone();
        domains.dedup();
        let domain = match domains.len() {
            1 => domains.pop(),
            _ => None,
        };
        let origin = self.parts.extensions.get::<Origin>();
        Change {
            who: self.principal.who.to_string(),
            from: origin.map_or_else(String::new, |origin| origin.0.clone()),
            action: self.parts.method.to_string(),
            resource,
            domain,
            old: old.map(|old| String::from_utf8_lossy(old).into_owned()),
            new,
        }
    }
}

/// One field of each entry.
fn fields(body: &Value, name: &str) -> Value {
    let entries = body.as_array().map(Vec::as_slice).unwrap_or_default();
    entries.iter().map(|entry| entry[name].clone()).collect()
}

/// Shows something, with its tag; or says that the caller has it already.
async fn show(asked: Asked, next: Next) -> Response {
    let headers = asked.parts.headers.clone();
    let is_get = asked.parts.method == Method::GET;
    let request = Request::from_parts(asked.parts, Body::from(asked.body));
    let response = next.run(request).await;
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind.as_bytes() == b"application/json");
    // Of HEAD there is no body to make a tag of.
    if response.status() != StatusCode::OK || !is_json || !is_get {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Ok(shown) = body.collect().await else {
        let text = "what was to be shown could not be read";
        return Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response();
    };
    let shown = shown.to_bytes();
    let tag = ETag::of(&shown);
    let mut response = if etag::is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::from_parts(parts, Body::from(shown))
    };
    put_tag(&mut response, &tag);
    response
}

fn put_tag(response: &mut Response, tag: &ETag) {
    if let Some(value) = tag.header() {
        response.headers_mut().insert(header::ETAG, value);
    }
}

/// The answer, and what it says if it is a problem.
async fn told(response: Response) -> (Response, Option<String>) {
    if response.status().is_success() {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_or_else(|_| Bytes::new(), Collected::to_bytes);
    let problem: Option<Problem> = serde_json::from_slice(&body).ok();
    let detail = problem.map(|problem| problem.detail);
    (Response::from_parts(parts, Body::from(body)), detail)
}

//! Whoever looks at a page, and what he sends.

use std::net::SocketAddr;

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use maud::Markup;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Front;
use super::ask::{Asker, Seen, Wish, query};
use super::layout::{self, Tab};
use super::sessions::Resumed;
use crate::access::{Claimant, Origin, Refused, comes_from_elsewhere};
use crate::listen::Transport;
use crate::problem::Problem;

/// Somebody with a session.
pub(super) struct Visitor {
    pub(super) front: Front,
    pub(super) asker: Asker,
    pub(super) transport: Transport,
    resumed: Resumed,
}

/// A form that somebody with a session sent from a page of ours.
pub(super) struct Sent {
    pub(super) visitor: Visitor,
    pub(super) form: Form,
}

/// What is to be removed.
pub(super) struct Removal {
    /// Its path in the API.
    pub(super) of_api: String,
    /// Its own page, which stays if it stays.
    pub(super) page: String,
    /// The page that goes on without it.
    pub(super) list: String,
    /// What is said when it is gone.
    pub(super) said: String,
}

/// The fields of a form.
pub(super) struct Form(Vec<(String, String)>);

/// How somebody is connected.
#[derive(Clone, Copy)]
pub(super) struct Connected {
    pub(super) claimant: Claimant,
    pub(super) transport: Transport,
}

/// A form has at most so many octets.
const LARGEST_FORM: usize = 256 * 1024;

/// The field of a form that proves that a page of this session has it.
pub(super) const FORM_TOKEN: &str = "form_token";

/// The field of a form that says what the page knew.
pub(super) const TAG: &str = "if_match";

/// The field of a form that says that somebody means it.
pub(super) const CONFIRMED: &str = "confirmed";

impl Connected {
    pub(super) fn of(parts: &Parts, front: &Front) -> Result<Self, Problem> {
        // Put there by whoever accepted the connection.
        let peer = parts.extensions.get::<SocketAddr>().copied();
        let peer = peer.ok_or_else(|| {
            let text = "nobody knows from where this comes";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, text)
        })?;
        let transport = parts.extensions.get::<Transport>().copied();
        Ok(Self {
            claimant: Claimant {
                peer,
                source: (front.source_of)(peer.ip()),
            },
            transport: transport.unwrap_or(Transport::Secured),
        })
    }
}

/// What a refusal is on a page.
pub(super) fn why(refused: Refused) -> Problem {
    let (status, text) = match refused {
        Refused::Wrong => (StatusCode::UNAUTHORIZED, "wrong name or password"),
        Refused::TooMany => (
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong passwords came from there or for this name; wait some minutes",
        ),
        Refused::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "nobody can say now who you are; try again later",
        ),
    };
    Problem::new(status, text)
}

/// Forms of pages of others are refused before anything is done.
pub(super) fn check_origin(parts: &Parts) -> Result<(), Problem> {
    if comes_from_elsewhere(&parts.headers) {
        let text = "this form was sent by a page of another site; nothing was changed";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    Ok(())
}

impl Visitor {
    pub(super) async fn come(parts: &Parts, front: &Front) -> Result<Self, Response> {
        let alone = |problem: Problem| layout::alone("Cannot be shown", &problem);
        let connected = Connected::of(parts, front).map_err(alone)?;
        let resumed = front.sessions.resume(&parts.headers, connected.transport);
        let resumed = match resumed.await {
            Some(Ok(resumed)) => resumed,
            Some(Err(refused)) => return Err(alone(why(refused))),
            None => return Err(to_login(parts)),
        };
        let asker = Asker {
            principal: resumed.principal.clone(),
            origin: Origin(connected.claimant.peer.ip().to_string()),
        };
        Ok(Self {
            front: front.clone(),
            asker,
            transport: connected.transport,
            resumed,
        })
    }

    /// What the API shows at a path.
    pub(super) async fn see<T: DeserializeOwned>(&self, path: &str) -> Result<Seen<T>, Problem> {
        self.front.ask.see(&self.asker, path).await
    }

    /// The same, for whom its tag does not matter.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Problem> {
        Ok(self.see(path).await?.shown)
    }

    /// A text that the API gives.
    pub(super) async fn text(&self, path: &str) -> Result<String, Problem> {
        self.front.ask.text(&self.asker, path).await
    }

    /// What each form carries.
    pub(super) fn form_token(&self) -> &str {
        &self.resumed.form_token
    }

    pub(super) fn name(&self) -> String {
        self.asker.principal.who.to_string()
    }

    /// A page, or why there is none.
    pub(super) fn show(&self, title: &str, tab: Tab, body: Result<Markup, Problem>) -> Response {
        let said = self.front.sessions.said(&self.resumed);
        layout::page(self, title, tab, said.as_deref(), body)
    }
}

/// Whoever has no session logs in, and comes back; what he sent is not sent again.
fn to_login(parts: &Parts) -> Response {
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let to = if parts.method == Method::GET && path != "/" {
        path
    } else {
        ""
    };
    see_other(&query("/login", &[("to", to)]))
}

/// RFC 9110 15.4.4.
pub(super) fn see_other(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

impl FromRequestParts<Front> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, front: &Front) -> Result<Self, Response> {
        Self::come(parts, front).await
    }
}

impl FromRequest<Front> for Sent {
    type Rejection = Response;

    async fn from_request(request: Request, front: &Front) -> Result<Self, Response> {
        let (parts, body) = request.into_parts();
        check_origin(&parts).map_err(|problem| layout::alone("Not done", &problem))?;
        let visitor = Visitor::come(&parts, front).await?;
        let form = match Form::read(body, front).await {
            Ok(form) => form,
            Err(problem) => return Err(visitor.show("Not done", Tab::None, Err(problem))),
        };
        if !visitor.resumed.made(form.text(FORM_TOKEN)) {
            let text = "this form does not come from a page of your session; nothing was \
                changed: load the page again and send it from there";
            let problem = Problem::new(StatusCode::FORBIDDEN, text);
            return Err(visitor.show("Not done", Tab::None, Err(problem)));
        }
        Ok(Self { visitor, form })
    }
}

impl Sent {
    /// Changes something, by what the page knew of it.
    pub(super) async fn change(
        &self,
        method: Method,
        path: String,
        body: Value,
    ) -> Result<Value, Problem> {
        let tag = self.form.optional(TAG);
        let wish = Wish {
            method,
            path,
            body,
            tag,
        };
        self.wish(wish).await
    }

    /// Changes something, by what is known of it otherwise.
    pub(super) async fn wish(&self, wish: Wish<'_>) -> Result<Value, Problem> {
        self.visitor
            .front
            .ask
            .change(&self.visitor.asker, wish)
            .await
    }

    /// What cannot be taken back has to be meant.
    pub(super) fn is_meant(&self) -> Result<(), Problem> {
        if self.form.is_set(CONFIRMED) {
            return Ok(());
        }
        let text = "this cannot be taken back: tick the box that says so; nothing was changed";
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text))
    }

    /// Removes for good what has a page and stands in a list, if that is meant.
    pub(super) async fn remove(&self, what: Removal) -> Response {
        let Removal {
            of_api,
            page,
            list,
            said,
        } = what;
        if let Err(problem) = self.is_meant() {
            return self.not_done(&problem, &page);
        }
        let done = self.change(Method::DELETE, of_api, Value::Null).await;
        let to = if done.is_ok() { &list } else { &page };
        self.go(done, to, said)
    }

    /// Goes on to a page that says what was done, or says why it was not.
    pub(super) fn go(&self, outcome: Result<Value, Problem>, to: &str, said: String) -> Response {
        match outcome {
            Ok(_) => {
                self.visitor.front.sessions.say(&self.visitor.resumed, said);
                see_other(to)
            }
            Err(problem) => self.not_done(&problem, to),
        }
    }

    pub(super) fn not_done(&self, problem: &Problem, back: &str) -> Response {
        layout::not_done(&self.visitor, problem, back)
    }
}

impl Form {
    /// Reads a form that comes in time.
    pub(super) async fn read(body: axum::body::Body, front: &Front) -> Result<Self, Problem> {
        let whole = Limited::new(body, LARGEST_FORM).collect();
        let patience = std::time::Duration::from_secs(30);
        // Both branches are cancel safe: who is late gets no second chance.
        let read = tokio::select! {
            biased;
            read = whole => read,
            () = front.clock.sleep(patience) => {
                let text = "the form did not come in time; nothing was changed";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, text));
            }
        };
        let whole = read.map_err(|_| {
            let text = format!("expected a form of at most {LARGEST_FORM} octets");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text)
        })?;
        Ok(Self::of(&whole.to_bytes()))
    }

    fn of(octets: &Bytes) -> Self {
        Self(form_urlencoded::parse(octets).into_owned().collect())
    }

    /// A field as it is; empty if it is not there.
    pub(super) fn text(&self, name: &str) -> &str {
        let mut named = self.0.iter().filter(|(own, _)| own == name);
        named.next().map_or("", |(_, value)| value)
    }

    /// A field without the spaces around it; none if it is empty.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        let text = self.text(name).trim();
        (!text.is_empty()).then_some(text)
    }

    /// All values of a field.
    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.0.iter().filter(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The words of a field: what spaces, commas or ends of lines part.
    pub(super) fn words(&self, name: &str) -> Vec<&str> {
        let words = self.text(name).split([' ', ',', '\t', '\r', '\n']);
        words.filter(|word| !word.is_empty()).collect()
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.0.iter().any(|(own, _)| own == name)
    }
}

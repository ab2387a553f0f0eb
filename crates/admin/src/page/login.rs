//! Coming and going.

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use cassmail_mail::Secret;
use cassmail_office::AdminClaim;
use maud::{Markup, html};
use serde::Deserialize;

use super::Front;
use super::layout::{document, problem_shown};
use super::sessions::cookie;
use super::visitor::{Connected, Form, Sent, check_origin, see_other, why};
use crate::access::Refused;
use crate::listen::Transport;
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/login", get(ask).post(log_in))
        .route("/logout", post(log_out))
}

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    to: String,
}

async fn ask(wanted: Result<Query<Wanted>, QueryRejection>) -> Response {
    let to = wanted.map_or_else(|_| String::new(), |Query(wanted)| wanted.to);
    document("Log in", StatusCode::OK, None, &shown(&to, None))
}

async fn log_in(State(front): State<Front>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let opened = async {
        check_origin(&parts)?;
        let connected = Connected::of(&parts, &front)?;
        let form = Form::read(body, &front).await?;
        Ok((connected, form))
    };
    let (connected, form) = match opened.await {
        Ok(opened) => opened,
        Err(problem) => return refused("", &problem),
    };
    match open(&front, connected, &form).await {
        Err(why_not) => refused(form.text("to"), &why(why_not)),
        Ok(secret) => {
            // One that he had before is not needed any more.
            front.sessions.end(&parts.headers, connected.transport);
            let response = see_other(own_path(form.text("to")));
            with_cookie(response, connected.transport, Some(&secret))
        }
    }
}

async fn open(front: &Front, connected: Connected, form: &Form) -> Result<String, Refused> {
    let name = form.text("name").trim().to_owned();
    let standing = front.sessions.standing(&name).await?;
    let claim = AdminClaim::Password {
        name,
        password: Secret::new(form.text("password").to_owned()),
    };
    front.logins.check(&claim, connected.claimant).await?;
    front.sessions.open(&standing.ok_or(Refused::Wrong)?)
}

fn refused(to: &str, problem: &Problem) -> Response {
    let status = match StatusCode::from_u16(problem.status) {
        // A browser would ask for a password of its own.
        Ok(StatusCode::UNAUTHORIZED) | Err(_) => StatusCode::FORBIDDEN,
        Ok(status) => status,
    };
    document("Log in", status, None, &shown(to, Some(problem)))
}

async fn log_out(State(front): State<Front>, headers: HeaderMap, sent: Sent) -> Response {
    let transport = sent.visitor.transport;
    front.sessions.end(&headers, transport);
    with_cookie(see_other("/login"), transport, None)
}

fn with_cookie(mut response: Response, transport: Transport, secret: Option<&str>) -> Response {
    if let Ok(value) = HeaderValue::from_str(&cookie(transport, secret)) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Where somebody goes who has logged in: nobody sends him to another site.
fn own_path(to: &str) -> &str {
    let is_own = to.starts_with('/')
        && !to.starts_with("//")
        && to
            .bytes()
            .all(|octet| octet.is_ascii_graphic() && octet != b'\\');
    if is_own { to } else { "/" }
}

fn shown(to: &str, problem: Option<&Problem>) -> Markup {
    html! {
        main #main tabindex="-1" {
            h1 { "Log in" }
            @if let Some(problem) = problem {
                (problem_shown(problem))
            }
            form method="post" action="/login" {
                input type="hidden" name="to" value=(own_path(to));
                fieldset {
                    legend { "An administrator of cassmail" }
                    label {
                        "Name"
                        input type="text" name="name" required autocomplete="username"
                            autocapitalize="none" spellcheck="false";
                    }
                    label {
                        "Password"
                        input type="password" name="password" required
                            autocomplete="current-password";
                    }
                    button { "Log in" }
                }
            }
            p.hint {
                "Administrators are made with " code { "cassmail admin add" }
                " on the machine of the service."
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn nobody_is_sent_to_another_site() {
        for own in ["/", "/domains?after=x", "/accounts/a%40b"] {
            assert_eq!(own_path(own), own);
        }
        let others = [
            "",
            "x",
            "//x",
            "https://x",
            "/\\x",
            "/\tx",
            "/a b",
            "\\/x",
            "/x\r\nSet-Cookie: a=b",
            "javascript:x",
        ];
        for other in others {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }
}

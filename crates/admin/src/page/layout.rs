//! What every page has: a head, the way around, one heading, and messages.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON, SCRIPT, STYLE};
use super::parts::form;
use super::visitor::Visitor;
use crate::problem::Problem;

/// Where somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Overview,
    Domains,
    Accounts,
    Aliases,
    Messages,
    Limits,
    Nodes,
    Administrators,
    Audit,
    /// Nowhere in particular.
    None,
}

/// The way around.
const TABS: &[(Tab, &str, &str)] = &[
    (Tab::Overview, "/", "Overview"),
    (Tab::Domains, "/domains", "Domains"),
    (Tab::Accounts, "/accounts", "Accounts"),
    (Tab::Aliases, "/aliases", "Aliases"),
    (Tab::Messages, "/messages", "Messages"),
    (Tab::Limits, "/limits", "Limits"),
    (Tab::Nodes, "/nodes", "Nodes and store"),
    (Tab::Administrators, "/administrators", "Administrators"),
    (Tab::Audit, "/audit", "Audit"),
];

/// A page of somebody with a session.
pub(super) fn page(
    visitor: &Visitor,
    title: &str,
    tab: Tab,
    said: Option<&str>,
    body: Result<Markup, Problem>,
) -> Response {
    let (status, body) = match body {
        Ok(body) => (StatusCode::OK, body),
        Err(problem) => (status_of(&problem), problem_shown(&problem)),
    };
    let is_watched = matches!(tab, Tab::Overview | Tab::Nodes) && status == StatusCode::OK;
    let refresh = is_watched.then_some("60");
    let content = html! {
        header {
            div.who {
                strong { "cassmail" }
                span { "Logged in as " (visitor.name()) }
                (form(visitor, "/logout", None, &html! {
                    button.quiet { "Log out" }
                }))
            }
            nav aria-label="Pages" {
                ul {
                    @for (own, path, name) in TABS {
                        li {
                            a href=(path) aria-current=[(*own == tab).then_some("page")] { (name) }
                        }
                    }
                }
            }
        }
        main #main tabindex="-1" {
            h1 { (title) }
            @if let Some(said) = said {
                div.said role="status" { (said) }
            }
            (body)
        }
    };
    document(title, status, refresh, &content)
}

/// A page of somebody without a session.
pub(super) fn alone(title: &str, problem: &Problem) -> Response {
    let content = html! {
        main #main tabindex="-1" {
            h1 { (title) }
            (problem_shown(problem))
            p { a href="/" { "To the overview" } }
        }
    };
    document(title, status_of(problem), None, &content)
}

/// Why something was not done, and the way back.
pub(super) fn not_done(visitor: &Visitor, problem: &Problem, back: &str) -> Response {
    let body = html! {
        (problem_shown(problem))
        p { a href=(back) { "Back to the page, as it is now" } }
    };
    let mut response = page(visitor, "Not done", Tab::None, None, Ok(body));
    *response.status_mut() = status_of(problem);
    response
}

/// A page from its title and what is in it.
pub(super) fn document(
    title: &str,
    status: StatusCode,
    refresh: Option<&str>,
    content: &Markup,
) -> Response {
    let shown = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " - cassmail" }
                link rel="icon" href=(ICON.path);
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
            }
            body data-refresh=[refresh] {
                a.skip href="#main" { "Skip to the content" }
                (content)
            }
        }
    };
    let mut response = (status, shown.into_string()).into_response();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn status_of(problem: &Problem) -> StatusCode {
    // A browser would ask for a password of its own.
    match StatusCode::from_u16(problem.status) {
        Ok(StatusCode::UNAUTHORIZED) => StatusCode::FORBIDDEN,
        Ok(status) => status,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A problem in words, with what to do about it.
pub(super) fn problem_shown(problem: &Problem) -> Markup {
    let advice = match problem.status {
        403 => Some("Ask somebody who has this right to give it to you, or to do it."),
        409 => Some("Look at what is there, and choose something else."),
        412 => Some(
            "Somebody else changed it after this page was loaded. Look at it as it is now, and \
             change it again if that is still right.",
        ),
        503 => Some("Try again later; if it stays so, look at the overview."),
        _ => None,
    };
    html! {
        div.problem role="alert" {
            p { strong { (problem.title) } }
            p { (problem.detail) }
            @if let Some(advice) = advice {
                p { (advice) }
            }
        }
    }
}

//! Who is slowed after wrong passwords, and who has sessions, on this node.

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::Value;

use super::Front;
use super::ask::path;
use super::layout::Tab;
use super::parts::{entries, form, section, table, text};
use super::visitor::{Sent, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/limits", get(list))
        .route("/limits/lift", post(lift))
}

async fn list(visitor: Visitor) -> Response {
    let body = html! {
        p { "These are the figures of the node that shows this page." }
        (section("Slowed after wrong passwords", slowed(&visitor).await))
        (section("Open sessions", sessions(&visitor).await))
    };
    visitor.show("Limits", Tab::Limits, Ok(body))
}

async fn slowed(visitor: &Visitor) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/limits").await?;
    let rows = entries(&shown).iter().map(|one| {
        let (kind, name) = (text(one, "kind"), text(one, "name"));
        let lift = form(
            visitor,
            "/limits/lift",
            None,
            &html! {
                input type="hidden" name="kind" value=(kind);
                input type="hidden" name="name" value=(name);
                button.quiet { "Lift for " (name) }
            },
        );
        vec![
            html! { (name) },
            html! { (kind) },
            html! { (text(one, "at")) },
            html! { (one["used"].as_u64().unwrap_or_default()) " of "
            (one["most"].as_u64().unwrap_or_default()) },
            html! { @if one["blocked"] == true { span.bad { "blocked" } } @else { "slowed" } },
            lift,
        ]
    });
    let rows: Vec<_> = rows.collect();
    let heads = ["Who", "Kind", "At", "Wrong passwords", "State", "Lift"];
    Ok(table("Slowed on this node", &heads, &rows))
}

async fn sessions(visitor: &Visitor) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/sessions").await?;
    let rows = entries(&shown).iter().map(|one| {
        vec![
            html! { (text(one, "address")) },
            html! { (text(one, "service")) },
            html! { (one["open"].as_u64().unwrap_or_default()) },
        ]
    });
    let rows: Vec<_> = rows.collect();
    Ok(table(
        "Sessions on this node",
        &["Account", "For", "Open"],
        &rows,
    ))
}

async fn lift(sent: Sent) -> Response {
    let (kind, name) = (sent.form.text("kind"), sent.form.text("name"));
    let of = match kind {
        "source" => "sources",
        "account" => "accounts",
        "administrator" => "administrators",
        _ => {
            let text = "expected a source, an account or an administrator";
            let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
            return sent.not_done(&problem, "/limits");
        }
    };
    let path = path(&["v1", "limits", of, name]);
    let done = sent.change(Method::DELETE, path, Value::Null).await;
    sent.go(
        done,
        "/limits",
        format!("The wrong passwords of {name} are forgiven."),
    )
}

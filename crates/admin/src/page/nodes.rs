//! Nodes and their data centers, the scrub, and certificates.

use axum::Router;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Front;
use super::layout::Tab;
use super::parts::{confirmation, entries, form, section, table, text, time};
use super::visitor::{Sent, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/nodes", get(list))
        .route("/nodes/drain", post(drain))
        .route("/certificates/reload", post(reload))
}

async fn list(visitor: Visitor) -> Response {
    let body = html! {
        (section("Nodes and data centers", nodes(&visitor).await))
        (section("Drain this node", drain_form(&visitor).await))
        (section("Scrub", scrub(&visitor).await))
        (section("Certificates", certificates(&visitor).await))
    };
    visitor.show("Nodes and store", Tab::Nodes, Ok(body))
}

async fn nodes(visitor: &Visitor) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/nodes").await?;
    let rows = entries(&shown).iter().map(|node| {
        vec![
            html! { (text(node, "id")) @if node["is_this"] == true { " (this one)" } },
            html! { (node["data_center"].as_str().unwrap_or("none")) },
            html! {
                @match text(node, "state") {
                    "alive" => span.good { "alive" },
                    state => span.warn { (state) },
                }
            },
            time(node["seen_at"].as_u64()),
        ]
    });
    let rows: Vec<_> = rows.collect();
    Ok(table(
        "Nodes",
        &["Node", "Data center", "State", "Seen"],
        &rows,
    ))
}

async fn drain_form(visitor: &Visitor) -> Result<Markup, Problem> {
    let store: Value = visitor.get("/v1/store").await?;
    let is_drained = store["drained"] == true;
    let (now, wanted, does) = if is_drained {
        (
            "It is drained: load balancers send mail elsewhere.",
            "no",
            "Take mail again",
        )
    } else {
        (
            "It takes mail.",
            "yes",
            "Drain it: load balancers send mail elsewhere",
        )
    };
    Ok(html! {
        p { (now) }
        (form(visitor, "/nodes/drain", None, &html! {
            input type="hidden" name="drained" value=(wanted);
            button.quiet { (does) }
        }))
    })
}

async fn scrub(visitor: &Visitor) -> Result<Markup, Problem> {
    let scrub: Value = visitor.get("/v1/store/scrub").await?;
    if scrub.is_null() {
        return Ok(html! { p { "There was none yet." } });
    }
    let done = scrub["done"].as_f64().unwrap_or_default().clamp(0.0, 1.0);
    let percent = format!("{:.0} %", done * 100.0);
    Ok(html! {
        @if scrub["trouble"] == true { p.bad { "It found something that needs a person." } }
        @else if scrub["well"] == true { p.good { "Everything was as it should be." } }
        @else { p.warn { "It mended something." } }
        p {
            progress max="1" value=(done) aria-label="Progress of the scrub" { (percent) }
            " " (percent)
            @if scrub["finished"] == true { ", finished" }
            ", written down " (time(scrub["at"].as_u64()))
        }
        dl {
            @for (name, count) in scrub["counts"].as_object().into_iter().flatten() {
                dt { (name.replace('_', " ")) } dd { (count) }
            }
        }
    })
}

async fn certificates(visitor: &Visitor) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/certificates").await?;
    let rows = entries(&shown).iter().map(|one| {
        let names: Vec<_> = entries(&one["names"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        vec![
            html! { (names.join(", ")) },
            time(one["not_after"].as_u64()),
            html! {
                @match one["days_left"].as_u64() {
                    Some(days) if days < 14 => span.bad { (days) },
                    Some(days) => (days),
                    None => "not known",
                }
            },
        ]
    });
    let rows: Vec<_> = rows.collect();
    Ok(html! {
        (table("Certificates in use", &["For", "Ends", "Days left"], &rows))
        (form(visitor, "/certificates/reload", None, &html! {
            (confirmation("Load the configuration and the certificates anew"))
            button.quiet { "Load" }
        }))
    })
}

async fn drain(sent: Sent) -> Response {
    let is_wanted = sent.form.text("drained") == "yes";
    let body = json!({ "drained": is_wanted });
    let done = sent
        .change(Method::PUT, "/v1/nodes/this/drain".into(), body)
        .await;
    let said = if is_wanted {
        "This node is drained."
    } else {
        "This node takes mail again."
    };
    sent.go(done, "/nodes", said.to_owned())
}

async fn reload(sent: Sent) -> Response {
    if let Err(problem) = sent.is_meant() {
        return sent.not_done(&problem, "/nodes");
    }
    let done = sent
        .change(Method::POST, "/v1/certificates/reload".into(), Value::Null)
        .await;
    let said = done.as_ref().map_or_else(|_| String::new(), reloaded);
    sent.go(done, "/nodes", said)
}

fn reloaded(told: &Value) -> String {
    let list = |name: &str| {
        let names: Vec<_> = entries(&told[name])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    };
    format!(
        "Loaded. Changed: {}. Waits for a restart: {}.",
        list("changed"),
        list("needs_restart")
    )
}

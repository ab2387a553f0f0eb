//! Who changed what.

use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Front;
use super::ask::query;
use super::layout::Tab;
use super::parts::{entries, section, table, text, time};
use super::visitor::Visitor;
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new().route("/audit", get(list))
}

/// Which records.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    who: String,
    resource: String,
    domain: String,
    after: String,
}

impl Wanted {
    fn fields(&self) -> [(&str, &str); 3] {
        [
            ("who", self.who.trim()),
            ("resource", self.resource.trim()),
            ("domain", self.domain.trim()),
        ]
    }
}

/// How many records a page has.
const PAGE: usize = 100;

async fn list(visitor: Visitor, wanted: Query<Wanted>) -> Response {
    let field = |name: &str, label: &str, value: &str| {
        html! {
            label {
                (label)
                input type="text" name=(name) value=(value) autocomplete="off"
                    autocapitalize="none" spellcheck="false";
            }
        }
    };
    let body = html! {
        form method="get" action="/audit" {
            fieldset {
                legend { "Which changes" }
                (field("who", "A part of who asked", &wanted.who))
                (field("resource", "A part of what was changed", &wanted.resource))
                (field("domain", "A domain", &wanted.domain))
                button { "Look" }
            }
        }
        (section("Changes, the latest first", records(&visitor, &wanted).await))
    };
    visitor.show("Audit", Tab::Audit, Ok(body))
}

async fn records(visitor: &Visitor, wanted: &Wanted) -> Result<Markup, Problem> {
    let limit = PAGE.to_string();
    let more = [("after", wanted.after.as_str()), ("limit", &limit)];
    let path = query("/v1/audit", &[&wanted.fields()[..], &more].concat());
    let shown: Value = visitor.get(&path).await?;
    let records = entries(&shown);
    let rows: Vec<_> = records.iter().map(row).collect();
    let last = records.last().filter(|_| records.len() == PAGE);
    let next = last.map(|last| {
        let behind = [("after", text(last, "id"))];
        query("/audit", &[&wanted.fields()[..], &behind].concat())
    });
    Ok(html! {
        (table("Changes", &["When", "Who", "What", "Outcome", "Details"], &rows))
        @if let Some(next) = next { p { a href=(next) rel="next" { "Older ones" } } }
    })
}

fn row(record: &Value) -> Vec<Markup> {
    let outcome = match record["status"].as_u64() {
        None => html! { span.warn { "not known" } },
        Some(status) if status < 300 => html! { "done" },
        Some(status) => html! { span.bad { "refused (" (status) ")" } },
    };
    vec![
        time(record["at"].as_u64().map(|micros| micros / 1_000_000)),
        html! { (text(record, "who")) div { "from " (text(record, "from")) } },
        html! { (text(record, "action")) " " (text(record, "resource")) },
        outcome,
        html! {
            @if let Some(problem) = record["problem"].as_str() { div { (problem) } }
            @if !record["old"].is_null() || !record["new"].is_null() {
                details {
                    summary { "Before and asked for" }
                    dl {
                        dt { "Before" } dd { (record["old"]) }
                        dt { "Asked for" } dd { (record["new"]) }
                    }
                }
            }
        },
    ]
}

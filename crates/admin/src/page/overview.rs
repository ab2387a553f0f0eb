//! The first page: is everything well, and what needs somebody.

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Front;
use super::layout::Tab;
use super::parts::{entries, section, text};
use super::plot::plot;
use super::visitor::Visitor;
use crate::problem::Problem;
use crate::traffic::Minute;

pub(super) fn routes() -> Router<Front> {
    Router::new().route("/", get(overview))
}

async fn overview(visitor: Visitor) -> Response {
    let body = html! {
        (section("What needs attention", attention(&visitor).await))
        (section("The store", store(&visitor).await))
        (section("Traffic of the last hour", traffic(&visitor).await))
    };
    visitor.show("Overview", Tab::Overview, Ok(body))
}

async fn traffic(visitor: &Visitor) -> Result<Markup, Problem> {
    #[derive(Deserialize)]
    struct Traffic {
        minutes: Vec<Minute>,
    }
    let traffic: Traffic = visitor.get("/v1/traffic").await?;
    Ok(plot(&traffic.minutes))
}

async fn store(visitor: &Visitor) -> Result<Markup, Problem> {
    let store: Value = visitor.get("/v1/store").await?;
    let (class, word) = match text(&store, "health") {
        "well" => ("good", "The store is well."),
        "degraded" => (
            "warn",
            "The store is degraded: it works, but lacks something.",
        ),
        "full" => ("bad", "The store is full: no mail is taken."),
        "unreachable" => (
            "bad",
            "The store cannot be reached: no mail is taken or given out.",
        ),
        _ => ("bad", "The store has failed and needs a person."),
    };
    Ok(html! {
        p class=(class) { (word) }
        dl {
            dt { "Kind" } dd { (text(&store, "kind")) }
            @if let Some(detail) = store["detail"].as_str() {
                dt { "In words" } dd { (detail) }
            }
            dt { "This node" }
            dd {
                @if store["drained"] == true { "drained by an administrator" }
                @else { "takes mail" }
            }
            @for (name, label) in CLUSTER {
                @if let Some(count) = store["cluster"][*name].as_u64() {
                    dt { (label) } dd { (count) }
                }
            }
        }
    })
}

const CLUSTER: &[(&str, &str)] = &[
    (
        "acknowledged_by_fewer",
        "Accepted by fewer data centers than there are",
    ),
    (
        "waiting_for_healing",
        "Partitions that wait for a data center",
    ),
    (
        "periodic_commit_logs",
        "Nodes that acknowledge before the disk has it",
    ),
];

/// A certificate that ends in fewer days should have been renewed.
const SOON: u64 = 14;

/// What is seen at a glance; what cannot be seen is said too.
async fn attention(visitor: &Visitor) -> Result<Markup, Problem> {
    let mut lines = Vec::new();
    let mut unseen = Vec::new();
    let mut look = |what: &str, found: Result<Vec<Markup>, Problem>| match found {
        Ok(found) => lines.extend(found),
        // What is not his to see is no trouble of his.
        Err(problem) if problem.status == 403 => {}
        Err(problem) => unseen.push(format!("{what}: {}", problem.detail)),
    };
    look("certificates", certificates(visitor).await);
    look("full mailboxes", full(visitor).await);
    look("blocked", blocked(visitor).await);
    look("nodes", silent(visitor).await);
    look("scrub", scrub(visitor).await);
    Ok(html! {
        @if lines.is_empty() && unseen.is_empty() {
            p.good { "Nothing that you may see." }
        } @else {
            ul {
                @for line in &lines { li { (line) } }
                @for text in &unseen { li.warn { "Cannot be seen now: " (text) } }
            }
        }
    })
}

async fn certificates(visitor: &Visitor) -> Result<Vec<Markup>, Problem> {
    let shown: Value = visitor.get("/v1/certificates").await?;
    let ending = entries(&shown).iter().filter_map(|one| {
        let names: Vec<_> = entries(&one["names"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let names = names.join(", ");
        match one["days_left"].as_u64() {
            None => Some(html! { "It cannot be read when the certificate of " (names) " ends." }),
            Some(0) => Some(html! { "The certificate of " (names) " ends today or has ended." }),
            Some(days) if days < SOON => {
                Some(html! { "The certificate of " (names) " ends in " (days) " days." })
            }
            Some(_) => None,
        }
    });
    Ok(ending.collect())
}

/// How many mailboxes this process knows to be full; whose they are, the lists of accounts say.
const FULL: &[(&str, &str)] = &[
    ("cassmail_quota_full", "full and get no mail"),
    ("cassmail_quota_nearly_full", "nearly full"),
];

async fn full(visitor: &Visitor) -> Result<Vec<Markup>, Problem> {
    let figures = visitor.text("/metrics").await?;
    let lines = FULL.iter().filter_map(|(name, how)| {
        let count = figure(&figures, name).filter(|count| *count != "0")?;
        Some(html! { "Mailboxes that are " (how) ", as this node knows: " (count) "." })
    });
    Ok(lines.collect())
}

/// A figure without labels.
fn figure<'a>(figures: &'a str, name: &str) -> Option<&'a str> {
    let values = figures.lines().filter_map(|line| line.split_once(' '));
    let mut named = values.filter(|(own, _)| *own == name);
    named.next().map(|(_, value)| value)
}

async fn blocked(visitor: &Visitor) -> Result<Vec<Markup>, Problem> {
    let shown: Value = visitor.get("/v1/limits").await?;
    let blocked = entries(&shown).iter().filter(|one| one["blocked"] == true);
    let line = |one: &Value| {
        let (kind, name) = (text(one, "kind"), text(one, "name"));
        html! { "Blocked after wrong passwords: the " (kind) " " (name) "." }
    };
    Ok(blocked.map(line).collect())
}

async fn silent(visitor: &Visitor) -> Result<Vec<Markup>, Problem> {
    let shown: Value = visitor.get("/v1/nodes").await?;
    let silent = entries(&shown)
        .iter()
        .filter(|one| one["state"] == "silent");
    Ok(silent
        .map(|one| html! { "The node " (text(one, "id")) " is silent." })
        .collect())
}

async fn scrub(visitor: &Visitor) -> Result<Vec<Markup>, Problem> {
    let shown: Value = visitor.get("/v1/store/scrub").await?;
    let in_trouble = shown["trouble"] == true;
    Ok(in_trouble
        .then(|| html! { "The last scrub found something that needs a person." })
        .into_iter()
        .collect())
}

//! What became of messages, and why something was refused.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Front;
use super::ask::{path, query};
use super::layout::Tab;
use super::parts::{entries, octets, section, table, text, time};
use super::visitor::Visitor;
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/messages", get(search))
        .route("/messages/{id}", get(one))
        .route("/refusals", get(refusals))
}

/// What is looked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    address: String,
    message_id: String,
    source: String,
    /// The last so many hours; empty is all that is kept.
    hours: String,
    after: String,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        let all = [&self.address, &self.message_id, &self.source, &self.hours];
        all.iter().all(|text| text.trim().is_empty())
    }

    fn fields(&self) -> [(&str, &str); 4] {
        [
            ("address", self.address.trim()),
            ("message_id", self.message_id.trim()),
            ("source", self.source.trim()),
            ("hours", self.hours.trim()),
        ]
    }

    /// The path in the API.
    fn of_api(&self, visitor: &Visitor, limit: &str) -> String {
        let hours: u64 = self.hours.trim().parse().unwrap_or_default();
        let now = visitor.front.clock.wall().as_secs();
        let from = match hours {
            0 => String::new(),
            hours => now.saturating_sub(hours.saturating_mul(3600)).to_string(),
        };
        query(
            "/v1/messages",
            &[
                ("address", self.address.trim()),
                ("message_id", self.message_id.trim()),
                ("source", self.source.trim()),
                ("from", &from),
                ("after", &self.after),
                ("limit", limit),
            ],
        )
    }
}

async fn search(visitor: Visitor, wanted: Query<Wanted>) -> Response {
    let found = if wanted.is_empty() && wanted.after.is_empty() {
        Ok(html! { p { "Say what you look for: all that you fill in has to be so." } })
    } else {
        found(&visitor, &wanted).await
    };
    let body = html! {
        p { a href="/refusals" { "Refusals by reason" } }
        (search_form(&wanted))
        (section("Found", found))
    };
    visitor.show("Messages", Tab::Messages, Ok(body))
}

/// The question is in the address of the page, so that it can be kept and sent to others.
fn search_form(wanted: &Wanted) -> Markup {
    let field = |name: &str, label: &str, hint: &str, value: &str| {
        html! {
            label {
                (label)
                span.hint { (hint) }
                input type="text" name=(name) value=(value) autocomplete="off"
                    autocapitalize="none" spellcheck="false";
            }
        }
    };
    html! {
        form method="get" action="/messages" {
            fieldset {
                legend { "Look for what happened" }
                (field("address", "Address", "of whoever sent, was named or fetched",
                    &wanted.address))
                (field("message_id", "Message-ID", "as it stands in the header",
                    &wanted.message_id))
                (field("source", "From where", "an IP address, or a network", &wanted.source))
                label {
                    "Since"
                    select name="hours" {
                        @for (value, name) in SPANS {
                            option value=(value) selected[*value == wanted.hours] { (name) }
                        }
                    }
                }
                button { "Look" }
            }
        }
    }
}

const SPANS: &[(&str, &str)] = &[
    ("", "all that is kept"),
    ("1", "the last hour"),
    ("24", "the last day"),
    ("168", "the last week"),
];

async fn found(visitor: &Visitor, wanted: &Wanted) -> Result<Markup, Problem> {
    let page: Value = visitor.get(&wanted.of_api(visitor, "100")).await?;
    let events = entries(&page["events"]);
    let next = page["next"].as_str().map(|next| {
        let behind = [("after", next)];
        query("/messages", &[&wanted.fields()[..], &behind].concat())
    });
    Ok(html! {
        (events_shown("Events, the latest first", events))
        @if let Some(next) = next { p { a href=(next) rel="next" { "Older ones" } } }
    })
}

fn events_shown(caption: &str, events: &[Value]) -> Markup {
    let rows: Vec<_> = events.iter().map(row).collect();
    table(
        caption,
        &["When", "What", "Message", "From", "To", "More"],
        &rows,
    )
}

fn row(event: &Value) -> Vec<Markup> {
    let what = text(event, "event");
    let recipients = entries(&event["recipients"]);
    let ids = entries(&event["messages"]).iter().filter_map(Value::as_str);
    vec![
        time(event["at"].as_u64().map(|micros| micros / 1_000_000)),
        html! { @if what == "refused" { span.bad { (what) } } @else { (what) } },
        html! { @for id in ids { div { a href=(path(&["messages", id])) { (id) } } } },
        html! {
            @match event["from"].as_str() {
                Some("") => "(nobody)",
                Some(from) => (from),
                None => (text(event, "user")),
            }
        },
        html! {
            @for recipient in recipients {
                div {
                    (text(recipient, "address"))
                    @for account in entries(&recipient["accounts"]) {
                        @if account.as_str() != recipient["address"].as_str() {
                            " to " (account.as_str().unwrap_or_default())
                        }
                    }
                }
            }
        },
        details(event),
    ]
}

/// What else the API may know of an event.
const DETAILS: &[(&str, &str)] = &[
    ("source", "From where"),
    ("user", "Login"),
    ("helo", "Said it was"),
    ("with", "Protocol"),
    ("tls", "TLS"),
    ("message_id", "Message-ID"),
    ("command", "Command"),
    ("about", "About"),
    ("reply", "Reply"),
    ("rule", "Rule"),
    ("by", "Removed by"),
    ("node", "Node"),
    ("session", "Session"),
];

fn details(event: &Value) -> Markup {
    html! {
        @if let Some(reply) = event["reply"].as_str() { div { (reply) } }
        details {
            summary { "Details" }
            dl {
                @for (name, label) in DETAILS {
                    @if let Some(said) = event[*name].as_str() {
                        dt { (label) } dd { (said) }
                    }
                }
                @if let Some(size) = event["size"].as_u64() {
                    dt { "Size" } dd { (octets(size)) }
                }
            }
        }
    }
}

async fn one(visitor: Visitor, Path(id): Path<String>) -> Response {
    let body = one_shown(&visitor, &id).await;
    visitor.show(&format!("Trace of {id}"), Tab::Messages, body)
}

async fn one_shown(visitor: &Visitor, id: &str) -> Result<Markup, Problem> {
    let shown: Value = visitor.get(&path(&["v1", "messages", id])).await?;
    let places = entries(&shown["places"]).iter().map(|place| {
        let account = text(place, "account");
        let address = place["address"].as_str();
        vec![
            html! {
                @match address {
                    Some(address) => a href=(path(&["mailboxes", address])) { (address) },
                    None => { "an account that is gone: " (account) },
                }
            },
            html! { @if place["listed"] == true { "is there" } @else { "is gone" } },
        ]
    });
    let places: Vec<_> = places.collect();
    Ok(html! {
        (events_shown("What happened, in order", entries(&shown["events"])))
        (section("Where it is now", Ok(table("Mailboxes", &["Mailbox", "State"], &places))))
    })
}

/// So many of the latest events are looked at for their reasons.
const LOOKED_AT: &str = "1000";

async fn refusals(visitor: Visitor, wanted: Query<Wanted>) -> Response {
    let body = refusals_shown(&visitor, &wanted).await;
    visitor.show("Refusals by reason", Tab::Messages, body)
}

async fn refusals_shown(visitor: &Visitor, wanted: &Wanted) -> Result<Markup, Problem> {
    let page: Value = visitor.get(&wanted.of_api(visitor, LOOKED_AT)).await?;
    let events = entries(&page["events"]);
    let refused = events.iter().filter(|event| event["event"] == "refused");
    let mut reasons: BTreeMap<(&str, &str), (u64, &Value)> = BTreeMap::new();
    for event in refused {
        let reason = (text(event, "rule"), text(event, "reply"));
        reasons.entry(reason).or_insert((0, event)).0 += 1;
    }
    let mut counted: Vec<_> = reasons.into_iter().collect();
    counted.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let rows = counted.iter().map(|((rule, reply), (count, latest))| {
        vec![
            html! { (rule) },
            html! { (reply) },
            html! { (count) },
            time(latest["at"].as_u64().map(|micros| micros / 1_000_000)),
            html! { (text(latest, "source")) },
        ]
    });
    let rows: Vec<_> = rows.collect();
    let heads = ["Rule", "Reply", "Times", "Latest", "Latest from"];
    Ok(html! {
        p { "Of the latest " (events.len()) " events. "
            a href="/messages" { "Look for one of them" } }
        (table("Reasons", &heads, &rows))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const AWKWARD: &str = "\"><script>alert(1)</script>\r\n=1+1";

    #[test]
    fn events_are_shown_in_words_and_texts_of_strangers_stay_texts() {
        let accepted = json!({
            "id": AWKWARD, "at": 1_700_000_000_000_000_u64, "event": "accepted",
            "node": "mx1", "source": AWKWARD, "messages": [AWKWARD], "from": AWKWARD,
            "recipients": [{ "address": AWKWARD, "accounts": [AWKWARD, "other@x.example"] }],
            "message_id": AWKWARD, "helo": AWKWARD, "with": AWKWARD, "size": 2048,
        });
        let refused = json!({
            "id": "x", "at": 0, "event": "refused", "node": "mx1", "from": "",
            "reply": AWKWARD, "rule": AWKWARD, "about": AWKWARD, "command": AWKWARD,
        });
        let shown = events_shown("Events", &[accepted, refused]).into_string();
        assert!(!shown.contains("<script>"), "{shown}");
        assert!(!shown.contains("\"><script"), "{shown}");
        for word in [
            "2023-11-14 22:13:20 UTC",
            "to other@x.example",
            "2.0 KiB",
            "(nobody)",
        ] {
            assert!(shown.contains(word), "{word} in {shown}");
        }
    }

    #[test]
    fn events_that_lack_everything_are_shown_too() {
        let shown = events_shown("Events", &[json!({}), json!(null), json!([1])]).into_string();
        assert_eq!(shown.matches("<tr>").count(), 4, "{shown}");
        assert!(shown.contains("not known"), "{shown}");
    }
}

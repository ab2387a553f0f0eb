//! What is in a mailbox: a list, the header of a message, the message itself, and its removal.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::Value;

use super::Front;
use super::accounts::{self, fill};
use super::ask::path;
use super::layout::Tab;
use super::parts::{Turn, confirmation, entries, form, octets, section, table, text, time};
use super::visitor::{Removal, Sent, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/mailboxes/{address}", get(list))
        .route("/mailboxes/{address}/{id}", get(one))
        .route("/mailboxes/{address}/{id}/raw", get(raw))
        .route("/mailboxes/{address}/{id}/remove", post(remove))
}

fn at(address: &str) -> String {
    path(&["mailboxes", address])
}

fn of_api(address: &str, id: &str) -> String {
    path(&["v1", "mailboxes", address, "messages", id])
}

async fn list(visitor: Visitor, Path(address): Path<String>, turn: Query<Turn>) -> Response {
    let body = html! {
        p { a href=(accounts::at(&address)) { "The account" } }
        (section("All in all", summary(&visitor, &address).await))
        (section("Messages", messages(&visitor, &address, &turn).await))
    };
    visitor.show(&format!("Mailbox of {address}"), Tab::Accounts, Ok(body))
}

async fn summary(visitor: &Visitor, address: &str) -> Result<Markup, Problem> {
    let shown: Value = visitor.get(&path(&["v1", "mailboxes", address])).await?;
    Ok(html! {
        dl {
            dt { "Messages" } dd { (shown["messages"].as_u64().unwrap_or_default()) }
            dt { "Size" } dd { (octets(shown["octets"].as_u64().unwrap_or_default())) }
            @if let Some(oldest) = shown["oldest"].as_u64() {
                dt { "The oldest came" } dd { (time(Some(oldest))) }
            }
            @if let Some(newest) = shown["newest"].as_u64() {
                dt { "The newest came" } dd { (time(Some(newest))) }
            }
        }
        (fill(&shown["quota"]))
    })
}

async fn messages(visitor: &Visitor, address: &str, turn: &Turn) -> Result<Markup, Problem> {
    let listing = path(&["v1", "mailboxes", address, "messages"]);
    let shown: Value = visitor.get(&turn.of(&listing, &[])).await?;
    let rows = entries(&shown).iter().map(|message| {
        let id = text(message, "id");
        vec![
            html! { a href=(path(&["mailboxes", address, id])) { (id) } },
            time(message["came_at"].as_u64()),
            html! { (octets(message["octets"].as_u64().unwrap_or_default())) },
            html! { a href=(path(&["messages", id])) { "trace" } },
        ]
    });
    let rows: Vec<_> = rows.collect();
    let last = entries(&shown).last().map(|message| text(message, "id"));
    Ok(html! {
        (table("Messages", &["Message", "Came", "Size", "Trace"], &rows))
        (turn.further(rows.len(), &at(address), &[], last))
    })
}

async fn one(visitor: Visitor, Path((address, id)): Path<(String, String)>) -> Response {
    let body = one_shown(&visitor, &address, &id).await;
    visitor.show(&format!("Message {id}"), Tab::Accounts, body)
}

async fn one_shown(visitor: &Visitor, address: &str, id: &str) -> Result<Markup, Problem> {
    let shown: Value = visitor
        .get(&format!("{}/headers", of_api(address, id)))
        .await?;
    let here = path(&["mailboxes", address, id]);
    Ok(html! {
        p {
            a href=(at(address)) { "Mailbox of " (address) } ", "
            a href=(path(&["messages", id])) { "trace of the message" } ", "
            a href=(format!("{here}/raw")) download { "the whole message as a file" }
        }
        h2 { "Header" }
        @if shown["is_cut"] == true { p.warn { "It is longer; this is its beginning." } }
        pre { (text(&shown, "header")) }
        section {
            h2 { "Remove the message" }
            (form(visitor, &format!("{here}/remove"), None, &html! {
                (confirmation("Remove this message from this mailbox, for good"))
                button.bad { "Remove" }
            }))
        }
    })
}

/// As the API gives it, and never as a page: it is somebody else's HTML, if it is any.
async fn raw(visitor: Visitor, Path((address, id)): Path<(String, String)>) -> Response {
    let path = format!("{}/raw", of_api(&address, &id));
    let mut response = match visitor.front.ask.raw(&visitor.asker, &path).await {
        Ok(response) => response,
        Err(problem) => return visitor.show("Cannot be shown", Tab::Accounts, Err(problem)),
    };
    let headers = response.headers_mut();
    let fields = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"message.eml\"",
        ),
    ];
    for (name, value) in fields {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn remove(Path((address, id)): Path<(String, String)>, sent: Sent) -> Response {
    sent.remove(Removal {
        of_api: of_api(&address, &id),
        page: path(&["mailboxes", &address, &id]),
        list: at(&address),
        said: format!("The message {id} was removed."),
    })
    .await
}

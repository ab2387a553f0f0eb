//! Aliases of a domain.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Front;
use super::ask::{Seen, path};
use super::layout::Tab;
use super::parts::{
    Turn, address_field, choose_domain, confirmation, entries, form, list_with, table, text,
};
use super::visitor::{Removal, Sent, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/aliases", get(list).post(add))
        .route("/aliases/{address}", get(one).post(change))
        .route("/aliases/{address}/remove", post(remove))
}

fn at(address: &str) -> String {
    path(&["aliases", address])
}

fn of_api(address: &str) -> String {
    path(&["v1", "aliases", address])
}

/// The list that an alias stands in.
fn home(address: &str) -> String {
    list_with("/aliases", address)
}

async fn list(visitor: Visitor, turn: Query<Turn>) -> Response {
    let body = if turn.domain.is_empty() {
        choose_domain(&visitor, "/aliases").await
    } else {
        list_shown(&visitor, &turn).await
    };
    visitor.show("Aliases", Tab::Aliases, body)
}

fn targets(alias: &Value, between: &str) -> String {
    let targets = entries(&alias["targets"]).iter().filter_map(Value::as_str);
    targets.collect::<Vec<_>>().join(between)
}

async fn list_shown(visitor: &Visitor, turn: &Turn) -> Result<Markup, Problem> {
    let domain = turn.domain.as_str();
    let only = [("domain", domain)];
    let shown: Value = visitor.get(&turn.of("/v1/aliases", &only)).await?;
    let rows = entries(&shown).iter().map(|alias| {
        let address = text(alias, "address");
        vec![
            html! { a href=(at(address)) { (address) } },
            html! { (targets(alias, ", ")) },
        ]
    });
    let rows: Vec<_> = rows.collect();
    let last = entries(&shown).last().map(|alias| text(alias, "address"));
    Ok(html! {
        (table(&format!("Aliases of {domain}"), &["Address", "Leads to"], &rows))
        (turn.further(rows.len(), "/aliases", &only, last))
        (form(visitor, "/aliases", None, &html! {
            fieldset {
                legend { "Make an alias" }
                (address_field(domain))
                (targets_field(""))
                button { "Make the alias" }
            }
        }))
    })
}

fn targets_field(value: &str) -> Markup {
    html! {
        label {
            "Leads to"
            span.hint { "one address on each line" }
            textarea name="targets" rows="4" required autocapitalize="none" spellcheck="false" {
                (value)
            }
        }
    }
}

async fn add(sent: Sent) -> Response {
    let address = sent.form.text("address").trim();
    let body = json!({ "address": address, "targets": sent.form.words("targets") });
    let done = sent.change(Method::POST, "/v1/aliases".into(), body).await;
    sent.go(
        done,
        &home(address),
        format!("The alias {address} was made."),
    )
}

async fn one(visitor: Visitor, Path(address): Path<String>) -> Response {
    let body = one_shown(&visitor, &address).await;
    visitor.show(&format!("Alias {address}"), Tab::Aliases, body)
}

async fn one_shown(visitor: &Visitor, address: &str) -> Result<Markup, Problem> {
    let alias: Seen<Value> = visitor.see(&of_api(address)).await?;
    let tag = Some(alias.tag.as_str());
    Ok(html! {
        p { a href=(home(address)) { "All aliases of this domain" } }
        (form(visitor, &at(address), tag, &html! {
            fieldset {
                legend { "Where it leads" }
                (targets_field(&targets(&alias.shown, "\n")))
                button { "Change where it leads" }
            }
        }))
        section {
            h2 { "Remove the alias" }
            (form(visitor, &format!("{}/remove", at(address)), tag, &html! {
                (confirmation("Remove this alias"))
                button.bad { "Remove" }
            }))
        }
    })
}

async fn change(Path(address): Path<String>, sent: Sent) -> Response {
    let body = json!({ "targets": sent.form.words("targets") });
    let done = sent.change(Method::PUT, of_api(&address), body).await;
    sent.go(done, &at(&address), "The alias was changed.".to_owned())
}

async fn remove(Path(address): Path<String>, sent: Sent) -> Response {
    sent.remove(Removal {
        of_api: of_api(&address),
        page: at(&address),
        list: home(&address),
        said: format!("The alias {address} was removed."),
    })
    .await
}

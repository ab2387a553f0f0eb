//! Domains: all of them, and one with its rules.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::Method;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Front;
use super::ask::{Seen, path, query};
use super::layout::Tab;
use super::parts::{
    Field, Need, Turn, bounds, bounds_sent, confirmation, entries, form, section, table, text,
};
use super::visitor::{Removal, Sent, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/domains", get(list).post(add))
        .route("/domains/{name}", get(one))
        .route("/domains/{name}/postmaster", post(set_postmaster))
        .route("/domains/{name}/catch-all", post(set_catch_all))
        .route("/domains/{name}/retention", post(set_retention))
        .route("/domains/{name}/quota", post(set_quota))
        .route("/domains/{name}/remove", post(remove))
}

/// The rules of retention, and what each field means.
pub(super) const RETENTION: &[(&str, &str)] = &[
    ("days", "Days that mail stays"),
    ("messages", "Most messages"),
    ("octets", "Most octets"),
];

/// The rules of quotas.
pub(super) const QUOTA: &[(&str, &str)] =
    &[("messages", "Most messages"), ("octets", "Most octets")];

fn at(name: &str) -> String {
    path(&["domains", name])
}

fn of_api(name: &str) -> String {
    path(&["v1", "domains", name])
}

async fn list(visitor: Visitor, turn: Query<Turn>) -> Response {
    let body = list_shown(&visitor, &turn).await;
    visitor.show("Domains", Tab::Domains, body)
}

async fn list_shown(visitor: &Visitor, turn: &Turn) -> Result<Markup, Problem> {
    let shown: Value = visitor.get(&turn.of("/v1/domains", &[])).await?;
    let rows = entries(&shown).iter().map(|domain| {
        let name = text(domain, "name");
        vec![
            html! { a href=(at(name)) { (name) } },
            html! { a href=(query("/accounts", &[("domain", name)])) { "accounts" } },
            html! { a href=(query("/aliases", &[("domain", name)])) { "aliases" } },
            html! { (or_none(domain, "postmaster")) },
            html! { (or_none(domain, "catch_all")) },
        ]
    });
    let rows: Vec<_> = rows.collect();
    let heads = ["Domain", "Accounts", "Aliases", "Postmaster", "Catch-all"];
    let last = entries(&shown).last().map(|domain| text(domain, "name"));
    Ok(html! {
        (table("Domains that you administer", &heads, &rows))
        (turn.further(rows.len(), "/domains", &[], last))
        (form(visitor, "/domains", None, &html! {
            fieldset {
                legend { "Add a domain" }
                (Field {
                    name: "name",
                    label: "Name",
                    kind: "text",
                    value: "",
                    hint: "as in mail addresses, such as example.org",
                    need: Need::Required,
                }.shown())
                (Field {
                    name: "postmaster",
                    label: "Postmaster",
                    kind: "text",
                    value: "",
                    hint: "the address that mail for postmaster goes to, or nothing",
                    need: Need::Optional,
                }.shown())
                button { "Add" }
            }
        }))
    })
}

fn or_none<'a>(shown: &'a Value, name: &str) -> &'a str {
    shown[name].as_str().unwrap_or("none")
}

async fn add(sent: Sent) -> Response {
    let name = sent.form.text("name").trim();
    let body = json!({ "name": name, "postmaster": sent.form.optional("postmaster") });
    let done = sent.change(Method::POST, "/v1/domains".into(), body).await;
    let to = if done.is_ok() {
        at(name)
    } else {
        "/domains".into()
    };
    sent.go(done, &to, format!("The domain {name} was added."))
}

async fn one(visitor: Visitor, Path(name): Path<String>) -> Response {
    let body = one_shown(&visitor, &name).await;
    visitor.show(&format!("Domain {name}"), Tab::Domains, body)
}

async fn one_shown(visitor: &Visitor, name: &str) -> Result<Markup, Problem> {
    let domain: Seen<Value> = visitor.see(&of_api(name)).await?;
    let (tag, domain) = (Some(domain.tag.as_str()), domain.shown);
    let action = |of: &str| format!("{}/{of}", at(name));
    Ok(html! {
        p {
            a href=(query("/accounts", &[("domain", name)])) { "Accounts" } ", "
            a href=(query("/aliases", &[("domain", name)])) { "aliases" }
        }
        (form(visitor, &action("postmaster"), tag, &html! {
            fieldset {
                legend { "Postmaster" }
                (address_field("postmaster", text(&domain, "postmaster"),
                    "Mail for postmaster of this domain goes to"))
                button { "Change the postmaster" }
            }
        }))
        (form(visitor, &action("catch-all"), tag, &html! {
            fieldset {
                legend { "Catch-all" }
                (address_field("target", text(&domain, "catch_all"),
                    "Mail for addresses that are not there goes to"))
                button { "Change the catch-all" }
            }
        }))
        (form(visitor, &action("retention"), tag, &html! {
            fieldset {
                legend { "Retention: when mail is removed that nobody fetched away" }
                (bounds(&domain["retention"], RETENTION))
                button { "Change the retention" }
            }
        }))
        (section("Quota", quota(visitor, name, tag).await))
        section {
            h2 { "Remove the domain" }
            (form(visitor, &action("remove"), tag, &html! {
                p { "Only a domain without accounts and aliases can be removed." }
                (confirmation("Remove this domain"))
                button.bad { "Remove" }
            }))
        }
    })
}

fn address_field(name: &str, value: &str, label: &str) -> Markup {
    let hint = "an address, or nothing";
    let (kind, need) = ("text", Need::Optional);
    Field {
        name,
        label,
        kind,
        value,
        hint,
        need,
    }
    .shown()
}

async fn quota(visitor: &Visitor, name: &str, tag: Option<&str>) -> Result<Markup, Problem> {
    let quota: Value = visitor.get(&format!("{}/quota", of_api(name))).await?;
    let action = format!("{}/quota", at(name));
    Ok(form(
        visitor,
        &action,
        tag,
        &html! {
            fieldset {
                legend { "How much mail an account may have that has no quota of its own" }
                (bounds(&quota["own"], QUOTA))
                button { "Change the quota" }
            }
        },
    ))
}

async fn set_postmaster(Path(name): Path<String>, sent: Sent) -> Response {
    let body = json!({ "postmaster": sent.form.optional("postmaster") });
    let done = sent.change(Method::PUT, of_api(&name), body).await;
    sent.go(done, &at(&name), "The postmaster was changed.".to_owned())
}

async fn set_catch_all(Path(name): Path<String>, sent: Sent) -> Response {
    let body = json!({ "target": sent.form.optional("target") });
    let path = format!("{}/catch-all", of_api(&name));
    let done = sent.change(Method::PUT, path, body).await;
    sent.go(done, &at(&name), "The catch-all was changed.".to_owned())
}

async fn set_retention(Path(name): Path<String>, sent: Sent) -> Response {
    let path = format!("{}/retention", of_api(&name));
    let body = bounds_sent(&sent.form, RETENTION);
    let done = sent.change(Method::PUT, path, body).await;
    sent.go(done, &at(&name), "The retention was changed.".to_owned())
}

async fn set_quota(Path(name): Path<String>, sent: Sent) -> Response {
    let path = format!("{}/quota", of_api(&name));
    let body = bounds_sent(&sent.form, QUOTA);
    let done = sent.change(Method::PUT, path, body).await;
    sent.go(done, &at(&name), "The quota was changed.".to_owned())
}

async fn remove(Path(name): Path<String>, sent: Sent) -> Response {
    sent.remove(Removal {
        of_api: of_api(&name),
        page: at(&name),
        list: "/domains".to_owned(),
        said: format!("The domain {name} was removed."),
    })
    .await
}

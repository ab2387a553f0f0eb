//! Accounts of a domain, and one with its passwords and its quota.

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use cassmail_mail::hex;
use maud::{Markup, html};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Front;
use super::ask::{Seen, Wish, path};
use super::domains::{QUOTA, RETENTION};
use super::layout::Tab;
use super::parts::{
    Field, Need, Turn, address_field, bounds, bounds_sent, choose_domain, confirmation, entries,
    form, list_with, octets, section, table, text, tick, time, whose,
};
use super::visitor::{Sent, TAG, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/accounts", get(list).post(add))
        .route("/accounts/{address}", get(one))
        .route("/accounts/{address}/password", post(set_password))
        .route("/accounts/{address}/state", post(set_state))
        .route("/accounts/{address}/retention", post(set_retention))
        .route("/accounts/{address}/quota", post(set_quota))
        .route("/accounts/{address}/app-passwords", post(add_app_password))
        .route(
            "/accounts/{address}/app-passwords/remove",
            post(remove_app_password),
        )
        .route("/accounts/{address}/remove", post(remove))
}

pub(super) fn at(address: &str) -> String {
    path(&["accounts", address])
}

fn of_api(address: &str) -> String {
    path(&["v1", "accounts", address])
}

async fn list(visitor: Visitor, turn: Query<Turn>) -> Response {
    let body = if turn.domain.is_empty() {
        choose_domain(&visitor, "/accounts").await
    } else {
        list_shown(&visitor, &turn).await
    };
    visitor.show("Accounts", Tab::Accounts, body)
}

async fn list_shown(visitor: &Visitor, turn: &Turn) -> Result<Markup, Problem> {
    let domain = turn.domain.as_str();
    let only = [("domain", domain)];
    let shown: Value = visitor.get(&turn.of("/v1/accounts", &only)).await?;
    let rows = entries(&shown).iter().map(|account| {
        let address = text(account, "address");
        vec![
            html! { a href=(at(address)) { (address) } },
            state(account),
            html! { a href=(path(&["mailboxes", address])) { "mailbox" } },
            fill(&account["filled"]),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let last = entries(&shown)
        .last()
        .map(|account| text(account, "address"));
    let caption = format!("Accounts of {domain}");
    Ok(html! {
        (table(&caption, &["Address", "State", "Mail", "Quota"], &rows))
        (turn.further(rows.len(), "/accounts", &only, last))
        (form(visitor, "/accounts", None, &html! {
            fieldset {
                legend { "Make an account" }
                (address_field(domain))
                (password_field())
                button { "Make the account" }
            }
        }))
    })
}

fn password_field() -> Markup {
    Field {
        name: "password",
        label: "Password",
        kind: "password",
        value: "",
        hint: "its owner can use it at once, to fetch and to send mail",
        need: Need::Required,
    }
    .shown()
}

fn state(account: &Value) -> Markup {
    match text(account, "state") {
        "enabled" => html! { "enabled" },
        other => html! { span.warn { (other) } },
    }
}

/// How full a maildrop is, as a bar and in words.
pub(super) fn fill(filled: &Value) -> Markup {
    let most = filled["limits"]["octets"].as_u64();
    let used = filled["used"]["octets"].as_u64();
    let word = match text(filled, "fullness") {
        "full" => html! { span.bad { "full" } },
        "nearly_full" => html! { span.warn { "nearly full" } },
        _ => html! {},
    };
    html! {
        @match (used, most) {
            (Some(used), Some(most)) => {
                meter min="0" max=(most) value=(used.min(most)) aria-label="Octets used" {}
                div { (octets(used)) " of " (octets(most)) }
            }
            (Some(used), None) => { div { (octets(used)) ", no limit" } }
            _ => {}
        }
        @if let Some(count) = filled["used"]["messages"].as_u64() {
            div {
                (count) " messages"
                @if let Some(most) = filled["limits"]["messages"].as_u64() { " of " (most) }
            }
        }
        (word)
    }
}

async fn add(sent: Sent) -> Response {
    let address = sent.form.text("address").trim();
    let body = json!({ "address": address, "password": sent.form.text("password") });
    let done = sent.change(Method::POST, "/v1/accounts".into(), body).await;
    let to = match done {
        Ok(_) => at(address),
        Err(_) => list_with("/accounts", address),
    };
    sent.go(done, &to, format!("The account {address} was made."))
}

async fn one(visitor: Visitor, Path(address): Path<String>) -> Response {
    let body = one_shown(&visitor, &address).await;
    visitor.show(&format!("Account {address}"), Tab::Accounts, body)
}

async fn one_shown(visitor: &Visitor, address: &str) -> Result<Markup, Problem> {
    let account: Value = visitor.get(&of_api(address)).await?;
    let mark = mark(&account);
    let tag = Some(mark.as_str());
    let action = |of: &str| format!("{}/{of}", at(address));
    let is_enabled = text(&account, "state") == "enabled";
    let (other, does) = if is_enabled {
        (
            "disabled",
            "Disable: no mail is taken, nobody logs in; what is there stays",
        )
    } else {
        ("enabled", "Enable")
    };
    Ok(html! {
        p { "It is " (state(&account)) ". "
            a href=(path(&["mailboxes", address])) { "Its mailbox" } }
        (form(visitor, &action("state"), tag, &html! {
            input type="hidden" name="state" value=(other);
            button.quiet { (does) }
        }))
        (form(visitor, &action("password"), tag, &html! {
            fieldset {
                legend { "Give it another password" }
                (whose(address))
                (password_field())
                button { "Change the password" }
            }
        }))
        (section("Quota", quota(visitor, address, tag).await))
        (section("Application passwords", app_passwords(visitor, address).await))
        (form(visitor, &action("retention"), tag, &html! {
            fieldset {
                legend { "Retention: when mail is removed that nobody fetched away" }
                (bounds(&account["retention"], RETENTION))
                button { "Change the retention" }
            }
        }))
        section {
            h2 { "Remove the account" }
            (form(visitor, &action("remove"), tag, &html! {
                (confirmation("Remove this account and all of its mail, for good"))
                button.bad { "Remove" }
            }))
        }
    })
}

async fn quota(visitor: &Visitor, address: &str, tag: Option<&str>) -> Result<Markup, Problem> {
    let quota: Value = visitor.get(&format!("{}/quota", of_api(address))).await?;
    let action = format!("{}/quota", at(address));
    Ok(html! {
        (fill(&quota))
        (form(visitor, &action, tag, &html! {
            fieldset {
                legend { "How much mail it may have" }
                (bounds(&quota["own"], QUOTA))
                button { "Change the quota" }
            }
        }))
    })
}

async fn app_passwords(visitor: &Visitor, address: &str) -> Result<Markup, Problem> {
    let shown: Value = visitor
        .get(&format!("{}/app-passwords", of_api(address)))
        .await?;
    let action = format!("{}/app-passwords", at(address));
    let rows = entries(&shown).iter().map(|one| {
        let name = text(one, "name");
        let services: Vec<_> = entries(&one["services"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let remove = form(
            visitor,
            &format!("{action}/remove"),
            None,
            &html! {
                input type="hidden" name="name" value=(name);
                button.bad { "Remove " (name) }
            },
        );
        vec![
            html! { (name) },
            html! { (services.join(", ")) },
            time(one["created_at"].as_u64()),
            remove,
        ]
    });
    let rows: Vec<_> = rows.collect();
    let heads = ["Name", "For", "Made", "Remove"];
    Ok(html! {
        (table("Application passwords", &heads, &rows))
        (form(visitor, &action, None, &html! {
            fieldset {
                legend { "Make an application password" }
                (Field {
                    name: "name",
                    label: "Name",
                    kind: "text",
                    value: "",
                    hint: "what it is for, such as phone",
                    need: Need::Required,
                }.shown())
                (tick("services", "pop3", true, "to fetch mail"))
                (tick("services", "submission", true, "to send mail"))
                button { "Make it" }
            }
        }))
    })
}

/// Names what an account is beside how full it is: the tag of the API changes with each mail that
/// comes, and whoever has a form open does not care.
fn mark(account: &Value) -> String {
    let mut kept = account.clone();
    if let Some(fields) = kept.as_object_mut() {
        fields.remove("filled");
    }
    let digest = Sha256::digest(kept.to_string().as_bytes());
    hex(&digest[..16])
}

/// Changes an account that is still what the form was made from.
async fn change(
    sent: &Sent,
    address: &str,
    method: Method,
    path: String,
    body: Value,
) -> Result<Value, Problem> {
    /// So many mails may come while it is looked at.
    const TRIES: usize = 5;
    let changed = || {
        let text = "the account is no longer what the page showed; nothing was changed";
        Problem::new(StatusCode::PRECONDITION_FAILED, text)
    };
    for _ in 0..TRIES {
        let now: Seen<Value> = sent.visitor.see(&of_api(address)).await?;
        if sent.form.text(TAG) != mark(&now.shown) {
            return Err(changed());
        }
        let wish = Wish {
            method: method.clone(),
            path: path.clone(),
            body: body.clone(),
            tag: Some(&now.tag),
        };
        match sent.wish(wish).await {
            Err(problem) if problem.status == StatusCode::PRECONDITION_FAILED.as_u16() => {}
            done => return done,
        }
    }
    Err(changed())
}

async fn set_password(Path(address): Path<String>, sent: Sent) -> Response {
    let path = format!("{}/password", of_api(&address));
    let body = json!({ "password": sent.form.text("password") });
    let done = change(&sent, &address, Method::PUT, path, body).await;
    sent.go(done, &at(&address), "The password was changed.".to_owned())
}

async fn set_state(Path(address): Path<String>, sent: Sent) -> Response {
    let state = sent.form.text("state");
    let path = format!("{}/state", of_api(&address));
    let done = change(
        &sent,
        &address,
        Method::PUT,
        path,
        json!({ "state": state }),
    )
    .await;
    sent.go(done, &at(&address), format!("The account is {state}."))
}

async fn set_retention(Path(address): Path<String>, sent: Sent) -> Response {
    let path = format!("{}/retention", of_api(&address));
    let body = bounds_sent(&sent.form, RETENTION);
    let done = change(&sent, &address, Method::PUT, path, body).await;
    sent.go(done, &at(&address), "The retention was changed.".to_owned())
}

async fn set_quota(Path(address): Path<String>, sent: Sent) -> Response {
    let path = format!("{}/quota", of_api(&address));
    let body = bounds_sent(&sent.form, QUOTA);
    let done = change(&sent, &address, Method::PUT, path, body).await;
    sent.go(done, &at(&address), "The quota was changed.".to_owned())
}

/// What was made is shown in the answer: it is kept nowhere, not in the session either.
async fn add_app_password(Path(address): Path<String>, sent: Sent) -> Response {
    let name = sent.form.text("name").trim();
    let body = json!({ "name": name, "services": sent.form.all("services") });
    let path = format!("{}/app-passwords", of_api(&address));
    match sent.change(Method::POST, path, body).await {
        Err(problem) => sent.not_done(&problem, &at(&address)),
        Ok(made) => sent.visitor.show(
            "Application password made",
            Tab::Accounts,
            Ok(html! {
                p role="status" { "It is shown this once. Give it to the program now:" }
                p { code.secret { (text(&made, "password")) } }
                p { a href=(at(&address)) { "Back to " (address) } }
            }),
        ),
    }
}

async fn remove_app_password(Path(address): Path<String>, sent: Sent) -> Response {
    let name = sent.form.text("name");
    let path = path(&["v1", "accounts", &address, "app-passwords", name]);
    let done = sent.change(Method::DELETE, path, Value::Null).await;
    sent.go(
        done,
        &at(&address),
        format!("The application password {name} was removed."),
    )
}

async fn remove(Path(address): Path<String>, sent: Sent) -> Response {
    if let Err(problem) = sent.is_meant() {
        return sent.not_done(&problem, &at(&address));
    }
    let path = of_api(&address);
    let done = change(&sent, &address, Method::DELETE, path, Value::Null).await;
    let to = match done {
        Ok(_) => list_with("/accounts", &address),
        Err(_) => at(&address),
    };
    sent.go(
        done,
        &to,
        format!("The account {address} was removed with its mail."),
    )
}

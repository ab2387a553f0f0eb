//! Administrators, tokens of programs, and one's own password.

use axum::Router;
use axum::extract::Path;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::Front;
use super::ask::{Seen, path};
use super::layout::Tab;
use super::parts::{
    Field, Need, confirmation, entries, form, section, table, text, tick, time, whose,
};
use super::visitor::{Form, Removal, Sent, Visitor};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Front> {
    Router::new()
        .route("/administrators", get(list).post(add))
        .route("/administrators/{name}", get(one).post(change))
        .route("/administrators/{name}/password", post(set_password))
        .route("/administrators/{name}/remove", post(remove))
        .route("/tokens", post(add_token))
        .route("/tokens/{id}/revoke", post(revoke))
        .route("/self/password", post(set_own_password))
}

const HOME: &str = "/administrators";

fn at(name: &str) -> String {
    path(&["administrators", name])
}

fn of_api(name: &str) -> String {
    path(&["v1", "administrators", name])
}

async fn list(visitor: Visitor) -> Response {
    let own: Result<Value, Problem> = visitor.get("/v1/self").await;
    let body = own.map(Some).unwrap_or_default();
    let all_scopes = body.as_ref().map_or(&Value::Null, |own| &own["all_scopes"]);
    let body = html! {
        (section("Administrators", administrators(&visitor, all_scopes).await))
        (section("Tokens of programs", tokens(&visitor, all_scopes).await))
        (section("Your own password", Ok(own_password(&visitor))))
    };
    visitor.show("Administrators and tokens", Tab::Administrators, Ok(body))
}

fn names(shown: &Value) -> String {
    let names = entries(shown).iter().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(", ")
}

fn domains(shown: &Value) -> String {
    match &shown["domains"] {
        Value::Null => "everything".to_owned(),
        some => names(some),
    }
}

async fn administrators(visitor: &Visitor, all_scopes: &Value) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/administrators").await?;
    let rows = entries(&shown).iter().map(|one| {
        let name = text(one, "name");
        vec![
            html! { a href=(at(name)) { (name) } },
            html! { (domains(one)) },
            html! { (names(&one["scopes"])) },
            time(one["created_at"].as_u64()),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let heads = ["Name", "Where", "What", "Made"];
    Ok(html! {
        (table("Administrators who may do no more than you", &heads, &rows))
        (form(visitor, HOME, None, &html! {
            fieldset {
                legend { "Make an administrator" }
                (Field {
                    name: "name",
                    label: "Name",
                    kind: "text",
                    value: "",
                    hint: "",
                    need: Need::Required,
                }.shown())
                (password_field("password"))
                (rights(all_scopes, &Value::Null))
                button { "Make the administrator" }
            }
        }))
    })
}

fn password_field(name: &str) -> Markup {
    Field {
        name,
        label: "Password",
        kind: "password",
        value: "",
        hint: "10 characters or more",
        need: Need::Required,
    }
    .shown()
}

/// What somebody may do and where, to be chosen; null is nobody yet.
fn rights(all_scopes: &Value, own: &Value) -> Markup {
    let has = |scope: &str| entries(&own["scopes"]).iter().any(|one| one == scope);
    html! {
        fieldset {
            legend { "What may be done" }
            @for one in entries(all_scopes) {
                @let scope = text(one, "scope");
                (tick("scopes", scope, has(scope), &format!("{scope}: {}", text(one, "meaning"))))
            }
        }
        (tick("everywhere", "yes", !own.is_null() && own["domains"].is_null(),
            "Wherever you may yourself; with the whole service, in domains to come too"))
        (Field {
            name: "domains",
            label: "Or in these domains alone",
            kind: "text",
            value: &names(&own["domains"]),
            hint: "parted by spaces",
            need: Need::Optional,
        }.shown())
    }
}

/// Reads them; whoever chooses neither everything nor a domain is asked to.
fn rights_sent(form: &Form) -> Result<Value, Problem> {
    let scopes = form.all("scopes");
    let domains = form.words("domains");
    match (form.is_set("everywhere"), domains.is_empty()) {
        // Of the API, what is left out is all that the one who gives it has.
        (true, true) => Ok(json!({ "scopes": scopes })),
        (false, false) => Ok(json!({ "scopes": scopes, "domains": domains })),
        (true, false) | (false, true) => {
            let text = "domains: expected either all domains or the names of some";
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text))
        }
    }
}

async fn tokens(visitor: &Visitor, all_scopes: &Value) -> Result<Markup, Problem> {
    let shown: Value = visitor.get("/v1/tokens").await?;
    let rows = entries(&shown).iter().map(|one| {
        let id = text(one, "id");
        let label = text(one, "label");
        vec![
            html! { (label) },
            html! { (one["owner"].as_str().unwrap_or("the owner of the service")) },
            html! { (domains(one)) },
            html! { (names(&one["scopes"])) },
            time(one["expires_at"].as_u64()),
            form(
                visitor,
                &format!("{}/revoke", path(&["tokens", id])),
                None,
                &html! {
                    button.bad { "Revoke " (label) }
                },
            ),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let heads = ["For", "Made by", "Where", "What", "Ends", "Revoke"];
    Ok(html! {
        (table("Tokens that may do no more than you", &heads, &rows))
        (form(visitor, "/tokens", None, &html! {
            fieldset {
                legend { "Make a token" }
                (Field {
                    name: "label",
                    label: "What it is for",
                    kind: "text",
                    value: "",
                    hint: "",
                    need: Need::Required,
                }.shown())
                (Field {
                    name: "days",
                    label: "Days until it ends",
                    kind: "number",
                    value: "90",
                    hint: "",
                    need: Need::Required,
                }.shown())
                (rights(all_scopes, &Value::Null))
                button { "Make the token" }
            }
        }))
    })
}

fn own_password(visitor: &Visitor) -> Markup {
    form(
        visitor,
        "/self/password",
        None,
        &html! {
            fieldset {
                legend { "Change your password" }
                (whose(&visitor.name()))
                (password_field("password"))
                button { "Change it and log out everywhere" }
            }
        },
    )
}

async fn add(sent: Sent) -> Response {
    let name = sent.form.text("name").trim();
    let mut body = match rights_sent(&sent.form) {
        Ok(body) => body,
        Err(problem) => return sent.not_done(&problem, HOME),
    };
    body["name"] = json!(name);
    body["password"] = json!(sent.form.text("password"));
    let done = sent
        .change(Method::POST, "/v1/administrators".into(), body)
        .await;
    sent.go(done, HOME, format!("The administrator {name} was made."))
}

async fn one(visitor: Visitor, Path(name): Path<String>) -> Response {
    let body = one_shown(&visitor, &name).await;
    visitor.show(&format!("Administrator {name}"), Tab::Administrators, body)
}

async fn one_shown(visitor: &Visitor, name: &str) -> Result<Markup, Problem> {
    let one: Seen<Value> = visitor.see(&of_api(name)).await?;
    let own: Value = visitor.get("/v1/self").await?;
    let tag = Some(one.tag.as_str());
    Ok(html! {
        p { a href=(HOME) { "All administrators" } }
        (form(visitor, &at(name), tag, &html! {
            (rights(&own["all_scopes"], &one.shown))
            button { "Change what may be done" }
        }))
        (form(visitor, &format!("{}/password", at(name)), tag, &html! {
            fieldset {
                legend { "Give another password" }
                (whose(name))
                (password_field("password"))
                button { "Change the password" }
            }
        }))
        section {
            h2 { "Remove" }
            (form(visitor, &format!("{}/remove", at(name)), tag, &html! {
                (confirmation("Remove this administrator, with all tokens of his"))
                button.bad { "Remove" }
            }))
        }
    })
}

async fn change(Path(name): Path<String>, sent: Sent) -> Response {
    let body = match rights_sent(&sent.form) {
        Ok(body) => body,
        Err(problem) => return sent.not_done(&problem, &at(&name)),
    };
    let done = sent.change(Method::PUT, of_api(&name), body).await;
    sent.go(done, &at(&name), "The rights were changed.".to_owned())
}

async fn set_password(Path(name): Path<String>, sent: Sent) -> Response {
    let path = format!("{}/password", of_api(&name));
    let body = json!({ "password": sent.form.text("password") });
    let done = sent.change(Method::PUT, path, body).await;
    sent.go(done, &at(&name), "The password was changed.".to_owned())
}

async fn remove(Path(name): Path<String>, sent: Sent) -> Response {
    sent.remove(Removal {
        of_api: of_api(&name),
        page: at(&name),
        list: HOME.to_owned(),
        said: format!("The administrator {name} was removed."),
    })
    .await
}

/// The token is shown in the answer: it is kept nowhere, not in the session either.
async fn add_token(sent: Sent) -> Response {
    let mut body = match rights_sent(&sent.form) {
        Ok(body) => body,
        Err(problem) => return sent.not_done(&problem, HOME),
    };
    let Ok(days) = sent.form.text("days").trim().parse::<u32>() else {
        let text = "days: expected a number of days";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, text);
        return sent.not_done(&problem, HOME);
    };
    body["label"] = json!(sent.form.text("label").trim());
    body["days"] = json!(days);
    match sent.change(Method::POST, "/v1/tokens".into(), body).await {
        Err(problem) => sent.not_done(&problem, HOME),
        Ok(made) => sent.visitor.show(
            "Token made",
            Tab::Administrators,
            Ok(html! {
                p role="status" { "It is shown this once. Give it to the program now:" }
                p { code.secret { (text(&made, "token")) } }
                p { "It ends " (time(made["expires_at"].as_u64())) "." }
                p { a href=(HOME) { "Back to administrators and tokens" } }
            }),
        ),
    }
}

async fn revoke(Path(id): Path<String>, sent: Sent) -> Response {
    let done = sent
        .change(Method::DELETE, path(&["v1", "tokens", &id]), Value::Null)
        .await;
    sent.go(done, HOME, format!("The token {id} was revoked."))
}

/// It ends this session too, so the next page asks for the new password.
async fn set_own_password(sent: Sent) -> Response {
    let body = json!({ "password": sent.form.text("password") });
    let done = sent
        .change(Method::PUT, "/v1/self/password".into(), body)
        .await;
    sent.go(done, HOME, "Your password was changed.".to_owned())
}

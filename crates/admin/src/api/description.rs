//! `/v1/openapi.json`: the description of the API, made of the handlers and of the table of rights.

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

use super::Api;
use crate::access::{Needs, Of, RULES, Rule};
use crate::problem::Problem;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/openapi.json", get(show))
}

/// What the handlers say.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "cassmail",
        description = "Administers cassmail: domains, accounts, and the service itself.",
        license(name = "Apache-2.0 OR MIT"),
    ),
    components(schemas(Problem)),
    paths(
        super::accounts::list,
        super::accounts::show,
        super::accounts::add,
        super::accounts::import,
        super::accounts::remove,
        super::accounts::set_password,
        super::accounts::set_state,
        super::administrators::list,
        super::administrators::show,
        super::administrators::add,
        super::administrators::change,
        super::administrators::remove,
        super::administrators::set_password,
        super::administrators::show_self,
        super::administrators::set_own_password,
        super::aliases::list,
        super::aliases::add,
        super::aliases::show,
        super::aliases::put,
        super::aliases::remove,
        super::app_passwords::list,
        super::app_passwords::add,
        super::app_passwords::remove,
        super::audit::list,
        super::domains::list,
        super::domains::show,
        super::domains::set_postmaster,
        super::domains::add,
        super::domains::remove,
        super::domains::set_catch_all,
        super::limits::list,
        super::limits::forgive_source,
        super::limits::forgive_account,
        super::limits::forgive_administrator,
        super::limits::sessions,
        super::mailboxes::show,
        super::mailboxes::list,
        super::mailboxes::headers,
        super::mailboxes::raw,
        super::mailboxes::remove,
        super::mailboxes::remove_all,
        super::quota::of_domain,
        super::quota::set_of_domain,
        super::quota::of_account,
        super::quota::set_of_account,
        super::quota::recount,
        super::messages::search,
        super::messages::one,
        super::retention::set_of_domain,
        super::retention::set_of_account,
        super::retention::due,
        super::service::store,
        super::service::scrub,
        super::service::nodes,
        super::service::drain,
        super::service::traffic,
        super::service::certificates,
        super::service::reload,
        super::store::backup,
        super::store::check,
        super::tokens::list,
        super::tokens::show,
        super::tokens::add,
        super::tokens::revoke,
        show,
    )
)]
struct Handlers;

/// The description in OpenAPI.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, body = Value)))]
pub(super) async fn show() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-cache")], Json(description()))
}

/// The description in OpenAPI: what the handlers take and give, and what the table says of each.
pub fn description() -> Value {
    let mut whole = serde_json::to_value(Handlers::openapi()).unwrap_or_default();
    whole["info"]["version"] = json!("1");
    whole["components"]["securitySchemes"] = json!({
        "password": { "type": "http", "scheme": "basic" },
        "token": { "type": "http", "scheme": "bearer" },
    });
    whole["security"] = json!([{ "password": [] }, { "token": [] }]);
    let mut paths = Map::new();
    for rule in RULES.iter().filter(|rule| rule.path.starts_with("/v1/")) {
        let method = rule.method.method().as_str().to_ascii_lowercase();
        let mut operation = whole["paths"][rule.path][&method].take();
        describe(&mut operation, rule, &method);
        paths.entry(rule.path).or_insert_with(|| json!({}))[&method] = operation;
    }
    whole["paths"] = Value::Object(paths);
    whole
}

/// What all have in common, and what the table says.
fn describe(operation: &mut Value, rule: &Rule, method: &str) {
    operation["summary"] = json!(rule.what);
    operation["operationId"] = json!(name_of(rule.path, method));
    operation["tags"] = json!([rule.path.split('/').nth(2).unwrap_or_default()]);
    operation["x-scope"] = match rule.needs {
        Needs::Login => Value::Null,
        Needs::Scope(scope) => json!(scope.name()),
    };
    operation["x-realm"] = json!(match rule.of {
        Of::Service => "service",
        Of::Caller => "caller",
        _ => "domain",
    });
    let mut parameters = variables(rule.path);
    if rule.resource.is_some() {
        parameters.push(json!({
            "name": "If-Match", "in": "header", "schema": { "type": "string" },
            "description": "The ETag of what is to be changed: refused with 412 if it is another.",
        }));
    }
    if let Some(own) = operation["parameters"].as_array() {
        parameters.extend(own.iter().cloned());
    }
    if !parameters.is_empty() {
        operation["parameters"] = Value::Array(parameters);
    }
    operation["responses"]["default"] = json!({
        "description": "A problem (RFC 9457).",
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
        } },
    });
}

fn name_of(path: &str, method: &str) -> String {
    let words = path.trim_start_matches("/v1/").split(['/', '-', '.']);
    let words = words.map(|word| word.trim_matches(['{', '}']));
    let name: Vec<_> = std::iter::once(method).chain(words).collect();
    name.join("_")
}

/// The variables of a path.
fn variables(path: &str) -> Vec<Value> {
    let parts = path.split('/').filter_map(|part| {
        let name = part.strip_prefix('{')?.strip_suffix('}')?;
        Some(json!({
            "name": name, "in": "path", "required": true, "schema": { "type": "string" },
        }))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The methods and paths of a description.
    fn operations(whole: &Value) -> BTreeSet<(String, String)> {
        let paths = whole["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(move |method| (path.clone(), method.clone()))
        });
        operations.collect()
    }

    #[test]
    fn every_route_of_the_table_is_described_by_its_handler() {
        let handlers = serde_json::to_value(Handlers::openapi()).unwrap();
        let of_handlers = operations(&handlers);
        assert_eq!(of_handlers, operations(&description()));
    }

    #[test]
    fn operations_have_names_of_their_own_and_say_what_they_need() {
        let whole = description();
        let mut names = BTreeSet::new();
        for (path, method) in operations(&whole) {
            let operation = &whole["paths"][&path][&method];
            let name = operation["operationId"].as_str().unwrap().to_owned();
            assert!(names.insert(name), "{path}");
            assert!(
                operation["summary"].as_str().unwrap().ends_with('.'),
                "{path}"
            );
            assert!(operation["responses"]["default"].is_object(), "{path}");
        }
    }

    /// Whatever is referred to is there.
    #[test]
    fn no_reference_leads_nowhere() {
        let whole = description();
        let text = whole.to_string();
        let references = text.split("\"#/").skip(1);
        for reference in references {
            let path = reference.split('"').next().unwrap();
            let mut at = &whole;
            for part in path.split('/') {
                at = &at[part];
            }
            assert!(!at.is_null(), "{path}");
        }
    }
}

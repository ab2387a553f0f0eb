//! Who may do what, over TCP.

use serde_json::{Value, json};

use crate::house::{Answer, House};

const PASSWORD: &str = "correct horse battery";

/// `alice:correct horse battery`, and the same for others.
fn basic(name: &str, password: &str) -> String {
    use base64::Engine as _;
    let both = format!("{name}:{password}");
    format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(both))
}

impl House {
    async fn admin(&self, name: &str, rights: Value) {
        let mut body = json!({ "name": name, "password": PASSWORD });
        for (field, value) in rights.as_object().unwrap() {
            body[field] = value.clone();
        }
        let made = self.post("/v1/administrators", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    /// A token, as the header that carries it.
    async fn token(&self, rights: Value) -> String {
        let mut body = json!({ "label": "test", "days": 7 });
        for (field, value) in rights.as_object().unwrap() {
            body[field] = value.clone();
        }
        let made = self.post("/v1/tokens", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
        format!("Bearer {}", made.json()["token"].as_str().unwrap())
    }

    async fn as_(&self, who: &str, method: &str, path: &str, body: &str) -> Answer {
        self.remote(method, path, &[("authorization", who)], body)
            .await
    }
}

/// `here.example` and `there.example`, each with bob.
async fn two_domains() -> House {
    let house = House::furnished().await;
    house.domain("there.example").await;
    house.account("bob@there.example").await;
    house
}

/// A request of each line of the table about this domain, with its scope; what is of the whole
/// service is marked.
fn requests(domain: &str) -> Vec<(&'static str, String, String, &'static str, bool)> {
    let name = domain;
    let bob = format!("bob%40{domain}");
    let row = |method, path: String, body: Value, scope, of_service| {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        (method, path, body, scope, of_service)
    };
    let null = Value::Null;
    let id = "0".repeat(26);
    vec![
        row(
            "POST",
            "/v1/domains".into(),
            json!({"name": "x.example"}),
            "domains:write",
            true,
        ),
        row(
            "GET",
            format!("/v1/domains/{name}"),
            null.clone(),
            "domains:read",
            false,
        ),
        row(
            "PUT",
            format!("/v1/domains/{name}"),
            json!({"postmaster": null}),
            "domains:write",
            false,
        ),
        row(
            "DELETE",
            format!("/v1/domains/{name}"),
            null.clone(),
            "domains:write",
            true,
        ),
        row(
            "PUT",
            format!("/v1/domains/{name}/catch-all"),
            json!({"target": null}),
            "domains:write",
            false,
        ),
        row(
            "PUT",
            format!("/v1/domains/{name}/retention"),
            json!({"days": "30"}),
            "domains:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/accounts?domain={name}"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "POST",
            "/v1/accounts".into(),
            json!({"address": format!("new@{name}"), "password": "x"}),
            "accounts:write",
            false,
        ),
        row(
            "POST",
            "/v1/accounts/import".into(),
            json!([{"address": format!("newer@{name}"), "password": "x"}]),
            "accounts:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/accounts/{bob}"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "PUT",
            format!("/v1/accounts/{bob}/password"),
            json!({"password": "x"}),
            "accounts:write",
            false,
        ),
        row(
            "PUT",
            format!("/v1/accounts/{bob}/state"),
            json!({"state": "enabled"}),
            "accounts:write",
            false,
        ),
        row(
            "PUT",
            format!("/v1/accounts/{bob}/retention"),
            json!({"days": "30"}),
            "accounts:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/accounts/{bob}/app-passwords"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "POST",
            format!("/v1/accounts/{bob}/app-passwords"),
            json!({"name": "phone", "services": ["pop3"]}),
            "accounts:write",
            false,
        ),
        row(
            "DELETE",
            format!("/v1/accounts/{bob}/app-passwords/phone"),
            null.clone(),
            "accounts:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/aliases?domain={name}"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "POST",
            "/v1/aliases".into(),
            json!({"address": format!("team@{name}"), "targets": [format!("bob@{name}")]}),
            "accounts:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/aliases/team%40{name}"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "PUT",
            format!("/v1/aliases/team%40{name}"),
            json!({"targets": [format!("bob@{name}")]}),
            "accounts:write",
            false,
        ),
        row(
            "DELETE",
            format!("/v1/aliases/team%40{name}"),
            null.clone(),
            "accounts:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/retention?domain={name}"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "GET",
            format!("/v1/domains/{name}/quota"),
            null.clone(),
            "domains:read",
            false,
        ),
        row(
            "PUT",
            format!("/v1/domains/{name}/quota"),
            json!({"messages": "30"}),
            "domains:write",
            false,
        ),
        row(
            "GET",
            format!("/v1/accounts/{bob}/quota"),
            null.clone(),
            "accounts:read",
            false,
        ),
        row(
            "PUT",
            format!("/v1/accounts/{bob}/quota"),
            json!({"messages": "30"}),
            "accounts:write",
            false,
        ),
        row(
            "POST",
            "/v1/quota/recount".into(),
            null.clone(),
            "service:write",
            true,
        ),
        row(
            "GET",
            format!("/v1/mailboxes/{bob}"),
            null.clone(),
            "mail:read",
            false,
        ),
        row(
            "GET",
            format!("/v1/mailboxes/{bob}/messages"),
            null.clone(),
            "mail:read",
            false,
        ),
        row(
            "GET",
            format!("/v1/mailboxes/{bob}/messages/{id}/headers"),
            null.clone(),
            "mail:read",
            false,
        ),
        row(
            "GET",
            format!("/v1/mailboxes/{bob}/messages/{id}/raw"),
            null.clone(),
            "mail:read",
            false,
        ),
        row(
            "DELETE",
            format!("/v1/mailboxes/{bob}/messages/{id}"),
            null.clone(),
            "mail:write",
            false,
        ),
        row(
            "POST",
            format!("/v1/mailboxes/{bob}/remove"),
            json!({"ids": []}),
            "mail:write",
            false,
        ),
        row(
            "DELETE",
            format!("/v1/accounts/{bob}"),
            null.clone(),
            "accounts:write",
            false,
        ),
        row(
            "POST",
            "/v1/store/backup".into(),
            json!({"folder": "/b"}),
            "service:write",
            true,
        ),
        row(
            "POST",
            "/v1/store/check".into(),
            null.clone(),
            "service:write",
            true,
        ),
        row(
            "GET",
            "/v1/store".into(),
            null.clone(),
            "service:read",
            true,
        ),
        row(
            "GET",
            "/v1/store/scrub".into(),
            null.clone(),
            "service:read",
            true,
        ),
        row(
            "GET",
            "/v1/nodes".into(),
            null.clone(),
            "service:read",
            true,
        ),
        row(
            "PUT",
            "/v1/nodes/this/drain".into(),
            json!({"drained": false}),
            "service:write",
            true,
        ),
        row(
            "GET",
            "/v1/traffic".into(),
            null.clone(),
            "service:read",
            true,
        ),
        row(
            "GET",
            "/v1/certificates".into(),
            null.clone(),
            "service:read",
            true,
        ),
        row(
            "POST",
            "/v1/certificates/reload".into(),
            null.clone(),
            "service:write",
            true,
        ),
        row(
            "DELETE",
            "/v1/limits/sources/192.0.2.9".into(),
            null.clone(),
            "limits:write",
            true,
        ),
        row(
            "DELETE",
            format!("/v1/limits/accounts/{bob}"),
            null.clone(),
            "limits:write",
            false,
        ),
        row(
            "DELETE",
            "/v1/limits/administrators/alice".into(),
            null.clone(),
            "limits:write",
            true,
        ),
        row(
            "GET",
            "/v1/messages".into(),
            null.clone(),
            "trace:read",
            true,
        ),
        row(
            "GET",
            "/v1/messages/00000000000000000000000000".into(),
            null.clone(),
            "trace:read",
            true,
        ),
        row("GET", "/metrics".into(), null, "service:read", true),
    ]
}

/// Every operation that the API describes: method, path, scope, realm.
fn operations() -> Vec<(String, String, Option<String>, String)> {
    let whole = cassmail_admin::description();
    let mut operations = Vec::new();
    for (path, methods) in whole["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            operations.push((
                method.to_uppercase(),
                path.clone(),
                operation["x-scope"].as_str().map(str::to_owned),
                operation["x-realm"].as_str().unwrap().to_owned(),
            ));
        }
    }
    assert!(operations.len() > 50, "{operations:?}");
    operations
}

/// Whether a request is one of this path.
fn is_of(request: &str, path: &str) -> bool {
    let request = request.split('?').next().unwrap().split('/');
    let (request, path): (Vec<_>, Vec<_>) = (request.collect(), path.split('/').collect());
    let fits = |(own, wanted): (&&str, &&str)| wanted.starts_with('{') || own == wanted;
    request.len() == path.len() && request.iter().zip(&path).all(fits)
}

/// A route that is added has to be asked for here.
#[test]
fn every_operation_of_a_domain_or_of_the_service_is_among_the_requests() {
    let requests = requests("here.example");
    for (method, path, scope, realm) in operations() {
        if realm == "caller" {
            continue;
        }
        let mut own = requests
            .iter()
            .filter(|request| request.0 == method && is_of(&request.1, &path));
        let (.., needs, of_service) = own.next().unwrap_or_else(|| panic!("{method} {path}"));
        assert_eq!(Some(*needs), scope.as_deref(), "{method} {path}");
        assert_eq!(*of_service, realm == "service", "{method} {path}");
    }
}

#[tokio::test]
async fn every_operation_is_refused_without_its_scope_whatever_it_is_about() {
    let house = two_domains().await;
    let me = house.get("/v1/self").await.json();
    let all = me["scopes"].as_array().unwrap();
    for (method, path, scope, _) in operations() {
        let Some(scope) = scope else { continue };
        let rest: Vec<_> = all.iter().filter(|one| **one != *scope).collect();
        assert_eq!(rest.len() + 1, all.len(), "{scope}");
        let without = house.token(json!({"scopes": rest})).await;
        let path = path.replace("{address}", "bob%40here.example");
        let path = path
            .replace("{name}", "here.example")
            .replace(['{', '}'], "");
        let refused = house.as_(&without, &method, &path, "").await;
        let text = refused.problem(403);
        assert!(text.contains(&scope), "{method} {path}: {text}");
    }
}

#[tokio::test]
async fn every_request_is_refused_to_who_administers_another_domain() {
    let house = two_domains().await;
    let others = json!({"domains": ["there.example"]});
    let of_others = house.token(others).await;
    for (method, path, body, ..) in requests("here.example") {
        let refused = house.as_(&of_others, method, &path, &body).await;
        refused.problem(403);
    }
}

#[tokio::test]
async fn with_its_scope_alone_every_request_of_the_own_domain_is_answered() {
    let house = two_domains().await;
    for (method, path, body, scope, of_service) in requests("here.example") {
        let rights = json!({"scopes": [scope], "domains": ["here.example"]});
        let own = house.token(rights).await;
        let answer = house.as_(&own, method, &path, &body).await;
        if of_service {
            answer.problem(403);
            let all = house.token(json!({"scopes": [scope]})).await;
            let answer = house.as_(&all, method, &path, &body).await;
            assert_ne!(answer.status, 403, "{method} {path}: {answer:?}");
        } else {
            // Nobody was slowed, and there is no mail.
            let is_of_nothing = path.contains("/limits/") || path.contains("/messages/");
            let is_nobody = answer.status == 404 && is_of_nothing;
            let is_answered = answer.status.is_success() || is_nobody;
            assert!(is_answered, "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_answered_to_strangers() {
    let house = two_domains().await;
    let paths = requests("here.example").into_iter();
    let paths = paths.map(|(method, path, body, ..)| (method, path, body));
    let others = [
        "/healthz",
        "/readyz",
        "/v1/self",
        "/v1/audit",
        "/v1/nothing",
        "/x/../y",
    ];
    let others = others.map(|path| ("GET", path.to_owned(), String::new()));
    let options = [("OPTIONS", "/v1/domains".to_owned(), String::new())];
    for (method, path, body) in paths.chain(others).chain(options) {
        let refused = house.remote(method, &path, &[], &body).await;
        refused.problem(401);
        let how = refused.header("www-authenticate");
        assert!(how.starts_with("Basic realm=\"cassmail\""), "{how}");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn health_is_for_everybody_where_that_is_wanted_and_nothing_else_is() {
    let house = House::with_open_health();
    for path in ["/healthz", "/readyz"] {
        let answer = house.remote("GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    for path in ["/metrics", "/v1/self", "/healthz/x", "//healthz"] {
        house.remote("GET", path, &[], "").await.problem(401);
    }
}

#[tokio::test]
async fn administrators_log_in_with_their_names_and_passwords() {
    let house = two_domains().await;
    house
        .admin("Alice", json!({"domains": ["here.example"]}))
        .await;
    for name in ["alice", "ALICE"] {
        let me = house
            .as_(&basic(name, PASSWORD), "GET", "/v1/self", "")
            .await;
        assert_eq!(me.json()["name"], "alice", "{me:?}");
        assert_eq!(me.json()["domains"], json!(["here.example"]));
    }
    for (name, password) in [("alice", "wrong"), ("bob", PASSWORD)] {
        let refused = house
            .as_(&basic(name, password), "GET", "/v1/self", "")
            .await;
        refused.problem(401);
    }
}

#[tokio::test]
async fn a_changed_password_and_a_removal_count_at_once() {
    let house = two_domains().await;
    house.admin("alice", json!({})).await;
    let old = basic("alice", PASSWORD);
    let new = basic("alice", "another long one");
    assert_eq!(house.as_(&old, "GET", "/v1/self", "").await.status, 200);
    let body = json!({"password": "another long one"}).to_string();
    let changed = house.as_(&old, "PUT", "/v1/self/password", &body).await;
    assert_eq!(changed.status, 204, "{changed:?}");
    house.as_(&old, "GET", "/v1/self", "").await.problem(401);
    assert_eq!(house.as_(&new, "GET", "/v1/self", "").await.status, 200);
    assert_eq!(house.delete("/v1/administrators/alice").await.status, 204);
    house.as_(&new, "GET", "/v1/self", "").await.problem(401);
}

#[tokio::test]
async fn a_token_of_an_administrator_can_do_what_he_can_and_ends_with_him() {
    let house = two_domains().await;
    house
        .admin("alice", json!({"domains": ["here.example"]}))
        .await;
    let alice = basic("alice", PASSWORD);
    let body = json!({"label": "script", "days": 30, "scopes": ["accounts:read"]}).to_string();
    let made = house.as_(&alice, "POST", "/v1/tokens", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let token = format!("Bearer {}", made.json()["token"].as_str().unwrap());
    let own = "/v1/accounts?domain=here.example";
    assert_eq!(house.as_(&token, "GET", own, "").await.status, 200);
    house
        .as_(&token, "GET", "/v1/accounts?domain=there.example", "")
        .await
        .problem(403);
    // What he loses, it loses.
    let rights = json!({"scopes": ["accounts:read"], "domains": ["there.example"]});
    assert_eq!(
        house.put("/v1/administrators/alice", &rights).await.status,
        204
    );
    house.as_(&token, "GET", own, "").await.problem(403);
    assert_eq!(house.delete("/v1/administrators/alice").await.status, 204);
    house.as_(&token, "GET", own, "").await.problem(401);
    house.admin("alice", json!({})).await;
    house.as_(&token, "GET", own, "").await.problem(401);
}

#[tokio::test]
async fn a_revoked_token_is_worth_nothing_and_so_is_one_that_is_cut_or_changed() {
    let house = two_domains().await;
    let token = house.token(json!({})).await;
    assert_eq!(house.as_(&token, "GET", "/v1/self", "").await.status, 200);
    let cut = &token[..token.len() - 1];
    let longer = format!("{token}0");
    for wrong in [cut, &longer] {
        house.as_(wrong, "GET", "/v1/self", "").await.problem(401);
    }
    let list = house.get("/v1/tokens").await.json();
    let id = list[0]["id"].as_str().unwrap();
    assert_eq!(house.delete(&format!("/v1/tokens/{id}")).await.status, 204);
    house.as_(&token, "GET", "/v1/self", "").await.problem(401);
    house.delete(&format!("/v1/tokens/{id}")).await.problem(404);
}

#[tokio::test]
async fn nobody_gives_himself_or_others_what_he_does_not_have() {
    let house = two_domains().await;
    house.admin("root", json!({})).await;
    house
        .admin("alice", json!({"domains": ["here.example"]}))
        .await;
    let alice = basic("alice", PASSWORD);
    let everything = json!({"domains": ["here.example", "there.example"]});
    for (method, path, body) in [
        (
            "POST",
            "/v1/administrators",
            json!({"name": "eve", "password": PASSWORD,
            "domains": ["there.example"]}),
        ),
        ("PUT", "/v1/administrators/alice", everything),
        (
            "POST",
            "/v1/tokens",
            json!({"label": "x", "days": 1, "domains": ["there.example"]}),
        ),
    ] {
        let refused = house.as_(&alice, method, path, &body.to_string()).await;
        refused.problem(403);
    }
    // He does not even see who may do more.
    let new = json!({"password": "another long one"}).to_string();
    let root = "/v1/administrators/root";
    house
        .as_(&alice, "PUT", &format!("{root}/password"), &new)
        .await
        .problem(404);
    house.as_(&alice, "DELETE", root, "").await.problem(404);
    house.as_(&alice, "GET", root, "").await.problem(404);
    let seen = house
        .as_(&alice, "GET", "/v1/administrators", "")
        .await
        .json();
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["name"], "alice");
    // What is left out is what he has himself.
    let body = json!({"name": "dave", "password": PASSWORD}).to_string();
    let made = house.as_(&alice, "POST", "/v1/administrators", &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let dave = house.get("/v1/administrators/dave").await.json();
    assert_eq!(dave["domains"], json!(["here.example"]));
}

#[tokio::test]
async fn lists_show_what_the_caller_may_see() {
    let house = two_domains().await;
    let token = house.token(json!({"domains": ["there.example"]})).await;
    let domains = house.as_(&token, "GET", "/v1/domains", "").await.json();
    assert_eq!(domains.as_array().unwrap().len(), 1);
    assert_eq!(domains[0]["name"], "there.example");
    let audit = house.as_(&token, "GET", "/v1/audit", "").await.json();
    let seen: Vec<_> = audit.as_array().unwrap().iter().collect();
    assert!(!seen.is_empty());
    assert!(
        seen.iter().all(|one| one["domain"] == "there.example"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn an_import_with_one_foreign_address_is_refused_whole() {
    let house = two_domains().await;
    let token = house.token(json!({"domains": ["there.example"]})).await;
    let line = |address: &str| json!({"address": address, "password": "x"});
    for body in [
        json!([line("new@there.example"), line("new@here.example")]),
        json!([line("new@there.example"), line("nonsense")]),
        json!([]),
    ] {
        let body = body.to_string();
        let refused = house
            .as_(&token, "POST", "/v1/accounts/import", &body)
            .await;
        refused.problem(403);
    }
    let accounts = house.get("/v1/accounts?domain=there.example").await.json();
    assert_eq!(accounts.as_array().unwrap().len(), 1);
    let body = json!([line("new@there.example")]).to_string();
    let done = house
        .as_(&token, "POST", "/v1/accounts/import", &body)
        .await;
    assert_eq!(done.json()[0]["problem"], Value::Null);
}

#[tokio::test]
async fn who_names_two_domains_at_once_gets_neither() {
    let house = two_domains().await;
    let token = house.token(json!({"domains": ["there.example"]})).await;
    let twice = "/v1/accounts?domain=here.example&domain=there.example";
    house.as_(&token, "GET", twice, "").await.problem(400);
    let body = r#"{"address":"new@here.example","address":"new@there.example","password":"x"}"#;
    house
        .as_(&token, "POST", "/v1/accounts", body)
        .await
        .problem(422);
    let other = "/v1/accounts/bob%40THERE.example/state";
    let done = house
        .as_(&token, "PUT", other, r#"{"state":"disabled"}"#)
        .await;
    assert_eq!(done.status, 204, "{done:?}");
}

#[tokio::test]
async fn who_guesses_is_told_to_wait_and_the_owner_of_a_name_goes_on() {
    let house = two_domains().await;
    house.admin("alice", json!({})).await;
    let right = basic("alice", PASSWORD);
    assert_eq!(house.as_(&right, "GET", "/v1/self", "").await.status, 200);
    let mut told = Vec::new();
    for guess in 0..5 {
        let wrong = basic("bob", &format!("guess {guess}"));
        let refused = house.as_(&wrong, "GET", "/v1/self", "").await;
        told.push(refused.status.as_u16());
        if refused.status == 429 {
            assert_eq!(refused.header("retry-after"), "300");
        }
    }
    assert_eq!(told, [401, 401, 401, 429, 429]);
    let other = house.as_("Bearer nonsense", "GET", "/v1/self", "").await;
    other.problem(429);
    // She has logged in from there before.
    assert_eq!(house.as_(&right, "GET", "/v1/self", "").await.status, 200);
    let text = house.metrics.encode();
    assert!(text.contains("guesses"), "{text}");
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let house = two_domains().await;
    let token = house.token(json!({})).await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
    ] {
        let headers = [
            ("authorization", token.as_str()),
            (name, value),
            ("host", "mx.example"),
        ];
        let refused = house.remote("POST", "/v1/store/check", &headers, "").await;
        refused.problem(403);
        let shown = house.remote("GET", "/v1/domains", &headers, "").await;
        assert_eq!(shown.status, 200);
    }
}

#[tokio::test]
async fn a_fault_of_the_store_lets_nobody_in() {
    use cassmail_store::{At, ErrorKind, Fault, Reason, Verb};
    let house = two_domains().await;
    let token = house.token(json!({})).await;
    let gone = Fault::Before(ErrorKind::Unavailable(Reason::Engine));
    house.script.fail(At::Every(Verb::Token), gone);
    let refused = house.as_(&token, "GET", "/v1/self", "").await;
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "5");
}

//! What pages change, and what they show of texts that others wrote.

use serde_json::{Value, json};

use crate::house::{Answer, House};
use crate::mailboxes::deliver;
use crate::pages::{Browser, PASSWORD, furnished};

async fn alice(house: &House) -> Browser<'_> {
    let mut browser = house.browser();
    browser.enter().await;
    browser
}

/// The page that says what was done.
async fn done(browser: &mut Browser<'_>, answer: Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let page = browser.get(answer.header("location")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let said = page
        .text
        .split("<div class=\"said\" role=\"status\">")
        .nth(1);
    let said = said.unwrap_or_else(|| panic!("nothing is said in {}", page.text));
    said.split("</div>").next().unwrap().to_owned()
}

#[tokio::test]
async fn every_page_is_there_with_one_heading_and_its_place() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let pages = [
        "/",
        "/domains",
        "/domains/here.example",
        "/accounts",
        "/accounts?domain=here.example",
        "/accounts/bob@here.example",
        "/aliases",
        "/aliases?domain=here.example",
        "/messages",
        "/limits",
        "/nodes",
        "/administrators",
        "/administrators/alice",
        "/audit",
        "/mailboxes/bob@here.example",
    ];
    for path in pages {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert_eq!(page.kind, "text/html; charset=utf-8", "{path}");
        assert_eq!(page.text.matches("<h1>").count(), 1, "{path}");
        assert_eq!(
            page.text.matches("aria-current=\"page\"").count(),
            1,
            "{path}"
        );
        assert_eq!(page.text.matches("<main id=\"main\"").count(), 1, "{path}");
        assert!(page.text.contains("href=\"#main\""), "{path}");
        assert!(page.text.contains("<html lang=\"en\">"), "{path}");
        for never in [" style=", "<style", " onclick=", "javascript:", "=\"http"] {
            assert!(
                !page.text.contains(never),
                "{never} in {path}: {}",
                page.text
            );
        }
        let tables = page.text.matches("<table").count();
        assert_eq!(page.text.matches("<caption>").count(), tables, "{path}");
        let forms = page.text.matches("<form method=\"post\"").count();
        assert_eq!(
            page.text.matches("name=\"form_token\"").count(),
            forms,
            "{path}"
        );
    }
}

#[tokio::test]
async fn pages_need_a_session_and_forms_a_token() {
    let house = furnished().await;
    let posts = [
        "/domains",
        "/domains/here.example/postmaster",
        "/domains/here.example/catch-all",
        "/domains/here.example/retention",
        "/domains/here.example/quota",
        "/domains/here.example/remove",
        "/accounts",
        "/accounts/bob@here.example/password",
        "/accounts/bob@here.example/state",
        "/accounts/bob@here.example/retention",
        "/accounts/bob@here.example/quota",
        "/accounts/bob@here.example/app-passwords",
        "/accounts/bob@here.example/app-passwords/remove",
        "/accounts/bob@here.example/remove",
        "/aliases",
        "/aliases/x@here.example",
        "/aliases/x@here.example/remove",
        "/mailboxes/bob@here.example/x/remove",
        "/limits/lift",
        "/nodes/drain",
        "/certificates/reload",
        "/administrators",
        "/administrators/alice",
        "/administrators/alice/password",
        "/administrators/alice/remove",
        "/tokens",
        "/tokens/x/revoke",
        "/self/password",
        "/logout",
    ];
    let mut stranger = house.browser();
    let mut browser = alice(&house).await;
    let fields = [
        ("confirmed", "yes"),
        ("name", "x.example"),
        ("password", "longer than ten"),
    ];
    for path in posts {
        let answer = stranger.post(path, &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, "/login"),
            "{path}"
        );
        let answer = browser.post(path, &fields).await;
        assert_eq!(answer.status, 403, "{path}");
    }
    assert_eq!(
        house
            .get("/v1/domains")
            .await
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        house.get("/v1/accounts/bob%40here.example").await.status,
        200
    );
}

#[tokio::test]
async fn a_domain_is_added_changed_and_removed() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let answer = browser
        .fill("/domains", "/domains", &[("name", "new.example")])
        .await;
    assert_eq!(answer.header("location"), "/domains/new.example");
    assert_eq!(
        done(&mut browser, answer).await,
        "The domain new.example was added."
    );
    let page = "/domains/here.example";
    let to = [("target", "bob@here.example")];
    let answer = browser
        .fill(page, "/domains/here.example/catch-all", &to)
        .await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The catch-all was changed."
    );
    let bounds = [("days", "30"), ("messages", "none"), ("octets", "default")];
    let answer = browser
        .fill(page, "/domains/here.example/retention", &bounds)
        .await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The retention was changed."
    );
    let shown = house.get("/v1/domains/here.example").await.json();
    assert_eq!(shown["catch_all"], "bob@here.example");
    assert_eq!(shown["retention"], json!({ "days": 30, "messages": 0 }));
    let page = browser.get(page).await.text;
    for value in ["value=\"30\"", "value=\"none\"", "value=\"default\""] {
        assert!(page.contains(value), "{value} in {page}");
    }
    let (page, remove) = ("/domains/new.example", "/domains/new.example/remove");
    let answer = browser.fill(page, remove, &[]).await;
    assert_eq!(answer.status, 422, "without the box nothing is removed");
    let answer = browser.fill(page, remove, &[("confirmed", "yes")]).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The domain new.example was removed."
    );
    assert_eq!(house.get("/v1/domains/new.example").await.status, 404);
}

#[tokio::test]
async fn what_is_said_is_said_once() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let answer = browser
        .fill("/domains", "/domains", &[("name", "new.example")])
        .await;
    done(&mut browser, answer).await;
    let page = browser.get("/domains").await.text;
    assert!(!page.contains("class=\"said\""), "{page}");
}

#[tokio::test]
async fn an_account_is_made_in_one_form_and_its_owner_logs_in() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let fields = [
        ("address", "dave@here.example"),
        ("password", " open & sesame "),
    ];
    let list = "/accounts?domain=here.example";
    let answer = browser.fill(list, "/accounts", &fields).await;
    let said = done(&mut browser, answer).await;
    assert_eq!(said, "The account dave@here.example was made.");
    let at = "/accounts/dave%40here.example";
    let change = |of: &str| format!("{at}/{of}");
    let answer = browser.fill(at, &change("state"), &[]).await;
    assert_eq!(done(&mut browser, answer).await, "The account is disabled.");
    let shown = house.get("/v1/accounts/dave%40here.example").await.json();
    assert_eq!(shown["state"], "disabled");
    let new = [("password", "another one")];
    let answer = browser.fill(at, &change("password"), &new).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The password was changed."
    );
    let fields = [("name", "phone"), ("services", "pop3")];
    let made = browser.fill(at, &change("app-passwords"), &fields).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert!(
        made.text.contains("<code class=\"secret\">"),
        "{}",
        made.text
    );
    assert_eq!(made.header("cache-control"), "no-store");
    assert!(browser.get(at).await.text.contains("phone"));
    let answer = browser.fill(at, &change("app-passwords/remove"), &[]).await;
    let said = done(&mut browser, answer).await;
    assert_eq!(said, "The application password phone was removed.");
    let answer = browser
        .fill(at, &change("remove"), &[("confirmed", "yes")])
        .await;
    let said = done(&mut browser, answer).await;
    assert_eq!(
        said,
        "The account dave@here.example was removed with its mail."
    );
    assert_eq!(
        house.get("/v1/accounts/dave%40here.example").await.status,
        404
    );
}

#[tokio::test]
async fn an_alias_leads_where_its_lines_say() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let targets = "bob@here.example\r\ncarol@here.example\r\n";
    let fields = [("address", "team@here.example"), ("targets", targets)];
    let list = "/aliases?domain=here.example";
    let answer = browser.fill(list, "/aliases", &fields).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The alias team@here.example was made."
    );
    let both = json!(["bob@here.example", "carol@here.example"]);
    let of_api = "/v1/aliases/team%40here.example";
    assert_eq!(house.get(of_api).await.json()["targets"], both);
    let at = "/aliases/team%40here.example";
    let answer = browser
        .fill(at, at, &[("targets", "carol@here.example")])
        .await;
    assert_eq!(done(&mut browser, answer).await, "The alias was changed.");
    let remove = format!("{at}/remove");
    let answer = browser.fill(at, &remove, &[("confirmed", "yes")]).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The alias team@here.example was removed."
    );
    assert_eq!(house.get(of_api).await.status, 404);
}

#[tokio::test]
async fn of_two_changes_of_one_state_the_second_is_refused() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let (page, action) = ("/domains/here.example", "/domains/here.example/catch-all");
    let old = browser.hidden(page, action).await;
    let new = json!({ "postmaster": "carol@here.example" });
    assert_eq!(
        house.put("/v1/domains/here.example", &new).await.status,
        204
    );
    let mut fields: Vec<_> = old.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    fields.push(("target", "bob@here.example"));
    let answer = browser.post(action, &fields).await;
    assert_eq!(answer.status, 412, "{answer:?}");
    assert!(
        answer.text.contains("Somebody else changed it"),
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("href=\"/domains/here.example\""),
        "{}",
        answer.text
    );
    assert_eq!(
        house.get("/v1/domains/here.example").await.json()["catch_all"],
        Value::Null
    );
    let answer = browser
        .fill(page, action, &[("target", "bob@here.example")])
        .await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn mail_that_comes_meanwhile_is_no_change_of_an_account() {
    let house = furnished().await;
    let quota = json!({ "octets": "100" });
    let of_api = "/v1/accounts/bob%40here.example";
    assert_eq!(
        house.put(&format!("{of_api}/quota"), &quota).await.status,
        204
    );
    let mut browser = alice(&house).await;
    let page = "/accounts/bob%40here.example";
    let action = format!("{page}/state");
    let old = browser.hidden(page, &action).await;
    let old: Vec<_> = old.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    deliver(&house, 1, "ten octets").await;
    house.get(&format!("{of_api}/quota")).await;
    let answer = browser.post(&action, &old).await;
    assert_eq!(done(&mut browser, answer).await, "The account is disabled.");
    // The same form once more: it was made of an enabled account.
    let answer = browser.post(&action, &old).await;
    assert_eq!(answer.status, 412, "{answer:?}");
}

#[tokio::test]
async fn a_quota_is_set_and_shown_as_a_bar_and_in_words() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let page = "/accounts/bob%40here.example";
    let bounds = [("messages", "none"), ("octets", "20")];
    let answer = browser.fill(page, &format!("{page}/quota"), &bounds).await;
    assert_eq!(done(&mut browser, answer).await, "The quota was changed.");
    deliver(&house, 1, "ten octets").await;
    deliver(&house, 2, "ten octets").await;
    for path in [page, "/mailboxes/bob%40here.example"] {
        let shown = browser.get(path).await.text;
        assert!(
            shown.contains("<meter min=\"0\" max=\"20\" value=\"20\""),
            "{shown}"
        );
        assert!(shown.contains("20 octets of 20 octets"), "{shown}");
        assert!(shown.contains("<span class=\"bad\">full</span>"), "{shown}");
    }
    let page = "/domains/here.example";
    let bounds = [("messages", "1000"), ("octets", "default")];
    let answer = browser.fill(page, &format!("{page}/quota"), &bounds).await;
    assert_eq!(done(&mut browser, answer).await, "The quota was changed.");
}

#[tokio::test]
async fn a_message_is_looked_at_and_removed() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let mail = "Subject: \"><script>alert(1)</script>\r\n\r\n<b>bold</b>\r\n";
    let id = deliver(&house, 1, mail).await.to_string();
    let page = browser.get("/mailboxes/bob%40here.example").await.text;
    assert!(page.contains(&id), "{page}");
    assert!(page.contains("2023-11-14 22:13:21 UTC"), "{page}");
    let at = format!("/mailboxes/bob%40here.example/{id}");
    let shown = browser.get(&at).await;
    is_harmless(&shown, &at);
    let subject = "Subject: &quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;";
    assert!(shown.text.contains(subject), "{}", shown.text);
    let raw = browser.get(&format!("{at}/raw")).await;
    assert_eq!(raw.text, mail);
    assert_eq!(raw.kind, "application/octet-stream");
    assert_eq!(
        raw.header("content-disposition"),
        "attachment; filename=\"message.eml\""
    );
    assert_eq!(raw.header("x-content-type-options"), "nosniff");
    let remove = format!("{at}/remove");
    let answer = browser.fill(&at, &remove, &[]).await;
    assert_eq!(answer.status, 422, "without the box nothing is removed");
    let answer = browser.fill(&at, &remove, &[("confirmed", "yes")]).await;
    assert_eq!(
        done(&mut browser, answer).await,
        format!("The message {id} was removed.")
    );
    assert_eq!(browser.get(&at).await.status, 404);
}

#[tokio::test]
async fn wrong_input_is_answered_with_the_sentence_of_the_api() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let answer = browser
        .fill("/domains", "/domains", &[("name", "a b")])
        .await;
    assert_eq!(answer.status, 422, "{answer:?}");
    assert!(answer.text.contains("role=\"alert\""), "{}", answer.text);
    assert!(
        answer.text.contains("name: &quot;a b&quot;"),
        "{}",
        answer.text
    );
    let answer = browser
        .fill("/domains", "/domains", &[("name", "here.example")])
        .await;
    assert_eq!(answer.status, 409, "{answer:?}");
    let answer = browser.get("/domains/nowhere.example").await;
    assert_eq!(answer.status, 404, "{answer:?}");
    assert_eq!(answer.kind, "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_domain_administrator_sees_and_changes_his_domains_alone() {
    let house = furnished().await;
    house.domain("there.example").await;
    house
        .administrator("dora", json!({ "domains": ["there.example"] }))
        .await;
    let mut browser = house.browser();
    assert_eq!(browser.log_in("dora", PASSWORD).await.status, 303);
    let page = browser.get("/domains").await.text;
    assert!(
        page.contains("there.example") && !page.contains(">here.example<"),
        "{page}"
    );
    for foreign in [
        "/domains/here.example",
        "/accounts/bob@here.example",
        "/accounts?domain=here.example",
        "/mailboxes/bob@here.example",
    ] {
        let page = browser.get(foreign).await;
        assert!(
            page.text.contains("you do not administer here.example")
                || page.text.contains("there is no /v1/mailboxes"),
            "{foreign}: {}",
            page.text
        );
    }
    let page = browser.get("/nodes").await.text;
    assert!(
        page.contains("for those who administer the whole service"),
        "{page}"
    );
    let page = browser.get("/").await.text;
    assert!(!page.contains("<svg class=\"plot\""), "{page}");
}

#[tokio::test]
async fn changes_are_in_the_audit_log_with_who_and_from_where() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let answer = browser
        .fill("/domains", "/domains", &[("name", "new.example")])
        .await;
    assert_eq!(answer.status, 303);
    let log = house.get("/v1/audit?who=alice").await.json();
    assert_eq!(log[0]["who"], "alice", "{log}");
    assert_eq!(log[0]["from"], "192.0.2.7");
    assert_eq!(log[0]["resource"], "/v1/domains");
    let page = browser.get("/audit?who=alice").await.text;
    assert!(page.contains("POST /v1/domains"), "{page}");
    assert!(page.contains("from 192.0.2.7"), "{page}");
}

#[tokio::test]
async fn a_node_is_drained_and_certificates_are_loaded_anew() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let answer = browser.fill("/nodes", "/nodes/drain", &[]).await;
    assert_eq!(done(&mut browser, answer).await, "This node is drained.");
    assert_eq!(house.get("/v1/store").await.json()["drained"], true);
    let answer = browser.fill("/nodes", "/nodes/drain", &[]).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "This node takes mail again."
    );
    let meant = [("confirmed", "yes")];
    let answer = browser.fill("/nodes", "/certificates/reload", &meant).await;
    let said = done(&mut browser, answer).await;
    assert_eq!(
        said,
        "Loaded. Changed: log.level. Waits for a restart: nothing."
    );
    assert_eq!(*house.service.reloads.lock().unwrap(), 1);
}

#[tokio::test]
async fn whoever_is_blocked_is_seen_and_forgiven() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let mut stranger = house.browser();
    for guess in ["one", "two", "three"] {
        assert_eq!(stranger.log_in("nobody", guess).await.status, 403);
    }
    let page = browser.get("/").await.text;
    assert!(
        page.contains("Blocked after wrong passwords: the source"),
        "{page}"
    );
    let answer = browser.fill("/limits", "/limits/lift", &[]).await;
    let said = done(&mut browser, answer).await;
    assert!(said.ends_with("are forgiven."), "{said}");
}

#[tokio::test]
async fn administrators_and_tokens_are_made_changed_and_ended() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let home = "/administrators";
    let fields = [
        ("name", "erin"),
        ("password", "long enough it is"),
        ("scopes", "domains:read"),
        ("domains", "here.example"),
    ];
    let answer = browser.fill(home, home, &fields).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The administrator erin was made."
    );
    let erin = house.get("/v1/administrators/erin").await.json();
    assert_eq!(erin["scopes"], json!(["domains:read"]));
    assert_eq!(erin["domains"], json!(["here.example"]));
    let neither = [
        ("name", "erin"),
        ("password", "long enough it is"),
        ("scopes", "audit:read"),
    ];
    let answer = browser.fill(home, home, &neither).await;
    assert_eq!(
        answer.status, 422,
        "nobody gets everything by leaving a field empty"
    );
    let at = "/administrators/erin";
    let fields = [
        ("scopes", "domains:read"),
        ("scopes", "accounts:read"),
        ("everywhere", "yes"),
    ];
    let answer = browser.fill(at, at, &fields).await;
    assert_eq!(done(&mut browser, answer).await, "The rights were changed.");
    let erin = house.get("/v1/administrators/erin").await.json();
    assert_eq!(erin["domains"], Value::Null);
    let fields = [
        ("label", "backup"),
        ("days", "7"),
        ("scopes", "service:read"),
        ("everywhere", "yes"),
    ];
    let made = browser.fill(home, "/tokens", &fields).await;
    assert_eq!(made.status, 200, "{made:?}");
    assert!(made.text.contains("cassmail_"), "{}", made.text);
    let tokens = house.get("/v1/tokens").await.json();
    let id = tokens[0]["id"].as_str().unwrap().to_owned();
    let answer = browser
        .fill(home, &format!("/tokens/{id}/revoke"), &[])
        .await;
    assert_eq!(
        done(&mut browser, answer).await,
        format!("The token {id} was revoked.")
    );
    let remove = format!("{at}/remove");
    let answer = browser.fill(at, &remove, &[("confirmed", "yes")]).await;
    assert_eq!(
        done(&mut browser, answer).await,
        "The administrator erin was removed."
    );
}

#[tokio::test]
async fn ones_own_password_is_changed_and_asked_for_again() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    let new = "a longer password";
    let fields = [("password", new)];
    let answer = browser
        .fill("/administrators", "/self/password", &fields)
        .await;
    assert_eq!(answer.status, 303, "{answer:?}");
    assert!(!browser.is_in().await);
    assert_eq!(browser.log_in("alice", new).await.status, 303);
}

/// Texts that are something else in HTML, in a header, in SQL or in a table of a spreadsheet.
const AWKWARD: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' OR 1=1; --",
    "=HYPERLINK(\"http://evil.example\")",
    "x\r\nSet-Cookie: a=b\r\n\r\n<b>",
    "</title></textarea><svg onload=alert(1)>",
    "{{7*7}}",
];

#[tokio::test]
async fn awkward_texts_are_shown_as_they_are_and_nothing_else() {
    let house = furnished().await;
    let mut browser = alice(&house).await;
    for awkward in AWKWARD {
        let encoded: String = form_urlencoded::byte_serialize(awkward.as_bytes()).collect();
        let part = encoded.replace('+', "%20");
        for path in [
            format!("/login?to={encoded}"),
            format!("/domains?after={encoded}"),
            format!("/domains/{part}"),
            format!("/accounts?domain={encoded}"),
            format!("/accounts/{part}"),
            format!("/aliases/{part}"),
            format!("/mailboxes/{part}"),
            format!("/mailboxes/bob@here.example/{part}"),
            format!("/mailboxes/bob@here.example/{part}/raw"),
            format!("/messages?address={encoded}&message_id={encoded}&source={encoded}"),
            format!("/messages/{part}"),
            format!("/administrators/{part}"),
            format!("/audit?who={encoded}&resource={encoded}"),
            format!("/audit?domain={encoded}"),
        ] {
            let page = browser.get(&path).await;
            is_harmless(&page, &path);
        }
        for (list, action, name) in [
            ("/domains", "/domains", "name"),
            ("/accounts?domain=here.example", "/accounts", "address"),
            ("/aliases?domain=here.example", "/aliases", "address"),
            ("/administrators", "/administrators", "name"),
            (
                "/domains/here.example",
                "/domains/here.example/catch-all",
                "target",
            ),
            (
                "/domains/here.example",
                "/domains/here.example/retention",
                "days",
            ),
            ("/nodes", "/nodes/drain", "drained"),
        ] {
            let fields = [
                (name, *awkward),
                ("targets", *awkward),
                ("password", *awkward),
            ];
            let page = browser.fill(list, action, &fields).await;
            is_harmless(&page, action);
        }
    }
    // They are in the log now, as what was asked for.
    let page = browser.get("/audit").await;
    is_harmless(&page, "/audit");
    assert!(
        page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
        "{}",
        page.text
    );
}

/// What `maud` does not escape is marked by this word alone.
#[test]
fn nothing_is_shown_without_being_escaped() {
    let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/src/page");
    let mut sources = 0;
    for file in std::fs::read_dir(pages).unwrap() {
        let path = file.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        assert!(!source.contains("PreEscaped"), "{}", path.display());
        sources += 1;
    }
    assert!(sources > 15, "{sources}");
}

fn is_harmless(page: &Answer, path: &str) {
    assert_eq!(page.headers.get("set-cookie"), None, "{path}");
    assert!(page.status.as_u16() < 500, "{path}: {page:?}");
    for never in ["<script>", "<img", "<svg onload", "<b>"] {
        assert!(
            !page.text.contains(never),
            "{never} in {path}: {}",
            page.text
        );
    }
    let scripts = page.text.matches("<script").count();
    assert!(scripts <= 1, "{path}: {}", page.text);
}

//! The pages: sessions, forms, and what is shown of what others wrote.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use cassmail_admin::Transport;
use serde_json::{Value, json};

use crate::house::{Answer, House};

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody in front of a browser.
pub(crate) struct Browser<'a> {
    house: &'a House,
    transport: Transport,
    cookie: String,
}

impl House {
    pub(crate) async fn administrator(&self, name: &str, rights: Value) {
        let mut body = json!({ "name": name, "password": PASSWORD });
        for (field, value) in rights.as_object().unwrap() {
            body[field] = value.clone();
        }
        let made = self.post("/v1/administrators", &body).await;
        assert_eq!(made.status, 201, "{made:?}");
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            house: self,
            transport: Transport::Secured,
            cookie: String::new(),
        }
    }
}

/// `here.example` with bob and carol, and alice, who may do everything.
pub(crate) async fn furnished() -> House {
    let house = House::furnished().await;
    house.administrator("alice", json!({})).await;
    house
}

impl Browser<'_> {
    async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "mx.example")
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(self.transport)
            .extension(SocketAddr::from(([192, 0, 2, 7], 4000)));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).unwrap();
        let answer = House::call_at(&self.house.remote, request).await;
        if let Some((pair, _)) = answer.header("set-cookie").split_once(';') {
            pair.clone_into(&mut self.cookie);
        }
        answer
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, &[], String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("POST", path, &[], form(fields)).await
    }

    pub(crate) async fn log_in(&mut self, name: &str, password: &str) -> Answer {
        self.post("/login", &[("name", name), ("password", password)])
            .await
    }

    /// Logs in as alice.
    pub(crate) async fn enter(&mut self) {
        let answer = self.log_in("alice", PASSWORD).await;
        assert_eq!(answer.status, 303, "{answer:?}");
    }

    /// What is hidden in a form of this page.
    pub(crate) async fn hidden(&mut self, page: &str, action: &str) -> Vec<(String, String)> {
        let shown = self.get(page).await;
        hidden(&shown.text, action)
    }

    /// Sends a form of this page, with what is hidden in it; what is given comes after it.
    pub(crate) async fn fill(
        &mut self,
        page: &str,
        action: &str,
        fields: &[(&str, &str)],
    ) -> Answer {
        let hidden = self.hidden(page, action).await;
        let own = hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<_> = own.chain(fields.iter().copied()).collect();
        self.post(action, &all).await
    }

    pub(crate) async fn is_in(&mut self) -> bool {
        let answer = self.get("/").await;
        match answer.status.as_u16() {
            200 => true,
            303 => {
                assert_eq!(answer.header("location"), "/login");
                false
            }
            _ => panic!("{answer:?}"),
        }
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    form.finish()
}

/// The hidden fields of the form with this action.
fn hidden(page: &str, action: &str) -> Vec<(String, String)> {
    let start = format!("<form method=\"post\" action=\"{action}\"");
    let form = page
        .split(&start)
        .nth(1)
        .unwrap_or_else(|| panic!("{action} in {page}"));
    let form = form.split("</form>").next().unwrap();
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1);
    let fields = fields.map(|field| {
        let (name, rest) = field.split_once("\" value=\"").unwrap();
        let (value, _) = rest.split_once('"').unwrap();
        (
            name.to_owned(),
            value.replace("&quot;", "\"").replace("&amp;", "&"),
        )
    });
    fields.collect()
}

#[tokio::test]
async fn whoever_has_no_session_is_sent_to_log_in_and_comes_back() {
    let house = furnished().await;
    let mut browser = house.browser();
    assert!(!browser.is_in().await);
    let answer = browser.get("/?a=b%26c").await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.header("location"), "/login?to=%2F%3Fa%3Db%2526c");
    let login = browser.get("/login?to=%2F%3Fa%3Db").await;
    assert_eq!(login.status, 200);
    assert_eq!(login.kind, "text/html; charset=utf-8");
    assert!(
        login.text.contains("name=\"to\" value=\"/?a=b\""),
        "{}",
        login.text
    );
    let fields = [("name", "alice"), ("password", PASSWORD), ("to", "/?a=b")];
    let answer = browser.post("/login", &fields).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/?a=b")
    );
    assert!(browser.is_in().await);
    // What is to be sent is not sent again after the login.
    let mut stranger = house.browser();
    let answer = stranger.post("/logout", &[]).await;
    assert_eq!(answer.header("location"), "/login");
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_the_login() {
    let house = furnished().await;
    for to in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
        let fields = [("name", "alice"), ("password", PASSWORD), ("to", to)];
        let answer = house.browser().post("/login", &fields).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, "/")
        );
    }
}

#[tokio::test]
async fn cookies_are_for_this_host_and_not_for_scripts() {
    let house = furnished().await;
    let mut browser = house.browser();
    let answer = browser.log_in("alice", PASSWORD).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-cassmail="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"),
        "{cookie}"
    );
    let secret = browser.cookie.strip_prefix("__Host-cassmail=").unwrap();
    assert_eq!(secret.len(), 64);
    let mut in_clear = house.browser();
    in_clear.transport = Transport::Clear;
    let answer = in_clear.log_in("alice", PASSWORD).await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("cassmail="), "{cookie}");
    assert!(
        cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"),
        "{cookie}"
    );
    assert!(in_clear.is_in().await);
    // A cookie that anybody on the way could have set is worth nothing over TLS.
    in_clear.transport = Transport::Secured;
    assert!(!in_clear.is_in().await);
}

#[tokio::test]
async fn wrong_passwords_open_nothing_and_are_limited() {
    let house = furnished().await;
    let mut browser = house.browser();
    for name in ["alice", "nobody", "<script>alert(1)</script>"] {
        let answer = browser.log_in(name, "wrong").await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.header("set-cookie"), "");
        assert!(
            answer.text.contains("wrong name or password"),
            "{}",
            answer.text
        );
        assert!(answer.text.contains("role=\"alert\""), "{}", answer.text);
    }
    let answer = browser.log_in("alice", PASSWORD).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn logging_out_ends_the_session_and_not_the_cookie_alone() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    let cookie = browser.cookie.clone();
    let answer = browser.fill("/", "/logout", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/login")
    );
    assert!(
        answer.header("set-cookie").contains("Max-Age=0"),
        "{answer:?}"
    );
    browser.cookie = cookie;
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn whoever_is_away_for_half_an_hour_is_logged_out() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    house.clock.turn(Duration::from_mins(29));
    assert!(browser.is_in().await);
    house.clock.turn(Duration::from_mins(29));
    assert!(browser.is_in().await);
    house.clock.turn(Duration::from_mins(30));
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn nobody_stays_longer_than_half_a_day() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    for _ in 0..35 {
        house.clock.turn(Duration::from_mins(20));
        assert!(browser.is_in().await);
    }
    house.clock.turn(Duration::from_mins(20));
    assert!(!browser.is_in().await);
}

#[tokio::test]
async fn another_password_ends_the_sessions_of_the_old_one() {
    let house = furnished().await;
    house.administrator("dave", json!({})).await;
    let (mut alice, mut dave) = (house.browser(), house.browser());
    alice.enter().await;
    assert_eq!(dave.log_in("dave", PASSWORD).await.status, 303);
    let new = json!({ "password": PASSWORD });
    let path = "/v1/administrators/alice/password";
    assert_eq!(house.put(path, &new).await.status, 204);
    assert!(!alice.is_in().await);
    assert!(dave.is_in().await);
    assert_eq!(house.delete("/v1/administrators/dave").await.status, 204);
    assert!(!dave.is_in().await);
    // Somebody of the same name who is made later is somebody else.
    house.administrator("dave", json!({})).await;
    assert!(!dave.is_in().await);
}

#[tokio::test]
async fn rights_are_those_of_now() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    assert!(browser.get("/").await.text.contains("The store is well."));
    let rights = json!({ "scopes": ["domains:read"] });
    let changed = house.put("/v1/administrators/alice", &rights).await;
    assert_eq!(changed.status, 204);
    let page = browser.get("/").await;
    assert_eq!(page.status, 200);
    assert!(!page.text.contains("The store is well."), "{}", page.text);
    assert!(
        page.text.contains("this needs the scope service:read"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn one_administrator_has_twenty_sessions_and_no_more() {
    let house = furnished().await;
    let mut browsers = Vec::new();
    for _ in 0..21 {
        let mut browser = house.browser();
        browser.enter().await;
        house.clock.turn(Duration::from_secs(1));
        browsers.push(browser);
    }
    let mut open = Vec::new();
    for browser in &mut browsers {
        open.push(browser.is_in().await);
    }
    assert_eq!(open.iter().filter(|is_open| **is_open).count(), 20);
    assert!(!open[0], "the one that was not used for longest ends");
}

#[tokio::test]
async fn forms_that_are_not_of_the_session_change_nothing() {
    let house = furnished().await;
    let (mut browser, mut other) = (house.browser(), house.browser());
    browser.enter().await;
    other.enter().await;
    let foreign = hidden(&other.get("/").await.text, "/logout");
    let foreign = foreign[0].1.as_str();
    for token in ["", "x", foreign] {
        let answer = browser.post("/logout", &[("form_token", token)]).await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(
            answer
                .text
                .contains("does not come from a page of your session")
        );
        assert!(browser.is_in().await);
    }
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let house = furnished().await;
    let mut browser = house.browser();
    let login = form(&[("name", "alice"), ("password", PASSWORD)]);
    for elsewhere in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = browser
            .send("POST", "/login", &[elsewhere], login.clone())
            .await;
        assert_eq!(answer.status, 403, "{answer:?}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    browser.enter().await;
    let own = hidden(&browser.get("/").await.text, "/logout");
    let own = form(&[("form_token", own[0].1.as_str())]);
    let elsewhere = [("sec-fetch-site", "cross-site")];
    let answer = browser.send("POST", "/logout", &elsewhere, own).await;
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(browser.is_in().await);
}

#[tokio::test]
async fn a_cookie_opens_the_pages_and_not_the_api() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    for path in ["/v1/self", "/v1/domains", "/metrics"] {
        assert_eq!(browser.get(path).await.status, 401);
    }
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere_and_are_kept_nowhere() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
        form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    for path in ["/", "/login"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        assert_eq!(page.header("content-security-policy"), policy);
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("referrer-policy"), "same-origin");
        for never in [" style=", "<style", "onclick=", "http://", "https://", "//"] {
            assert!(!page.text.contains(never), "{never} in {}", page.text);
        }
        assert_eq!(page.text.matches("<h1>").count(), 1);
    }
}

#[tokio::test]
async fn assets_have_names_that_say_what_is_in_them() {
    let house = furnished().await;
    let mut browser = house.browser();
    let page = browser.get("/login").await.text;
    let mut found = 0;
    for part in page.split('"').filter(|part| part.starts_with("/assets/")) {
        let asset = browser.get(part).await;
        assert_eq!(asset.status, 200, "{part}");
        assert_eq!(
            asset.header("cache-control"),
            "public, max-age=31536000, immutable"
        );
        assert!(!asset.text.contains("http://") || asset.kind == "image/svg+xml");
        assert!(asset.text.is_ascii());
        found += 1;
    }
    assert_eq!(found, 3);
}

#[tokio::test]
async fn the_overview_says_what_came_in_and_what_needs_somebody() {
    let house = furnished().await;
    let mut browser = house.browser();
    browser.enter().await;
    let page = browser.get("/").await.text;
    assert!(
        page.contains("The first figures come after a minute."),
        "{page}"
    );
    assert!(page.contains("Nothing that you may see."), "{page}");
    house.traffic.take(&house.metrics);
    let took = Duration::from_millis(1);
    house
        .metrics
        .message_accepted(cassmail_telemetry::Outcome::Ok, 10, took);
    house.metrics.pop3_retrieved(7);
    house.traffic.take(&house.metrics);
    let page = browser.get("/").await.text;
    assert!(
        page.contains("Messages accepted: 1, at most 1 in a minute."),
        "{page}"
    );
    assert!(
        page.contains("Messages fetched: 7, at most 7 in a minute."),
        "{page}"
    );
    assert!(
        page.contains("aria-labelledby=\"traffic-title traffic-words\""),
        "{page}"
    );
    assert!(page.contains("aria-current=\"page\">Overview"), "{page}");
}

#[tokio::test]
async fn a_browser_that_asks_for_what_is_not_there_gets_a_page_and_no_dialog() {
    let house = furnished().await;
    let mut browser = house.browser();
    let accept = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let stranger = browser
        .send("GET", "/no/such?x=1", &accept, String::new())
        .await;
    assert_eq!(stranger.status, 303, "{stranger:?}");
    assert_eq!(
        stranger.header("location"),
        "/login?to=%2Fno%2Fsuch%3Fx%3D1"
    );
    browser.enter().await;
    let inside = browser
        .send("GET", "/no/such", &accept, String::new())
        .await;
    assert_eq!(inside.status, 404, "{inside:?}");
    assert!(
        inside.text.contains("there is no page /no/such"),
        "{inside:?}"
    );
    assert!(
        inside
            .header("content-security-policy")
            .contains("default-src 'none'")
    );
    let program = house
        .browser()
        .send("GET", "/no/such", &[], String::new())
        .await;
    assert_eq!(program.status, 401, "{program:?}");
    let api = browser
        .send("GET", "/v1/domains", &accept, String::new())
        .await;
    assert_eq!(api.status, 401, "a cookie opens pages alone: {api:?}");
}

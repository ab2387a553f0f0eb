//! The pages of the admin port in a real browser, over TLS.

mod driver;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cassmail_e2e::{Configuration, Conversation, Deadline, PASSWORD, Port, Server, run, settings};

use crate::skip::present;
use driver::{Browser, ENTER, Scheme, TAB};

const ACCESSIBLE: &str = include_str!("accessible.js");
const ADMINISTRATOR: &str = "root";
const SECRET: &str = "a long word for pages";

/// Each page, with the name of its picture, and what stands on it.
const PAGES: [(&str, &str, &str); 15] = [
    ("/", "overview", "What needs attention"),
    ("/domains", "domains", "here.example"),
    ("/domains/here.example", "domain", "Catch-all"),
    (
        "/accounts?domain=here.example",
        "accounts",
        "ann@here.example",
    ),
    ("/accounts/ben%40here.example", "account", "Quota"),
    (
        "/aliases?domain=here.example",
        "aliases",
        "all@here.example",
    ),
    ("/mailboxes/ben%40here.example", "mailbox", "All in all"),
    (
        "/messages?address=ben%40here.example",
        "messages",
        "accepted",
    ),
    ("/refusals", "refusals", "unknown-recipient"),
    ("/limits", "limits", "Limits"),
    ("/nodes", "nodes", "Nodes and store"),
    ("/administrators", "administrators", ADMINISTRATOR),
    ("/administrators/root", "administrator", ADMINISTRATOR),
    ("/audit", "audit", "POST /v1/accounts"),
    ("/login", "login", "Log in"),
];

#[test]
fn each_page_is_for_everybody_in_light_and_dark_on_a_desk_and_on_a_phone() {
    let Some((house, browser)) = at_work() else {
        return;
    };
    house.deliver("x@far.example", "ben@here.example", 3);
    house.refuses("x@far.example", "nobody@here.example");
    house.logged_in(&browser);
    let first = house.first_message(&browser);
    let of_message = [
        (first.clone(), "message", "Subject"),
        (
            first.replace("mailboxes/ben%40here.example", "messages"),
            "trace",
            "accepted",
        ),
    ];
    let pages = PAGES.map(|(path, name, says)| (path.to_owned(), name, says));
    for (path, name, says) in pages.into_iter().chain(of_message) {
        house.until(&browser, &path, says);
        for width in [1000, 360] {
            for scheme in [Scheme::Light, Scheme::Dark] {
                browser.show(width, scheme);
                let found = browser.ask(ACCESSIBLE);
                let nothing: &[serde_json::Value] = &[];
                assert_eq!(
                    found.as_array().map(Vec::as_slice),
                    Some(nothing),
                    "{path} at {width} in {scheme:?}"
                );
            }
        }
        assert_eq!(out_of_reach(&browser), [""; 0], "{path}");
        keep_picture(&browser, name);
        assert_eq!(browser.complaints(), [""; 0], "{path}");
    }
}

#[test]
fn an_account_is_made_used_and_removed_in_the_browser() {
    let Some((house, browser)) = at_work() else {
        return;
    };
    house.logged_in(&browser);
    house.open(&browser, "/accounts?domain=here.example");
    browser.fill(
        "form[action='/accounts'] input[name=address]",
        "carl@here.example",
    );
    browser.fill(
        "form[action='/accounts'] input[name=password]",
        "one long password",
    );
    browser.click("form[action='/accounts'] button");
    browser.says("The account carl@here.example was made.");
    house.open(&browser, "/accounts/carl%40here.example");
    let form = "form[action='/accounts/carl%40here.example/password']";
    browser.fill(
        &format!("{form} input[name=password]"),
        "another long password",
    );
    browser.click(&format!("{form} button"));
    browser.says("The password was changed.");
    house.deliver("x@far.example", "carl@here.example", 1);
    assert!(
        house
            .fetched("carl@here.example", "another long password")
            .contains("Subject: hello")
    );
    house.open(&browser, "/accounts/carl%40here.example");
    let form = "form[action='/accounts/carl%40here.example/remove']";
    browser.click(&format!("{form} input[type=checkbox]"));
    browser.click(&format!("{form} button"));
    browser.says("carl@here.example was removed with its mail.");
    let listed = house.server.answer(&["account", "list"], "");
    assert_eq!(listed, "ann@here.example\nben@here.example\n");
}

#[test]
fn who_has_no_mouse_logs_in_and_reaches_every_page() {
    let Some((house, browser)) = at_work() else {
        return;
    };
    house.open(&browser, "/login");
    focus(&browser, "input[name=name]");
    ADMINISTRATOR
        .chars()
        .for_each(|key| browser.press(&key.to_string()));
    focus(&browser, "input[name=password]");
    SECRET
        .chars()
        .for_each(|key| browser.press(&key.to_string()));
    browser.press(ENTER);
    house.until(&browser, "/", "What needs attention");
    for page in ["/domains", "/messages", "/audit"] {
        focus(&browser, &format!("a[href='{page}']"));
        let outline = browser.ask("return getComputedStyle(document.activeElement).outlineStyle");
        assert_ne!(outline, "none", "where the focus is can be seen");
        browser.press(ENTER);
        assert_eq!(browser.ask("return location.pathname"), page);
    }
}

#[test]
fn what_strangers_and_users_write_is_text_on_every_page() {
    const NASTY: &str = "\"<script>document.title='owned'</script>'\\\"><img src=x>\"@far.example";
    const OURS: &str = "\"=cmd|'/c calc'!a0<img src=x onerror=alert(1)>\"@here.example";
    let Some((house, browser)) = at_work() else {
        return;
    };
    let server = &house.server;
    let words = ["account", "add", OURS, "--password-stdin"];
    server.administer(&words, &format!("{PASSWORD}\n"));
    let alias = OURS.replace("cmd", "sum");
    server.administer(&["alias", "add", &alias, OURS], "");
    let of_account = ["account", "app-password", "add", OURS, "<img src=y>"];
    server.administer(&of_account, "");
    house.deliver(NASTY, "ben@here.example", 1);
    house.deliver(NASTY, OURS, 1);
    house.refuses(NASTY, "\"<img src=z>\"@here.example");
    house.logged_in(&browser);
    let first = house.first_message(&browser);
    let trace = first.replace("mailboxes/ben%40here.example", "messages");
    house.open(&browser, "/accounts?domain=here.example");
    let own = "return [...document.querySelectorAll('tbody a')]\
        .map(a => a.getAttribute('href')).find(path => path.includes('cmd'))";
    let account = browser.ask(own);
    let account = account.as_str().expect("it is listed");
    let mailbox = account.replace("/accounts/", "/mailboxes/");
    for (path, says) in [
        (&*first, "<script>"),
        (&*trace, "<script>"),
        ("/messages?address=ben%40here.example", "<script>"),
        (
            "/messages?address=%22%3Cimg%20src%3Dz%3E%22%40here.example",
            "no such mailbox",
        ),
        ("/refusals", "unknown-recipient"),
        ("/accounts?domain=here.example", "onerror"),
        (account, "<img src=y>"),
        (&*mailbox, "onerror"),
        ("/aliases?domain=here.example", "onerror"),
        ("/audit", "onerror"),
    ] {
        house.until(&browser, path, says);
        assert_eq!(browser.ask("return document.images.length"), 0, "{path}");
        let title = browser.ask("return document.title");
        assert_ne!(title, "owned", "{path}");
        assert_eq!(browser.complaints(), [""; 0], "{path}");
    }
}

/// A service with two accounts, an alias and an administrator, and a browser; none without both
/// programs.
fn at_work() -> Option<(House, Browser)> {
    if !present("chromium") || !present("chromedriver") || !present("curl") {
        return None;
    }
    let server = Server::configured(&Configuration::default());
    server.administer(&["domain", "add", "here.example"], "");
    for account in ["ann@here.example", "ben@here.example"] {
        let words = ["account", "add", account, "--password-stdin"];
        server.administer(&words, &format!("{PASSWORD}\n"));
    }
    server.administer(
        &["alias", "add", "all@here.example", "ben@here.example"],
        "",
    );
    let words = ["admin", "add", ADMINISTRATOR, "--password-stdin"];
    server.administer(&words, &format!("{SECRET}\n"));
    Some((House { server }, Browser::start()))
}

struct House {
    server: Server,
}

impl House {
    fn open(&self, browser: &Browser, path: &str) {
        browser.open(&format!(
            "https://127.0.0.1:{}{path}",
            self.server.port(Port::Api)
        ));
    }

    /// Opens a page until it says this: the trace is written behind the answers.
    fn until(&self, browser: &Browser, path: &str, says: &str) {
        let deadline = Deadline::after(Duration::from_mins(2));
        loop {
            self.open(browser, path);
            let text = browser.text();
            if text.contains(says) {
                return;
            }
            assert!(!deadline.passed(), "{path} does not say {says}:\n{text}");
        }
    }

    fn logged_in(&self, browser: &Browser) {
        self.open(browser, "/login");
        browser.fill("input[name=name]", ADMINISTRATOR);
        browser.fill("input[name=password]", SECRET);
        browser.click("main button");
        browser.says("What needs attention");
        // A browser keeps a cookie with this name only when it came over TLS, for this host alone.
        let cookies = browser.ask("return document.cookie");
        assert_eq!(cookies, "", "scripts do not see the cookie");
        assert!(
            browser.text().contains("What needs attention"),
            "{}",
            browser.text()
        );
    }

    /// The path of the first message in ben's mailbox.
    fn first_message(&self, browser: &Browser) -> String {
        self.open(browser, "/mailboxes/ben%40here.example");
        let path = browser.ask("return document.querySelector('tbody a').getAttribute('href')");
        path.as_str().expect("there is one").to_owned()
    }

    fn deliver(&self, from: &str, to: &str, times: u32) {
        for _ in 0..times {
            let text = b"Subject: hello <b>you</b>\r\n\r\nHello.\r\n";
            let reply = self
                .sender()
                .hand_over(&bracketed(from), &bracketed(to), text);
            let reply = reply.expect("both paths are taken");
            assert!(reply.starts_with("250 "), "{reply}");
        }
    }

    fn refuses(&self, from: &str, to: &str) {
        let refused = self
            .sender()
            .hand_over(&bracketed(from), &bracketed(to), b"");
        let refused = refused.expect_err("nobody has this name").to_string();
        assert!(refused.starts_with("550 5.1.1 "), "{refused}");
    }

    fn sender(&self) -> Conversation {
        Conversation::open(self.server.port(Port::Mx)).expect("welcomes")
    }

    fn fetched(&self, account: &str, password: &str) -> String {
        let port = self.server.port(Port::Pop3s);
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--insecure",
            "--user",
            &format!("{account}:{password}"),
        ]);
        curl.arg(format!("pop3s://127.0.0.1:{port}/1"));
        let ended = run(&mut curl, b"", Duration::from_mins(1)).well();
        String::from_utf8_lossy(&ended.stdout).into_owned()
    }
}

fn bracketed(address: &str) -> String {
    format!("<{address}>")
}

/// Goes through the page by the key for the next control, once around. What can be worked with and
/// is not reached, or does not show that it is.
fn out_of_reach(browser: &Browser) -> Vec<String> {
    const MARK: &str = "
        const controls = [...document.querySelectorAll(
            'a[href], button, input, select, textarea, summary')];
        const free = controls.filter(one => one.type !== 'hidden' && !one.disabled
            && one.checkVisibility({ visibilityProperty: true }));
        free.forEach((one, number) => { one.dataset.number = number; });
        document.activeElement.blur();
        return free.map(one => one.outerHTML);";
    const SEEN: &str = "
        const at = document.activeElement;
        const style = getComputedStyle(at);
        const shows = style.outlineStyle !== 'none' && style.outlineWidth !== '0px';
        return at.dataset.number === undefined ? null : [Number(at.dataset.number), shows];";
    let controls = browser.ask(MARK);
    let controls = controls.as_array().expect("a list");
    let mut reached = vec![false; controls.len()];
    for _ in 0..controls.len() + 2 {
        browser.press(TAB);
        let seen = browser.ask(SEEN);
        if let (Some(number), Some(shows)) = (seen[0].as_u64(), seen[1].as_bool()) {
            let number = usize::try_from(number).expect("it is in the list");
            reached[number] |= shows;
        }
    }
    let both = controls.iter().zip(reached);
    let missed = both.filter(|(_, is_reached)| !is_reached);
    missed.map(|(control, _)| control.to_string()).collect()
}

/// Presses the key for the next control until it is the wanted one.
fn focus(browser: &Browser, wanted: &str) {
    let is_there = format!("return document.activeElement.matches(\"{wanted}\")");
    for _ in 0..100 {
        if browser.ask(&is_there) == true {
            return;
        }
        browser.press(TAB);
    }
    panic!("{wanted} cannot be reached by keyboard");
}

/// For the manual, when it is wanted.
fn keep_picture(browser: &Browser, name: &str) {
    if let Some(folder) = settings::pictures() {
        browser.show(1000, Scheme::Light);
        let file = Path::new(&folder).join(format!("{name}.webp"));
        std::fs::write(file, browser.picture()).expect("the folder of pictures is there");
    }
}

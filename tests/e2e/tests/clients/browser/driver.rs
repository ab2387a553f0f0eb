//! A real browser, driven over the WebDriver protocol (W3C) by chromedriver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cassmail_e2e::{Deadline, Port, Process, free_offset};
use serde_json::{Value, json};

/// For each request: a first page on a loaded machine takes its time.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is pressed to get to the next control.
pub(super) const TAB: &str = "\u{e004}";
/// What follows a link and presses a button.
pub(super) const ENTER: &str = "\u{e007}";

/// Which colors the person at the screen prefers.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scheme {
    Light,
    Dark,
}

/// A browser with one window; it ends with this, whatever comes of the test.
#[derive(Debug)]
pub(super) struct Browser {
    port: u16,
    session: String,
    _driver: Process,
    /// Settings and cache of the browser; removed with it.
    _profile: tempfile::TempDir,
}

impl Browser {
    /// # Panics
    ///
    /// When it does not start.
    pub(super) fn start() -> Self {
        let profile = tempfile::tempdir().expect("there is room for temporary files");
        let port = Port::Mx as u16 + free_offset();
        let mut command = Command::new("chromedriver");
        command
            .env("HOME", profile.path())
            // A browser that is killed leaves its folders there.
            .env("TMPDIR", profile.path())
            .stdout(Stdio::null());
        let driver = Process::start(&mut command, &[format!("--port={port}")]);
        let deadline = Deadline::after(PATIENCE);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            // Bounded polling: nothing tells a parent when it listens.
            let ended = driver.wait(Duration::from_millis(10));
            assert!(ended.is_none(), "chromedriver ended: {ended:?}");
            assert!(!deadline.passed(), "chromedriver does not listen");
        }
        let arguments = [
            "--headless=new",
            // The tests of CI run as root, for whom the browser has no sandbox.
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // Nothing but the service under test can be reached.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            // The certificate of the test is signed by nobody.
            "--ignore-certificate-errors",
        ];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "acceptInsecureCerts": true,
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let made = request(port, "POST", "/session", &wanted);
        let session = made["sessionId"].as_str().expect("a session").to_owned();
        Self {
            port,
            session,
            _driver: driver,
            _profile: profile,
        }
    }

    /// Opens a page and waits until it is loaded.
    pub(super) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// What a function with this body gives, in the page.
    pub(super) fn ask(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a page says, without its marks.
    pub(super) fn text(&self) -> String {
        // Between two pages there is none.
        let text = self.ask("return document.body?.innerText ?? ''");
        text.as_str().expect("it is text").to_owned()
    }

    /// Waits until the page says this: a click may lead to another one a moment later.
    #[track_caller]
    pub(super) fn says(&self, words: &str) {
        let deadline = Deadline::after(PATIENCE);
        loop {
            let text = self.text();
            if text.contains(words) {
                return;
            }
            assert!(!deadline.passed(), "it does not say {words}:\n{text}");
        }
    }

    /// Types into the field that a selector of CSS finds, instead of what is there.
    pub(super) fn fill(&self, field: &str, text: &str) {
        let element = self.find(field);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        let typed = json!({ "text": text });
        self.post(&format!("/element/{element}/value"), &typed);
    }

    /// Clicks on it.
    pub(super) fn click(&self, what: &str) {
        let element = self.find(what);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    /// Presses a key, wherever the focus is.
    pub(super) fn press(&self, key: &str) {
        let keys = ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let keys = json!({ "type": "key", "id": "keyboard", "actions": keys });
        self.post("/actions", &json!({ "actions": [keys] }));
    }

    /// Makes the window so wide, and what is in it light or dark.
    pub(super) fn show(&self, width: u32, scheme: Scheme) {
        let metrics = json!({
            "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false,
        });
        self.command("Emulation.setDeviceMetricsOverride", &metrics);
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let feature = json!({ "name": "prefers-color-scheme", "value": value });
        let media = json!({ "features": [feature] });
        self.command("Emulation.setEmulatedMedia", &media);
    }

    /// The whole page, as WebP: a third of what it is as PNG.
    pub(super) fn picture(&self) -> Vec<u8> {
        let whole = json!({ "format": "webp", "quality": 80, "captureBeyondViewport": true });
        let made = self.command("Page.captureScreenshot", &whole);
        let data = made["data"].as_str().expect("a picture");
        STANDARD.decode(data).expect("it is in base64")
    }

    /// What the browser had to complain of since it was asked last.
    pub(super) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" }));
        let lines = log.as_array().expect("a list").iter();
        lines.map(|line| line["message"].to_string()).collect()
    }

    fn command(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("/goog/cdp/execute", &body)
    }

    fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let found = self.post("/element", &wanted);
        let found = found.as_object().and_then(|found| found.values().next());
        found
            .and_then(Value::as_str)
            .expect("an element")
            .to_owned()
    }

    #[track_caller]
    fn post(&self, command: &str, body: &Value) -> Value {
        let path = format!("/session/{}{command}", self.session);
        request(self.port, "POST", &path, body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver would leave the browser behind. A test that has failed fails for its reason.
        let path = format!("/session/{}", self.session);
        drop(exchange(self.port, "DELETE", &path, &json!({})));
    }
}

#[track_caller]
fn request(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let answer = exchange(port, method, path, body).expect("the driver answers");
    let value = &answer["value"];
    assert!(
        value["error"].is_null(),
        "{path} {body}: {}",
        value["message"]
    );
    value.clone()
}

fn exchange(port: u16, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            match line.trim_end() {
                "" => break,
                _ => continue,
            }
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().expect("a length");
        }
    }
    let mut answer = vec![0; length];
    reader.read_exact(&mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

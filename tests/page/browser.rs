//! A browser, driven by WebDriver (W3C) in plain HTTP.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::{Value, json};
use sidegate::clock;
use tempfile::TempDir;

use crate::harness::{Running, free_port};

/// How long anything on the page may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// The key of an element in answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SPACE: &str = " ";

/// A browser with one window. It ends with the driver when it goes out of scope.
pub(crate) struct Browser {
    port: u16,
    session: String,
    driver: Running, // Before the folder: that goes when the process has.
    _folder: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let arguments = [&*format!("--port={port}")];
        let mut driver = Running::start("chromedriver", &arguments, folder.path(), "driver");
        let log = folder.path().join("driver.log");
        driver.await_ready(&log, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let mut browser = Self { port, session: String::new(), driver, _folder: folder };
        let profile = browser._folder.path().join("profile");
        let asked = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": [
                "--headless=new",
                // Root runs it in a container that is its sandbox.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                format!("--user-data-dir={}", profile.display()),
            ] },
        } } });
        let made = browser.send("POST", "/session", &asked).unwrap();
        browser.session = made["sessionId"].as_str().unwrap().to_owned();
        browser
    }

    /// A command of the session.
    pub(crate) fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.send(method, &path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE * 2)).unwrap();
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = answer["value"].clone();
        if value["error"].is_string() { Err(value) } else { Ok(value) }
    }

    pub(crate) fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// What a script returns.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What a script calls back with.
    pub(crate) fn run_until_called(&self, script: &str) -> Value {
        self.command("POST", "/execute/async", &json!({ "script": script, "args": [] }))
    }

    /// The text of the first element that the selector chooses, or nothing.
    pub(crate) fn text(&self, selector: &str) -> Option<String> {
        let script = format!("return document.querySelector({selector:?})?.innerText");
        self.run(&script).as_str().map(str::to_owned)
    }

    /// The texts of all that the selector chooses.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let script = format!(
            "return [...document.querySelectorAll({selector:?})].map((it) => it.innerText.trim())"
        );
        let texts = self.run(&script);
        texts.as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// Polls until `done`; panics with what the page shows if it never is.
    pub(crate) fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = clock::instant() + PATIENCE;
        while !done() {
            if clock::instant() > deadline {
                panic!("waited in vain: {what}; the page: {:?}", self.text("body"));
            }
            std::thread::yield_now();
        }
    }

    fn element(&self, selector: &str) -> String {
        let using = json!({ "using": "css selector", "value": selector });
        self.command("POST", "/element", &using)[ELEMENT].as_str().unwrap().to_owned()
    }

    pub(crate) fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.element(selector));
        self.command("POST", &path, &json!({}));
    }

    /// Writes into a field in place of what is there.
    pub(crate) fn write(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.command("POST", &format!("/element/{element}/clear"), &json!({}));
        self.command("POST", &format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: &[&str]) {
        let actions: Vec<_> = keys
            .iter()
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.command("POST", "/actions", &json!({ "actions": [keyboard] }));
    }

    /// What has the focus, in words.
    pub(crate) fn focused(&self) -> String {
        let script = "const it = document.activeElement; \
                      return `${it.tagName.toLowerCase()} ${it.name || it.id || it.innerText.trim()}`";
        self.run(script).as_str().unwrap().to_owned()
    }

    /// A command of the DevTools protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let asked = json!({ "cmd": command, "params": parameters });
        self.command("POST", "/goog/cdp/execute", &asked)
    }

    /// As on a screen of that size, in `light` or `dark`.
    pub(crate) fn look_like(&self, width: u32, height: u32, mobile: bool, scheme: &str) {
        let scale = if mobile { 2 } else { 1 };
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile });
        self.devtools("Emulation.setDeviceMetricsOverride", &screen);
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// What the window shows, or all of the page.
    pub(crate) fn picture(&self, path: &Path, whole: bool) {
        let format = json!({ "format": "png", "captureBeyondViewport": whole });
        let made = self.devtools("Page.captureScreenshot", &format);
        fs::write(path, BASE64.decode(made["data"].as_str().unwrap().as_bytes()).unwrap()).unwrap();
    }

    /// What the browser complains of since it was asked last.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().unwrap().iter();
        let bad = entries.filter(|it| it["level"] == "SEVERE" || it["level"] == "WARNING");
        bad.map(|it| it["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            let _ = self.send("DELETE", &format!("/session/{}", self.session), &Value::Null);
        }
        self.driver.signal("TERM");
    }
}

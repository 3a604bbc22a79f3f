//! A gate with keys of every kind, before an upstream that answers everything.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Gate, record};

const POLICY: &str = include_str!("../peers/policy.toml");
/// And routes that capture, are public, and take only so many requests.
const MORE: &str = r#"
[[route]]
name = "any"
prefix = "/any/{workspace}/{account}"
product = "app"
upstream = "app"
[[route]]
name = "public"
prefix = "/public"
public = true
upstream = "app"
limits = { requests = 1000 }
"#;

/// An upstream that speaks TLS, where nobody is, and whom it is believed by.
pub(crate) const OTHER: &str = "https://127.0.0.1:1";
pub(crate) const AUTHORITY: &str = "authority.pem";

/// The gate, its folder, and its upstream.
pub(crate) struct Site {
    pub(crate) gate: Gate,
    pub(crate) folder: TempDir,
    pub(crate) upstream: String,
}

impl Site {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), Self::policy()).unwrap();
        let upstream = upstream();
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(folder.path().join(AUTHORITY), authority.cert.pem()).unwrap();
        let other =
            format!("upstream.other.urls = [{OTHER:?}]\nupstream.other.ca = {AUTHORITY:?}\n");
        let lines = "workers = 2\nlog.level = \"warn\"\nupstream.app.health.path = \"/\"\n";
        let gate = Gate::start_over(
            folder.path(),
            std::slice::from_ref(&upstream),
            &keys(),
            &format!("{lines}{other}"),
        );
        Self { gate, folder, upstream }
    }

    pub(crate) fn policy() -> String {
        format!("{POLICY}{MORE}")
    }
}

/// `key-NAME` for each of what a key can be.
fn keys() -> Vec<Value> {
    let mut keys: Vec<_> =
        ["banned", "outsider", "reader", "writer"].iter().map(|id| record(id, id)).collect();
    for (id, account, field, value) in [
        ("revoked", "writer", "revoked", json!("2026-01-01T00:00:00Z")),
        ("expired", "writer", "expires", json!("2026-01-01T00:00:00Z")),
        ("soon", "writer", "expires", json!("2126-01-01T00:00:00Z")),
        ("future", "writer", "not_before", json!("2999-01-01T00:00:00Z")),
        ("capped", "writer", "ceiling", json!({ "level": "view" })),
        ("other", "owner1", "workspace", json!("other")),
        ("closed", "owner1", "workspace", json!("closed")),
        ("stranger", "stranger", "label", json!("its account has left")),
    ] {
        let mut key = record(id, account);
        key[field] = value;
        keys.push(key);
    }
    let mut staging = record("staging", "owner1");
    (staging["workspace"], staging["environment"]) = (json!("trial"), json!("staging"));
    keys.push(staging);
    keys
}

/// Answers every request without a body, each connection on a thread of its own.
fn upstream() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|it| _ = thread::spawn(|| serve(it)))
    });
    url
}

fn serve(stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()?;
        }
    }
}

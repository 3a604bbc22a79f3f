//! For every `sidegate.toml` and `policy.toml`: a policy that can be put in force, or problems, each
//! with a place in one of the files.
//!
//! An input is `sidegate.toml`, a line of dashes, `policy.toml`.

#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sidegate::config::{self, Report};
use sidegate::keystore::Permissions;
use sidegate::policy::{Query, UnixSeconds, Upgrade};
use tempfile::TempDir;

const BETWEEN: &[u8] = b"\n----\n";
const FILES: [&str; 3] = ["sidegate.toml", "policy.toml", "keys.jsonl"];

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::write(folder.path().join("keys.jsonl"), "\n").unwrap();
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let at = bytes.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (settings, policy) = match at {
        Some(at) => (&bytes[..at], &bytes[at + BETWEEN.len()..]),
        None => (&b"upstream.app.urls = [\"http://127.0.0.1:1\"]\n"[..], bytes),
    };
    // A file may name any other: these name only those that are there.
    if names_a_file(settings) {
        return;
    }
    let path = |name: &str| -> PathBuf { FOLDER.path().join(name) };
    fs::write(path("sidegate.toml"), settings).unwrap();
    fs::write(path("policy.toml"), policy).unwrap();
    match config::open(&path("sidegate.toml"), Permissions::Insecure) {
        Ok((config, loaded)) => {
            assert_eq!(loaded.report.errors(), 0);
            told(&loaded.report, settings, policy);
            assert!(config.proxy.workers > 0);
            for (method, target) in [("GET", "/"), ("POST", "/a/b/c"), ("OPTIONS", "*")] {
                let query = Query {
                    method,
                    host: "h.example",
                    target,
                    credential: Some("nobody"),
                    upgrade: Upgrade::None,
                    preflight: false,
                };
                let _ = loaded.snapshot.decide(&query, UnixSeconds(0));
            }
        }
        Err(report) => {
            assert!(report.errors() > 0);
            told(&report, settings, policy);
        }
    }
});

/// Whether one of the fields that name files is written, or could be.
fn names_a_file(settings: &[u8]) -> bool {
    const FIELDS: [&str; 7] = ["policy", "keys", "pepper", "certificate", "key", "ca", "client_ca"];
    let text = String::from_utf8_lossy(settings);
    let is_between = |it: char| !(it.is_ascii_alphanumeric() || it == '_' || it == '-');
    let escapes = ["\\u", "\\U", "\\x"];
    escapes.iter().any(|escape| text.contains(escape))
        || text.split(is_between).any(|word| FIELDS.contains(&word))
}

fn told(report: &Report, settings: &[u8], policy: &[u8]) {
    let value = serde_json::to_value(report).unwrap();
    for problem in value["problems"].as_array().unwrap() {
        let file = problem["file"].as_str().unwrap();
        let name = FILES.iter().find(|name| file.ends_with(**name));
        let text = match *name.unwrap_or_else(|| panic!("{problem}")) {
            "sidegate.toml" => settings,
            "policy.toml" => policy,
            _ => b"\n",
        };
        assert!(!problem["message"].as_str().unwrap().is_empty(), "{problem}");
        let Some(line) = problem["line"].as_u64() else {
            assert!(problem["column"].is_null(), "{problem}");
            continue;
        };
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let on = lines.get(line as usize - 1).unwrap_or_else(|| panic!("past the end: {problem}"));
        let characters = String::from_utf8_lossy(on).chars().count() as u64;
        let column = problem["column"].as_u64().unwrap_or(1);
        assert!(column <= characters + 1, "past the line's end: {problem}");
    }
    for line in report.lines() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

//! What clients write is not what the log says.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::harness::{Gate, PATIENCE, until};
use crate::house::{EVERYTHING, Told, gate, refused};

/// What no line may have in it: it stands in every place that a client can write.
const MARK: &str = "Zq7forged";

/// Every fact that an event of a request may have.
const FACTS: [&str; 26] = [
    "account",
    "area",
    "decision",
    "duration_us",
    "environment",
    "key_id",
    "level",
    "message",
    "method",
    "needed",
    "path_template",
    "peer",
    "permission",
    "policy_generation",
    "product",
    "reason",
    "request_id",
    "route",
    "status",
    "terminated",
    "trace_id",
    "upstream_error",
    "upstream_status",
    "workspace",
    "left_out",
    "events",
];

fn heads() -> Vec<Vec<u8>> {
    let forged = format!("{MARK}%0a%22decision%22:%22allow%22");
    let mut heads: Vec<Vec<u8>> = [
        format!("GET /app/{forged} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /app?key={MARK} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: {MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: a\"{MARK}\r\n\r\n"),
        format!("{MARK} /app HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sg_{MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nReferer: {MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: \"{MARK}\"\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a {MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nTraceparent: 00-{MARK}\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\nHost: localhost\r\nTracestate: a={MARK}\r\n\r\n"),
        format!("GET http://{MARK}/app HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET /pages HTTP/1.1\r\nHost: localhost\r\nUpgrade: {MARK}\r\n\r\n"),
    ]
    .map(String::into_bytes)
    .into();
    for control in [b'\n', b'\r', 0x1b, 0, 0x7f, 0x85, 0xff, b'"', b'\\'] {
        for place in ["GET /app@ HTTP/1.1\r\nHost: h\r\n", "GET /app HTTP/1.1\r\nHost: h@\r\n"] {
            let (before, after) = place.split_once('@').unwrap();
            heads.push(
                [before.as_bytes(), &[control], MARK.as_bytes(), after.as_bytes(), b"\r\n"]
                    .concat(),
            );
        }
        for name in ["User-Agent", "X-Request-Id", "X-API-Key", "Traceparent", "Origin"] {
            let before = format!("GET /app HTTP/1.1\r\nHost: h\r\n{name}: a");
            heads.push([before.as_bytes(), &[control], MARK.as_bytes(), b"\r\n\r\n"].concat());
        }
    }
    heads
}

/// Sends each head on a connection of its own; whatever is answered.
fn ask_all(gate: &Gate) -> usize {
    let heads = heads();
    for head in &heads {
        let mut stream = TcpStream::connect(("127.0.0.1", gate.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(head).unwrap();
        // One answer, or an end.
        let _ = stream.read(&mut [0; 4096]).unwrap();
    }
    heads.len()
}

#[test]
fn no_text_of_a_client_forges_an_event_or_a_fact_in_json() {
    let told = everything("json");
    let known = BTreeSet::from(FACTS);
    let mut requests = 0;
    for line in told.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        if event["target"] == "sidegate::request" {
            requests += 1;
            let facts = event["fields"].as_object().unwrap();
            let unknown: Vec<_> = facts.keys().filter(|it| !known.contains(it.as_str())).collect();
            assert!(unknown.is_empty(), "{unknown:?} in {line}");
            assert_ne!(facts.get("decision").and_then(Value::as_str), Some("allow"), "{line}");
        }
    }
    assert!(requests >= heads().len(), "{requests} events");
}

#[test]
fn nor_in_text() {
    let told = everything("text");
    for line in told.lines() {
        let mut words = line.split_whitespace();
        let (time, level) = (words.next().unwrap(), words.next().unwrap());
        assert!(time.starts_with("20") && time.ends_with('Z'), "{line:?}");
        assert!(["INFO", "WARN", "ERROR"].contains(&level), "{line:?}");
        assert!(!line.contains("decision=\"allow\""), "{line:?}");
    }
}

/// What a gate says of all that.
fn everything(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let lines = format!("{EVERYTHING}log.format = \"{format}\"\n");
    let (mut gate, _files) = gate(File::create(&log).unwrap(), &lines);
    let asked = ask_all(&gate);
    until("all of them to be over", || gate.metric("sidegate_requests_total", "") >= asked as f64);
    gate.running.signal("TERM");
    let told = fs::read_to_string(&log).unwrap();
    assert!(!told.contains(MARK), "{}", told.lines().find(|line| line.contains(MARK)).unwrap());
    let odd = told.chars().find(|it| it.is_control() && *it != '\n');
    assert_eq!(odd, None, "{told}");
    told
}

#[test]
fn a_flood_of_denials_is_told_as_a_number() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let lines = "workers = 2\nlog.denials_per_second = 5\ntimeouts.linger = \"100ms\"\n";
    let (mut gate, _files) = gate(File::create(&log).unwrap(), lines);
    refused(&gate, 1000);
    until("all of them to be over", || gate.metric("sidegate_requests_total", "") >= 1000.0);
    let left_out = gate.metric("sidegate_log_denials_left_out_total", "");
    gate.running.signal("TERM");
    let told = Told::by(&fs::read_to_string(&log).unwrap());
    assert_eq!(told.requests + told.left_out, 1000, "{told:?}");
    assert_eq!(told.left_out, left_out as u64);
    assert!(told.left_out > 0 && told.requests >= 5, "{told:?}");
    assert_eq!(told.missing, 0);
}

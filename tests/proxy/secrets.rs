//! Keys are planted wherever one can be written, and all that is said is searched for them; and
//! what the log says of each request.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::harness::{record, until};
use crate::rig::{OK, READER, Rig, WRITER};

/// Keys that no message may hold: of our form but for the checksum, each another one.
fn planted(number: usize) -> String {
    format!("sg_production_{:043}_{number:06}", number * 7_919)
}

fn is_clean(what: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains("sg_production_0"), "{what}: {line}");
        assert!(!line.contains("key-writer") && !line.contains("key-reader"), "{what}: {line}");
    }
}

/// Plants in each place, sends, and searches what comes back and what is said.
fn search(requests: &[String]) {
    let mut rig = Rig::new("log.level = \"debug\"\nlog.sample = 1.0\n");
    for request in requests {
        let mut client = rig.sent(request);
        let answer = loop {
            // Whatever is allowed is answered.
            if rig.upstream.waiting() > 0 {
                let mut peer = rig.upstream.next();
                peer.message(false).unwrap();
                peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
            }
            if client.has_answer() {
                break client.message(false);
            }
        };
        if let Ok(answer) = answer {
            is_clean(&format!("answer to {request:?}"), &answer.text());
        }
    }
    until("the events", || rig.events().len() >= requests.len());
    is_clean("log", &rig.log());
    is_clean("metrics", &rig.gate.page("/metrics"));
    is_clean("status", &rig.gate.page("/status"));
    rig.gate.running.send("TERM");
    rig.gate.running.end();
    is_clean("log at the end", &rig.log());
}

#[test]
fn what_clients_write_is_not_said_again() {
    let mut requests = Vec::new();
    let names = [
        "X-API-Key",
        "Authorization",
        "Cookie",
        "User-Agent",
        "Referer",
        "X-Custom",
        "Host",
        "Accept",
        "Origin",
        "Traceparent",
        "X-Forwarded-For",
        "Connection",
        "Upgrade",
        "Expect",
        "Content-Type",
        "Content-Length",
        "Transfer-Encoding",
        "X-Sidegate-Account",
        "Sec-WebSocket-Protocol",
    ];
    let mut number = 1;
    let mut key = || {
        number += 1;
        planted(number)
    };
    for name in names {
        for prefix in ["", "Bearer ", "Basic ", "bearer, "] {
            let host = if name == "Host" { "" } else { "Host: localhost\r\n" };
            let who = if name == "X-API-Key" { "" } else { "X-API-Key: key-writer\r\n" };
            requests
                .push(format!("GET /app HTTP/1.1\r\n{host}{who}{name}: {prefix}{}\r\n\r\n", key()));
        }
        requests.push(format!("GET /app HTTP/1.1\r\n{WRITER}{}: {name}\r\n\r\n", key()));
    }
    // As browsers send it for a WebSocket, and as an id in the log, too.
    for (key, fields) in [
        ("key-writer".to_owned(), ""),
        (key(), "X-Request-Id: KEY\r\n"),
        ("key-reader".to_owned(), "X-Request-Id: KEY\r\n"),
    ] {
        requests.push(format!(
            "GET /app HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Protocol: bearer, {key}, chat\r\n{}\r\n",
            fields.replace("KEY", &key)
        ));
    }
    for target in [
        "/app/KEY",
        "/KEY",
        "/app?key=KEY",
        "/app#KEY",
        "http://KEY/app",
        "//KEY",
        "KEY",
        "/app/%00KEY",
    ] {
        for who in [WRITER, READER, "Host: localhost\r\n"] {
            let target = target.replace("KEY", &key());
            requests.push(format!("GET {target} HTTP/1.1\r\n{who}\r\n"));
        }
    }
    requests.push(format!("{} /app HTTP/1.1\r\n{WRITER}\r\n", key()));
    requests.push(format!("GET /app HTTP/{}\r\n{WRITER}\r\n", key()));
    requests.push(format!("{}\r\n\r\n", key()));
    search(&requests);
}

#[test]
fn a_key_is_no_request_id() {
    search(&[
        format!("GET /app HTTP/1.1\r\n{WRITER}X-Request-Id: {}\r\n\r\n", planted(1)),
        format!("GET /app HTTP/1.1\r\nHost: h\r\nX-Request-Id: {}\r\n\r\n", planted(2)),
        format!("GET /app HTTP/1.1\r\n{WRITER}X-Request-Id: key-writer\r\n\r\n"),
    ]);
}

/// A key in a file is an operator's slip: the message names the place, not the key.
#[test]
fn what_operators_mistype_is_not_said_again() {
    let rig = Rig::new("");
    let folder = rig.folder.path();
    let original = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let (config, policy, keys) =
        (original("sidegate.toml"), original("policy.toml"), original("keys.jsonl"));
    let key = planted(1);
    let mut wrong = record("wrong", "writer");
    wrong["hash"] = json!(key);
    let mut prefixed = record("wrong", "writer");
    prefixed["hash"] = json!(format!("sha256:{key}"));
    let mut extra = record("wrong", "writer");
    extra["key"] = json!(key);
    let cases = [
        ("keys.jsonl", format!("{keys}{wrong}\n")),
        ("keys.jsonl", format!("{keys}{prefixed}\n")),
        ("keys.jsonl", format!("{keys}{extra}\n")),
        ("keys.jsonl", format!("{keys}{key}\n")),
        ("keys.jsonl", format!("{keys}\"{key}\"\n")),
        ("policy.toml", format!("api_key = \"{key}\"\n{policy}")),
        ("policy.toml", format!("{policy}\n[[route]]\nprefix = \"/k\"\nkey = \"{key}\"\n")),
        ("sidegate.toml", format!("{config}\napi_key = \"{key}\"\n")),
    ];
    for (name, text) in cases {
        fs::write(folder.join(name), &text).unwrap();
        for command in ["check", "serve"] {
            let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
                .args([command, "-c", "sidegate.toml"])
                .current_dir(folder)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(3), "{name}: {output:?}");
            let said = [output.stdout, output.stderr].concat();
            is_clean(&format!("{command}, {name}"), &String::from_utf8_lossy(&said));
        }
        if name != "sidegate.toml" {
            until("the failure", || {
                rig.gate.metric("sidegate_policy_last_reload_successful", "") == 0.0
            });
            is_clean("status", &rig.gate.page("/status"));
        }
        for (name, text) in
            [("sidegate.toml", &config), ("policy.toml", &policy), ("keys.jsonl", &keys)]
        {
            fs::write(folder.join(name), text).unwrap();
        }
        until("the success", || {
            rig.gate.metric("sidegate_policy_last_reload_successful", "") == 1.0
        });
    }
    is_clean("log", &rig.log());
}

#[test]
fn the_password_of_an_upstream_is_not_said_again() {
    let rig = Rig::new("");
    let path = rig.folder.path().join("sidegate.toml");
    let config = fs::read_to_string(&path).unwrap();
    let url = format!("http://u:{}@127.0.0.1:1", planted(1));
    fs::write(&path, format!("{config}\nupstream.other.urls = [\"{url}\"]\n")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["check", "-c", "sidegate.toml"])
        .current_dir(rig.folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    is_clean("check", &String::from_utf8_lossy(&said));
}

#[test]
fn each_request_is_one_event_with_its_facts() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    client.send(
        "POST /app HTTP/1.1\r\nHost: h\r\nX-API-Key: key-reader\r\n\
     X-Request-Id: mine\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(client.answer().status(), 403);
    client.send("BREW /app HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(client.answer().status(), 401);
    drop(peer);
    client.send("GET /app HT\0TP/1.1\r\n\r\n");
    assert_eq!(client.answer().status(), 400);
    until("the events", || rig.events().len() == 4);
    let events = rig.events();
    let common = [
        "timestamp",
        "decision",
        "policy_generation",
        "method",
        "status",
        "duration_us",
        "request_id",
        "trace_id",
        "peer",
    ];
    for event in &events {
        for field in common {
            assert!(!event[field].is_null(), "{field}: {event}");
        }
    }
    let expected = [
        json!({"decision": "allow", "route": "app", "workspace": "main", "environment": "production",
               "product": "app", "needed": "view", "level": "full", "account": "writer",
               "key_id": "k_writer", "method": "GET", "path_template": "/app", "status": 200,
               "upstream_status": 200, "peer": "127.0.0.1"}),
        json!({"decision": "deny", "reason": "view_only", "route": "app", "account": "reader",
               "needed": "full", "request_id": "mine", "status": 403}),
        json!({"decision": "deny", "reason": "key_missing", "method": "other", "status": 401}),
        json!({"decision": "deny", "reason": "bad_request", "status": 400}),
    ];
    for (event, expected) in events.iter().zip(&expected) {
        for (field, value) in expected.as_object().unwrap() {
            assert_eq!(&event[field], value, "{field}: {event}");
        }
    }
}

/// One field of the contract's list has the name of one of the log's own: they stand apart.
#[test]
fn no_event_has_a_field_twice() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    until("the event", || !rig.events().is_empty());
    let log = rig.log();
    let line = log.lines().find(|line| line.contains("sidegate::request")).unwrap();
    let (own, facts) = line.split_once("\"fields\":").unwrap();
    for part in [own, facts] {
        assert_eq!(part.matches("\"level\":").count(), 1, "{line}");
    }
}

//! Answers of our own: what a client can rely on, whatever it did.

use serde_json::json;

use crate::harness::record;
use crate::rig::{NOBODY, OK, READER, Rig, WRITER};
use crate::wire::Message;

const INVALID: &str = r#"Bearer realm="sidegate", error="invalid_token""#;
const SCOPE: &str = r#"Bearer realm="sidegate", error="insufficient_scope""#;

fn problem(answer: &Message, status: u16, error: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{answer:?}");
    let expected = format!("sidegate; error={error}");
    assert_eq!(answer.field("proxy-status"), Some(expected.as_str()), "{answer:?}");
    let body = answer.json();
    assert_eq!(body["status"], status, "{answer:?}");
    assert_eq!(body["type"], "about:blank", "{answer:?}");
    for field in ["title", "detail"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field}: {answer:?}");
    }
    assert_eq!(body["request_id"].as_str(), answer.field("x-request-id"), "{answer:?}");
    assert!(answer.field("x-request-id").is_some_and(|id| !id.is_empty()), "{answer:?}");
}

#[test]
fn every_denial_is_a_problem_that_names_us() {
    let mut rig = Rig::new("");
    let denied = "http_request_denied";
    let malformed = "http_request_error";
    // Method, target, who, status, error, challenge, allow.
    type Case<'a> = (&'a str, &'a str, &'a str, u16, &'a str, Option<&'a str>, bool);
    let cases: &[Case<'_>] = &[
        ("GET", "/app/../x", WRITER, 400, malformed, None, false),
        ("GET", "/app", "X-API-Key: key-writer\r\n", 400, malformed, None, false),
        ("GET", "/app", NOBODY, 401, denied, Some(r#"Bearer realm="sidegate""#), false),
        ("GET", "/app", "Host: h\r\nX-API-Key: nobody\r\n", 401, denied, Some(INVALID), false),
        ("GET", "/app", "Host: h\r\nAuthorization: Bearer\r\n", 401, denied, Some(INVALID), false),
        ("POST", "/app", READER, 403, denied, Some(SCOPE), false),
        ("GET", "/closed", WRITER, 403, denied, None, false),
        ("GET", "/nowhere", WRITER, 404, denied, None, false),
        ("TRACE", "/app", WRITER, 405, denied, None, true),
    ];
    for (method, target, who, status, error, challenge, allow) in cases {
        let mut client = rig.sent(format!("{method} {target} HTTP/1.1\r\n{who}\r\n"));
        let answer = client.answer();
        problem(&answer, *status, error);
        assert_eq!(answer.field("www-authenticate"), *challenge, "{answer:?}");
        assert_eq!(answer.field("allow").is_some(), *allow, "{answer:?}");
        assert_eq!(answer.field("cache-control"), Some("no-store"), "{answer:?}");
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn key_faults_read_the_same_to_the_last_byte() {
    let mut keys = Vec::new();
    for (id, field, value) in [
        ("revoked", "revoked", json!("2026-01-01T00:00:00Z")),
        ("expired", "expires", json!("2026-01-01T00:00:00Z")),
        ("future", "not_before", json!("2999-01-01T00:00:00Z")),
    ] {
        let mut key = record(id, "writer");
        key[field] = value;
        keys.push(key);
    }
    let mut staging = record("staging", "owner1");
    (staging["workspace"], staging["environment"]) = (json!("trial"), json!("staging"));
    keys.push(staging);
    let mut rig = Rig::with("", &keys);
    let mut seen = Vec::new();
    for key in [
        "key-nobody",
        "sg_production_short",
        "key-revoked",
        "key-expired",
        "key-future",
        "key-staging",
        "",
    ] {
        for target in ["/app", "/nowhere", "/app/x?y"] {
            let mut client = rig.sent(format!(
                "GET {target} HTTP/1.1\r\nHost: h\r\nX-Request-Id: same\r\nX-API-Key: {key}\r\n\r\n"
            ));
            let mut answer = client.answer();
            assert_eq!(answer.status(), 401);
            answer.fields.retain(|(name, _)| name != "date");
            seen.push((format!("{key} {target}"), answer.fields, answer.body));
        }
    }
    for (what, fields, body) in &seen {
        assert_eq!((fields, body), (&seen[0].1, &seen[0].2), "{what}");
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn text_for_those_who_ask_for_it() {
    let rig = Rig::new("");
    for (accept, kind) in [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain;q=0.9", "text/plain; charset=utf-8"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
    ] {
        let mut client =
            rig.sent(format!("GET /app HTTP/1.1\r\nHost: h\r\nAccept: {accept}\r\n\r\n"));
        let answer = client.answer();
        assert_eq!(answer.field("content-type"), Some(kind), "{accept}");
        let id = answer.field("x-request-id").unwrap().to_owned();
        assert!(answer.text().contains(&id), "{answer:?}");
    }
}

#[test]
fn request_ids_are_kept_or_made() {
    let mut rig = Rig::new("");
    for (sent, kept) in [
        ("X-Request-Id: abc-1\r\n", Some("abc-1")),
        ("X-Request-Id: a b\r\n", None),
        ("X-Request-Id: \"<x>\"\r\n", None),
        ("X-Request-Id: a\r\nX-Request-Id: b\r\n", None),
        ("", None),
    ] {
        let denied = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}{sent}\r\n")).answer();
        let id = denied.field("x-request-id").unwrap();
        assert!(!id.is_empty() && kept.is_none_or(|kept| kept == id), "{sent}: {id}");
        assert_eq!(kept.is_none(), !sent.contains(&format!(": {id}\r")), "{sent}: {id}");

        let mut client = rig.sent(format!("GET /app HTTP/1.1\r\n{WRITER}{sent}\r\n"));
        let mut peer = rig.upstream.next();
        let id = peer.message(false).unwrap().field("x-request-id").unwrap().to_owned();
        assert!(!id.is_empty() && kept.is_none_or(|kept| kept == id), "{sent}: {id}");
        peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assert_eq!(client.answer().status(), 200);
        peer.closed();
    }
}

/// Statuses for what a head is too large or malformed for: who parses it must not show.
#[test]
#[ignore = "bug: heads that hyper refuses are answered without a problem, Proxy-Status or request id"]
fn heads_that_cannot_be_read_are_answered_by_us_too() {
    let mut rig = Rig::new("limits.header_bytes = 8192\n");
    let large = format!("GET /app HTTP/1.1\r\n{WRITER}X-Large: {}\r\n\r\n", "x".repeat(9000));
    let many = format!("GET /app HTTP/1.1\r\n{WRITER}{}\r\n", "X-A: 1\r\n".repeat(101));
    for (head, status) in [
        (large.as_str(), 431),
        (many.as_str(), 431),
        ("GET /app HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        ("GET /app\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\0\0\r\n\r\n", 400),
    ] {
        let mut client = rig.sent(head);
        problem(&client.answer(), status, "http_request_error");
        client.closed();
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn heads_that_cannot_be_read_get_their_status_and_the_connection_closes() {
    let mut rig = Rig::new("limits.header_bytes = 8192\nlimits.target_bytes = 1000\n");
    let large = format!("GET /app HTTP/1.1\r\n{WRITER}X-Large: {}\r\n\r\n", "x".repeat(9000));
    let many = format!("GET /app HTTP/1.1\r\n{WRITER}{}\r\n", "X-A: 1\r\n".repeat(101));
    let long = format!("GET /app?{} HTTP/1.1\r\n{WRITER}\r\n", "x".repeat(1000));
    for (head, status) in [
        (large.as_str(), 431),
        (many.as_str(), 431),
        (long.as_str(), 414),
        ("GET /app HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\nA\rB: c\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        ("GET /app HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET /app HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        ("GET /app HTTP/2.0\r\nHost: h\r\n\r\n", 400),
        ("GET /app\r\n\r\n", 400),
        ("\u{16}\u{3}\u{1}\0\0\r\n\r\n", 400),
    ] {
        let mut client = rig.sent(head);
        let answer = client.answer();
        assert_eq!(answer.status(), status, "{head:?}: {answer:?}");
        if status != 414 {
            client.closed();
        }
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

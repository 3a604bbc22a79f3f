//! What an upstream is told, and what it never gets to see.

use crate::rig::{NOBODY, OK, READER, Rig, WRITER};
use crate::wire::Message;

fn forwarded(rig: &mut Rig, request: &str) -> Message {
    let mut client = rig.sent(request);
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    assert_eq!(client.answer().status(), 200, "{request:?}");
    seen
}

#[test]
fn identity_is_ours_however_it_is_forged() {
    let mut rig = Rig::new("");
    let spellings = [
        "X-Sidegate-Account",
        "x-sidegate-account",
        "X-SIDEGATE-ACCOUNT",
        "X_Sidegate_Account",
        "x-sidegate_account",
        "X-Sidegate-Level",
        "X_SIDEGATE_LEVEL",
        "X-Sidegate-Permission",
        "X-Sidegate-Area",
        "X-Sidegate-Anything",
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X-Forwarded-Host",
        "X-Forwarded-User",
        "Forwarded",
        "X-Real-IP",
        "X_Real_Ip",
        "X-HTTP-Method-Override",
        "X_Http_Method_Override",
        "X-Method-Override",
        "X-HTTP-Method",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-Method",
    ];
    for name in spellings {
        for value in ["forged", "forged, forged"] {
            let request = format!(
                "GET /app HTTP/1.1\r\n{READER}{name}: {value}\r\n{name}: {value}\r\n\
                 X-Mine: kept\r\n\r\n"
            );
            let seen = forwarded(&mut rig, &request);
            assert!(!seen.text().contains("forged"), "{name}: {}", seen.text());
            for (field, value) in [
                ("x-sidegate-account", Some("reader")),
                ("x-sidegate-key-id", Some("k_reader")),
                ("x-sidegate-workspace", Some("main")),
                ("x-sidegate-environment", Some("production")),
                ("x-sidegate-product", Some("app")),
                ("x-sidegate-level", Some("view")),
                ("x-sidegate-permission", None),
                ("x-sidegate-area", None),
                ("x-forwarded-for", Some("127.0.0.1")),
                ("x-forwarded-host", Some("localhost")),
                ("x-forwarded-proto", Some("http")),
                ("x-mine", Some("kept")),
            ] {
                assert_eq!(seen.field(field), value, "{name}: {field}");
            }
        }
    }
}

#[test]
fn no_upstream_sees_a_credential() {
    let mut rig = Rig::new("");
    for fields in [
        "X-API-Key: key-reader\r\n",
        "x-api-key:key-reader\r\n",
        "Authorization: Bearer key-reader\r\n",
        "AUTHORIZATION: bEaReR  key-reader\r\n",
        "Authorization: Bearer key-reader\r\nX-API-Key: key-reader\r\n",
        "X-API-Key: key-reader\r\nX_API_Key: key-reader\r\n",
        "X-API-Key: key-reader\r\nConnection: close, X-Other\r\nX-Other: key-reader\r\n",
        "X-API-Key: key-reader\r\nAuthorization: Basic key-reader\r\n",
        "X-API-Key: key-reader\r\nProxy-Authorization: Bearer key-reader\r\n",
        "X-API-Key: key-reader\r\nSec-WebSocket-Protocol: bearer, key-reader\r\n",
        "X-API-Key: key-reader\r\nSec_WebSocket_Protocol: bearer, key-reader\r\n",
        "X-API-Key: key-reader\r\nSec-WebSocket-Protocol: chat, Bearer\r\n\
         Sec-WebSocket-Protocol: key-reader, v2\r\n",
    ] {
        let seen =
            forwarded(&mut rig, &format!("GET /app HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"));
        assert!(!seen.text().contains("key-reader"), "{fields:?}: {}", seen.text());
    }
}

#[test]
fn a_preflight_goes_on_without_a_key_and_without_identity() {
    let mut rig = Rig::new("");
    let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n";
    let seen = forwarded(&mut rig, &format!("OPTIONS /pages HTTP/1.1\r\n{NOBODY}{preflight}\r\n"));
    assert!(!seen.text().to_lowercase().contains("x-sidegate-"), "{}", seen.text());
    assert_eq!(seen.field("origin"), Some("https://a.example"));
    assert_eq!(seen.field("access-control-request-method"), Some("POST"));
    for (status, method, target, who, fields) in [
        (401, "OPTIONS", "/app", NOBODY, preflight),
        (401, "OPTIONS", "/pages", NOBODY, "Origin: https://a.example\r\n"),
        (401, "GET", "/pages", NOBODY, preflight),
        (405, "OPTIONS", "/pages", WRITER, preflight),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\n{who}{fields}\r\n");
        assert_eq!(rig.sent(&request).answer().status(), status, "{request}");
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn a_connection_field_cannot_take_ours_away() {
    let mut rig = Rig::new("");
    for name in [
        "X-Sidegate-Account",
        "x_sidegate_level",
        "Host",
        "Content-Length",
        "Authorization",
        "X-API-Key",
        "X-Forwarded-For",
        "X_Forwarded_Proto",
        "Forwarded",
        "X-Real-IP",
        "X-Request-Id",
        "Origin",
        "Access-Control-Request-Method",
        "Sec-WebSocket-Protocol",
        "\u{e9}",
    ] {
        for line in [format!("close, {name}"), name.to_owned(), format!("close,\t{name} ,x")] {
            let mut client =
                rig.sent(format!("GET /app HTTP/1.1\r\n{WRITER}Connection: {line}\r\n\r\n"));
            assert_eq!(client.answer().status(), 400, "{line}");
        }
    }
    assert_eq!(rig.upstream.waiting(), 0);

    let seen = forwarded(
        &mut rig,
        &format!(
            "GET /app HTTP/1.1\r\n{WRITER}Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\n\
             Keep-Alive: 5\r\n\
             TE: trailers\r\nProxy-Connection: close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n\r\n"
        ),
    );
    for name in
        ["connection", "x-hop", "keep-alive", "te", "proxy-connection", "upgrade", "http2-settings"]
    {
        assert_eq!(seen.field(name), None, "{}", seen.text());
    }
}

#[test]
fn trailers_of_a_body_go_on() {
    let mut rig = Rig::new("");
    let seen = forwarded(
        &mut rig,
        &format!(
            "POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n\
             5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"
        ),
    );
    assert_eq!(seen.body, b"hello");
}

#[test]
fn a_trailer_says_nothing_in_our_name() {
    let mut rig = Rig::new("");
    for name in [
        "X-Sidegate-Account",
        "X_Sidegate_Level",
        "X-Forwarded-For",
        "X-API-Key",
        "X-Request-Id",
        "X-HTTP-Method-Override",
        "Connection",
        "X-Original-URL",
    ] {
        let seen = forwarded(
            &mut rig,
            &format!(
                "POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\
                 Trailer: {name}\r\n\r\n\
                 5\r\nhello\r\n0\r\n{name}: forged\r\n\r\n"
            ),
        );
        assert!(!seen.text().contains("forged"), "{name}: {}", seen.text());
    }
}

#[test]
fn nothing_denied_leaves_anything_at_the_upstream() {
    let mut rig = Rig::new("");
    let many = [
        format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"),
        format!("POST /app HTTP/1.1\r\n{READER}Content-Length: 5\r\n\r\nhello"),
        format!(
            "POST /app HTTP/1.1\r\n{READER}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n\
             0\r\n\r\n"
        ),
        format!("GET /app HTTP/1.1\r\n{WRITER}X-API-Key: key-reader\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\n{WRITER}Authorization: Bearer key-reader\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\n{WRITER}Host: other\r\n\r\n"),
        format!("GET /app HTTP/1.1\r\n{WRITER}Upgrade: websocket\r\nConnection: upgrade\r\n\r\n"),
        format!("TRACE /app HTTP/1.1\r\n{WRITER}\r\n"),
        format!("POST /late HTTP/1.1\r\n{WRITER}Content-Length: 0\r\n\r\n"),
        "GET /app HTTP/1.1\r\nHost: h\r\nX-API-Key: key-banned\r\n\r\n".to_owned(),
        "GET /app HTTP/1.1\r\nHost: h\r\nX-API-Key: key-outsider\r\n\r\n".to_owned(),
        format!("get /app HTTP/1.1\r\n{READER}\r\n"),
        format!("DELETE /app HTTP/1.1\r\n{READER}X-HTTP-Method-Override: GET\r\n\r\n"),
        format!(
            "POST /app HTTP/1.1\r\n{READER}X-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n"
        ),
    ];
    for request in &many {
        let answer = rig.sent(request).answer();
        assert!((400..500).contains(&answer.status()), "{request:?}: {answer:?}");
        assert_eq!(rig.upstream.waiting(), 0, "{request:?}");
    }
    until_told(&rig, many.len());
    let events = rig.events();
    assert!(events.iter().all(|event| event["decision"] == "deny"), "{events:#?}");
    assert!(events.iter().all(|event| event["upstream_status"].is_null()), "{events:#?}");
}

fn until_told(rig: &Rig, events: usize) {
    crate::harness::until("the events", || rig.events().len() >= events);
}

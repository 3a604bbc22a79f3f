//! Clients that stop, go, are old or write in strange forms: no byte is taken for what it is not.

use crate::harness::{free_port, until};
use crate::rig::{GET, NOBODY, OK, READER, Rig, WRITER};
use crate::upstream::fails_with;
use crate::wire::Broken;

#[test]
fn half_a_request_reaches_no_upstream() {
    let mut rig = Rig::new("");
    for part in
        ["GET /app HTTP/1.1\r\nHost: localh", "GET /app HTTP/1.1\r\nX-API-Key: key-writer\r\n"]
    {
        for half in [true, false] {
            let mut client = rig.sent(part);
            if half {
                client.half_close();
                let (said, _reset) = client.rest();
                assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400"), "{said:?}");
            } else {
                drop(client);
            }
        }
    }
    until("the ends", || rig.gate.metric("sidegate_connections_active", "") == 0.0);
    assert_eq!(rig.upstream.waiting(), 0);
}

/// A body that stops is never a whole one at the upstream.
#[test]
fn a_body_that_stops_is_seen_to_be_broken_by_the_upstream() {
    let mut rig = Rig::new("timeouts.body = \"300ms\"\n");
    for (framing, part, status) in [
        ("Content-Length: 10", "hello", 408),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n", 408),
        ("Transfer-Encoding: chunked", "5\r\nhel", 408),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", 408),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\nzz\r\n", 400),
        ("Transfer-Encoding: chunked", "5\r\nhelloworld\r\n", 400),
        ("Transfer-Encoding: chunked", "fffffffffffffffff\r\n", 400),
    ] {
        for gone in [false, true] {
            let what = format!("{framing}, {part:?}, gone: {gone}");
            let mut client =
                rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}{framing}\r\n\r\n{part}"));
            let mut peer = rig.upstream.next();
            if gone {
                drop(client);
            } else {
                let answer = client.answer();
                assert_eq!(answer.status(), status, "{what}: {answer:?}");
                client.closed();
            }
            let seen = peer.message(false);
            assert!(matches!(seen, Err(Broken::Body(_) | Broken::Nothing)), "{what}: {seen:?}");
        }
    }
}

/// Reads are requests too: what came with them goes on, or they are refused.
#[test]
fn the_chunked_body_of_a_read_is_not_dropped() {
    let mut rig = Rig::new("");
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        let mut client = rig.sent(format!(
            "{method} /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n5\r\n\
             hello\r\n0\r\n\r\n"
        ));
        let mut peer = rig.upstream.next();
        let seen = peer.message(false).unwrap();
        assert_eq!(seen.body, b"hello", "{method}: {seen:?}");
        peer.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_eq!(client.message(method == "HEAD").unwrap().status(), 204);
    }
    let mut client = rig.sent(format!(
        "GET /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n"
    ));
    let mut peer = rig.upstream.next();
    assert_eq!(client.answer().status(), 400);
    assert!(peer.message(false).is_err());
}

/// Half-closed clients wait for their answer: it comes, or the connection is closed at once.
#[test]
fn a_half_closed_client_does_not_hang() {
    let mut rig = Rig::new("");
    // Once its request is on its way: an end that comes with the head leaves no request to tell of.
    let (mut client, peer) = rig.asked();
    client.half_close();
    let (said, _reset) = client.rest();
    assert!(said.is_empty(), "{said:?}");
    until("the event", || !rig.events().is_empty());
    assert_eq!(rig.events()[0]["status"], 499);
    drop(peer);
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    let mut rig = Rig::new("");
    let denied = format!("POST /app HTTP/1.1\r\n{READER}Content-Length: 5\r\n\r\nhello");
    let mut client = rig.sent([GET, &denied, GET].concat());
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
    assert_eq!(client.answer().body, b"first");
    assert_eq!(client.answer().status(), 403);
    let third = peer.message(false).unwrap();
    assert!(third.first.starts_with("GET /app "), "{third:?}");
    assert!(!third.text().contains("hello"));
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nthird");
    assert_eq!(client.answer().body, b"third");
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn a_connection_goes_on_after_a_denial() {
    let mut rig = Rig::new("");
    let mut client = rig.client();
    for (head, status) in [
        ("GET /app HTTP/1.1\r\nHost: h\r\n", 401),
        ("GET /app HTTP/1.1\r\nHost: h\r\nX-API-Key: nobody\r\n", 401),
        ("GET /nowhere HTTP/1.1\r\nHost: h\r\nX-API-Key: key-writer\r\n", 404),
        ("POST /app HTTP/1.1\r\nHost: h\r\nX-API-Key: key-reader\r\nContent-Length: 0\r\n", 403),
        ("TRACE /app HTTP/1.1\r\nHost: h\r\nX-API-Key: key-writer\r\n", 405),
        ("GET /a/../b HTTP/1.1\r\nHost: h\r\nX-API-Key: key-writer\r\n", 400),
    ] {
        client.send(format!("{head}\r\n"));
        assert_eq!(client.answer().status(), status, "{head}");
    }
    client.send(GET);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    assert_eq!(rig.upstream.waiting(), 0);
}

/// Whatever follows a denied request's head: its body is never taken for a request.
#[test]
fn the_body_of_a_denied_request_is_never_a_request() {
    let mut rig = Rig::new("");
    let inner = GET.repeat(20_000);
    for who in [NOBODY, READER] {
        for (what, rest) in [
            ("whole", format!("Content-Length: {}\r\n\r\n{inner}", inner.len())),
            ("in part", format!("Content-Length: {}\r\n\r\n{GET}", 1 << 29)),
            (
                "chunked",
                format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{inner}\r\n", inner.len()),
            ),
        ] {
            let mut client = rig.client();
            // It may be closed before all is written.
            let _ = client.try_send(format!("POST /app HTTP/1.1\r\n{who}{rest}"));
            let answer = client.answer();
            assert!([401, 403].contains(&answer.status()), "{what}: {answer:?}");
            client.closed();
        }
    }
    assert_eq!(rig.upstream.waiting(), 0);
    assert!(rig.events().iter().all(|event| event["decision"] == "deny"));
}

#[test]
fn a_denial_that_ends_the_connection_says_so() {
    let rig = Rig::new("");
    let mut client =
        rig.sent(format!("POST /app HTTP/1.1\r\n{NOBODY}Content-Length: 1000000\r\n\r\nhello"));
    let answer = client.answer();
    client.closed();
    assert_eq!(answer.field("connection"), Some("close"), "{answer:?}");
}

#[test]
fn expect_continue_is_for_those_who_may() {
    let mut rig = Rig::new("");
    let head = |who| {
        format!("POST /app HTTP/1.1\r\n{who}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
    };
    let mut client = rig.sent(head(WRITER));
    let mut peer = rig.upstream.next();
    assert_eq!(client.answer().status(), 100);
    client.send("hello");
    assert_eq!(peer.message(false).unwrap().body, b"hello");
    peer.send(format!("HTTP/1.1 100 Continue\r\n\r\n{OK}"));
    assert_eq!(client.answer().status(), 200);

    let mut client = rig.sent(head(READER));
    let answer = client.answer();
    assert_eq!((answer.status(), answer.field("connection")), (403, Some("close")));
    client.closed(); // The body was not asked for: what comes next cannot be told from it.
    assert_eq!(rig.upstream.waiting(), 0);
}

/// A body that nobody will read is not asked for.
#[test]
fn expect_continue_waits_for_an_upstream() {
    let rig = Rig::new(&format!("upstream.other.urls = [\"http://127.0.0.1:{}\"]\n", free_port()));
    rig.reroute("app", "other");
    let mut client = rig.sent(format!(
        "POST /app HTTP/1.1\r\n{WRITER}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    ));
    fails_with(&client.answer(), 502, "destination_unavailable");
}

#[test]
fn old_clients_are_closed_unless_they_ask() {
    let mut rig = Rig::new("");
    let mut client = rig.sent(format!("GET /app HTTP/1.0\r\n{WRITER}\r\n"));
    let mut peer = rig.upstream.next();
    assert!(peer.message(false).unwrap().first.ends_with("HTTP/1.1"));
    peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(answer.field("transfer-encoding"), None);
    client.closed();

    let mut client =
        rig.sent(format!("GET /app HTTP/1.0\r\n{WRITER}Connection: keep-alive\r\n\r\n"));
    peer.message(false).unwrap();
    peer.send(OK);
    let answer = client.answer();
    assert_eq!(answer.body, b"ok");
    assert!(answer.field("connection").is_some_and(|it| it.eq_ignore_ascii_case("keep-alive")));
    client.send(format!("GET /app HTTP/1.0\r\n{NOBODY}\r\n"));
    assert_eq!(client.answer().status(), 401);
    client.closed();
}

#[test]
fn forms_of_target() {
    let mut rig = Rig::new("");
    // Target and host; what the upstream is asked for, or the status.
    for (target, host, seen) in [
        ("http://api.example/app/x?y=1", "api.example", Ok("/app/x?y=1")),
        ("HTTP://API.example/app", "api.EXAMPLE", Ok("/app")),
        ("http://api.example:80/app", "api.example:80", Ok("/app")),
        ("/app/%7ex/caf%c3%a9?a=%2f", "h", Ok("/app/~x/caf%C3%A9?a=%2f")),
        ("http://other.example/app", "api.example", Err(400)),
        ("http://api.example:81/app", "api.example", Err(400)),
        ("http://u:p@api.example/app", "api.example", Err(400)),
        ("/app/%2e%2e/late", "h", Err(400)),
        ("/app//x", "h", Err(400)),
        ("*", "h", Err(400)),
        ("app", "h", Err(400)),
        ("api.example:80", "api.example:80", Err(400)),
        ("/app\\x", "h", Err(400)),
    ] {
        let mut client = rig.sent(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nX-API-Key: key-writer\r\n\r\n"
        ));
        match seen {
            Ok(path) => {
                let mut peer = rig.upstream.next();
                let request = peer.message(false).unwrap();
                assert_eq!(request.first, format!("GET {path} HTTP/1.1"), "{target}");
                assert_eq!(request.field("host"), Some(host), "{target}");
                peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
                assert_eq!(client.answer().status(), 200);
            }
            Err(status) => assert_eq!(client.answer().status(), status, "{target}"),
        }
    }
    let mut client = rig.sent(format!("OPTIONS * HTTP/1.1\r\n{WRITER}\r\n"));
    assert_eq!(client.answer().status(), 404);
    let mut client = rig.sent("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n");
    assert_eq!(client.answer().status(), 405);
    assert_eq!(rig.upstream.waiting(), 0);
}

/// Some readers drop `#` and what follows.
#[test]
fn a_fragment_in_a_target_is_refused() {
    let mut rig = Rig::new("");
    for target in ["/app#x", "/app?x#y", "/app/#/../late"] {
        let mut client = rig.sent(format!("GET {target} HTTP/1.1\r\n{WRITER}\r\n"));
        assert_eq!(rig.upstream.waiting(), 0, "{target}");
        assert_eq!(client.answer().status(), 400, "{target}");
    }
}

/// What the contract refuses and some readers put right.
#[test]
fn two_framings_are_refused() {
    let mut rig = Rig::new("");
    for framing in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
    ] {
        let mut client =
            rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}{framing}\r\n\r\n0\r\n\r\n"));
        until("an answer or a request", || rig.upstream.waiting() > 0 || !rig.events().is_empty());
        assert_eq!(rig.upstream.waiting(), 0, "{framing:?}");
        assert_eq!(client.answer().status(), 400, "{framing:?}");
        client.closed();
    }
}

/// Where a message ends is in doubt: nothing after it is read (RFC 9112 §6.3).
#[test]
fn a_connection_ends_where_framing_is_in_doubt() {
    let mut rig = Rig::new("");
    for coding in ["gzip\r\nTransfer-Encoding: chunked", "chunked\r\nTransfer-Encoding: chunked"] {
        let mut client = rig.sent(format!(
            "POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n{GET}"
        ));
        assert_eq!(client.answer().status(), 400, "{coding:?}");
        client.closed();
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

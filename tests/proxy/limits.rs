//! Bounds in time and size: what is past them is told or cut, and never hangs.

use std::time::Duration;

use crate::harness::until;
use crate::rig::{GET, NOBODY, OK, Rig, WRITER};

#[test]
fn a_slow_head_is_408_and_cut() {
    let rig = Rig::new("timeouts.header = \"300ms\"\n");
    for part in ["G", "GET /app HTTP/1.1\r\n", "GET /app HTTP/1.1\r\nHost: localhost\r\nX-A: "] {
        let mut client = rig.sent(part);
        let answer = client.answer();
        assert_eq!(answer.status(), 408, "{part:?}");
        assert_eq!(answer.field("connection"), Some("close"));
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        client.closed();
    }
    // On a connection that has served, too.
    let mut client = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(client.answer().status(), 401);
    client.send("GET /app HT");
    assert_eq!(client.answer().status(), 408);
    client.closed();
}

/// Trickling does not move the deadline: it counts from the first byte.
#[test]
fn a_trickled_head_is_cut_all_the_same() {
    let rig = Rig::new("timeouts.header = \"300ms\"\n");
    let mut client = rig.sent("GET /app HTTP/1.1\r\nX-A: ");
    let mut sent = 0;
    until("the cut", || {
        sent += 1;
        client.try_send("x").is_err() || sent > 1 << 20
    });
}

#[test]
fn a_slow_head_behind_a_request_is_408() {
    let rig = Rig::new("timeouts.header = \"300ms\"\n");
    let mut client = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\nGET /app HT"));
    assert_eq!(client.answer().status(), 401);
    assert_eq!(client.answer().status(), 408);
    client.closed();
}

/// Whatever worker they come to, and only those that are permitted count.
#[test]
fn a_key_that_asks_too_often_is_429() {
    let mut rig = Rig::new("workers = 2\nlimits = { key_rate = 1, key_burst = 3 }\n");
    let refused = "POST /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\n";
    let read = "GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\n\r\n";
    for _ in 0..4 {
        assert_eq!(rig.sent(format!("{refused}Content-Length: 0\r\n\r\n")).answer().status(), 403);
    }
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let mut client = rig.sent(read);
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        statuses.push(client.answer().status());
    }
    assert_eq!(statuses, [200; 3]);
    let mut client = rig.sent(read);
    let answer = client.answer();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(answer.field("proxy-status"), Some("sidegate; error=http_request_denied"));
    assert_eq!(rig.upstream.waiting(), 0);
    assert_eq!(rig.gate.metric("sidegate_denials_total", "reason=\"rate_limited\""), 1.0);
    // Another key has a bucket of its own.
    client.send(GET);
    rig.upstream.next().message(false).unwrap();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let rig = Rig::new("timeouts.idle = \"300ms\"\n");
    rig.client().closed();
    let mut client = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(client.answer().status(), 401);
    client.closed();
}

/// A client that never reads is cut, and what it did not read is not kept.
#[test]
fn a_client_that_does_not_read_is_cut() {
    let mut rig = Rig::new("timeouts.body = \"500ms\"\n");
    let (mut client, mut peer) = rig.asked();
    let before = rig.gate.running.peak_memory();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    let sent = peer.flood(1_000_000_000, Duration::from_secs(5));
    assert!(sent < 1_000_000_000, "all of it was taken");
    let grown = rig.gate.running.peak_memory().saturating_sub(before);
    assert!(grown < 16 << 20, "{} MiB", grown >> 20);
    assert!(client.message(false).is_err());
    until("the end", || rig.gate.metric("sidegate_connections_active", "") == 0.0);
}

#[test]
fn bodies_are_bounded() {
    let mut rig = Rig::new("limits.body_bytes = 10\n");
    let mut client = rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 11\r\n\r\n"));
    assert_eq!(client.answer().status(), 413);
    client.closed();
    assert_eq!(rig.upstream.waiting(), 0);

    let mut client = rig.sent(format!(
        "POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n\
         world!\r\n0\r\n\r\n"
    ));
    let mut peer = rig.upstream.next();
    assert_eq!(client.answer().status(), 413);
    assert!(peer.message(false).is_err());

    let mut client = rig.sent(format!(
        "POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\n\
         world\r\n0\r\n\r\n"
    ));
    let mut peer = rig.upstream.next();
    assert_eq!(peer.message(false).unwrap().body, b"helloworld");
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn an_answer_that_is_the_last_for_what_is_left_of_its_request_says_so() {
    let chunked = format!("POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n");
    let of = |length| format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: {length}\r\n\r\n");
    let rig = Rig::new("limits.body_bytes = 10000\ntimeouts.body = \"500ms\"\n");
    for (text, status) in [
        (format!("{chunked}4\r\nbo"), 408),
        (format!("{}body", of(10)), 408),
        (format!("{chunked}4\r\nbodyx\r\n"), 400),
        (format!("{chunked}x\r\n"), 400),
        (format!("{chunked}2711\r\n{}", "x".repeat(0x2711)), 413),
        (of(10_001), 413),
        (of(5000).replace(WRITER, NOBODY), 401),
    ] {
        let mut client = rig.sent(text.clone());
        let answer = client.answer();
        assert_eq!(
            (answer.status(), answer.field("connection")),
            (status, Some("close")),
            "{text}"
        );
        client.closed();
    }
    // So little is read to its end, and another request may follow.
    let mut client = rig.sent(format!("{}body", of(4).replace(WRITER, NOBODY)));
    for _ in 0..2 {
        let answer = client.answer();
        assert_eq!((answer.status(), answer.field("connection")), (401, None));
        client.send(of(0).replace(WRITER, NOBODY));
    }
}

#[test]
fn one_connection_too_many_is_503() {
    let rig = Rig::new("limits.connections = 2\n");
    let mut held: Vec<_> =
        (0..2).map(|_| rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"))).collect();
    held.iter_mut().for_each(|client| assert_eq!(client.answer().status(), 401));
    let mut client = rig.client();
    let answer = client.answer();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.field("connection"), Some("close"));
    client.closed();
    // Those that are there go on, and a place that is free is given again.
    held[0].send(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(held[0].answer().status(), 401);
    held.pop();
    until("a place", || rig.gate.metric("sidegate_connections_active", "") == 1.0);
    let mut client = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(client.answer().status(), 401);
}

#[test]
fn one_connection_too_many_is_told_when_to_come_again() {
    let rig = Rig::new("limits.connections = 1\n");
    let mut held = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(held.answer().status(), 401);
    let answer = rig.client().answer();
    assert_eq!(answer.field("proxy-status"), Some("sidegate; error=connection_limit_reached"));
    assert!(answer.field("retry-after").is_some(), "{answer:?}");
}

#[test]
fn one_request_too_many_is_503() {
    let mut rig = Rig::new("limits.requests = 1\n");
    let (mut client, mut peer) = rig.asked();
    let mut second = rig.sent(GET);
    let answer = second.answer();
    assert_eq!(answer.status(), 503);
    assert!(answer.field("retry-after").is_some_and(|it| it.parse::<u32>().is_ok()));
    assert_eq!(answer.field("proxy-status"), Some("sidegate; error=connection_limit_reached"));
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    second.send(GET);
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(second.answer().status(), 200);
}

//! What a route bounds for itself, and that each limit is counted.

use crate::harness::until;
use crate::rig::{GET, NOBODY, OK, READER, Rig, WRITER};
use crate::websocket::{AGREED, handshake};
use crate::wire::Message;

const PAGES: &str = "GET /pages HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-writer\r\n\r\n";

fn exceeded(rig: &Rig, limit: &str, route: &str) -> f64 {
    let page = rig.gate.page("/metrics");
    let start = format!("sidegate_limits_exceeded_total{{limit=\"{limit}\",route=\"{route}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0.0, |count| count.parse().unwrap())
}

fn in_flight(rig: &Rig, route: &str) -> f64 {
    rig.gate.metric("sidegate_route_requests_in_flight", &format!("route=\"{route}\""))
}

fn is_full(answer: &Message) {
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.field("retry-after"), Some("1"));
    assert_eq!(answer.field("proxy-status"), Some("sidegate; error=connection_limit_reached"));
}

/// Whichever worker they come to.
#[test]
fn one_request_too_many_on_a_route_is_503_at_once() {
    let mut rig = Rig::new("workers = 2\n");
    rig.amend("app", "limits = { requests = 2 }");
    let mut held: Vec<_> = (0..2).map(|_| rig.asked()).collect();
    assert_eq!(in_flight(&rig, "app"), 2.0);
    for count in 1..=8 {
        is_full(&rig.sent(GET).answer());
        assert_eq!(exceeded(&rig, "route_requests", "app"), f64::from(count));
    }
    assert_eq!(rig.upstream.waiting(), 0);
    // Others are not held back by it, nor are refusals counted in.
    let mut other = rig.sent(PAGES);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(other.answer().status(), 200);
    drop(peer);
    let refused = format!("POST /app HTTP/1.1\r\n{READER}Content-Length: 0\r\n\r\n");
    assert_eq!(rig.sent(refused).answer().status(), 403);
    let (mut client, mut peer) = held.remove(0);
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    until("a place", || in_flight(&rig, "app") == 1.0);
    drop(peer);
    held.push(rig.asked());
    // One whose client goes away gives its place back, too.
    drop(held.remove(0).0);
    until("another place", || in_flight(&rig, "app") == 1.0);
}

/// What is in flight by a policy counts in those that follow.
#[test]
fn a_reload_forgets_nobody() {
    let mut rig = Rig::new("");
    rig.amend("app", "limits = { requests = 1 }");
    let (mut client, mut peer) = rig.asked();
    rig.amend("pages", "strip_prefix = true");
    is_full(&rig.sent(GET).answer());
    assert_eq!(in_flight(&rig, "app"), 1.0);
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    until("its end", || in_flight(&rig, "app") == 0.0);
    drop(peer);
    drop(rig.asked());
}

/// A WebSocket has its place as long as it is open; the time is for its handshake alone.
#[test]
fn a_websocket_is_a_request() {
    let mut rig = Rig::new("");
    rig.amend("socket", "limits = { requests = 1, timeout = \"1s\" }");
    let mut client = rig.sent(handshake("/socket", READER));
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(AGREED);
    assert_eq!(client.answer().status(), 101);
    is_full(&rig.sent(handshake("/socket", WRITER)).answer());
    client.send("some");
    assert_eq!(peer.bytes(4), b"some");
    drop((client, peer));
    until("a place", || in_flight(&rig, "socket") == 0.0);
    let mut silent = rig.sent(handshake("/socket", READER));
    assert_eq!(silent.answer().status(), 504);
}

#[test]
fn bodies_are_bounded_by_their_route() {
    let mut rig = Rig::new("limits.body_bytes = 20\n");
    rig.amend("app", "limits = { body_bytes = 10 }");
    let post = |path: &str, rest: &str| format!("POST {path} HTTP/1.1\r\n{WRITER}{rest}");
    let mut client = rig.sent(post("/app", "Content-Length: 11\r\n\r\nhello world"));
    assert_eq!(client.answer().status(), 413);
    assert_eq!(rig.upstream.waiting(), 0);
    let chunked = "Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n";
    let mut client = rig.sent(post("/app", chunked));
    let mut peer = rig.upstream.next();
    assert_eq!(client.answer().status(), 413);
    assert!(peer.message(false).is_err());
    assert_eq!(exceeded(&rig, "route_body_bytes", "app"), 2.0);
    let mut client = rig.sent(post("/pages", chunked));
    let mut peer = rig.upstream.next();
    assert_eq!(peer.message(false).unwrap().body, b"hello world");
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    // One of its own that is larger than that of the process is no more than that.
    rig.amend("pages", "limits = { body_bytes = 30 }");
    let mut client = rig.sent(post("/pages", "Content-Length: 21\r\n\r\n"));
    assert_eq!(client.answer().status(), 413);
    assert_eq!(exceeded(&rig, "body_bytes", "none"), 1.0);
}

#[test]
fn an_answer_that_is_not_there_in_time_is_504() {
    let mut rig = Rig::new("");
    rig.amend("app", "limits = { timeout = \"300ms\" }");
    let (mut client, mut peer) = rig.asked();
    let answer = client.answer();
    assert_eq!(answer.status(), 504);
    assert_eq!(answer.field("proxy-status"), Some("sidegate; error=http_response_timeout"));
    peer.closed();
    assert_eq!(exceeded(&rig, "route_timeout", "app"), 1.0);
    // It is no fault of its upstream.
    let errors = rig.gate.metric("sidegate_upstream_errors_total", "kind=\"timeout\"");
    assert_eq!(errors, 0.0);
    // One that is there in time goes through, and its connection on.
    client.send(GET);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().body, b"ok");
    client.send(PAGES);
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(client.answer().body, b"ok");
}

/// However fast it comes, and though it never pauses.
#[test]
fn an_answer_that_is_not_whole_in_time_breaks_off() {
    let mut rig = Rig::new("");
    rig.amend("app", "limits = { timeout = \"300ms\" }");
    let heads = ["Content-Length: 1000000000", "Transfer-Encoding: chunked", "Connection: close"];
    for (count, head) in heads.into_iter().enumerate() {
        let (mut client, mut peer) = rig.asked();
        peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"));
        let part = if head.starts_with('T') { "1\r\nx\r\n" } else { "x" };
        until("the cut", || peer.try_send(part).is_err());
        assert!(client.message(false).is_err(), "{head}");
        assert_eq!(exceeded(&rig, "route_timeout", "app"), count as f64 + 1.0);
    }
}

/// A client that does not read keeps neither its place nor its upstream for longer.
#[test]
fn an_answer_that_is_not_read_in_time_breaks_off() {
    let mut rig = Rig::new("");
    rig.amend("app", "limits = { requests = 1, timeout = \"500ms\" }");
    let (mut client, mut peer) = rig.asked();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    let part = vec![b'x'; 1 << 20];
    until("the cut", || peer.try_send(&part).is_err());
    until("its end", || in_flight(&rig, "app") == 0.0);
    assert_eq!(exceeded(&rig, "route_timeout", "app"), 1.0);
    assert!(client.message(false).is_err());
}

#[test]
fn every_limit_is_counted() {
    let mut rig = Rig::new(
        "limits = { requests = 1, headers = 10, header_bytes = \"8KiB\", target_bytes = 100, \
         body_bytes = 10 }\ntimeouts.header = \"200ms\"\ntimeouts.body = \"200ms\"\n",
    );
    let line = |path: &str, rest: &str| format!("GET {path} HTTP/1.1\r\n{NOBODY}{rest}\r\n");
    let fields: String = (0..9).map(|number| format!("x-{number}: 1\r\n")).collect();
    let posted = |rest: &str| format!("POST /app HTTP/1.1\r\n{WRITER}{rest}\r\n\r\n");
    let long = format!("X: {}\r\n", "x".repeat(9000));
    let cases = [
        (408, "header_timeout", "none", "GET / HTTP/1.1\r\n".to_owned()),
        (431, "header_bytes", "none", line("/app", &long)),
        (414, "target_bytes", "none", line(&format!("/{}", "x".repeat(100)), "")),
        (413, "body_bytes", "none", posted("Content-Length: 11")),
        (408, "body_timeout", "app", posted("Content-Length: 10")),
    ];
    for (status, limit, route, bytes) in cases {
        let answer = rig.sent(bytes).answer();
        assert_eq!(answer.status(), status, "{limit}");
        until(limit, || exceeded(&rig, limit, route) == 1.0);
    }
    assert_eq!(rig.sent(line("/app", &format!("{fields}x: 1\r\n"))).answer().status(), 431);
    until("the count", || exceeded(&rig, "headers", "none") == 1.0);
    while rig.upstream.waiting() > 0 {
        drop(rig.upstream.next());
    }
    let (_client, _peer) = rig.asked();
    is_full(&rig.sent(GET).answer());
    assert_eq!(exceeded(&rig, "requests", "none"), 1.0);
}

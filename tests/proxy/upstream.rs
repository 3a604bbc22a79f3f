//! Upstreams that fail, lie or stop: each ends in time, with the right status or a visible abort.

use std::time::Duration;

use crate::harness::{free_port, until};
use crate::rig::{GET, Rig, WRITER};
use crate::wire::{Message, Wire};

/// How a script ends after its bytes.
#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Reset,
    Hold,
}

use End::{Close, Hold, Reset};

fn finish(peer: Wire, end: End) -> Option<Wire> {
    match end {
        Close => None,
        Reset => {
            peer.reset();
            None
        }
        Hold => Some(peer),
    }
}

pub(crate) fn fails_with(answer: &Message, status: u16, error: &str) {
    let expected = format!("sidegate; error={error}");
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.field("proxy-status"), Some(expected.as_str()), "{answer:?}");
    assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(answer.json()["status"], status, "{answer:?}");
}

#[test]
fn what_is_not_an_answer_is_502_or_504() {
    let mut rig = Rig::new("timeouts.upstream = \"300ms\"\n");
    let large = format!("HTTP/1.1 200 OK\r\nX-Large: {}\r\n\r\n", "x".repeat(140 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(200));
    let protocol = (502, "http_protocol_error");
    let terminated = (502, "connection_terminated");
    let timeout = (504, "http_response_timeout");
    type Case<'a> = (&'a str, &'a [u8], End, (u16, &'a str));
    let cases: &[Case<'_>] = &[
        ("closes without a byte", b"", Close, terminated),
        ("resets without a byte", b"", Reset, terminated),
        ("says nothing", b"", Hold, timeout),
        ("closes in the status line", b"HTTP/1.1 2", Close, terminated),
        ("closes in a field", b"HTTP/1.1 200 OK\r\nConte", Close, terminated),
        ("resets in a field", b"HTTP/1.1 200 OK\r\nConte", Reset, terminated),
        ("stops in a field", b"HTTP/1.1 200 OK\r\nConte", Hold, timeout),
        ("closes before the empty line", b"HTTP/1.1 200 OK\r\nA: b\r\n", Close, terminated),
        ("garbage", b"\x00\x01\x02\xff\xfe garbage\r\n\r\n", Hold, protocol),
        ("TLS alert", b"\x15\x03\x01\x00\x02\x02\x28", Close, protocol),
        ("HTTP/0.9", b"<html>hello</html>\r\n\r\n", Close, protocol),
        ("HTTP/2 settings", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", Hold, protocol),
        ("SSH", b"SSH-2.0-OpenSSH_9.2\r\n", Hold, protocol),
        ("HTTP/3.0", b"HTTP/3.0 200 OK\r\nContent-Length: 0\r\n\r\n", Hold, protocol),
        ("status of two digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", Hold, protocol),
        ("status of letters", b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n", Hold, protocol),
        (
            "101 unasked",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            Hold,
            protocol,
        ),
        (
            "only 1xx",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
            Close,
            terminated,
        ),
        ("1xx without end", b"HTTP/1.1 102 Processing\r\n\r\n", Hold, timeout),
        (
            "NUL in a value",
            b"HTTP/1.1 200 OK\r\nA: b\0c\r\nContent-Length: 0\r\n\r\n",
            Hold,
            protocol,
        ),
        (
            "bare CR in a value",
            b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
            Hold,
            protocol,
        ),
        (
            "a name that is none",
            b"HTTP/1.1 200 OK\r\nA(: b\r\nContent-Length: 0\r\n\r\n",
            Hold,
            protocol,
        ),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            Hold,
            protocol,
        ),
        ("negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Hold, protocol),
        (
            "HTTP/1.0 chunked",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Hold,
            protocol,
        ),
        ("large head", large.as_bytes(), Hold, protocol),
        ("many fields", many.as_bytes(), Hold, protocol),
    ];
    for (what, bytes, end, (status, error)) in cases {
        let (mut client, mut peer) = rig.asked();
        // The gate may have heard enough before all is said.
        let _ = peer.try_send(bytes);
        let held = finish(peer, *end);
        let answer = client.message(false).unwrap_or_else(|broken| panic!("{what}: {broken:?}"));
        assert_eq!(answer.status(), *status, "{what}: {answer:?}");
        fails_with(&answer, *status, error);
        if let Some(mut peer) = held {
            peer.rest(); // It is given up, not kept.
        }
        // The client's connection is as good as before.
        client.send(GET);
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().status(), 204, "after {what}");
    }
    let errors = |kind: &str| rig.gate.metric("sidegate_upstream_errors_total", kind);
    assert!(errors("protocol") > 0.0 && errors("reset") > 0.0 && errors("timeout") > 0.0);
}

#[test]
fn a_body_that_stops_is_seen_to_be_broken() {
    let mut rig = Rig::new("timeouts.body = \"300ms\"\n");
    let length: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n";
    let chunked: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let until_close: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
    let cases: &[(&str, &[u8], &[u8])] = &[
        ("no byte of a length", length, b""),
        ("half of a length", length, b"hello"),
        ("no chunk", chunked, b""),
        ("in a chunk's size", chunked, b"5\r\nhello\r\n5"),
        ("in a chunk", chunked, b"5\r\nhello\r\n5\r\nwo"),
        ("after a chunk", chunked, b"5\r\nhello\r\n"),
        ("in the last chunk", chunked, b"5\r\nhello\r\n0\r\n"),
        ("in a trailer", chunked, b"5\r\nhello\r\n0\r\nA: "),
        ("not a chunk's size", chunked, b"5\r\nhello\r\nzz\r\n"),
        ("a chunk that is too long", chunked, b"5\r\nhelloworld\r\n"),
    ];
    for (what, head, body) in cases {
        for end in [Close, Reset, Hold] {
            let (mut client, mut peer) = rig.asked();
            peer.send([*head, *body].concat());
            let held = finish(peer, end);
            let seen = client.message(false);
            assert!(seen.is_err(), "{what}, {end:?}: looks whole: {seen:?}");
            if let Some(mut peer) = held {
                peer.rest();
            }
        }
    }
    // Only a reset or silence tells that this one is not whole.
    for end in [Reset, Hold] {
        let (mut client, mut peer) = rig.asked();
        peer.send([until_close, b"hello"].concat());
        let held = finish(peer, end);
        let seen = client.message(false);
        assert!(seen.is_err(), "until close, {end:?}: looks whole: {seen:?}");
        drop(held);
    }
}

#[test]
fn a_body_that_stops_is_seen_to_be_broken_by_old_clients_too() {
    let mut rig = Rig::new("");
    for body in ["5\r\nhello\r\n", "5\r\nhel"] {
        let mut client = rig.sent(format!("GET /app HTTP/1.0\r\n{WRITER}\r\n"));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        drop(peer);
        // Without a length or chunks, a reset is the only sign there is.
        let seen = client.message(false);
        assert!(seen.is_err(), "looks whole: {seen:?}");
    }
}

#[test]
fn an_upstream_that_is_not_there_is_502() {
    let rig = Rig::new(&format!("upstream.gone.urls = [\"http://127.0.0.1:{}\"]\n", free_port()));
    rig.reroute("late", "gone");
    for _again in 0..3 {
        let mut client = rig.sent(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
        fails_with(&client.answer(), 502, "destination_unavailable");
    }
    let refused = rig.gate.metric("sidegate_upstream_errors_total", "kind=\"connect\"");
    assert_eq!(refused, 3.0);
}

/// A backlog of zero that is full takes no more: connecting waits.
#[test]
fn a_connection_that_does_not_come_to_be_is_504() {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut fill = Vec::new();
    while let Ok(stream) =
        std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200))
    {
        fill.push(stream);
        assert!(fill.len() < 64, "the backlog has no end");
    }
    let rig = Rig::new(&format!(
        "timeouts.connect = \"300ms\"\nupstream.full.urls = [\"http://{address}\"]\n"
    ));
    rig.reroute("late", "full");
    let mut client = rig.sent(format!("GET /late HTTP/1.1\r\n{WRITER}\r\n"));
    fails_with(&client.answer(), 504, "connection_timeout");
}

#[test]
fn a_client_that_goes_takes_its_upstream_request_with_it() {
    let mut rig = Rig::new("");
    let (client, mut peer) = rig.asked();
    drop(client);
    peer.closed();
    until("the event", || !rig.events().is_empty());
    assert_eq!(rig.events()[0]["status"], 499);

    let (client, mut peer) = rig.asked();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    client.reset();
    peer.rest();
    let in_flight = || rig.gate.metric("sidegate_requests_in_flight", "");
    until("the end of the request", || in_flight() == 0.0);
}

//! Connections to upstreams that are used again: none is seen to be stale, none is a request behind.

use crate::rig::{GET, OK, Rig, WRITER};
use crate::upstream::fails_with;

#[test]
fn a_pooled_connection_that_was_closed_is_never_seen() {
    let mut rig = Rig::new("");
    let post = format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 5\r\n\r\nhello");
    for reset in [false, true] {
        for request in [GET, post.as_str()] {
            let (mut client, mut peer) = rig.asked();
            peer.send(OK);
            assert_eq!(client.answer().status(), 200);
            peer.close(reset);
            client.send(request);
            let mut peer = rig.upstream.next();
            let seen = peer.message(false).unwrap();
            assert_eq!(seen.first.split(' ').next(), request.split(' ').next());
            peer.send(OK);
            assert_eq!(client.answer().status(), 200, "reset: {reset}, {request:?}");
        }
    }
}

/// It was open when the request was written, and closed without a byte: RFC 9112 §9.3.1 lets
/// requests that are safe to repeat go on a new one.
#[test]
fn a_pooled_connection_that_closes_on_a_read_is_never_seen() {
    let mut rig = Rig::new("");
    for method in ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"] {
        for reset in [false, true] {
            let (mut client, mut peer) = rig.asked();
            peer.send(OK);
            assert_eq!(client.answer().status(), 200);
            client.send(format!("{method} /app?a=%2f HTTP/1.1\r\n{WRITER}X-Mine: 1\r\n\r\n"));
            let first = peer.message(false).unwrap();
            peer.close(reset);
            let mut peer = rig.upstream.next();
            let second = peer.message(false).unwrap();
            assert_eq!(first, second, "{method}");
            assert_eq!(second.field("x-sidegate-account"), Some("writer"));
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
            assert_eq!(client.message(method == "HEAD").unwrap().status(), 200, "{method}");
        }
    }
}

/// Once, and not for ever.
#[test]
fn a_read_is_sent_twice_at_most() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    client.send(GET);
    peer.message(false).unwrap();
    drop(peer);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    drop(peer);
    fails_with(&client.answer(), 502, "connection_terminated");
    assert_eq!(rig.upstream.waiting(), 0);
}

/// Half an answer says that the request was seen.
#[test]
fn a_read_that_was_half_answered_is_sent_once() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    client.send(GET);
    peer.message(false).unwrap();
    peer.send("HTTP/1.1 200");
    drop(peer);
    fails_with(&client.answer(), 502, "connection_terminated");
    assert_eq!(rig.upstream.waiting(), 0);
}

/// But what may have had an effect is sent once.
#[test]
fn a_write_is_never_sent_twice() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    client.send(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 5\r\n\r\nhello"));
    peer.message(false).unwrap();
    drop(peer);
    fails_with(&client.answer(), 502, "connection_terminated");
    assert_eq!(rig.upstream.waiting(), 0);
}

/// An answer belongs to the request before it, or to none.
#[test]
fn what_comes_after_an_answer_is_never_given_to_the_next_request() {
    let mut rig = Rig::new("");
    let forged = "HTTP/1.1 200 OK\r\nX-Forged: 1\r\nContent-Length: 6\r\n\r\nforged";
    let answers: &[(&str, &str)] = &[
        ("GET", OK),
        ("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", "HTTP/1.1 304 Not Modified\r\n\r\n"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
        ("POST", OK),
    ];
    for extra in [forged, "x", "\r\n", "0\r\n\r\n"] {
        for (method, answer) in answers {
            for together in [true, false] {
                let what = format!("{method}, {answer:?}, {extra:?}, {together}");
                let mut client = rig
                    .sent(format!("{method} /app HTTP/1.1\r\n{WRITER}Content-Length: 0\r\n\r\n"));
                let mut peer = rig.upstream.next();
                peer.message(false).unwrap();
                if together {
                    peer.send(format!("{answer}{extra}"));
                    client.message(*method == "HEAD").unwrap();
                } else {
                    peer.send(answer);
                    client.message(*method == "HEAD").unwrap();
                    peer.send(extra);
                }
                client.send(GET);
                // Either the old connection is not used again, or it is known to be in doubt.
                let mut peer = rig.upstream.next();
                peer.message(false).unwrap();
                peer.send(
                    "HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 4\r\n\r\nmine",
                );
                let second = client.answer();
                assert_eq!(
                    (second.status(), second.body.as_slice()),
                    (201, &b"mine"[..]),
                    "{what}"
                );
                assert_eq!(second.field("x-forged"), None, "{what}");
            }
        }
    }
}

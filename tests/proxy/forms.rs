//! Answers of every form, and whose form has two readings.

use crate::rig::{Rig, WRITER};

#[test]
fn whole_answers_of_every_form_go_through() {
    let cases: &[(&str, &str, u16, &str)] = &[
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello"),
        (
            "chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
            200,
            "hello",
        ),
        ("until close", "HTTP/1.1 200 OK\r\n\r\nhello", 200, "hello"),
        (
            "Connection: close",
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
            200,
            "hello",
        ),
        ("empty", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, ""),
        (
            "1xx before",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nLink: </a>\r\n\r\n\
             HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello",
            201,
            "hello",
        ),
        ("no reason", "HTTP/1.1 299 \r\nContent-Length: 5\r\n\r\nhello", 299, "hello"),
        ("204", "HTTP/1.1 204 No Content\r\n\r\n", 204, ""),
        ("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204, ""),
        ("304", "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", 304, ""),
        ("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, ""),
    ];
    for (what, bytes, status, body) in cases {
        // Each with an upstream of its own: one that has just closed a connection may be asked on it.
        let mut rig = Rig::new("");
        let (mut client, mut peer) = rig.asked();
        peer.send(bytes);
        drop(peer);
        let answer = client.message(false).unwrap_or_else(|broken| panic!("{what}: {broken:?}"));
        assert_eq!(answer.status(), *status, "{what}");
        assert_eq!(answer.body, body.as_bytes(), "{what}");
        assert!(answer.first.starts_with("HTTP/1.1 "), "{what}: {answer:?}");
        assert_eq!(answer.field("connection"), None, "{what}: {answer:?}");
        if *status == 204 {
            assert_eq!(answer.field("content-length"), None, "{what}: RFC 9110 §8.6: {answer:?}");
        }
        // Nothing is left over on the client's connection.
        client.send("GET /app HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().status(), 401, "{what}");
        client.closed();
    }
}

#[test]
fn answers_to_head_have_no_body_and_keep_their_length() {
    let mut rig = Rig::new("");
    for (what, bytes, length) in [
        ("length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Some("5")),
        ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", None),
        ("nothing", "HTTP/1.1 200 OK\r\n\r\n", None),
        ("304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", Some("5")),
    ] {
        let mut client = rig.sent(format!("HEAD /app HTTP/1.1\r\n{WRITER}\r\n"));
        let mut peer = rig.upstream.next();
        assert!(peer.message(false).unwrap().first.starts_with("HEAD "));
        peer.send(bytes);
        drop(peer);
        let answer = client.message(true).unwrap();
        assert_eq!(answer.field("content-length"), length, "{what}: {answer:?}");
        client.send("HEAD /app HTTP/1.1\r\nHost: h\r\n\r\n");
        let denied = client.message(true).unwrap();
        assert_eq!(denied.status(), 401, "{what}");
        client.send("GET /app HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert_eq!(client.answer().status(), 401, "{what}");
        client.closed();
    }
}

#[test]
fn answers_are_of_our_version() {
    let mut rig = Rig::new("");
    for bytes in
        ["HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.0 200 OK\r\n\r\nhello"]
    {
        let (mut client, mut peer) = rig.asked();
        peer.send(bytes);
        drop(peer);
        let answer = client.answer();
        assert_eq!(answer.body, b"hello");
        assert!(answer.first.starts_with("HTTP/1.1 "), "{answer:?}"); // RFC 9110 §2.5.
        assert!(
            answer.field("content-length").or(answer.field("transfer-encoding")).is_some(),
            "its end would be seen only by the close: {answer:?}"
        );
    }
}

#[test]
fn an_answer_with_two_framings_is_refused() {
    let mut rig = Rig::new("");
    for head in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 30\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Content-Length: 5, 5",
        "Content-Length: 5\r\nContent-Length: 5",
    ] {
        let (mut client, mut peer) = rig.asked();
        peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
        let answer = client.message(false);
        drop(peer);
        assert!(answer.as_ref().is_ok_and(|answer| answer.status() == 502), "{head:?}: {answer:?}");
    }
}

//! Answers that come before the request's body is whole, and upstreams that do not read it.

use std::thread;
use std::time::Duration;

use sidegate::clock;

use crate::rig::{OK, Rig, WRITER};
use crate::upstream::fails_with;
use crate::wire::Broken;

#[test]
fn an_answer_before_the_body_is_whole_goes_through() {
    let mut rig = Rig::new("");
    // The upstream reads on.
    let mut client =
        rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 10\r\n\r\nhello"));
    let mut peer = rig.upstream.next();
    assert!(peer.through(b"hello").starts_with(b"POST /app "));
    peer.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge");
    let answer = client.answer();
    assert_eq!((answer.status(), answer.body.as_slice()), (413, &b"large"[..]));
    client.send("world");
    assert_eq!(peer.bytes(5), b"world");
}

/// A part of a body that fills what is sent together is not the last that is asked for.
#[test]
fn a_body_that_comes_in_pieces_of_16_kib_goes_on() {
    const PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];
    let mut rig = Rig::new("");
    let length = 3 * PIECE.len();
    let mut client =
        rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: {length}\r\n\r\n"));
    let mut peer = rig.upstream.next();
    peer.through(b"\r\n\r\n");
    for _ in 0..3 {
        client.send(PIECE);
        assert_eq!(peer.bytes(PIECE.len()), PIECE);
    }
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
}

#[test]
fn an_answer_of_an_upstream_that_takes_no_more_goes_through() {
    let mut rig = Rig::new("");
    let mut lost = Vec::new();
    for run in 0..20 {
        let mut client =
            rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 10000000\r\n\r\n"));
        let mut peer = rig.upstream.next();
        peer.bytes(20);
        peer.send(
            "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge",
        );
        peer.half_close();
        client.flood(10_000_000, Duration::from_millis(50));
        let answer = client.message(false);
        if !answer.as_ref().is_ok_and(|answer| answer.status() == 413) {
            lost.push(format!("{run}: {answer:?}"));
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// The same, but the upstream closes at once: what we still send makes its kernel reset.
#[test]
fn an_answer_of_an_upstream_that_closes_at_once_goes_through() {
    let mut rig = Rig::new("");
    let mut lost = Vec::new();
    for run in 0..20 {
        let mut client =
            rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 10000000\r\n\r\n"));
        let mut peer = rig.upstream.next();
        peer.bytes(20);
        client.flood(200_000, Duration::from_millis(50));
        peer.send(
            "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 5\r\n\r\nlarge",
        );
        drop(peer);
        client.flood(1_000_000, Duration::from_millis(50));
        let answer = client.message(false);
        if !answer.as_ref().is_ok_and(|answer| answer.status() == 413) {
            lost.push(format!("{run}: {answer:?}"));
        }
    }
    assert!(lost.is_empty(), "{lost:#?}");
}

/// The client has said everything, and most of that is still on its way.
#[test]
fn an_answer_does_not_stop_what_is_still_to_be_written() {
    const LENGTH: usize = 8_000_000;
    let mut rig = Rig::new("");
    let head = format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: {LENGTH}\r\n\r\n");
    let mut client = rig.sent(head);
    let mut peer = rig.upstream.next();
    peer.through(b"\r\n\r\n");
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    let writer = thread::spawn(move || {
        client.send(vec![b'x'; LENGTH]);
        client
    });
    assert!(peer.bytes(LENGTH).iter().all(|byte| *byte == b'x'));
    peer.send("hello");
    assert_eq!(writer.join().unwrap().answer().body, b"hello");
}

#[test]
fn an_early_answer_that_stops_is_cut() {
    let mut rig = Rig::new("timeouts.body = \"300ms\"\ntimeouts.upstream = \"300ms\"\n");
    let mut client =
        rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 10\r\n\r\nhello"));
    let mut peer = rig.upstream.next();
    peer.bytes(20);
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(client.message(false).map(|_| ()), Err(Broken::Body(b"hello".to_vec())));
}

/// The rest of its request's body may come, for as long as bodies may pause: nobody is told of
/// a head that is late.
#[test]
fn an_early_answer_is_the_only_one() {
    let mut rig = Rig::new("timeouts.header = \"300ms\"\ntimeouts.body = \"300ms\"\n");
    let mut client =
        rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 100000000\r\n\r\nhello"));
    let mut peer = rig.upstream.next();
    peer.through(b"hello");
    peer.send(OK);
    assert_eq!(client.answer().status(), 200);
    let end = clock::instant() + Duration::from_millis(900);
    while clock::instant() < end {
        if client.try_send("x").is_err() {
            break;
        }
    }
    let (said, _reset) = client.rest();
    assert_eq!(String::from_utf8_lossy(&said), "");
}

#[test]
fn an_upstream_that_does_not_read_is_504() {
    let mut rig = Rig::new("timeouts.body = \"300ms\"\ntimeouts.upstream = \"300ms\"\n");
    let mut client =
        rig.sent(format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 100000000\r\n\r\n"));
    let mut peer = rig.upstream.next();
    peer.bytes(20);
    client.flood(100_000_000, Duration::from_millis(100));
    fails_with(&client.answer(), 504, "http_response_timeout");
}

//! Where a message ends: one way to read it, or nothing of it and of what follows.
//!
//! From RFC 9112 §2.2, 3, 5, 6 and 7.1, and from what others got wrong: CVE-2019-18277 and
//! CVE-2023-40225 (HAProxy), CVE-2021-21299, CVE-2021-32714 and CVE-2021-32715 (hyper),
//! CVE-2025-22871 (Go), CVE-2025-4366 (Pingora).

use crate::rig::{GET, OK, Rig, WRITER};
use crate::table::Fate::{Broken, Last, Refused, Seen};
use crate::table::{Fate, check};

const POST: &str = "POST /app HTTP/1.1";
const GOT: &str = "GET /app HTTP/1.1";

#[test]
fn a_length_is_one_number() {
    let rows: &[(&str, Fate)] = &[
        ("Content-Length: 5\r\n", Seen(POST, "hello")),
        ("content-length:5\r\n", Seen(POST, "hello")),
        ("CONTENT-LENGTH: \t 5 \t\r\n", Seen(POST, "hello")),
        ("Content-Length: 0005\r\n", Seen(POST, "hello")),
        ("Content-Length: 5\r\nContent-Length: 5\r\n", Refused(400)),
        ("Content-Length: 5\r\ncontent-length: 6\r\n", Refused(400)),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", Refused(400)),
        ("Content-Length: 5\r\nX: y\r\nContent-Length: 5\r\n", Refused(400)),
        ("Content-Length: 5, 5\r\n", Refused(400)),
        ("Content-Length: 5,6\r\n", Refused(400)),
        ("Content-Length: 5,\r\n", Refused(400)),
        ("Content-Length: +5\r\n", Refused(400)),
        ("Content-Length: -5\r\n", Refused(400)),
        ("Content-Length: \r\n", Refused(400)),
        ("Content-Length:\r\nContent-Length: 5\r\n", Refused(400)),
        ("Content-Length: 5 5\r\n", Refused(400)),
        ("Content-Length: 5;\r\n", Refused(400)),
        ("Content-Length: 0x5\r\n", Refused(400)),
        ("Content-Length: 5e0\r\n", Refused(400)),
        ("Content-Length: 5.0\r\n", Refused(400)),
        ("Content-Length: 5_0\r\n", Refused(400)),
        ("Content-Length: \"5\"\r\n", Refused(400)),
        ("Content-Length: \u{b}5\r\n", Refused(400)),
        ("Content-Length: \u{665}\r\n", Refused(400)),
        ("Content-Length: 18446744073709551616\r\n", Refused(400)),
        ("Content-Length: 18446744073709551621\r\n", Refused(400)),
        ("Content-Length : 5\r\n", Refused(400)),
        ("Content-Length\t: 5\r\n", Refused(400)),
        (" Content-Length: 5\r\n", Refused(400)),
        ("Content-Length\0: 5\r\n", Refused(400)),
        ("Content-Length\u{b}: 5\r\n", Refused(400)),
        ("Content-Length: 5\n", Refused(400)),
        ("Content-Length: 5\r\r\n", Refused(400)),
        ("Content-Length: 5\0\r\n", Refused(400)),
    ];
    let mut rig = Rig::new("");
    for (fields, fate) in rows {
        check(&mut rig, format!("{POST}\r\n{{W}}{fields}\r\nhello").as_bytes(), *fate);
    }
}

#[test]
fn a_coding_is_exactly_chunked() {
    let rows: &[(&str, Fate)] = &[
        ("Transfer-Encoding: chunked\r\n", Seen(POST, "hello")),
        ("transfer-encoding:chunked\r\n", Seen(POST, "hello")),
        ("TRANSFER-ENCODING:\tCHUNKED \t\r\n", Seen(POST, "hello")),
        ("Content-Length: 15\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 15\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nContent-Length: x\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Refused(400)),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("Transfer-Encoding: cow\r\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked, chunked\r\n", Refused(400)),
        ("Transfer-Encoding: gzip, chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked, gzip\r\n", Refused(400)),
        ("Transfer-Encoding: identity\r\n", Refused(400)),
        ("Transfer-Encoding: ,chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked,\r\n", Refused(400)),
        ("Transfer-Encoding:\r\n", Refused(400)),
        ("Transfer-Encoding: xchunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunke\r\n", Refused(400)),
        ("Transfer-Encoding: chunked;q=1\r\n", Refused(400)),
        ("Transfer-Encoding: \"chunked\"\r\n", Refused(400)),
        ("Transfer-Encoding: 'chunked'\r\n", Refused(400)),
        ("Transfer-Encoding: \u{b}chunked\r\n", Refused(400)),
        ("Transfer-Encoding: \u{c}chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\u{b}\r\n", Refused(400)),
        ("Transfer-Encoding: \0chunked\r\n", Refused(400)),
        ("Transfer-Encoding: \u{a0}chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chun\u{212a}ed\r\n", Refused(400)),
        ("Transfer-Encoding\r\n : chunked\r\n", Refused(400)),
        ("Transfer-Encoding: x\r\n chunked\r\n", Refused(400)),
        ("Transfer-Encoding:\r\n chunked\r\n", Refused(400)),
        ("Transfer-Encoding : chunked\r\n", Refused(400)),
        ("Transfer-Encoding\t: chunked\r\n", Refused(400)),
        (" Transfer-Encoding: chunked\r\n", Refused(400)),
        ("X: y\nTransfer-Encoding: chunked\r\n", Refused(400)),
        ("X: y\rTransfer-Encoding: chunked\r\n", Refused(400)),
        ("X: y\r\rTransfer-Encoding: chunked\r\n", Refused(400)),
        ("Transfer-Encoding: chunked\n", Refused(400)),
        ("Transfer-Encoding: chunked\r\r\n", Refused(400)),
        ("Transfer-Encoding; chunked\r\n", Refused(400)),
        ("Transfer\u{2d}Encoding\u{a0}: chunked\r\n", Refused(400)),
    ];
    let mut rig = Rig::new("");
    for (fields, fate) in rows {
        let bytes = format!("{POST}\r\n{{W}}{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
        check(&mut rig, bytes.as_bytes(), *fate);
    }
    check(
        &mut rig,
        b"POST /app HTTP/1.0\r\n{W}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused(400),
    );
    check(
        &mut rig,
        b"POST /app HTTP/1.0\r\n{W}Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\
          Content-Length: 15\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused(400),
    );
}

#[test]
fn a_chunked_body_ends_in_one_place() {
    let rows: &[(&str, Fate)] = &[
        ("0\r\n\r\n", Seen(POST, "")),
        ("5\r\nhello\r\n0\r\n\r\n", Seen(POST, "hello")),
        ("05\r\nhello\r\n000\r\n\r\n", Seen(POST, "hello")),
        ("5;a=b\r\nhello\r\n0;c\r\n\r\n", Seen(POST, "hello")),
        ("5 ; a=\"b c\"\r\nhello\r\n0\r\n\r\n", Seen(POST, "hello")),
        ("a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", Seen(POST, "01234567890123456789")),
        ("0\r\nX-Sum: 1\r\n\r\n", Seen(POST, "")),
        ("2\r\n\r\n\r\n0\r\n\r\n", Seen(POST, "\r\n")),
        ("", Broken),
        ("\r\n", Broken),
        ("0\n\r\n", Broken),
        ("0\r\n\n", Broken),
        ("0\r\r\n\r\n", Broken),
        ("5 \r\nhello\r\n0\r\n\r\n", Broken),
        (" 5\r\nhello\r\n0\r\n\r\n", Broken),
        ("+5\r\nhello\r\n0\r\n\r\n", Broken),
        ("-5\r\nhello\r\n0\r\n\r\n", Broken),
        ("0x5\r\nhello\r\n0\r\n\r\n", Broken),
        ("5_\r\nhello\r\n0\r\n\r\n", Broken),
        ("5,\r\nhello\r\n0\r\n\r\n", Broken),
        ("\u{665}\r\nhello\r\n0\r\n\r\n", Broken),
        ("5\nhello\r\n0\r\n\r\n", Broken),
        ("5\rhello\r\n0\r\n\r\n", Broken),
        ("5\r\nhello\n0\r\n\r\n", Broken),
        ("5\r\nhello\r0\r\n\r\n", Broken),
        ("5\r\nhello0\r\n\r\n", Broken),
        ("5\r\nhello world\r\n0\r\n\r\n", Broken),
        ("5;a\nhello\r\n0\r\n\r\n", Broken),
        ("5;a\rb\r\nhello\r\n0\r\n\r\n", Broken),
        ("5;a\0\r\nhello\r\n0\r\n\r\n", Broken),
        ("5;\n\r\nhello\r\n0\r\n\r\n", Broken),
        ("00000000000000005\r\nhello\r\n0\r\n\r\n", Broken),
        ("10000000000000005\r\nhello\r\n0\r\n\r\n", Broken),
        ("0\r\nX: 1\nY: 2\r\n\r\n", Broken),
        ("0\r\nX: 1\r\n folded\r\n\r\n", Broken),
        ("0\r\nX: \0\r\n\r\n", Broken),
        ("0\r\nX : 1\r\n\r\n", Broken),
        ("0\r\nX: 1\r\r\n\r\n", Broken),
        ("0\r\nno colon\r\n\r\n", Broken),
    ];
    for (body, fate) in rows {
        // Each with an upstream of its own: what is broken off may come late.
        let mut rig = Rig::new("");
        let bytes = format!("{POST}\r\n{{W}}Transfer-Encoding: chunked\r\n\r\n{body}");
        check(&mut rig, bytes.as_bytes(), *fate);
    }
}

#[test]
fn a_head_has_its_lines() {
    let rows: &[(&[u8], Fate)] = &[
        (b"GET /app HTTP/1.1\r\n{W}\r\n", Seen(GOT, "")),
        (b"\r\nGET /app HTTP/1.1\r\n{W}\r\n", Seen(GOT, "")),
        (b"GET /app HTTP/1.1\r\n{W}X: \xff\x80\r\n\r\n", Seen(GOT, "")),
        (b"GET /app HTTP/1.1\r\n{W}X:\r\n\r\n", Seen(GOT, "")),
        (b"GET /app HTTP/1.1\r\n{W}!#$%&'*+-.^_`|~: 1\r\n\r\n", Seen(GOT, "")),
        (b"GET /app HTTP/1.1\r\n{W}Connection: close\r\n\r\n", Last(GOT, "")),
        (b"GET /app HTTP/1.0\r\n{W}\r\n", Last(GOT, "")),
        (b"GET /app HTTP/1.0\r\n{W}Connection: keep-alive\r\n\r\n", Seen(GOT, "")),
        (b"\r\n\r\nGET /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"\nGET /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"\rGET /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b" GET /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"x\r\nGET /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\n\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\r\n\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\r\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\rz\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\r\n z\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\r\n\tz\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n X: y\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n\t\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X : y\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X\t: y\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}: y\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X y\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X[]: y\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}\"X\": y\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X/y: z\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X\xff: z\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X\0: z\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\0z\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\x01z\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\x0bz\r\n\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\r\n{W}X: y\x7fz\r\n\r\n", Refused(400)),
        (b"GET  /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app  HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET\t/app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app\tHTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1 \r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.1\x0b\r\n{W}\r\n", Refused(400)),
        (b"GET /app x HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/0.9\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.2\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/2.0\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/1.10\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTP/01.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app http/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app HTTPS/1.1\r\n{W}\r\n", Refused(400)),
        (b"G@T /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"G\xc3\x89T /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET\0 /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", Refused(400)),
        (b"PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", Refused(400)),
        (b"PRI * HTTP/2.0\r\n{W}\r\n", Refused(400)),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /app HTTP/1.1\r\n{W}\r\n", Refused(400)),
        (b"GET /app#x HTTP/1.1\r\n{W}\r\n", Refused(400)),
    ];
    let mut rig = Rig::new("");
    for (bytes, fate) in rows {
        check(&mut rig, bytes, *fate);
    }
}

/// However the bytes come, they are the same bytes.
#[test]
fn a_message_in_pieces_is_the_same_message() {
    let mut rig = Rig::new("");
    let head = format!("POST /app HTTP/1.1\r\n{WRITER}");
    for (framing, is_sound) in [
        ("Content-Length: 5\r\n\r\nhello", true),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", true),
        ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", false),
        ("Content-Length: 5\n\r\nhello", false),
        ("X: y\r\n z\r\n\r\n", false),
    ] {
        let bytes = format!("{head}{framing}");
        for at in (1..bytes.len()).step_by(7) {
            let (first, second) = bytes.split_at(at);
            let mut client = rig.sent(first);
            // Where the second request begins in the middle of a read.
            let sent = client.try_send(format!("{second}{GET}"));
            if is_sound {
                sent.unwrap();
                let mut peer = rig.upstream.next();
                assert_eq!(peer.message(false).unwrap().body, b"hello", "{first:?}");
                peer.send(OK);
                assert_eq!(client.answer().status(), 200);
                assert_eq!(peer.message(false).unwrap().first, GOT);
                peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
                assert_eq!(client.answer().status(), 200);
            } else {
                let (said, _reset) = client.rest();
                assert!(said.starts_with(b"HTTP/1.1 400 "), "{first:?}");
            }
            assert_eq!(rig.upstream.waiting(), 0, "{first:?}");
        }
    }
}

/// A refused head behind requests that are sound does not cost them their answers, and waits for
/// its turn.
#[test]
fn a_flaw_is_told_in_its_turn() {
    let mut rig = Rig::new("");
    let bad = format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 0\nX: y\r\n\r\n");
    for first in [
        GET.to_owned(),
        format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 5\r\n\r\nhello"),
        format!("POST /app HTTP/1.1\r\n{WRITER}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ] {
        let mut client = rig.sent(format!("{first}{first}{bad}{GET}"));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        assert!(!client.has_answer(), "told before its turn");
        peer.send(OK);
        peer.message(false).unwrap();
        peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assert_eq!([client.answer().status(), client.answer().status()], [200, 200]);
        assert_eq!(client.answer().status(), 400);
        client.closed();
        assert_eq!(rig.upstream.waiting(), 0);
    }
}

/// Also where the client leaves its connection open.
#[test]
fn a_flaw_is_told_once() {
    let rig = Rig::new("timeouts.header = \"100ms\"\n");
    let before = rig.events().len();
    let mut client = rig.sent(format!("GET /app HTTP/1.1\n{WRITER}\r\n"));
    assert_eq!(client.answer().status(), 400);
    let active = || rig.gate.metric("sidegate_connections_active", "");
    crate::harness::until("the end", || active() == 0.0);
    crate::harness::until("the event", || rig.events().len() > before);
    assert_eq!(rig.gate.metric("sidegate_denials_total", "bad_request"), 1.0);
    assert_eq!(rig.events().len(), before + 1);
    client.closed();
}

/// What was refused by its framing is counted and told as what is no head.
#[test]
fn a_flaw_is_counted_and_told() {
    let rig = Rig::new("");
    for (bytes, reason, detail) in [
        (format!("GET /app#x HTTP/1.1\r\n{WRITER}\r\n"), "bad_target", "fragment"),
        (format!("GET /app HTTP/1.1\r\n{WRITER}X: y\n\r\n"), "bad_request", "CR LF"),
        (format!("GET /app HTTP/1.1\r\n{WRITER}X : y\r\n\r\n"), "bad_request", "cannot be read"),
    ] {
        let before = rig.events().len();
        let mut client = rig.sent(&bytes);
        let answer = client.answer();
        assert!(answer.json()["detail"].as_str().unwrap().contains(detail), "{answer:?}");
        assert_eq!(answer.field("connection"), Some("close"));
        client.closed();
        crate::harness::until("the event", || rig.events().len() > before);
        let event = rig.events().pop().unwrap();
        assert_eq!((event["reason"].as_str(), event["status"].as_u64()), (Some(reason), Some(400)));
        assert_eq!(event["request_id"].as_str(), answer.field("x-request-id"));
        assert!(rig.gate.metric("sidegate_denials_total", reason) >= 1.0);
    }
}

//! Answers before the answer: `103 Early Hints`, and what is not passed on.

use crate::rig::{GET, OK, Rig, WRITER};

const HINT: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nSet-Cookie: a=1\r\n\
    Connection: link\r\nX-Sidegate-Account: root\r\n\r\n";
const TOLD: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n";
const ALL: &str = "HTTP/1.1 200 OK\r\n";

#[test]
fn a_hint_comes_before_its_answer_and_goes_on_at_once() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    for _ in 0..2 {
        peer.send(HINT);
        // Nothing of the answer is there.
        assert_eq!(client.bytes(TOLD.len()), TOLD.as_bytes());
        peer.send(OK);
        let answer = client.answer();
        assert_eq!((answer.status(), answer.body.as_slice()), (200, &b"ok"[..]));
        assert_eq!(answer.field("set-cookie"), None);
        client.send(GET);
        peer.message(false).unwrap();
    }
}

#[test]
fn hints_that_come_with_their_answer_come_before_it() {
    let mut rig = Rig::new("");
    for count in [1, 2, 5, 20] {
        let (mut client, mut peer) = rig.asked();
        peer.send(HINT.repeat(count) + OK);
        let bytes = client.through(b"ok");
        let text = String::from_utf8(bytes).unwrap();
        let (hints, answer) = text.split_at(text.find(ALL).unwrap());
        assert_eq!(hints, TOLD.repeat(count), "{count}");
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
        drop(peer);
    }
}

#[test]
fn what_is_no_hint_is_not_passed_on() {
    let mut rig = Rig::new("");
    for before in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 102 Processing\r\nLink: </a>\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nX-Other: 1\r\n\r\n",
        "HTTP/1.1 199 Whatever\r\nLink: </a>\r\n\r\n",
    ] {
        let (mut client, mut peer) = rig.asked();
        peer.send(before);
        peer.send(OK);
        assert!(client.through(b"ok").starts_with(ALL.as_bytes()), "{before}");
        drop(peer);
    }
}

/// RFC 9110 §15.2.
#[test]
fn an_old_client_gets_none() {
    let mut rig = Rig::new("");
    let mut client = rig.sent(format!("GET /app HTTP/1.0\r\n{WRITER}\r\n"));
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(HINT);
    peer.send(OK);
    let text = String::from_utf8(client.through(b"ok")).unwrap();
    assert!(text.lines().next().unwrap().ends_with(" 200 OK"), "{text}");
}

/// Between what else is said before an answer.
#[test]
fn a_hint_and_a_continue_do_not_meet() {
    let mut rig = Rig::new("");
    let mut client = rig.sent(format!(
        "POST /app HTTP/1.1\r\n{WRITER}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    ));
    let mut peer = rig.upstream.next();
    peer.through(b"\r\n\r\n");
    peer.send(HINT);
    let before = client.through(b"preload\r\n\r\n");
    assert_eq!(before, [b"HTTP/1.1 100 Continue\r\n\r\n", TOLD.as_bytes()].concat());
    client.send("hello");
    assert_eq!(peer.bytes(5), b"hello");
    peer.send(HINT.to_owned() + OK);
    assert_eq!(client.through(b"preload\r\n\r\n"), TOLD.as_bytes());
    assert_eq!(client.answer().status(), 200);
}

/// And an upstream that hints and then breaks off is one that broke off.
#[test]
fn a_hint_is_no_answer() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = rig.asked();
    peer.send(HINT);
    assert_eq!(client.bytes(TOLD.len()), TOLD.as_bytes());
    drop(peer);
    assert_eq!(client.answer().status(), 502);
    assert_eq!(rig.upstream.waiting(), 0);
}

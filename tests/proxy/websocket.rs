//! WebSockets: the handshake is judged and forwarded, then bytes go both ways.

use std::process::Command;

use sidegate::clock;

use crate::harness::{record, until};
use crate::rig::{NOBODY, OK, READER, Rig, WRITER};
use crate::upstream::fails_with;
use crate::wire::{Message, Wire};

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
pub(crate) const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

pub(crate) fn handshake(path: &str, who: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{who}{HANDSHAKE}\r\n")
}

/// A WebSocket that is open, both ends, and the handshake as the upstream got it.
fn open(rig: &mut Rig) -> (Wire, Wire, Message) {
    let mut client = rig.sent(handshake("/socket", READER));
    let mut peer = rig.upstream.next();
    let asked = peer.message(false).unwrap();
    peer.send(AGREED);
    assert_eq!(client.answer().status(), 101);
    (client, peer, asked)
}

fn streams(rig: &Rig) -> f64 {
    rig.gate.metric("sidegate_streams_active", "")
}

/// Its record would keep it for ever.
#[test]
fn one_whose_agreement_no_client_takes_is_over() {
    let mut rig = Rig::new("");
    // With bytes behind its head, nobody looks whether the client is still there.
    let client = rig.sent(handshake("/socket", READER) + "early");
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    client.reset();
    peer.send(AGREED);
    until("the event", || rig.events().len() == 1);
    let in_flight = || rig.gate.metric("sidegate_requests_in_flight", "");
    until("nothing in flight", || streams(&rig) + in_flight() == 0.0);
    peer.closed();
}

#[test]
fn bytes_go_both_ways() {
    let mut rig = Rig::new("");
    let (mut client, mut peer, asked) = open(&mut rig);
    assert_eq!(asked.field("upgrade"), Some("websocket"));
    assert_eq!(asked.field("connection"), Some("upgrade"));
    assert_eq!(asked.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_eq!(asked.field("sec-websocket-version"), Some("13"));
    assert_eq!(asked.field("x-sidegate-account"), Some("reader"));
    assert_eq!(asked.field("x-api-key"), None);
    assert_eq!(streams(&rig), 1.0);
    client.send(b"\x81\x85\x00\x00\x00\x00hello");
    assert_eq!(peer.bytes(11), b"\x81\x85\x00\x00\x00\x00hello");
    peer.send(b"\x81\x05world");
    assert_eq!(client.bytes(7), b"\x81\x05world");
    // Not a word of it is read as HTTP.
    client.send("GET /app HTTP/1.1\r\n\r\n");
    assert_eq!(peer.bytes(21), b"GET /app HTTP/1.1\r\n\r\n");
    assert_eq!(rig.events().len(), 0);
    client.half_close();
    peer.closed();
    peer.send("last words");
    drop(peer);
    assert_eq!(client.rest(), (b"last words".to_vec(), false));
    until("the event", || rig.events().len() == 1);
    let event = rig.events().remove(0);
    assert_eq!((event["status"].as_u64(), event["route"].as_str()), (Some(101), Some("socket")));
    until("the stream is counted out", || streams(&rig) == 0.0);
}

#[test]
fn the_answer_says_what_was_agreed() {
    let mut rig = Rig::new("");
    let mut client = rig.sent(handshake("/socket", READER));
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(AGREED.replace("Accept:", "Protocol: chat\r\nSec-WebSocket-Accept:"));
    let answer = client.answer();
    assert_eq!(answer.first, "HTTP/1.1 101 Switching Protocols");
    assert_eq!(answer.field("upgrade"), Some("websocket"));
    assert_eq!(answer.field("connection"), Some("upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.field("sec-websocket-protocol"), Some("chat"));
    assert_eq!(answer.field("content-length"), None);
    assert_eq!(answer.field("transfer-encoding"), None);
}

/// A browser can send its key only among the protocols, and closes where none of them is chosen.
#[test]
fn a_browsers_key_is_taken_out_and_chosen() {
    let mut rig = Rig::new("");
    let cases = [
        ("bearer, key-reader", None, None, "bearer"),
        ("bearer, key-reader, chat, v2", Some("chat, v2"), Some("v2"), "v2"),
        ("chat, bearer, key-reader", Some("chat"), None, "bearer"),
    ];
    for (offered, forwarded, chosen, told) in cases {
        let protocol = format!("{NOBODY}Sec-WebSocket-Protocol: {offered}\r\n");
        let mut client = rig.sent(handshake("/socket", &protocol));
        let mut peer = rig.upstream.next();
        let asked = peer.message(false).unwrap();
        assert_eq!(asked.field("sec-websocket-protocol"), forwarded, "{offered}");
        assert_eq!(asked.field("x-sidegate-account"), Some("reader"));
        assert!(!asked.text().contains("key-reader"), "{offered}");
        let choice = chosen.map_or(String::new(), |it| format!("Sec-WebSocket-Protocol: {it}\r\n"));
        peer.send(AGREED.replace("Connection", &format!("{choice}Connection")));
        assert_eq!(client.answer().field("sec-websocket-protocol"), Some(told), "{offered}");
    }
}

/// What a client sends before it has its answer is not for the upstream until it has agreed.
#[test]
fn nothing_goes_on_before_the_upstream_agrees() {
    let mut rig = Rig::new("");
    let mut client = rig.sent(format!("{}early", handshake("/socket", READER)));
    let mut peer = rig.upstream.next();
    let asked = peer.message(false).unwrap();
    assert!(asked.text().ends_with("\r\n\r\n"), "{asked:?}");
    client.send(" bird");
    // The gate has one worker: what it was sent before this, it has read.
    let mut other = rig.sent(format!("GET /app HTTP/1.1\r\n{NOBODY}\r\n"));
    assert_eq!(other.answer().status(), 401);
    assert!(!peer.has_answer());
    peer.send(format!("{AGREED}first"));
    assert_eq!(peer.bytes(10), b"early bird");
    assert_eq!(client.answer().status(), 101);
    assert_eq!(client.bytes(5), b"first");
}

#[test]
fn an_upstream_that_does_not_agree_is_answered_for_and_closed() {
    let mut rig = Rig::new("");
    let answers = [
        (200, OK),
        (403, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"),
        (200, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
    ];
    for (status, answer) in answers {
        let smuggled = format!("GET /app HTTP/1.1\r\n{WRITER}\r\n");
        let mut client = rig.sent(format!("{}{smuggled}", handshake("/socket", READER)));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(answer);
        let answer = client.answer();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.field("connection"), Some("close"));
        client.closed();
        peer.closed();
        assert_eq!(rig.upstream.waiting(), 0);
    }
}

#[test]
fn an_upstream_that_agrees_to_something_else_is_502() {
    let mut rig = Rig::new("");
    let others = ["", "Upgrade: h2c\r\n", "Upgrade: websocket\r\nUpgrade: x\r\n"];
    for other in others {
        let mut client = rig.sent(handshake("/socket", READER));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\n{other}Connection: upgrade\r\n\r\n"
        ));
        fails_with(&client.answer(), 502, "http_protocol_error");
        peer.closed();
    }
}

#[test]
fn an_upgrade_needs_its_level_and_its_route() {
    let mut rig = Rig::new("");
    let cases: &[(&str, String)] = &[
        ("403", handshake("/console", READER)),
        ("101", handshake("/console", WRITER)),
        ("101", handshake("/open", NOBODY)),
        ("405", handshake("/app", WRITER)),
        ("401", handshake("/socket", NOBODY)),
        ("405", handshake("/socket", READER).replace("GET", "POST")),
        ("405", handshake("/socket", READER).replace("websocket\r", "h3\r")),
        ("405", handshake("/socket", READER).replace("websocket\r", "websocket, h2c\r")),
        ("400", handshake("/socket", READER).replace("Sec", "Content-Length: 2\r\nSec")),
        ("400", handshake("/socket", READER).replace("Sec", "Transfer-Encoding: chunked\r\nSec")),
    ];
    for (status, request) in cases {
        let mut client = rig.sent(request);
        if *status == "101" {
            let mut peer = rig.upstream.next();
            peer.message(false).unwrap();
            peer.send(AGREED);
        }
        assert_eq!(client.answer().status().to_string(), *status, "{request}");
        assert_eq!(rig.upstream.waiting(), 0, "{request}");
    }
}

#[test]
fn the_end_of_one_side_is_that_of_the_other() {
    let mut rig = Rig::new("");
    for reset in [false, true] {
        let (client, mut peer, _) = open(&mut rig);
        client.close(reset);
        assert_eq!(peer.rest().0, b"");
        drop(peer);
        let (mut client, peer, _) = open(&mut rig);
        match reset {
            true => peer.reset(),
            false => drop(peer),
        }
        assert_eq!(client.rest().0, b"");
    }
    until("the streams to end", || streams(&rig) == 0.0);
}

#[test]
fn silence_has_an_end() {
    let mut rig = Rig::new("timeouts.tunnel = \"300ms\"\ntimeouts.idle = \"100ms\"\n");
    let (mut client, mut peer, _) = open(&mut rig);
    client.closed();
    peer.closed();
}

#[test]
fn a_reader_that_stops_holds_the_writer_back() {
    let mut rig = Rig::new("");
    let (mut client, mut peer, _) = open(&mut rig);
    let most = 64 << 20;
    let sent = peer.flood(most, std::time::Duration::from_millis(300));
    assert!(sent < most, "{sent} bytes are kept somewhere");
    assert_eq!(client.bytes(sent).len(), sent);
    peer.send("more");
    assert_eq!(client.bytes(4), b"more");
}

fn terminated(rig: &Rig, reason: &str) -> f64 {
    let label = format!("reason=\"{reason}\"");
    rig.gate.metric("sidegate_streams_terminated_total", &label)
}

fn revoke(rig: &Rig, id: &str) {
    let revoked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["key", "revoke", "-c", "sidegate.toml", id])
        .current_dir(rig.folder.path())
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
}

fn open_as(rig: &mut Rig, who: &str) -> (Wire, Wire) {
    let mut client = rig.sent(handshake("/socket", who));
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(AGREED);
    assert_eq!(client.answer().status(), 101);
    (client, peer)
}

/// Only those are cut that lost what let them through, both sides are told why, and the others do
/// not notice.
#[test]
fn a_revocation_cuts_what_it_let_through() {
    let mut rig = Rig::new("");
    let (mut cut, mut cut_peer) = open_as(&mut rig, READER);
    let (mut kept, mut kept_peer) = open_as(&mut rig, WRITER);
    let (mut open, mut open_peer) = {
        let mut client = rig.sent(handshake("/open", NOBODY));
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(AGREED);
        assert_eq!(client.answer().status(), 101);
        (client, peer)
    };
    cut_peer.send(b"\x81\x05hello\x81\x05hel");
    assert_eq!(cut.bytes(12), b"\x81\x05hello\x81\x05hel");
    revoke(&rig, "k_reader");
    // The message that it is hearing is let through to its end, and no other.
    until("the cut", || rig.gate.page("/metrics").contains("{reason=\"key_revoked\"} 1"));
    cut_peer.send(b"lo\x81\x04more");
    assert_eq!(cut.rest(), (b"lo\x88\x02\x03\xf0".to_vec(), false));
    assert_eq!(cut_peer.rest().0, b"\x88\x82\0\0\0\0\x03\xf0");
    for (client, peer) in [(&mut kept, &mut kept_peer), (&mut open, &mut open_peer)] {
        client.send(b"\x81\x81\0\0\0\0a");
        assert_eq!(peer.bytes(7), b"\x81\x81\0\0\0\0a");
        peer.send(b"\x81\x01b");
        assert_eq!(client.bytes(3), b"\x81\x01b");
    }
    until("the event", || rig.events().len() == 1);
    let event = rig.events().remove(0);
    assert_eq!((event["status"].as_u64(), event["decision"].as_str()), (Some(101), Some("deny")));
    assert_eq!(event["reason"], "key_revoked");
    assert_eq!(terminated(&rig, "key_revoked"), 1.0);
    // It is counted a little later than it is told of.
    until("the others alone", || streams(&rig) == 2.0);
}

/// A side that does not finish what it was saying is not waited for.
#[test]
fn half_a_message_does_not_keep_a_tunnel_open() {
    let mut rig = Rig::new("");
    let (mut client, mut peer) = open_as(&mut rig, READER);
    peer.send(b"\x82\x7f\0\0\0\0\0\x01\0\0begun");
    client.send(b"\x82\xfe\x10\0mask");
    assert_eq!(client.bytes(15), b"\x82\x7f\0\0\0\0\0\x01\0\0begun");
    revoke(&rig, "k_reader");
    client.closed();
    assert_eq!(peer.rest().0, b"\x82\xfe\x10\0mask");
}

#[test]
fn what_ends_by_the_clock_is_cut() {
    let mut key = record("brief", "reader");
    let soon = clock::now().0 + 3;
    let expires = jiff::Timestamp::from_second(soon).unwrap().to_string();
    key["expires"] = expires.into();
    let mut rig = Rig::with("", &[key]);
    let (mut client, mut peer) = open_as(&mut rig, "Host: localhost\r\nX-API-Key: key-brief\r\n");
    assert_eq!(client.rest().0, b"\x88\x02\x03\xf0");
    assert_eq!(peer.rest().0, b"\x88\x82\0\0\0\0\x03\xf0");
    assert!(clock::now().0 >= soon);
    assert_eq!(terminated(&rig, "key_expired"), 1.0);
}

#[test]
fn a_drain_is_told() {
    let mut rig = Rig::new("timeouts.drain = \"60s\"\n");
    let (mut client, mut peer, _) = open(&mut rig);
    rig.gate.running.send("TERM");
    assert_eq!(client.rest().0, b"\x88\x02\x03\xe9");
    assert_eq!(peer.rest().0, b"\x88\x82\0\0\0\0\x03\xe9");
    assert_eq!(rig.gate.running.end(), Some(0));
}

//! What HTTP/1 holds to in clear text, held to by HTTP/2, over TLS and by Unix sockets.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use http::Request;

use crate::frames::{self, GOOD, preface};
use crate::rig::{OK, READER, Rig, WRITER};
use crate::secure::{Connection, Secure};
use crate::session::{Session, keyed};
use crate::wire::Wire;

/// A preflight's fields, and nobody's key.
fn preflight(path: &str) -> Request<()> {
    Request::builder()
        .method("OPTIONS")
        .uri(format!("http://localhost{path}"))
        .header("origin", "https://a.example")
        .header("access-control-request-method", "POST")
        .body(())
        .unwrap()
}

#[test]
fn a_preflight_has_no_body_though_no_field_would_tell() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let mut asked = session.ask(preflight("/pages"), false);
    asked.body.send_data(Bytes::from_static(b"{}"), true).unwrap();
    assert_eq!(session.answer(asked).unwrap().status(), 401);
    let asked = session.ask(preflight("/app"), true);
    assert_eq!(session.answer(asked).unwrap().status(), 401);
    assert_eq!(rig.upstream.waiting(), 0);
    let asked = session.ask(preflight("/pages"), true);
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert_eq!(seen.first, "OPTIONS /pages HTTP/1.1");
    assert!(!seen.text().contains("x-sidegate-account"), "{seen:?}");
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().status(), 200);
}

#[test]
fn a_trusted_proxy_is_believed_in_both_versions() {
    let claims = [
        ("x-forwarded-for", "9.9.9.9"),
        ("x-forwarded-host", "shop.example"),
        ("x-sidegate-account", "root"),
    ];
    let mut secure = Secure::new("trusted_proxies = [\"127.0.0.0/8\"]\n");
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(secure.authority.roots())
        .with_no_client_auth();
    let mut session = Session::secure(secure.rig.gate.port, config);
    for (scheme, expected) in [(None, "https"), (Some("http"), "http"), (Some("x"), "https")] {
        let scheme = scheme.map(|scheme| ("x-forwarded-proto", scheme));
        let more: Vec<_> = claims.into_iter().chain(scheme).collect();
        let asked = session.ask(keyed("GET", "/app", "key-writer", &more), true);
        let mut peer = secure.rig.upstream.next();
        let seen = peer.message(false).unwrap();
        assert_eq!(seen.field("x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
        assert_eq!(seen.field("x-forwarded-host"), Some("shop.example"));
        assert_eq!(seen.field("x-forwarded-proto"), Some(expected), "{scheme:?}");
        assert_eq!(seen.field("x-sidegate-account"), Some("writer"));
        peer.send(OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
        assert_eq!(session.answer(asked).unwrap().status(), 200);
    }
    let mut client = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    let head = format!("GET /app HTTP/1.1\r\n{WRITER}X-Forwarded-For: 9.9.9.9\r\n\r\n");
    client.0.write_all(head.as_bytes()).unwrap();
    let seen = secure.rig.upstream.next().message(false).unwrap();
    assert_eq!(seen.field("x-forwarded-for"), Some("9.9.9.9, 127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
}

#[test]
fn a_key_that_asks_too_often_is_told_so_in_its_own_words() {
    let mut rig = Rig::new("limits = { key_rate = 1, key_burst = 1 }\n");
    let mut session = Session::new(rig.gate.port);
    let asked = session.ask(keyed("GET", "/app", "key-reader", &[]), true);
    let mut peer = rig.upstream.next();
    peer.message(false).unwrap();
    peer.send(OK);
    assert_eq!(session.answer(asked).unwrap().status(), 200);
    for (more, status, code) in
        [(&[][..], 429, None), (&[("content-type", "application/grpc")], 200, Some("8"))]
    {
        let asked = session.ask(keyed("GET", "/app", "key-reader", more), true);
        let answer = session.answer(asked).unwrap();
        assert_eq!((answer.status(), answer.field("grpc-status")), (status, code));
        assert_eq!(answer.field("retry-after"), Some("1"));
    }
    assert_eq!(rig.gate.metric("sidegate_denials_total", "reason=\"rate_limited\""), 2.0);
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn heads_over_tls_have_one_reading_too() {
    let mut secure = Secure::new("");
    for message in [
        format!("GET /app#x HTTP/1.1\r\n{WRITER}\r\n"),
        format!("GET /app HTTP/1.1\n{WRITER}\r\n"),
        format!("POST /app HTTP/1.1\r\n{WRITER}Content-Length: 5\r\nContent-Length: 5\r\n\r\n"),
        format!(
            "POST /app HTTP/1.1\r\n{WRITER}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let client = secure.client().offering(&["http/1.1"]);
        let mut client = client.connect(secure.rig.gate.port, "localhost").unwrap();
        let answer = client.exchange(&message, "}").unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{message:?}: {answer}");
    }
    assert_eq!(secure.rig.upstream.waiting(), 0);
}

/// A WebSocket that is open, both ends. The first bytes of each come right behind its head.
fn open(secure: &mut Secure) -> (Connection, Wire) {
    let mut client = secure.client().connect(secure.rig.gate.port, "localhost").unwrap();
    let head = format!(
        "GET /socket HTTP/1.1\r\n{READER}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    client.0.write_all(&[head.as_bytes(), b"\x81\x85\0\0\0\0first"].concat()).unwrap();
    let mut peer = secure.rig.upstream.next();
    assert_eq!(peer.message(false).unwrap().field("x-forwarded-proto"), Some("https"));
    let agreed = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    peer.send([agreed.as_bytes(), b"\x81\x05hello"].concat());
    assert!(client.through("hello").unwrap().starts_with("HTTP/1.1 101 "));
    peer.through(b"first");
    (client, peer)
}

#[test]
fn a_websocket_goes_over_tls() {
    let mut secure = Secure::new("");
    let (mut client, mut peer) = open(&mut secure);
    client.0.write_all(b"second").unwrap();
    peer.through(b"second");
    peer.send("last");
    assert_eq!(client.through("last").unwrap(), "last");
    client.0.conn.send_close_notify();
    client.0.flush().unwrap();
    // The end of one side is that of the other, and the way back is still open.
    peer.closed();
    peer.send("words");
    assert_eq!(client.through("words").unwrap(), "words");
}

#[test]
fn a_drain_is_told_over_tls() {
    let mut secure = Secure::new("timeouts.drain = \"10s\"\n");
    let (mut client, _peer) = open(&mut secure);
    secure.rig.gate.running.send("TERM");
    let mut told = [0; 4];
    client.0.read_exact(&mut told).unwrap();
    assert_eq!(told, [0x88, 2, 3, 0xe9]);
    drop(client);
    assert_eq!(secure.rig.gate.running.end(), Some(0));
}

/// The library cuts it off before anybody can look: what is judged is still what is forwarded.
#[test]
fn a_fragment_in_http_2_goes_nowhere() {
    let mut rig = Rig::new("");
    let fields: Vec<_> = GOOD
        .iter()
        .map(|(name, value)| (*name, if *name == ":path" { "/app?a=1#/closed" } else { *value }))
        .collect();
    let _client = rig.sent([preface(), frames::request(1, &fields)].concat());
    let seen = rig.upstream.next().message(false).unwrap();
    assert_eq!(seen.first, "GET /app?a=1 HTTP/1.1");
}

//! Which WebSockets on streams of HTTP/2 come to be: the CONNECT, how it is judged, and the answer.

use bytes::Bytes;
use h2::ext::Protocol;
use http::Request;

use crate::frames::{self, END_HEADERS, Fields, HEADERS, RST_STREAM, preface};
use crate::rig::{OK, Rig};
use crate::session::{Session, keyed};
use crate::websocket::{Open, agreed, answered, socket, streams};

/// SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3), on.
const ANNOUNCED: [u8; 6] = [0, 8, 0, 0, 0, 1];

#[test]
fn it_is_judged_as_an_upgrade() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let browser = [("sec-websocket-protocol", "bearer, key-reader, chat")];
    let two = [("sec-websocket-protocol", "bearer, key-writer")];
    let grpc = [("content-type", "application/grpc")];
    let cases: &[(u16, Request<()>)] = &[
        (403, socket("/console", "key-reader", &[])),
        (200, socket("/console", "key-writer", &[])),
        (200, socket("/open", "", &[])),
        (405, socket("/app", "key-writer", &[])),
        (401, socket("/socket", "", &[])),
        (401, socket("/socket", "", &grpc)),
        (200, socket("/socket", "", &browser)),
        (400, socket("/socket", "key-reader", &two)),
        (400, socket("/socket//x", "key-reader", &[])),
        (404, socket("/elsewhere", "key-reader", &[])),
    ];
    for (status, request) in cases {
        let mut copy = Request::new(());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.headers_mut() = request.headers().clone();
        copy.extensions_mut().insert(Protocol::from_static("websocket"));
        let asked = session.connect(copy, false);
        if *status == 200 {
            let mut peer = rig.upstream.next();
            let seen = peer.message(false).unwrap();
            assert!(!seen.text().contains("key-reader"), "{seen:?}");
            assert!(!seen.text().contains("key-writer"), "{seen:?}");
            peer.send(agreed(&seen, ""));
        }
        let (_up, answer) = answered(&session, asked);
        assert_eq!(answer.status().as_u16(), *status, "{request:?}");
        assert_eq!(rig.upstream.waiting(), 0, "{request:?}");
    }
}

#[test]
fn any_other_connect_is_refused() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    for protocol in [Some("connect-udp"), Some("WebSocket"), Some("websocket2"), None] {
        let mut request = socket("/socket", "key-writer", &[]);
        request.extensions_mut().remove::<Protocol>();
        match protocol {
            Some(protocol) => {
                request.extensions_mut().insert(Protocol::from_static(protocol));
            }
            None => *request.uri_mut() = "localhost:80".parse().unwrap(),
        }
        let asked = session.connect(request, false);
        let (_up, answer) = answered(&session, asked);
        assert_eq!(answer.status(), 405, "{protocol:?}");
    }
    assert_eq!(rig.upstream.waiting(), 0);
}

/// A request with one of these has no reading (RFC 9113 §8.3, RFC 8441 §4).
#[test]
fn what_is_no_extended_connect_is_reset() {
    const CONNECT: Fields<'static> = &[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", "/socket"),
        ("sec-websocket-version", "13"),
        ("x-api-key", "key-reader"),
    ];
    let without = |name: &str| -> Vec<_> {
        CONNECT.iter().copied().filter(|(known, _)| *known != name).collect()
    };
    let and = |field: (&'static str, &'static str)| -> Vec<_> {
        let at = if field.0.starts_with(':') { 1 } else { CONNECT.len() };
        let mut fields = CONNECT.to_vec();
        fields.insert(at, field);
        fields
    };
    let late = [CONNECT, &[(":protocol", "websocket")]].concat();
    let get: Vec<_> = [(":method", "GET")].into_iter().chain(without(":method")).collect();
    let cases: &[(&str, Vec<(&str, &str)>)] = &[
        ("two protocols", and((":protocol", "websocket"))),
        ("two methods", and((":method", "GET"))),
        ("two paths", and((":path", "/app"))),
        ("two schemes", and((":scheme", "http"))),
        ("two authorities", and((":authority", "localhost"))),
        ("a late protocol", late),
        ("no path", without(":path")),
        ("no scheme", without(":scheme")),
        ("a protocol of a GET", get),
        ("an upgrade", and(("upgrade", "websocket"))),
        ("a connection", and(("connection", "upgrade"))),
    ];
    let mut rig = Rig::new("");
    for (what, fields) in cases {
        let mut wire = rig.client();
        wire.send(preface());
        wire.send(frames::frame(HEADERS, END_HEADERS, 1, &frames::block(fields)));
        let came = frames::next_of_stream(&mut wire);
        assert_eq!((came.kind, came.code()), (RST_STREAM, Some(1)), "{what}: {came:?}");
    }
    // And as it should be it is none of these.
    let mut wire = rig.client();
    wire.send(preface());
    let announced = frames::next(&mut wire);
    assert!(announced.payload.chunks(6).any(|setting| setting == ANNOUNCED), "{announced:?}");
    wire.send(frames::frame(HEADERS, END_HEADERS, 1, &frames::block(CONNECT)));
    rig.upstream.next().message(false).unwrap();
    assert_eq!(rig.upstream.waiting(), 0);
}

#[test]
fn an_upstream_that_does_not_agree_opens_nothing() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let wrong = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let switch = |more: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{more}\r\n");
    let upgraded = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let cases = [
        // In HTTP/2 it would be an agreement.
        (502, OK.to_owned()),
        (502, "HTTP/1.1 204 No Content\r\n\r\n".to_owned()),
        (403, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno".to_owned()),
        (426, "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (302, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".to_owned()),
        (502, switch(upgraded)),
        (502, switch(&format!("{upgraded}{wrong}"))),
        (502, switch(&format!("Connection: upgrade\r\nUpgrade: h2c\r\n{wrong}"))),
        (502, String::new()),
    ];
    for (status, said) in cases {
        let asked = session.connect(socket("/socket", "key-reader", &[]), false);
        let mut peer = rig.upstream.next();
        peer.message(false).unwrap();
        peer.send(&said);
        if said.is_empty() {
            drop(peer);
        } else {
            peer.closed();
        }
        let (_up, answer) = answered(&session, asked);
        assert_eq!(answer.status().as_u16(), status, "{said}");
        let error = answer.headers().get("proxy-status").map(|it| it.to_str().unwrap());
        let expected = match said.get(..10) {
            Some("HTTP/1.1 2") => Some("sidegate; error=http_upgrade_failed"),
            Some("HTTP/1.1 1") => Some("sidegate; error=http_protocol_error"),
            Some(_) => None,
            None => Some("sidegate; error=connection_terminated"),
        };
        assert_eq!(error, expected, "{said}");
    }
    assert_eq!(streams(&rig), 0.0);
}

#[test]
fn nothing_goes_on_before_the_upstream_agrees() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let mut asked = session.connect(socket("/socket", "key-reader", &[]), false);
    asked.body.send_data(Bytes::from_static(b"early"), false).unwrap();
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert!(seen.text().ends_with("\r\n\r\n"), "{seen:?}");
    let refused = session.ask(keyed("GET", "/app", "nobody", &[]), true);
    assert_eq!(session.answer(refused).unwrap().status(), 401);
    assert!(!peer.has_answer());
    peer.send(agreed(&seen, "") + "first");
    assert_eq!(peer.bytes(5), b"early");
    let (up, answer) = answered(&session, asked);
    let mut open = Open { up, down: answer.into_body(), peer };
    assert_eq!(open.hear(&session, 5), b"first");
}

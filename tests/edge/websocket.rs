//! WebSockets on streams of HTTP/2 (RFC 8441): what holds in HTTP/1.1 holds there.

use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use rustls::ClientConfig;

use crate::harness::until;
use crate::rig::{OK, READER, Rig};
use crate::secure::Secure;
use crate::session::{Asked, Session, keyed};
use crate::talk::{BINARY, FIN, SETTLED, cases, close, echo, frame};
use crate::wire::{Message, Wire};

pub(crate) fn socket(path: &str, key: &str, more: &[(&str, &str)]) -> Request<()> {
    let mut fields = vec![("sec-websocket-version", "13")];
    fields.extend_from_slice(more);
    let mut request = keyed("CONNECT", path, key, &fields);
    if key.is_empty() {
        request.headers_mut().remove("x-api-key");
    }
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request
}

/// What a server that has seen the key answers.
fn accept(asked: &Message) -> String {
    let key = asked.field("sec-websocket-key").unwrap();
    tungstenite::handshake::derive_accept_key(key.as_bytes())
}

pub(crate) fn agreed(asked: &Message, more: &str) -> String {
    let accept = accept(asked);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{more}\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A WebSocket that is open: both of its ends.
pub(crate) struct Open {
    pub(crate) up: SendStream<Bytes>,
    pub(crate) down: RecvStream,
    pub(crate) peer: Wire,
}

impl Open {
    fn say(&mut self, bytes: &'static [u8], last: bool) {
        self.up.send_data(Bytes::from_static(bytes), last).unwrap();
    }

    /// The next bytes, as many.
    pub(crate) fn hear(&mut self, session: &Session, length: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < length {
            let part = session.wait(self.down.data()).unwrap().unwrap();
            self.down.flow_control().release_capacity(part.len()).unwrap();
            heard.extend_from_slice(&part);
        }
        heard
    }

    /// The rest, if it ends as it should.
    fn rest(&mut self, session: &Session) -> Result<Vec<u8>, h2::Error> {
        session.wait(rest(&mut self.down))
    }
}

async fn rest(down: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut heard = Vec::new();
    while let Some(part) = down.data().await {
        match part {
            Ok(part) => {
                down.flow_control().release_capacity(part.len())?;
                heard.extend_from_slice(&part);
            }
            // All was said, and what we might still say is not wanted.
            Err(error) if error.reason() == Some(Reason::NO_ERROR) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(heard)
}

pub(crate) fn answered(
    session: &Session,
    asked: Asked,
) -> (SendStream<Bytes>, Response<RecvStream>) {
    let (up, answer) = session.both(asked);
    (up, answer.unwrap())
}

pub(crate) fn open_as(
    rig: &mut Rig,
    session: &mut Session,
    path: &str,
    key: &str,
) -> (Open, Message) {
    let asked = session.connect(socket(path, key, &[]), false);
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    peer.send(agreed(&seen, ""));
    let (up, answer) = answered(session, asked);
    assert_eq!(answer.status(), 200);
    (Open { up, down: answer.into_body(), peer }, seen)
}

pub(crate) fn streams(rig: &Rig) -> f64 {
    rig.gate.metric("sidegate_streams_active", "")
}

#[test]
fn it_is_an_upgrade_to_the_upstream_and_bytes_go_both_ways() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let fields =
        [("sec-websocket-protocol", "chat"), ("cookie", "a=1"), ("sec-websocket-key", "ours")];
    let asked = session.connect(socket("/socket/x?y=z", "key-reader", &fields), false);
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    assert_eq!(seen.first, "GET /socket/x?y=z HTTP/1.1");
    for (name, value) in [
        ("host", Some("localhost")),
        ("upgrade", Some("websocket")),
        ("connection", Some("upgrade")),
        ("sec-websocket-version", Some("13")),
        ("sec-websocket-protocol", Some("chat")),
        ("cookie", Some("a=1")),
        ("x-sidegate-account", Some("reader")),
        ("x-api-key", None),
        ("content-length", None),
        ("transfer-encoding", None),
    ] {
        assert_eq!(seen.field(name), value, "{name}: {seen:?}");
    }
    assert_eq!(seen.field("sec-websocket-key").unwrap().len(), 24);
    peer.send(agreed(&seen, "Sec-WebSocket-Protocol: chat\r\nContent-Length: 5\r\n"));
    let (up, answer) = answered(&session, asked);
    assert_eq!(answer.status(), 200);
    let field = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
    assert_eq!(field("sec-websocket-protocol"), Some("chat"));
    for name in ["sec-websocket-accept", "upgrade", "connection", "content-length"] {
        assert_eq!(field(name), None, "{name}");
    }
    let mut open = Open { up, down: answer.into_body(), peer };
    assert_eq!(streams(&rig), 1.0);
    open.say(b"\x81\x85\x00\x00\x00\x00hello", false);
    assert_eq!(open.peer.bytes(11), b"\x81\x85\x00\x00\x00\x00hello");
    open.peer.send(b"\x81\x05world");
    assert_eq!(open.hear(&session, 7), b"\x81\x05world");
    assert_eq!(rig.events().len(), 0);
    // Other streams of the connection go on beside it.
    let beside = session.ask(keyed("GET", "/app", "key-writer", &[]), true);
    let mut other = rig.upstream.next();
    other.message(false).unwrap();
    other.send(OK);
    assert_eq!(session.answer(beside).unwrap().body, b"ok");
    open.say(b"", true);
    open.peer.closed();
    open.peer.send("last words");
    let Open { mut down, peer, .. } = open;
    drop(peer);
    assert_eq!(session.wait(rest(&mut down)).unwrap(), b"last words");
    until("both events", || rig.events().len() == 2);
    let event = rig.events().remove(1);
    assert_eq!((event["status"].as_u64(), event["route"].as_str()), (Some(101), Some("socket")));
    until("no stream", || streams(&rig) == 0.0);
}

#[test]
fn the_end_of_one_side_is_that_of_the_other() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let (mut open, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
        open.up.send_reset(reason);
        // The upstream does not have to end for it.
        open.peer.closed();
        until("the stream to end", || streams(&rig) == 0.0);
    }
    for reset in [false, true] {
        let (open, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
        let Open { up: _up, mut down, peer } = open;
        match reset {
            true => peer.reset(),
            false => drop(peer),
        }
        assert_eq!(session.wait(rest(&mut down)).unwrap(), b"");
    }
    // And that of the connection is the end of all on it.
    let (open, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
    let (other, _) = open_as(&mut rig, &mut session, "/open", "");
    let (mut one, mut two) = (open.peer, other.peer);
    drop((open.up, open.down, other.up, other.down, session));
    one.closed();
    two.closed();
    until("the streams to end", || streams(&rig) == 0.0);
}

#[test]
fn a_reader_that_stops_holds_the_writer_back() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let (mut open, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
    let most = 64 << 20;
    let sent = open.peer.flood(most, Duration::from_millis(300));
    assert!(sent < most, "{sent} bytes are kept somewhere");
    assert_eq!(open.hear(&session, sent).len(), sent);
    open.peer.send("more");
    assert_eq!(open.hear(&session, 4), b"more");
}

fn terminated(rig: &Rig, reason: &str) -> f64 {
    let label = format!("reason=\"{reason}\"");
    rig.gate.metric("sidegate_streams_terminated_total", &label)
}

#[test]
fn a_revocation_cuts_what_it_let_through() {
    let mut rig = Rig::new("");
    let mut session = Session::new(rig.gate.port);
    let (mut cut, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
    let (mut kept, _) = open_as(&mut rig, &mut session, "/socket", "key-writer");
    cut.peer.send(b"\x81\x05hello\x81\x05hel");
    assert_eq!(cut.hear(&session, 12), b"\x81\x05hello\x81\x05hel");
    let revoked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
        .args(["key", "revoke", "-c", "sidegate.toml", "k_reader"])
        .current_dir(rig.folder.path())
        .output()
        .unwrap();
    assert!(revoked.status.success(), "{revoked:?}");
    until("the cut", || rig.gate.page("/metrics").contains("{reason=\"key_revoked\"} 1"));
    cut.peer.send(b"lo\x81\x04more");
    assert_eq!(cut.rest(&session).unwrap(), b"lo\x88\x02\x03\xf0");
    assert_eq!(cut.peer.rest().0, b"\x88\x82\0\0\0\0\x03\xf0");
    kept.say(b"\x81\x81\0\0\0\0a", false);
    assert_eq!(kept.peer.bytes(7), b"\x81\x81\0\0\0\0a");
    kept.peer.send(b"\x81\x01b");
    assert_eq!(kept.hear(&session, 3), b"\x81\x01b");
    assert_eq!(terminated(&rig, "key_revoked"), 1.0);
    until("the stream to end", || streams(&rig) == 1.0);
    until("its event", || rig.events().len() == 1);
    let event = rig.events().remove(0);
    assert_eq!(
        (event["status"].as_u64(), event["reason"].as_str()),
        (Some(101), Some("key_revoked"))
    );
    assert_eq!(
        (event["terminated"].as_bool(), event["account"].as_str()),
        (Some(true), Some("reader"))
    );
}

#[test]
fn a_drain_is_told_and_the_connection_ends() {
    let mut rig = Rig::new("timeouts.drain = \"60s\"\n");
    let mut session = Session::new(rig.gate.port);
    let (mut open, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
    rig.gate.running.send("TERM");
    assert_eq!(open.rest(&session).unwrap(), b"\x88\x02\x03\xe9");
    assert_eq!(open.peer.rest().0, b"\x88\x82\0\0\0\0\x03\xe9");
    session.ended();
    assert_eq!(rig.gate.running.end(), Some(0));
}

/// One with a WebSocket is not idle, and is once that has ended by our own word.
#[test]
fn silence_has_an_end_for_both() {
    let mut rig = Rig::new("timeouts.tunnel = \"600ms\"\ntimeouts.idle = \"100ms\"\n");
    let mut session = Session::new(rig.gate.port);
    let (mut open, _) = open_as(&mut rig, &mut session, "/socket", "key-reader");
    assert_eq!(open.rest(&session).unwrap(), b"");
    open.peer.closed();
    assert_eq!(terminated(&rig, "idle"), 1.0);
    session.ended();
}

/// Everything that comes back until the server ends, or has answered a last message of ours.
fn told(session: &mut Session, pieces: &[Vec<u8>]) -> Vec<u8> {
    let asked = session.connect(socket("/socket", "key-reader", &[]), false);
    let (mut up, answer) = answered(session, asked);
    assert_eq!(answer.status(), 200);
    let last = [frame(FIN | BINARY, SETTLED), close(1000, b"")];
    for piece in pieces.iter().chain(&last) {
        // A server that has seen enough may be gone.
        let _ = up.send_data(Bytes::copy_from_slice(piece), false);
    }
    session.wait(rest(&mut answer.into_body())).unwrap()
}

fn told_directly(port: u16, pieces: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Wire::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
    wire.send(format!(
        "GET /socket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{READER}\r\n"
    ));
    assert_eq!(wire.answer().status(), 101);
    for piece in pieces {
        let _ = wire.try_send(piece);
    }
    let _ = wire.try_send(frame(FIN | BINARY, SETTLED));
    let _ = wire.try_send(close(1000, b""));
    wire.rest().0
}

#[test]
fn frames_are_the_same_on_a_stream_as_direct() {
    let server = echo();
    let rig = Rig::before(server);
    let mut session = Session::new(rig.gate.port);
    let cases = cases();
    assert!(cases.len() >= 120, "{}", cases.len());
    for (name, pieces) in cases {
        assert_eq!(told(&mut session, &pieces), told_directly(server, &pieces), "{name}");
    }
}

#[test]
fn over_tls_it_is_the_same() {
    let mut secure = Secure::new("");
    let config = ClientConfig::builder().with_root_certificates(secure.authority.roots());
    let mut session = Session::secure(secure.rig.gate.port, config.with_no_client_auth());
    let (mut open, seen) = open_as(&mut secure.rig, &mut session, "/socket", "key-reader");
    assert_eq!(seen.field("x-forwarded-proto"), Some("https"));
    open.say(b"\x81\x80\0\0\0\0", false);
    assert_eq!(open.peer.bytes(6), b"\x81\x80\0\0\0\0");
}

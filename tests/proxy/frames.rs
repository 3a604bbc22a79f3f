//! WebSockets of real peers, and frames that no good peer sends: the same through the gate as direct.
//!
//! Each case is sent as raw frames to an echo server of `tungstenite`, once straight and once through
//! the gate. What comes back has to be the same to the last byte.

use std::net::TcpStream;

use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket, client};

use crate::rig::{READER, Rig};
use crate::talk::{BINARY, FIN, SETTLED, cases, close, echo, frame};
use crate::wire::Wire;

const HANDSHAKE: &str = "GET /socket HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
/// All that comes back until the server ends, or has answered a last message of ours.
fn told(mut wire: Wire, pieces: &[Vec<u8>]) -> (Vec<u8>, Vec<u8>) {
    wire.send(format!("{HANDSHAKE}{READER}\r\n"));
    let answer = wire.answer();
    assert_eq!(answer.status(), 101);
    for piece in pieces {
        // A server that has seen enough may be gone.
        let _ = wire.try_send(piece);
    }
    let _ = wire.try_send(frame(FIN | BINARY, SETTLED));
    let _ = wire.try_send(close(1000, b""));
    let accept = answer.field("sec-websocket-accept").unwrap().as_bytes().to_vec();
    (accept, wire.rest().0)
}

#[test]
fn frames_are_the_same_through_the_gate_as_direct() {
    let server = echo();
    let rig = Rig::before(server);
    let cases = cases();
    assert!(cases.len() >= 120, "{}", cases.len());
    for (name, pieces) in cases {
        let direct = Wire::new(TcpStream::connect(("127.0.0.1", server)).unwrap());
        let expected = told(direct, &pieces);
        assert_eq!(told(rig.client(), &pieces), expected, "{name}");
    }
}

fn opened(rig: &Rig) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", rig.gate.port)).unwrap();
    let mut request = "ws://localhost/socket".into_client_request().unwrap();
    request.headers_mut().insert("x-api-key", "key-reader".parse().unwrap());
    client(request, stream).unwrap().0
}

#[test]
fn a_real_client_talks_through_the_gate() {
    let rig = Rig::before(echo());
    let mut socket = opened(&rig);
    for size in [0, 1, 1000, 100_000, 4 << 20] {
        let sent = Message::binary(vec![7; size]);
        socket.send(sent.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), sent);
    }
    let many: Vec<_> = (0..1000).map(|number| Message::text(format!("message {number}"))).collect();
    for message in &many {
        socket.write(message.clone()).unwrap();
    }
    socket.flush().unwrap();
    for message in many {
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping("still there?".into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong("still there?".into()));
    socket.close(None).unwrap();
    assert!(matches!(socket.read().unwrap(), Message::Close(_)));
    assert!(socket.read().is_err());
}

//! What may be said on a WebSocket, well and badly, and a server that says it again.
//!
//! The cases follow the chapters of the Autobahn test suite (framing, pings, reserved bits, opcodes,
//! fragments, UTF-8, closing, sizes), as raw frames.

use std::net::TcpListener;
use std::thread;

use tungstenite::{Message, accept};

/// The last message of every case: its echo says that the rest was taken.
pub(crate) const SETTLED: &[u8] = b"settled";

const CONTINUE: u8 = 0x0;
const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;
pub(crate) const FIN: u8 = 0x80;

/// Says every message again, until the client ends or errs.
pub(crate) fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            thread::spawn(move || {
                let Ok(mut socket) = accept(stream) else { return };
                while let Ok(message) = socket.read() {
                    let echoed = match message {
                        Message::Text(_) | Message::Binary(_) => socket.send(message),
                        _ => socket.flush(),
                    };
                    if echoed.is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// A frame as a client sends it (RFC 6455 §5.2), masked.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

pub(crate) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// Every case: a name, and what is sent piece by piece.
pub(crate) fn cases() -> Vec<(String, Vec<Vec<u8>>)> {
    let mut cases = Vec::new();
    let mut case = |name: String, pieces: Vec<Vec<u8>>| cases.push((name, pieces));
    for (kind, opcode) in [("text", TEXT), ("binary", BINARY)] {
        for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 300_000] {
            case(format!("{kind} of {size}"), vec![frame(FIN | opcode, &vec![b'*'; size])]);
        }
        let whole = frame(FIN | opcode, &[b'*'; 70_000]);
        let chops = whole.chunks(997).map(<[u8]>::to_vec).collect();
        case(format!("{kind} in chops"), chops);
        let small = frame(FIN | opcode, b"a message in single bytes");
        case(format!("{kind} in bytes"), small.iter().map(|byte| vec![*byte]).collect());
        let parts = [frame(opcode, b"one "), frame(CONTINUE, b"two "), frame(FIN, b"three")];
        case(format!("{kind} in fragments"), parts.to_vec());
        case(format!("{kind} in fragments at once"), vec![parts.concat()]);
        let between = [parts[0].clone(), frame(FIN | PING, b"now?"), parts[2].clone()];
        case(format!("ping between fragments of {kind}"), between.to_vec());
        case(format!("{kind} within {kind}"), vec![parts[0].clone(), frame(FIN | opcode, b"x")]);
        case(format!("{kind} and what goes on with nothing"), vec![frame(FIN, b"x")]);
    }
    for size in [0, 1, 124, 125, 126] {
        case(format!("ping of {size}"), vec![frame(FIN | PING, &vec![0xfe; size])]);
        case(format!("pong of {size}"), vec![frame(FIN | PONG, &vec![0xfe; size])]);
    }
    case("ten pings".into(), vec![frame(FIN | PING, b"p").repeat(10)]);
    case("a fragmented ping".into(), vec![frame(PING, b"p"), frame(FIN, b"q")]);
    for bits in 1..8_u8 {
        let first = FIN | bits << 4;
        case(format!("reserved bits {bits} on text"), vec![frame(first | TEXT, b"x")]);
        case(format!("reserved bits {bits} on ping"), vec![frame(first | PING, b"x")]);
        case(format!("reserved bits {bits} on close"), vec![frame(first | CLOSE, b"")]);
    }
    for opcode in (3..8_u8).chain(11..16) {
        case(format!("opcode {opcode}"), vec![frame(FIN | opcode, b"x")]);
        let behind = [frame(FIN | TEXT, b"first"), frame(FIN | opcode, b"")].concat();
        case(format!("opcode {opcode} behind text"), vec![behind]);
    }
    let texts: [&[u8]; 12] = [
        "κόσμε".as_bytes(),
        "\u{10ffff}\u{fffe}".as_bytes(),
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\x80",
        b"\xce\xba\xe1\xbd",
        b"\xff",
        b"ok\xf0\x9f\x98\x80",
        b"half \xf0\x9f",
    ];
    for text in texts {
        case(format!("text {text:x?}"), vec![frame(FIN | TEXT, text)]);
        let (one, other) = text.split_at(text.len() / 2);
        case(format!("text {text:x?} in two"), vec![frame(TEXT, one), frame(FIN, other)]);
    }
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1011, 3000, 3999, 4000, 4999] {
        case(format!("close with {code}"), vec![close(code, b"bye")]);
    }
    for code in [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        case(format!("close with a wrong code, {code}"), vec![close(code, b"")]);
    }
    case("close without a code".into(), vec![frame(FIN | CLOSE, b"")]);
    case("close with half a code".into(), vec![frame(FIN | CLOSE, b"\x03")]);
    case("close with a long reason".into(), vec![close(1000, &[b'*'; 123])]);
    case("close that is too long".into(), vec![close(1000, &[b'*'; 124])]);
    case("close with a reason that is no text".into(), vec![close(1000, b"\xce\xba\xff")]);
    let after = [close(1000, b""), frame(FIN | TEXT, b"too late")].concat();
    case("text behind close".into(), vec![after]);
    case("not masked".into(), vec![b"\x81\x05hello".to_vec()]);
    case("not a frame".into(), vec![b"GET / HTTP/1.1\r\n\r\n".to_vec()]);
    case(
        "a length that is too long".into(),
        vec![b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()],
    );
    case(
        "a length longer than it has to be".into(),
        vec![b"\x81\xfe\x00\x01\x00\x00\x00\x00x".to_vec()],
    );
    cases
}

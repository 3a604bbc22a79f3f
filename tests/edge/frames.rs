//! HTTP/2 frame by frame, for clients that do what they should not.

use std::io::Read as _;
use std::net::TcpStream;

use crate::wire::Wire;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

pub(crate) type Fields<'a> = &'a [(&'a str, &'a str)];

/// The fields of a request to `/app` by who may write.
pub(crate) const GOOD: Fields<'static> = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/app"),
    ("x-api-key", "key-writer"),
];

/// What opens a connection.
pub(crate) fn preface() -> Vec<u8> {
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &frame(SETTINGS, 0, 0, &[])].concat()
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, payload].concat()
}

/// Fields as literals that are in no table (RFC 7541 §6.2.2).
pub(crate) fn block(fields: Fields<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            match text.len() {
                length @ ..127 => block.push(length as u8),
                length => {
                    block.push(127);
                    let mut rest = length - 127;
                    while rest >= 128 {
                        block.push(128 | (rest % 128) as u8);
                        rest /= 128;
                    }
                    block.push(rest as u8);
                }
            }
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A request without a body.
pub(crate) fn request(stream: u32, fields: Fields<'_>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Came {
    /// The code of a reset or of a last word.
    pub(crate) fn code(&self) -> Option<u32> {
        let code = match self.kind {
            RST_STREAM => &self.payload[..4],
            GOAWAY => &self.payload[4..8],
            _ => return None,
        };
        Some(u32::from_be_bytes(code.try_into().unwrap()))
    }
}

/// Every frame until the other side has ended.
pub(crate) fn rest(wire: &mut Wire) -> Vec<Came> {
    let (bytes, _reset) = wire.rest();
    cut(&bytes)
}

/// The next frame.
pub(crate) fn next(wire: &mut Wire) -> Came {
    let head = wire.bytes(9);
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let bytes = [head, wire.bytes(length)].concat();
    cut(&bytes).remove(0)
}

/// The next frame that is not of the connection's own affairs.
pub(crate) fn next_of_stream(wire: &mut Wire) -> Came {
    loop {
        let came = next(wire);
        if came.stream != 0 {
            return came;
        }
    }
}

/// Reads whatever comes, for ever, so that a client that only writes is never told to wait.
pub(crate) fn swallow(stream: &TcpStream) -> std::thread::JoinHandle<Vec<u8>> {
    let mut stream = stream.try_clone().unwrap();
    std::thread::spawn(move || {
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        all
    })
}

pub(crate) fn cut(bytes: &[u8]) -> Vec<Came> {
    let mut rest = bytes;
    let mut frames = Vec::new();
    while rest.len() >= 9 {
        let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        if rest.len() < 9 + length {
            break;
        }
        let stream = u32::from_be_bytes(rest[5..9].try_into().unwrap());
        let payload = rest[9..9 + length].to_vec();
        frames.push(Came { kind: rest[3], flags: rest[4], stream, payload });
        rest = &rest[9 + length..];
    }
    frames
}

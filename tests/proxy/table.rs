//! Rows of bytes, and what becomes of them.

use crate::harness::until;
use crate::rig::{GET, OK, Rig, WRITER};
use crate::wire::{Message, Wire};

/// What becomes of a message that a client sent, and of a request behind it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fate {
    /// This status, then the end. Nothing of either reaches an upstream.
    Refused(u16),
    /// 400 and the end. The upstream gets half a message at most, and nothing of the other.
    Broken,
    /// The upstream gets this first line and this body, then the other request.
    Seen(&'static str, &'static str),
    /// The upstream gets this; then the connection ends.
    Last(&'static str, &'static str),
}

/// Sends `bytes`, where `{W}` stands for lines that say who asks, and a request behind them in the
/// same write.
pub(crate) fn check(rig: &mut Rig, bytes: &[u8], fate: Fate) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let bytes = filled(bytes);
    let mut client = rig.sent([&bytes, GET.as_bytes()].concat());
    match fate {
        Fate::Refused(status) => {
            let answer =
                client.message(false).unwrap_or_else(|broken| panic!("{text:?}: {broken:?}"));
            assert_eq!(answer.status(), status, "{text:?}");
            assert!(answer.field("x-request-id").is_some(), "{text:?}: {answer:?}");
            client.closed();
            assert_eq!(rig.upstream.waiting(), 0, "{text:?}");
        }
        Fate::Broken => {
            let (said, _reset) = client.rest();
            assert!(
                said.starts_with(b"HTTP/1.1 400 "),
                "{text:?}: {}",
                String::from_utf8_lossy(&said)
            );
            let second = said.windows(9).filter(|it| it == b"HTTP/1.1 ").count();
            assert_eq!(second, 1, "{text:?}");
            if rig.upstream.waiting() > 0 {
                let seen = rig.upstream.next().message(false);
                assert!(seen.is_err(), "{text:?}: {seen:?}");
            }
            assert_eq!(rig.upstream.waiting(), 0, "{text:?}");
        }
        Fate::Seen(first, body) | Fate::Last(first, body) => {
            let mut peer = rig.upstream.next();
            let seen = peer.message(false).unwrap_or_else(|broken| panic!("{text:?}: {broken:?}"));
            assert_eq!(
                (seen.first.as_str(), seen.body.as_slice()),
                (first, body.as_bytes()),
                "{text:?}"
            );
            let close = OK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            peer.send(&close);
            assert_eq!(client.answer().status(), 200, "{text:?}");
            if let Fate::Last(..) = fate {
                client.closed();
            } else {
                let mut peer = rig.upstream.next();
                let next = peer.message(false).unwrap();
                assert_eq!(next.first, "GET /app HTTP/1.1", "{text:?}: {next:?}");
                assert_eq!(next.field("x-sidegate-account"), Some("writer"), "{text:?}");
                peer.send(&close);
                assert_eq!(client.answer().status(), 200, "{text:?}");
            }
            assert_eq!(rig.upstream.waiting(), 0, "{text:?}");
        }
    }
}

fn filled(bytes: &[u8]) -> Vec<u8> {
    let mut rest = bytes;
    let mut filled = Vec::new();
    while let Some(at) = rest.windows(3).position(|window| window == b"{W}") {
        filled.extend_from_slice(&rest[..at]);
        filled.extend_from_slice(WRITER.as_bytes());
        rest = &rest[at + 3..];
    }
    filled.extend_from_slice(rest);
    filled
}

/// What the upstream got of the one request that a client has sent, or the status of a refusal.
pub(crate) fn seen(rig: &mut Rig, client: &mut Wire, answer: &str) -> Result<Message, u16> {
    until("an answer or a request", || rig.upstream.waiting() > 0 || client.has_answer());
    if rig.upstream.waiting() == 0 {
        return Err(client.answer().status());
    }
    let mut peer = rig.upstream.next();
    let seen = peer.message(false).unwrap();
    peer.send(answer.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"));
    assert_eq!(client.answer().status(), 200, "{seen:?}");
    assert_eq!(rig.upstream.waiting(), 0, "{seen:?}");
    Ok(seen)
}

//! What is said in our name: who asks, how they came, and under which ids.
//!
//! One block of lines that goes out right behind the request line. It is written as bytes because
//! it is the same dozen fields for every request: as entries of a header map they cost more than
//! everything else that is done to a head. [`headers`](super::headers) has taken out whatever a
//! client said under these names, in any spelling.
//!
//! INVARIANT: no value holds a line end. Names are checked when a policy is compiled, ids when they
//! are kept, and a client's host is a field value that was read as one.

use http::header::{HOST, HeaderMap};

use super::door::Peer;
use super::trace::Trace;
use crate::policy::{Description, Level};

/// Appends the block to `room`.
pub(super) fn write(
    room: &mut Vec<u8>,
    headers: &HeaderMap,
    words: &Description<'_>,
    trace: &Trace,
    peer: &Peer,
) {
    let named = [
        ("x-sidegate-account: ", words.account),
        ("x-sidegate-key-id: ", words.key_id),
        ("x-sidegate-workspace: ", words.workspace),
        ("x-sidegate-environment: ", words.environment),
        ("x-sidegate-product: ", words.product),
        ("x-sidegate-permission: ", words.permission),
        ("x-sidegate-area: ", words.area),
        ("x-sidegate-level: ", words.level.map(Level::name)),
        ("x-forwarded-for: ", peer.forwarded()),
        ("x-forwarded-proto: ", Some(peer.scheme())),
        ("x-request-id: ", Some(trace.request_id())),
        ("traceparent: ", Some(trace.traceparent())),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            line(room, name, value.as_bytes());
        }
    }
    if let Some(host) = headers.get(HOST) {
        line(room, "x-forwarded-host: ", host.as_bytes());
    }
}

fn line(room: &mut Vec<u8>, name: &str, value: &[u8]) {
    room.extend_from_slice(name.as_bytes());
    room.extend_from_slice(value);
    room.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    #[test]
    fn identity_is_what_was_judged() {
        let words = Description {
            account: Some("svc@x"),
            key_id: Some("k_1"),
            workspace: Some("acme"),
            environment: Some("production"),
            product: Some("vault"),
            level: Some(Level::View),
            ..Description::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("api.acme.example"));
        let trace = Trace::of(&headers, &mut fastrand::Rng::with_seed(1));
        let mut room = Vec::new();
        write(&mut room, &headers, &words, &trace, &Peer::new([127, 0, 0, 1].into(), false));
        let expected = format!(
            "x-sidegate-account: svc@x\r\n\
             x-sidegate-key-id: k_1\r\n\
             x-sidegate-workspace: acme\r\n\
             x-sidegate-environment: production\r\n\
             x-sidegate-product: vault\r\n\
             x-sidegate-level: view\r\n\
             x-forwarded-for: 127.0.0.1\r\n\
             x-forwarded-proto: http\r\n\
             x-request-id: {}\r\n\
             traceparent: {}\r\n\
             x-forwarded-host: api.acme.example\r\n",
            trace.request_id(),
            trace.traceparent()
        );
        assert_eq!(String::from_utf8(room).unwrap(), expected);
    }
}

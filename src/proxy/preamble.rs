//! What is said in our name: who asks, how they came, and under which ids.
//!
//! One block of lines that goes out right behind the request line. It is written as bytes because
//! it is the same dozen fields for every request: as entries of a header map they cost more than
//! everything else that is done to a head. [`headers`](super::headers) has taken out whatever a
//! client said under these names, in any spelling.
//!
//! INVARIANT: no value holds a line end. Names are checked when a policy is compiled, ids when they
//! are kept, and a client's host is a field value that was read as one.

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};

use super::trace::Trace;
use crate::policy::{Description, Level};

/// Appends the block to `room`.
pub(super) fn write(
    room: &mut Vec<u8>,
    headers: &HeaderMap,
    words: &Description<'_>,
    trace: &Trace,
    peer: &str,
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
        ("x-forwarded-for: ", Some(peer)),
        ("x-forwarded-proto: ", Some("http")),
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

/// The same as fields. Nothing where one of them cannot be one: rather no request than one that says
/// less of who asks.
pub(super) fn insert(headers: &mut HeaderMap, block: &[u8]) -> Option<()> {
    for line in block.split_inclusive(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r\n")?;
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        headers.insert(name, HeaderValue::from_bytes(value.strip_prefix(b": ")?).ok()?);
    }
    Some(())
}

fn line(room: &mut Vec<u8>, name: &str, value: &[u8]) {
    room.extend_from_slice(name.as_bytes());
    room.extend_from_slice(value);
    room.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
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
        write(&mut room, &headers, &words, &trace, "127.0.0.1");
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
        let mut fields = HeaderMap::new();
        insert(&mut fields, &room).unwrap();
        let lines = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().unwrap())
        };
        assert_eq!(fields.iter().map(lines).collect::<String>(), expected);
        assert_eq!(String::from_utf8(room).unwrap(), expected);
        for broken in ["a: b", "a: b\n", ": b\r\n", "a b\r\n", "a: \0\r\n", "a:b\r\n"] {
            assert_eq!(insert(&mut HeaderMap::new(), broken.as_bytes()), None, "{broken:?}");
        }
    }
}

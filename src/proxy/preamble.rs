//! What is said in our name: who asks, how they came, and under which ids.
//!
//! One block of lines that goes out right behind the request line. It is written as bytes because
//! it is the same dozen fields for every request: as entries of a header map they cost more than
//! everything else that is done to a head. [`headers`](super::headers) has taken out whatever a
//! client said under these names, in any spelling.
//!
//! Of a trusted proxy's forwarding fields (see `trusted_proxies`), `X-Forwarded-For` and `Forwarded`
//! are kept and extended with the proxy itself, `X-Forwarded-Proto` and `X-Forwarded-Host` kept
//! where they are one scheme and one host. Everything else under such a name is dropped from
//! whomever it comes, and what says who asks is never taken from outside.
//!
//! INVARIANT: no value holds a line end. Names are checked when a policy is compiled, ids when they
//! are kept, and a client's host is a field value that was read as one.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::door::Peer;
use super::fields::{Fields, text};
use super::trace::Trace;
use crate::policy::{Description, Host, Level};

/// Appends the block to `room`.
pub(super) fn write(
    room: &mut Vec<u8>,
    fields: &Fields,
    words: &Description<'_>,
    trace: &Trace,
    peer: &Peer,
) {
    // A route has a product even where nobody asks, as in a preflight.
    let nobody = Description::default();
    let words = if words.account.is_some() { words } else { &nobody };
    // Names are bytes of a known length: they are written, not copied.
    maybe(room, b"x-sidegate-account: ", words.account);
    maybe(room, b"x-sidegate-key-id: ", words.key_id);
    maybe(room, b"x-sidegate-workspace: ", words.workspace);
    maybe(room, b"x-sidegate-environment: ", words.environment);
    maybe(room, b"x-sidegate-product: ", words.product);
    maybe(room, b"x-sidegate-permission: ", words.permission);
    maybe(room, b"x-sidegate-area: ", words.area);
    maybe(room, b"x-sidegate-level: ", words.level.map(Level::name));
    line(room, b"x-request-id: ", trace.request_id().as_bytes());
    line(room, b"traceparent: ", trace.traceparent().as_bytes());
    match peer.forwarded() {
        Some(address) if peer.is_trusted() => {
            return extend(room, fields, address, peer.scheme());
        }
        Some(address) => line(room, b"x-forwarded-for: ", address.as_bytes()),
        None => {}
    }
    line(room, b"x-forwarded-proto: ", peer.scheme().as_bytes());
    if let Some(value) = fields.get("host") {
        host(room, value);
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

/// What a trusted proxy said of the client, and then the proxy (RFC 7239 §5.2).
fn extend(room: &mut Vec<u8>, fields: &Fields, peer: &str, own: &str) {
    chain(room, "x-forwarded-for", fields, peer);
    if fields.has("forwarded") {
        let peer = match peer.contains(':') {
            true => format!("for=\"[{peer}]\""),
            false => format!("for={peer}"),
        };
        chain(room, "forwarded", fields, &peer);
    }
    let scheme = one(fields, "x-forwarded-proto")
        .filter(|scheme| matches!(*scheme, "http" | "https" | "ws" | "wss"));
    line(room, b"x-forwarded-proto: ", scheme.unwrap_or(own).as_bytes());
    let is_one = |host: &&str| !host.contains(',') && Host::parse(host).is_some();
    let named = one(fields, "x-forwarded-host").filter(is_one);
    if let Some(value) = named.or_else(|| one(fields, "host")) {
        host(room, value.as_bytes());
    }
}

/// Not of a host with a `,`: some read the field as a list, and would take a part for the whole.
fn host(room: &mut Vec<u8>, value: &[u8]) {
    if !value.contains(&b',') {
        line(room, b"x-forwarded-host: ", value);
    }
}

/// The values as one list, and `peer` behind them. None of them, where one is not text.
fn chain(room: &mut Vec<u8>, name: &str, fields: &Fields, peer: &str) {
    room.extend_from_slice(name.as_bytes());
    room.extend_from_slice(b": ");
    if fields.all(name).all(|value| text(value).is_some()) {
        for value in fields.all(name).filter(|value| !value.is_empty()) {
            room.extend_from_slice(value);
            room.extend_from_slice(b", ");
        }
    }
    room.extend_from_slice(peer.as_bytes());
    room.extend_from_slice(b"\r\n");
}

/// The value of a field that stands there once, as text.
fn one<'f>(fields: &'f Fields, name: &'f str) -> Option<&'f str> {
    fields.one(name).and_then(text)
}

fn maybe<const N: usize>(room: &mut Vec<u8>, name: &[u8; N], value: Option<&str>) {
    if let Some(value) = value {
        line(room, name, value.as_bytes());
    }
}

#[inline]
fn line<const N: usize>(room: &mut Vec<u8>, name: &[u8; N], value: &[u8]) {
    room.reserve(N + value.len() + 2);
    room.extend_from_slice(name);
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
        let mut sent = Fields::default();
        sent.add("host", "api.acme.example");
        let trace = Trace::of(&sent, &mut fastrand::Rng::with_seed(1), None);
        let mut room = Vec::new();
        write(&mut room, &sent, &words, &trace, &Peer::new([127, 0, 0, 1].into(), false, false));
        let expected = format!(
            "x-sidegate-account: svc@x\r\n\
             x-sidegate-key-id: k_1\r\n\
             x-sidegate-workspace: acme\r\n\
             x-sidegate-environment: production\r\n\
             x-sidegate-product: vault\r\n\
             x-sidegate-level: view\r\n\
             x-request-id: {}\r\n\
             traceparent: {}\r\n\
             x-forwarded-for: 127.0.0.1\r\n\
             x-forwarded-proto: http\r\n\
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

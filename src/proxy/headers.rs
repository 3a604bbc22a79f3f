//! What of a message's fields goes on.
//!
//! Order (request-safety.md, "Headers"): hop-by-hop fields, the credential, everything that folds
//! to our namespace, to a forwarding field or to a field that the [preamble](super::preamble) says
//! anew, method and target overrides.

use http::HeaderMap;

use super::fields::{Fields, text, trim};
use super::protocols;

const WEBSOCKET: &str = "websocket";

/// Takes out of a permitted request what does not go on.
pub(super) fn clean_request(fields: &mut Fields) {
    remove_named_by_connection(fields);
    protocols::remove_key(fields);
    fields.retain(|name| !is_dropped_from_request(name));
}

/// Says of a body without a length how it ends: without a word, a GET has none.
pub(super) fn name_framing(fields: &mut Fields) {
    if !fields.has("content-length") {
        fields.set("transfer-encoding", "chunked");
    }
}

/// Takes out of a request's trailers what would be taken out of its head.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    let mut fields = Fields::from(&*trailers);
    clean_request(&mut fields);
    *trailers = HeaderMap::from(fields);
}

/// Takes out of an upstream's answer what concerns only its connection with us.
pub(super) fn clean_response(fields: &mut Fields) {
    remove_named_by_connection(fields);
    fields.retain(|name| !is_hop_by_hop(name));
}

/// Says that the connection goes on as a WebSocket, or is to (RFC 6455 §4).
pub(super) fn name_websocket(fields: &mut Fields) {
    fields.set("connection", "upgrade");
    fields.set("upgrade", WEBSOCKET);
}

/// Whether an answer with 101 names what was asked for, and nothing else.
pub(super) fn is_websocket(fields: &Fields) -> bool {
    fields.one("upgrade").is_some_and(|name| name.eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
}

/// Whether a `Connection` field must not name this one.
pub(super) fn is_kept_from_connection(name: &[u8]) -> bool {
    let kept = [
        "host",
        "content-length",
        "authorization",
        "x-api-key",
        "x-request-id",
        // Without one of these it would be another request than the one that was judged.
        "access-control-request-method",
        "origin",
        "sec-websocket-protocol",
    ];
    kept.iter().any(|kept| folds_to(name, kept)) || is_ours_or_forwarding(name)
}

fn remove_named_by_connection(fields: &mut Fields) {
    // By far the most say only this, which names no field that goes on.
    let names_nothing = |value: &[u8]| matches!(value, b"close" | b"keep-alive");
    if fields.all("connection").all(names_nothing) {
        return;
    }
    let named: Vec<Vec<u8>> = fields
        .all("connection")
        .filter(|value| text(value).is_some())
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(|name| trim(name).to_ascii_lowercase())
        .collect();
    fields.retain(|name| !named.iter().any(|named| named == name));
}

/// RFC 9110 §7.6.1. `TE: trailers` goes no further either: what an upstream may send is ours to say.
fn is_hop_by_hop(name: &[u8]) -> bool {
    // The first letter decides for most fields.
    match name.first() {
        Some(b'c') => name == b"connection",
        Some(b'k') => name == b"keep-alive",
        Some(b'p') => {
            matches!(name, b"proxy-authenticate" | b"proxy-authorization" | b"proxy-connection")
        }
        Some(b't') => matches!(name, b"te" | b"transfer-encoding"),
        Some(b'u') => name == b"upgrade",
        _ => false,
    }
}

fn is_dropped_from_request(name: &[u8]) -> bool {
    match name.first() {
        Some(b'a') => name == b"authorization",
        // Framing, to an upstream that folds.
        Some(b'c') if name == b"content_length" => true,
        Some(b'f') => is_ours_or_forwarding(name),
        Some(b'h') => name == b"http2-settings",
        // The name itself is read, and what is left of it goes on.
        Some(b's') => name != b"sec-websocket-protocol" && folds_to(name, "sec-websocket-protocol"),
        Some(b't') if matches!(name, b"traceparent" | b"transfer_encoding") => true,
        Some(b'x') => {
            folds_to(name, "x-api-key")
                || folds_to(name, "x-request-id")
                || is_override(name)
                || is_ours_or_forwarding(name)
        }
        _ => is_hop_by_hop(name),
    }
}

fn is_override(name: &[u8]) -> bool {
    const OVERRIDES: [&str; 6] = [
        "x-http-method-override",
        "x-method-override",
        "x-http-method",
        "x-original-url",
        "x-rewrite-url",
        "x-original-method",
    ];
    OVERRIDES.iter().any(|dropped| folds_to(name, dropped))
}

fn is_ours_or_forwarding(name: &[u8]) -> bool {
    folds_to(name, "forwarded")
        || folds_to(name, "x-real-ip")
        || prefix_folds_to(name, "x-sidegate-")
        || prefix_folds_to(name, "x-forwarded-")
}

/// Whether some upstream takes `name` for `canonical`: `_` is `-` to CGI and its heirs.
pub(super) fn folds_to(name: &[u8], canonical: &str) -> bool {
    name.len() == canonical.len() && prefix_folds_to(name, canonical)
}

fn prefix_folds_to(name: &[u8], canonical: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() >= canonical.len()
        && name.iter().zip(canonical.bytes()).all(|(sent, known)| fold(*sent) == known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_ours_comes_from_outside() {
        let mut fields = Fields::default();
        let sent = [
            ("host", "h"),
            ("connection", "close, x-hop, Keep-Alive"),
            ("connection", "x-hop-2"),
            ("x-hop-2", "1"),
            ("keep-alive", "timeout=5"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAA"),
            ("proxy-authorization", "Basic a"),
            ("authorization", "Bearer k"),
            ("x-api-key", "k"),
            ("x_api_key", "k"),
            ("sec-websocket-protocol", "bearer, k"),
            ("sec_websocket_protocol", "bearer, k"),
            ("sec-websocket-key", "kept"),
            ("x-sidegate-account", "root"),
            ("x_sidegate_account", "root"),
            ("X-Sidegate_Level", "full"),
            ("x-sidegate-anything", "1"),
            ("forwarded", "for=1"),
            ("x-forwarded-for", "1"),
            ("x_forwarded_for", "1"),
            ("x-forwarded-anything", "1"),
            ("x-real-ip", "1"),
            ("x-http-method-override", "DELETE"),
            ("x_http_method_override", "DELETE"),
            ("content_length", "5"),
            ("transfer_encoding", "chunked"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x_request_id", "1"),
            ("x-request-id", "1"),
            ("traceparent", "1"),
            ("x-custom", "kept"),
            ("accept", "kept"),
            ("from", "kept"),
        ];
        for (name, value) in sent {
            fields.add(&name.to_ascii_lowercase(), value);
        }
        assert_eq!(fields.len(), sent.len());
        clean_request(&mut fields);
        let name = |(name, _): (&[u8], &[u8])| String::from_utf8(name.to_vec()).unwrap();
        let mut left: Vec<String> = fields.iter().map(name).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "from", "host", "sec-websocket-key", "x-custom"]);
    }
}

//! What of a message's fields goes on.
//!
//! Order (request-safety.md, "Headers"): hop-by-hop fields, the credential, everything that folds
//! to our namespace, to a forwarding field or to a field that the [preamble](super::preamble) says
//! anew, method and target overrides.

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};

use super::protocols;

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Takes out of a permitted request what does not go on.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    protocols::remove_key(headers);
    remove(headers, is_dropped_from_request);
}

/// Says of a body without a length how it ends: without a word, a GET has none.
pub(super) fn name_framing(headers: &mut HeaderMap) {
    if !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Takes out of a request's trailers what would be taken out of its head.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    clean_request(trailers);
}

/// Takes out of an upstream's answer what concerns only its connection with us.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove(headers, is_hop_by_hop);
}

/// Says that the connection goes on as a WebSocket, or is to (RFC 6455 §4).
pub(super) fn name_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, WEBSOCKET);
}

/// Whether an answer with 101 names what was asked for, and nothing else.
pub(super) fn is_websocket(headers: &HeaderMap) -> bool {
    let mut named = headers.get_all(UPGRADE).iter();
    named.next().is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
        && named.next().is_none()
}

/// Whether a `Connection` field must not name this one.
pub(super) fn is_kept_from_connection(name: &str) -> bool {
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

fn remove_named_by_connection(headers: &mut HeaderMap) {
    let Some(first) = headers.get(CONNECTION) else { return };
    // By far the most say only this, which names no field that goes on.
    if matches!(first.as_bytes(), b"close" | b"keep-alive")
        && headers.get_all(CONNECTION).iter().nth(1).is_none()
    {
        return;
    }
    let names: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in names {
        headers.remove(name);
    }
}

/// Removes every field that `is_dropped`, several at a time and without a list on the heap.
fn remove(headers: &mut HeaderMap, is_dropped: fn(&str) -> bool) {
    loop {
        let mut found: [Option<HeaderName>; 4] = [const { None }; 4];
        let mut dropped = headers.keys().filter(|name| is_dropped(name.as_str()));
        found.iter_mut().zip(&mut dropped).for_each(|(slot, name)| *slot = Some(name.clone()));
        let more = dropped.next().is_some();
        for name in found.into_iter().flatten() {
            headers.remove(name);
        }
        if !more {
            return;
        }
    }
}

/// RFC 9110 §7.6.1. `TE: trailers` goes no further either: what an upstream may send is ours to say.
fn is_hop_by_hop(name: &str) -> bool {
    // The first letter decides for most fields.
    match name.as_bytes().first() {
        Some(b'c') => name == "connection",
        Some(b'k') => name == "keep-alive",
        Some(b'p') => {
            matches!(name, "proxy-authenticate" | "proxy-authorization" | "proxy-connection")
        }
        Some(b't') => matches!(name, "te" | "transfer-encoding"),
        Some(b'u') => name == "upgrade",
        _ => false,
    }
}

fn is_dropped_from_request(name: &str) -> bool {
    match name.as_bytes().first() {
        Some(b'a') => name == "authorization",
        // Framing, to an upstream that folds.
        Some(b'c') if name == "content_length" => true,
        Some(b'f') => is_ours_or_forwarding(name),
        Some(b'h') => name == "http2-settings",
        // The name itself is read, and what is left of it goes on.
        Some(b's') => name != "sec-websocket-protocol" && folds_to(name, "sec-websocket-protocol"),
        Some(b't') if matches!(name, "traceparent" | "transfer_encoding") => true,
        Some(b'x') => {
            folds_to(name, "x-api-key")
                || folds_to(name, "x-request-id")
                || is_override(name)
                || is_ours_or_forwarding(name)
        }
        _ => is_hop_by_hop(name),
    }
}

fn is_override(name: &str) -> bool {
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

fn is_ours_or_forwarding(name: &str) -> bool {
    folds_to(name, "forwarded")
        || folds_to(name, "x-real-ip")
        || prefix_folds_to(name, "x-sidegate-")
        || prefix_folds_to(name, "x-forwarded-")
}

/// Whether some upstream takes `name` for `canonical`: `_` is `-` to CGI and its heirs.
fn folds_to(name: &str, canonical: &str) -> bool {
    name.len() == canonical.len() && prefix_folds_to(name, canonical)
}

fn prefix_folds_to(name: &str, canonical: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    name.len() >= canonical.len()
        && name.bytes().zip(canonical.bytes()).all(|(sent, known)| fold(sent) == known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_ours_comes_from_outside() {
        let mut headers = HeaderMap::new();
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
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_static(value),
            );
        }
        clean_request(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "from", "host", "sec-websocket-key", "x-custom"]);
    }
}

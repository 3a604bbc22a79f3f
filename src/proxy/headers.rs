//! What of a message's fields goes on, and what is said in our name.
//!
//! Order (request-safety.md, "Headers"): hop-by-hop fields, the credential, everything that folds
//! to our namespace or to a forwarding field, method and target overrides; then identity and
//! forwarding fields are set.

use std::fmt::Write as _;
use std::net::IpAddr;

use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue};

use super::trace::Trace;
use crate::policy::{Description, Level};

pub(super) const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const ACCOUNT: HeaderName = HeaderName::from_static("x-sidegate-account");
const AREA: HeaderName = HeaderName::from_static("x-sidegate-area");
const ENVIRONMENT: HeaderName = HeaderName::from_static("x-sidegate-environment");
const KEY_ID: HeaderName = HeaderName::from_static("x-sidegate-key-id");
const LEVEL: HeaderName = HeaderName::from_static("x-sidegate-level");
const PERMISSION: HeaderName = HeaderName::from_static("x-sidegate-permission");
const PRODUCT: HeaderName = HeaderName::from_static("x-sidegate-product");
const WORKSPACE: HeaderName = HeaderName::from_static("x-sidegate-workspace");

/// Fields that [`set_identity`] sets at most.
const FIELDS_SET: usize = 13;
/// What the values of one request take, mostly.
const VALUES_BYTES: usize = 192;

/// Takes out of a permitted request what does not go on.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove(headers, is_dropped_from_request);
}

/// Takes out of an upstream's answer what concerns only its connection with us.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    remove_named_by_connection(headers);
    remove(headers, is_hop_by_hop);
}

/// Says who is asking, and how they came.
pub(super) fn set_identity(
    headers: &mut HeaderMap,
    words: &Description<'_>,
    trace: &Trace,
    peer: IpAddr,
) {
    headers.reserve(FIELDS_SET);
    let mut values = Values(String::with_capacity(VALUES_BYTES));
    let named = [
        (ACCOUNT, words.account),
        (KEY_ID, words.key_id),
        (WORKSPACE, words.workspace),
        (ENVIRONMENT, words.environment),
        (PRODUCT, words.product),
        (PERMISSION, words.permission),
        (AREA, words.area),
    ];
    let named = named.map(|(name, text)| (name, text.map(|text| values.push(text))));
    let peer = values.push_display(peer);
    let block = values.freeze();
    for (name, at) in named {
        if let Some(value) = at.and_then(|at| block.value(at)) {
            headers.insert(name, value);
        }
    }
    if let Some(level) = words.level {
        headers.insert(LEVEL, level_value(level));
    }
    if let Some(value) = block.value(peer) {
        headers.insert(FORWARDED_FOR, value);
    }
    if let Some(host) = headers.get(HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    trace.set(headers);
}

/// Whether a `Connection` field must not name this one.
pub(super) fn is_kept_from_connection(name: &str) -> bool {
    let kept = ["host", "content-length", "authorization", "x-api-key", "x-request-id"];
    kept.iter().any(|kept| folds_to(name, kept)) || is_ours_or_forwarding(name)
}

/// Values of many fields in one allocation.
struct Values(String);

struct Block(Bytes);

type Span = (usize, usize);

impl Values {
    fn push(&mut self, text: &str) -> Span {
        let start = self.0.len();
        self.0.push_str(text);
        (start, self.0.len())
    }

    fn push_display(&mut self, value: IpAddr) -> Span {
        let start = self.0.len();
        // Writing to a string does not fail.
        let _ = write!(self.0, "{value}");
        (start, self.0.len())
    }

    fn freeze(self) -> Block {
        Block(Bytes::from(self.0))
    }
}

impl Block {
    /// Names are checked when a policy is compiled, so each is a field value (RFC 9110 §5.5).
    fn value(&self, (start, end): Span) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.0.slice(start..end)).ok()
    }
}

fn level_value(level: Level) -> HeaderValue {
    HeaderValue::from_static(level.name())
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
        Some(b'f') => is_ours_or_forwarding(name),
        Some(b'h') => name == "http2-settings",
        Some(b'x') => {
            name == "x-api-key"
                || is_override(name)
                || is_ours_or_forwarding(name)
                || name.contains('_')
                    && (folds_to(name, "x-api-key") || folds_to(name, "x-request-id"))
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
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("x_request_id", "1"),
            ("x-request-id", "kept"),
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
        assert_eq!(left, ["accept", "from", "host", "x-custom", "x-request-id"]);
    }

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
        set_identity(&mut headers, &words, &trace, IpAddr::from([127, 0, 0, 1]));
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let expected = [
            ("x-sidegate-account", Some("svc@x")),
            ("x-sidegate-key-id", Some("k_1")),
            ("x-sidegate-workspace", Some("acme")),
            ("x-sidegate-environment", Some("production")),
            ("x-sidegate-product", Some("vault")),
            ("x-sidegate-permission", None),
            ("x-sidegate-area", None),
            ("x-sidegate-level", Some("view")),
            ("x-forwarded-for", Some("127.0.0.1")),
            ("x-forwarded-host", Some("api.acme.example")),
            ("x-forwarded-proto", Some("http")),
        ];
        for (name, value) in expected {
            assert_eq!(text(name).as_deref(), value, "{name}");
        }
        assert!(headers.contains_key(REQUEST_ID) && headers.contains_key(TRACEPARENT));
    }
}

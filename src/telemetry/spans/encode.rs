//! Spans as bytes: `opentelemetry/proto/trace/v1/trace.proto` in the wire format of Protocol Buffers.

use crate::clock;
use crate::policy::Level;
use crate::telemetry::event::RequestEvent;

/// Wire types (<https://protobuf.dev/programming-guides/encoding/>).
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

/// `SPAN_KIND_SERVER`
const SERVER: u64 = 2;
/// `STATUS_CODE_ERROR`
const ERROR: u64 = 2;
/// `SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK` and `SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK`
const REMOTE: u32 = 0x300;
const HAS_REMOTE: u32 = 0x100;

/// The request's span as a field of `ScopeSpans`. Nothing where it has no ids.
pub(super) fn span(event: &RequestEvent<'_>) -> Option<Vec<u8>> {
    let mut ids = event.traceparent.split('-').skip(1);
    let (trace, span, flags) = (ids.next()?, ids.next()?, ids.next()?);
    let (trace, span) =
        (u128::from_str_radix(trace, 16).ok()?, u64::from_str_radix(span, 16).ok()?);
    let end = u64::try_from(clock::micros()).ok()?.saturating_mul(1000);
    let took = u64::try_from(event.took.as_nanos()).unwrap_or(u64::MAX);
    let words = &event.words;

    let mut out = Vec::with_capacity(768);
    bytes(&mut out, 1, &trace.to_be_bytes());
    bytes(&mut out, 2, &span.to_be_bytes());
    if let Some(parent) = event.parent {
        bytes(&mut out, 4, &parent.to_be_bytes());
    }
    match words.template {
        Some(template) => text(&mut out, 5, &[event.method, " ", template]),
        None => text(&mut out, 5, &[event.method]),
    }
    number(&mut out, 6, SERVER);
    fixed(&mut out, 7, end.saturating_sub(took));
    fixed(&mut out, 8, end);
    let texts = [
        ("http.request.method", Some(event.method)),
        ("http.route", words.template),
        ("client.address", Some(event.peer)),
        ("error.type", event.upstream_error),
        ("sidegate.decision", event.decision()),
        ("sidegate.reason", event.denial.map(|denial| denial.reason.code())),
        ("sidegate.route", words.route),
        ("sidegate.workspace", words.workspace),
        ("sidegate.environment", words.environment),
        ("sidegate.product", words.product),
        ("sidegate.permission", words.permission),
        ("sidegate.area", words.area),
        ("sidegate.needed", words.needed.map(Level::name)),
        ("sidegate.level", words.level.map(Level::name)),
        ("sidegate.account", words.account),
        ("sidegate.key_id", words.key_id),
        ("sidegate.request_id", Some(event.request_id)),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            attribute(&mut out, 9, name, Value::Text(value));
        }
    }
    attribute(&mut out, 9, "http.response.status_code", Value::Number(event.status.into()));
    attribute(&mut out, 9, "sidegate.policy_generation", Value::Number(event.generation));
    if event.status >= 500 {
        nested(&mut out, 15, |out| number(out, 3, ERROR));
    }
    let remote = if event.parent.is_some() { REMOTE } else { HAS_REMOTE };
    let flags = u32::from(u8::from_str_radix(flags, 16).ok()?) | remote;
    tag(&mut out, 16, FIXED32);
    out.extend_from_slice(&flags.to_le_bytes());

    let mut field = Vec::with_capacity(out.len() + 4);
    bytes(&mut field, 2, &out);
    Some(field)
}

/// An `ExportTraceServiceRequest` of spans as [`span`] writes them.
pub(super) fn request(service: &str, version: &str, spans: &[u8]) -> Vec<u8> {
    let mut resource = Vec::new();
    nested(&mut resource, 1, |out| {
        attribute(out, 1, "service.name", Value::Text(service));
        attribute(out, 1, "service.version", Value::Text(version));
        attribute(out, 1, "process.pid", Value::Number(std::process::id().into()));
    });
    let mut scope = Vec::with_capacity(spans.len() + 32);
    nested(&mut scope, 1, |out| {
        text(out, 1, &["sidegate"]);
        text(out, 2, &[version]);
    });
    scope.extend_from_slice(spans);
    bytes(&mut resource, 2, &scope);
    let mut request = Vec::with_capacity(resource.len() + 8);
    bytes(&mut request, 1, &resource);
    request
}

/// How many spans there are.
pub(super) fn count(mut spans: &[u8]) -> u64 {
    let mut count = 0;
    while let Some((length, rest)) = spans.strip_prefix(&[0x12]).and_then(length) {
        spans = rest.get(length..).unwrap_or_default();
        count += 1;
    }
    count
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(at + 1..)?));
        }
    }
    None
}

enum Value<'a> {
    Number(u64),
    Text(&'a str),
}

/// A `KeyValue`.
fn attribute(out: &mut Vec<u8>, field: u64, name: &str, value: Value<'_>) {
    nested(out, field, |out| {
        text(out, 1, &[name]);
        nested(out, 2, |out| match value {
            Value::Text(value) => text(out, 1, &[value]),
            Value::Number(value) => number(out, 3, value),
        });
    });
}

fn nested(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    bytes(out, field, &inner);
}

fn bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    tag(out, field, BYTES);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn text(out: &mut Vec<u8>, field: u64, parts: &[&str]) {
    tag(out, field, BYTES);
    varint(out, parts.iter().map(|part| part.len() as u64).sum());
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

fn fixed(out: &mut Vec<u8>, field: u64, value: u64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn tag(out: &mut Vec<u8>, field: u64, wire: u64) {
    varint(out, field << 3 | wire);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_encoding_guide_has_them() {
        let mut out = Vec::new();
        number(&mut out, 1, 150);
        text(&mut out, 2, &["test", "ing"]);
        assert_eq!(out, b"\x08\x96\x01\x12\x07testing");
    }

    #[test]
    fn spans_are_counted_as_they_were_put_together() {
        let mut spans = Vec::new();
        for length in [0, 1, 127, 128, 20_000] {
            bytes(&mut spans, 2, &vec![7; length]);
        }
        assert_eq!(count(&spans), 5);
        assert_eq!(count(&[]), 0);
        assert!(request("a", "1", &spans).ends_with(&[7; 100]));
    }
}

//! Answers of our own: nobody mistakes our 403 for the product's (RFC 9457, RFC 9209, RFC 6750).

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderValue};

use super::fault::Fault;
use super::fields::Fields;
use super::message::{Answer, Answering};
use super::trace::Trace;
use crate::policy::DenyReason;

const GRPC_MESSAGE: &str = "grpc-message";
const GRPC_STATUS: &str = "grpc-status";
/// How soon an overloaded sidecar is worth asking again, in seconds.
const RETRY_SECONDS: &str = "1";

/// How the client wants to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// With the answer's status in trailers, which are its head, too: that of HTTP is 200.
    Grpc,
    Problem,
    Text,
}

impl Form {
    pub(super) fn of(fields: &Fields) -> Self {
        if fields.get("content-type").is_some_and(is_grpc) {
            return Self::Grpc;
        }
        let accepts = |value: &[u8]| value.starts_with(b"text/plain");
        if fields.get("accept").is_some_and(accepts) { Self::Text } else { Self::Problem }
    }
}

/// gRPC over HTTP/2 itself, not its form for browsers.
fn is_grpc(value: &[u8]) -> bool {
    let rest = value.strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The code that gRPC has for a status of HTTP. For those of its own it is gRPC's table
/// (`http-grpc-status-mapping.md`), and what is too large exhausts a resource.
fn grpc_status(status: u16) -> &'static str {
    match status {
        401 => "16",                   // UNAUTHENTICATED
        403 => "7",                    // PERMISSION_DENIED
        404 | 405 => "12",             // UNIMPLEMENTED
        413 | 414 | 429 | 431 => "8",  // RESOURCE_EXHAUSTED
        408 | 502 | 503 | 504 => "14", // UNAVAILABLE
        _ => "13",                     // INTERNAL
    }
}

/// Tells a client that it may not. `allow` is what a refused method is answered with.
pub(super) fn denied(
    reason: DenyReason,
    hide_none: bool,
    allow: &str,
    form: Form,
    trace: &Trace,
) -> Answer<Bytes> {
    let status = reason.status(hide_none);
    let error = if status == 400 { "http_request_error" } else { "http_request_denied" };
    let mut answer = own(status, detail(status, reason), error, form, trace);
    let fields = &mut answer.head.fields;
    if reason == DenyReason::BadRequest {
        // Where one message ends is in doubt: nothing after it is read.
        fields.set("connection", "close");
    }
    match status {
        401 => {
            let challenge = if reason == DenyReason::KeyMissing {
                r#"Bearer realm="sidegate""#
            } else {
                r#"Bearer realm="sidegate", error="invalid_token""#
            };
            fields.say("www-authenticate", [challenge]);
        }
        403 if reason == DenyReason::ViewOnly => {
            let challenge = r#"Bearer realm="sidegate", error="insufficient_scope""#;
            fields.say("www-authenticate", [challenge]);
        }
        405 => fields.add("allow", allow),
        _ => {}
    }
    answer
}

/// How a call of gRPC ends that lost what let it through: its caller has to show another key, or may
/// not go on. What was already seen to be there is not denied, whatever the policy hides.
pub(super) fn last_words(reason: DenyReason) -> HeaderMap {
    let status = if reason.status(false) == 401 { 401 } else { 403 };
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(status)));
    trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(detail(status, reason)));
    trailers
}

/// When to come again, in whole seconds and never too early (RFC 9110 §10.2.3).
pub(super) fn retry_after(fields: &mut Fields, wait: Duration) {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    fields.set("retry-after", seconds.to_string());
}

/// Tells a client what went wrong.
pub(super) fn failed(fault: Fault, form: Form, trace: &Trace) -> Answer<Bytes> {
    let mut answer = own(fault.status(), fault.detail(), fault.proxy_error(), form, trace);
    match fault.status() {
        503 => answer.head.fields.add("retry-after", RETRY_SECONDS),
        // What it has not sent is not waited for any more (RFC 9110 §15.5.9).
        408 => answer.head.fields.add("connection", "close"),
        _ => {}
    }
    answer
}

/// A whole answer to what never became a request. `id` is that under
/// which the log tells of it.
pub(super) fn raw(status: &str, detail: &str, id: &str) -> String {
    let number = status.get(..3).unwrap_or_default();
    let error = match number {
        "503" => "connection_limit_reached\r\nretry-after: 1",
        _ => "http_request_error",
    };
    let title = status.get(4..).unwrap_or_default();
    let body = format!(
        r#"{{"type":"about:blank","title":"{title}","status":{number},"detail":"{detail}","request_id":"{id}"}}"#
    );
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n\
         proxy-status: sidegate; error={error}\r\ncontent-length: {}\r\n\
         x-request-id: {id}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Coarser than the reason: every fault of a key reads the same, so that it teaches nothing.
fn detail(status: u16, reason: DenyReason) -> &'static str {
    match (status, reason) {
        (400, DenyReason::BadTarget) => "the request's host or path has no single reading",
        (400, _) => "the request is ambiguous",
        (401, _) => "a valid API key is needed",
        (403, DenyReason::ViewOnly) => "this key may read here, not write",
        (404, _) => "nothing is here",
        (429, _) => "this key asks more often than it may",
        (405, _) => "the method is not taken here",
        _ => "this key may not do that",
    }
}

fn own(
    status: u16,
    detail: &'static str,
    error: &'static str,
    form: Form,
    trace: &Trace,
) -> Answer<Bytes> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let title = status.canonical_reason().unwrap_or_default();
    let id = trace.request_id();
    let mut body = Vec::new();
    // Nothing here needs escaping: the texts are ours and a request id has no quote or backslash.
    let kind = match form {
        Form::Problem => {
            let parts = [
                r#"{"type":"about:blank","title":""#,
                title,
                r#"","status":"#,
                status.as_str(),
                r#","detail":""#,
                detail,
                r#"","request_id":""#,
                id,
                r#""}"#,
            ];
            write(&mut body, &parts);
            "application/problem+json"
        }
        Form::Text => {
            write(&mut body, &[status.as_str(), " ", title, ": ", detail, "\nrequest ", id, "\n"]);
            "text/plain; charset=utf-8"
        }
        Form::Grpc => "application/grpc",
    };
    let mut head = Answering::new(status);
    let fields = &mut head.fields;
    if form == Form::Grpc {
        head.status = StatusCode::OK;
        fields.say(GRPC_STATUS, [grpc_status(status.as_u16())]);
        // Letters and spaces: nothing of it has to be escaped.
        fields.say(GRPC_MESSAGE, [detail]);
    }
    fields.say("content-type", [kind]);
    fields.say("cache-control", ["no-store"]);
    fields.say("proxy-status", ["sidegate; error=", error]);
    fields.say("x-request-id", [id]);
    Answer { head, body: Bytes::from(body) }
}

fn write(body: &mut Vec<u8>, parts: &[&str]) {
    // No more than that: what is too large is shared by `Bytes` in another allocation.
    body.reserve_exact(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        body.extend_from_slice(part.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_what_the_client_speaks() {
        for (name, value, expected) in [
            ("accept", "text/plain", Form::Text),
            ("accept", "*/*", Form::Problem),
            ("content-type", "application/grpc", Form::Grpc),
            ("content-type", "application/grpc+proto", Form::Grpc),
            ("content-type", "application/grpc;x=y", Form::Grpc),
            ("content-type", "application/grpc-web", Form::Problem),
            ("content-type", "application/grpcx", Form::Problem),
        ] {
            let mut fields = Fields::default();
            fields.add(name, value);
            assert_eq!(Form::of(&fields), expected, "{value}");
        }
    }

    #[test]
    fn a_call_that_is_cut_says_whether_it_is_the_key() {
        for reason in DenyReason::ALL {
            let expected = if reason.status(true) == 401 { "16" } else { "7" };
            assert_eq!(last_words(reason)[GRPC_STATUS], expected, "{reason:?}");
            assert!(!last_words(reason)[GRPC_MESSAGE].is_empty(), "{reason:?}");
        }
    }

    #[test]
    fn every_status_of_ours_has_a_code_of_grpc() {
        for reason in DenyReason::ALL {
            let expected = match reason.status(false) {
                400 => "13",
                401 => "16",
                403 => "7",
                404 | 405 => "12",
                429 => "8",
                status => panic!("{status}"),
            };
            assert_eq!(grpc_status(reason.status(false)), expected, "{reason:?}");
        }
    }
}

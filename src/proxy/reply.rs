//! The head of an answer to a client of HTTP/1.1, and how its body ends (RFC 9112 §6.3).

use http::header::HeaderName;
use http::{Method, StatusCode, Version};
use http_body::Body;

use super::answer::names;
use super::date::Date;
use super::head::number;
use super::message::{Answering, Asking};
use super::outlet::{Framing, promised};

/// What a request says of its answer, and of what comes behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    is_old: bool,
    is_head: bool,
    /// Whether the client means to go on with the connection.
    pub(super) is_kept: bool,
    takes_trailers: bool,
    /// Whether it waits for a word before it sends its body.
    pub(super) expects: bool,
}

impl Asked {
    pub(super) fn of(request: &Asking) -> Self {
        let is_old = request.version == Version::HTTP_10;
        let mut asked = Self {
            is_old,
            is_head: request.method == Method::HEAD,
            is_kept: !is_old,
            takes_trailers: false,
            expects: false,
        };
        let mut is_closed = false;
        for (name, value) in request.fields.iter() {
            match name {
                b"connection" => {
                    is_closed |= names(value, b"close");
                    asked.is_kept |= names(value, b"keep-alive");
                }
                b"te" => asked.takes_trailers |= names(value, b"trailers"),
                b"expect" => {
                    asked.expects = !is_old && value.eq_ignore_ascii_case(b"100-continue");
                }
                _ => {}
            }
        }
        asked.is_kept &= !is_closed;
        asked
    }
}

/// How an answer ends.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) framing: Framing,
    /// Names of fields that may come behind its body.
    pub(super) promised: Vec<HeaderName>,
    /// Whether another may follow.
    pub(super) is_kept: bool,
}

/// Writes the head of the answer with that body.
pub(super) fn write(
    room: &mut Vec<u8>,
    head: &Answering,
    body: &impl Body,
    asked: Asked,
    date: &Date,
) -> Ending {
    let status = head.status;
    first_line(room, head, asked.is_old);
    let has_body = !asked.is_head && may_have_body(status);
    // A second length was refused, and one that is no number.
    let length = head.fields.get("content-length").and_then(number);
    let mut is_kept = asked.is_kept;
    let mut names_connection = false;
    for value in head.fields.all("connection") {
        names_connection = true;
        is_kept &= !names(value, b"close");
    }
    let drops_length = !may_have_length(status) && head.fields.has("content-length");
    if drops_length || head.fields.has("transfer-encoding") {
        let mut kept = head.fields.clone();
        kept.remove("transfer-encoding");
        if drops_length {
            kept.remove("content-length");
        }
        kept.write(room);
    } else {
        head.fields.write(room);
    }
    let framing = match (length, body.size_hint().exact()) {
        (Some(length), _) if has_body => Framing::Length(length),
        (None, Some(length)) if has_body || (asked.is_head && length > 0) => {
            line(room, b"content-length", itoa::Buffer::new().format(length).as_bytes());
            if has_body { Framing::Length(length) } else { Framing::Over }
        }
        _ if !has_body => Framing::Over,
        _ if asked.is_old => {
            is_kept = false;
            Framing::UntilEnd
        }
        _ => {
            line(room, b"transfer-encoding", b"chunked");
            Framing::Chunked
        }
    };
    if !names_connection && is_kept == asked.is_old {
        let option: &[u8] = if is_kept { b"keep-alive" } else { b"close" };
        line(room, b"connection", option);
    }
    if !head.fields.has("date") {
        line(room, b"date", &date.text());
    }
    room.extend_from_slice(b"\r\n");
    let sends_trailers =
        head.fields.has("trailer") && asked.takes_trailers && framing == Framing::Chunked;
    let promised = if sends_trailers { promised(&head.fields) } else { Vec::new() };
    let framing = if framing == Framing::Length(0) { Framing::Over } else { framing };
    Ending { framing, promised, is_kept }
}

fn first_line(room: &mut Vec<u8>, head: &Answering, is_old: bool) {
    // Who speaks HTTP/1.0 may not know the other.
    room.extend_from_slice(if is_old { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    room.extend_from_slice(head.status.as_str().as_bytes());
    room.push(b' ');
    match &head.reason {
        Some(reason) => room.extend_from_slice(reason.as_bytes()),
        None => {
            let reason = head.status.canonical_reason().unwrap_or("<none>");
            room.extend_from_slice(reason.as_bytes());
        }
    }
    room.extend_from_slice(b"\r\n");
}

#[inline]
fn line(room: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    room.reserve(name.len() + value.len() + 4);
    room.extend_from_slice(name);
    room.extend_from_slice(b": ");
    room.extend_from_slice(value);
    room.extend_from_slice(b"\r\n");
}

/// Whether an answer to anything but HEAD has a body (RFC 9110 §6.4.1).
fn may_have_body(status: StatusCode) -> bool {
    may_have_length(status) && status != StatusCode::NOT_MODIFIED
}

/// RFC 9110 §8.6.
fn may_have_length(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT
}

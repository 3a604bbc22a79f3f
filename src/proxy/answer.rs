//! An upstream's answer over HTTP/1.1 (RFC 9112): its head, how its body ends, and what is read of it.
//!
//! INVARIANTS: an answer ends in one way only (§6.3), or it is none. A body that breaks off is never
//! made to look whole.

use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{HeaderMap, Method, StatusCode};
use http_body::Frame;
use hyper::ext::ReasonPhrase;
use memchr::memchr;

use super::chunks::Pieces;
use super::fault::Fault;
use super::fields::Fields;
use super::head::number;
use super::incoming::Broken;
use super::link::Link;
use super::message::Answering;
use super::reader::{Reader, Rest};
use super::upstream::{PROTOCOL, RESET};

/// Bytes of an answer's head that are taken from an upstream.
const HEAD_BYTES: usize = 128 * 1024;
/// Fields of a head, or of trailers.
const FIELDS: usize = 100;
/// Answers before the answer (RFC 9110 §15.2).
const INFORMATIONAL: u32 = 32;
/// What comes from an upstream.
#[derive(Debug)]
pub(super) struct Intake {
    reader: Reader,
    /// How many of them are known not to end a head.
    searched: usize,
    informational: u32,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) head: Answering,
    /// Whether the connection takes no other request.
    pub(super) is_last: bool,
}

impl Head {
    /// Whether another follows, of the same answer.
    fn is_informational(&self) -> bool {
        self.head.status.is_informational() && self.head.status != StatusCode::SWITCHING_PROTOCOLS
    }
}

impl Default for Intake {
    fn default() -> Self {
        Self { reader: Reader::of_answers(), searched: 0, informational: 0 }
    }
}

impl Intake {
    /// Whether nothing is left, of an answer or behind it.
    pub(super) fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    /// Whether the answer is whole.
    pub(super) fn is_over(&self) -> bool {
        self.reader.is_over()
    }

    /// How many bytes the rest of the body has, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.reader.left()
    }

    /// All that was read and not understood.
    pub(super) fn into_bytes(self) -> Bytes {
        self.reader.bytes.freeze()
    }

    /// Before another request: nothing is kept for a connection that is idle.
    pub(super) fn rest(&mut self) {
        *self = Self::default();
    }

    /// The whole body, if it is short and here.
    pub(super) fn take_whole(&mut self) -> Option<Bytes> {
        match self.reader.left()? {
            0 => Some(Bytes::new()),
            length if length > self.reader.bytes.len() as u64 => None,
            _ => self.reader.take_first(),
        }
    }

    /// The head of the answer to a request with that method, or before it hints. Nothing where the
    /// connection ended before its first byte. Most heads are read in `room`, and nothing of them is
    /// kept here.
    ///
    /// # Errors
    ///
    /// When the connection ends within it, or it is no head.
    pub(super) fn poll_head(
        &mut self,
        link: &mut Link,
        method: &Method,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Head>, Fault>> {
        loop {
            while let Some(end) = end_of_head(&self.reader.bytes, &mut self.searched)? {
                let bytes = self.reader.bytes.get(..end).unwrap_or_default();
                let (head, rest) = read_head(bytes, method)?;
                self.reader.bytes.advance(end);
                if head.is_informational() {
                    self.informational += 1;
                    if self.informational > INFORMATIONAL {
                        return Poll::Ready(Err(PROTOCOL));
                    }
                    if head.head.status == StatusCode::EARLY_HINTS {
                        return Poll::Ready(Ok(Some(head)));
                    }
                    continue;
                }
                self.reader.rest = rest;
                return Poll::Ready(Ok(Some(head)));
            }
            let is_aside = self.reader.bytes.is_empty();
            let is_begun = !is_aside || self.informational > 0;
            let read = match is_aside {
                true => link.poll_recv(room, cx),
                false => self.reader.poll_read(link, cx),
            };
            let read = ready!(read);
            self.reader.note(&read);
            let read = match read {
                Ok(0) | Err(_) if is_begun => return Poll::Ready(Err(RESET)),
                Ok(0) | Err(_) => return Poll::Ready(Ok(None)),
                Ok(read) => read,
            };
            if is_aside {
                let bytes = room.get(..read).unwrap_or_default();
                if let Some(head) = self.first_head(bytes, method)? {
                    return Poll::Ready(Ok(Some(head)));
                }
            }
        }
    }

    /// The head that bytes begin with that are nowhere else. What comes behind it is kept; all of
    /// them where it is not whole, or not the answer's.
    fn first_head(&mut self, bytes: &[u8], method: &Method) -> Result<Option<Head>, Fault> {
        let mut behind = bytes;
        let mut found = None;
        if let Some(end) = end_of_head(bytes, &mut 0)? {
            let (head, rest) = read_head(bytes.get(..end).unwrap_or_default(), method)?;
            if !head.is_informational() {
                self.reader.rest = rest;
                behind = bytes.get(end..).unwrap_or_default();
                found = Some(head);
            }
        }
        self.reader.bytes.extend_from_slice(behind);
        Ok(found)
    }

    /// The next part of the body. Nothing once it is whole.
    ///
    /// # Errors
    ///
    /// When it breaks off.
    pub(super) fn poll_frame(
        &mut self,
        link: &mut Link,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = self.reader.poll_piece(link, cx);
        polled.map(|piece| piece.map(|piece| piece.map_err(|Broken| RESET)))
    }
}

/// Where the head ends that the bytes begin with, if all of it is here. So many of them are known not
/// to end one.
fn end_of_head(bytes: &[u8], searched: &mut usize) -> Result<Option<usize>, Fault> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if !could_begin(bytes) {
        return Err(PROTOCOL);
    }
    while let Some(found) = memchr(b'\n', bytes.get(*searched..).unwrap_or_default()) {
        let after = *searched + found + 1;
        let end = match bytes.get(after..).unwrap_or_default() {
            [b'\n', ..] => after + 1,
            [b'\r', b'\n', ..] => after + 2,
            [] | [b'\r'] => break,
            _ => {
                *searched = after;
                continue;
            }
        };
        *searched = 0;
        return Ok(Some(end));
    }
    if bytes.len() > HEAD_BYTES {
        return Err(PROTOCOL);
    }
    Ok(None)
}

/// Whether an answer of HTTP/1 can begin so: what is not HTTP at all is not waited for.
fn could_begin(bytes: &[u8]) -> bool {
    const START: &[u8] = b"HTTP/1.";
    bytes.iter().zip(START).all(|(byte, expected)| byte == expected)
}

fn read_head(bytes: &[u8], method: &Method) -> Result<(Head, Rest), Fault> {
    if bytes.len() > HEAD_BYTES {
        return Err(PROTOCOL);
    }
    let end = memchr(b'\n', bytes).ok_or(PROTOCOL)?;
    let (line, bytes) = bytes.split_at_checked(end + 1).ok_or(PROTOCOL)?;
    let (status, is_old, reason) = read_status(line).ok_or(PROTOCOL)?;
    let said = Some(reason) != status.canonical_reason().map(str::as_bytes) && !reason.is_empty();
    let reason = match said {
        true => Some(ReasonPhrase::try_from(reason).map_err(|_| PROTOCOL)?),
        false => None,
    };
    let fields = Fields::read(bytes, FIELDS).map_err(|_| PROTOCOL)?;
    let (mut length, mut is_chunked) = (None, false);
    let (mut is_kept, mut is_closed) = (!is_old, false);
    for (name, value) in fields.iter() {
        match name {
            b"content-length" if length.is_some() => return Err(PROTOCOL),
            b"content-length" => length = Some(number(value).ok_or(PROTOCOL)?),
            b"transfer-encoding" => {
                let is_second = std::mem::replace(&mut is_chunked, true);
                if is_second || is_old || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(PROTOCOL);
                }
            }
            b"connection" => {
                is_closed |= names(value, b"close");
                is_kept |= names(value, b"keep-alive");
            }
            _ => {}
        }
    }
    if is_chunked && length.is_some() {
        return Err(PROTOCOL);
    }
    let head = Answering { status, reason, fields };
    let has_no_body = *method == Method::HEAD
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let rest = match (is_chunked, length) {
        _ if has_no_body => Rest::Nothing,
        (true, _) => Rest::Chunks(Pieces::lenient()),
        (false, Some(0)) => Rest::Nothing,
        (false, Some(length)) => Rest::Length(length),
        (false, None) => Rest::UntilEnd,
    };
    let is_last = is_closed || !is_kept || matches!(rest, Rest::UntilEnd);
    Ok((Head { head, is_last }, rest))
}

/// The status, whether the version is HTTP/1.0, and the reason of a line that ends with LF
/// (RFC 9112 §4).
fn read_status(line: &[u8]) -> Option<(StatusCode, bool, &[u8])> {
    let line = line.strip_suffix(b"\n")?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (version, rest) = line.strip_prefix(b"HTTP/1.")?.split_first()?;
    let (status, reason) = rest.strip_prefix(b" ")?.split_at_checked(3)?;
    let is_old = match version {
        b'0' => true,
        b'1' => false,
        _ => return None,
    };
    let reason = match reason.split_first() {
        Some((b' ', reason)) => reason,
        Some(_) => return None,
        None => reason,
    };
    // Its bytes are those of a value.
    let is_text = |byte: &u8| *byte == b'\t' || !byte.is_ascii_control();
    let status = StatusCode::from_bytes(status).ok()?;
    reason.iter().all(is_text).then_some((status, is_old, reason))
}

/// The fields behind a chunked body.
///
/// # Errors
///
/// When they are none.
pub(super) fn read_trailers(bytes: &[u8]) -> Result<HeaderMap, Broken> {
    Fields::read(bytes, FIELDS).map(|fields| HeaderMap::from(&fields)).map_err(|_| Broken)
}

/// Whether a list names that option (RFC 9110 §7.6.1).
pub(super) fn names(list: &[u8], option: &[u8]) -> bool {
    // By far the most say one of these.
    if matches!(list, b"close" | b"keep-alive") {
        return list == option;
    }
    let is_it = |named: &[u8]| named.trim_ascii().eq_ignore_ascii_case(option);
    list.split(|byte| *byte == b',').any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Status, what is left of the body, and whether the connection is used up.
    type Read = Option<(u16, &'static str, bool)>;

    /// The same however it comes: whole, or a byte at a time.
    fn read(text: &str, method: &Method) -> Read {
        let whole = begun(text.as_bytes(), text.len(), method);
        assert_eq!(begun(text.as_bytes(), 1, method), whole, "{text:?} by bytes");
        whole
    }

    fn begun(text: &[u8], at_once: usize, method: &Method) -> Read {
        let mut intake = Intake::default();
        for part in text.chunks(at_once) {
            intake.reader.bytes.extend_from_slice(part);
            let Intake { reader, searched, .. } = &mut intake;
            let Some(end) = end_of_head(&reader.bytes, searched).ok()? else { continue };
            let (head, rest) = read_head(&reader.bytes[..end], method).ok()?;
            let rest = match rest {
                Rest::Nothing => "nothing",
                Rest::Length(_) => "length",
                Rest::Chunks(_) => "chunks",
                Rest::UntilEnd => "until the end",
            };
            return Some((head.head.status.as_u16(), rest, head.is_last));
        }
        None
    }

    #[test]
    fn an_answer_ends_in_one_way_or_is_none() {
        let cases: &[(&str, Read)] = &[
            ("Content-Length: 5\r\n", Some((200, "length", false))),
            ("content-length:\t0 \r\n", Some((200, "nothing", false))),
            ("Transfer-Encoding: Chunked\r\n", Some((200, "chunks", false))),
            ("Content-Length: 5\r\nConnection: x, CLOSE\r\n", Some((200, "length", true))),
            ("Content-Length: 5\r\nConnection: keep-alive\r\n", Some((200, "length", false))),
            ("Content-Length: 5\r\nConnection: closed\r\n", Some((200, "length", false))),
            ("", Some((200, "until the end", true))),
            ("Connection: keep-alive\r\n", Some((200, "until the end", true))),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", None),
            ("Content-Length: 5, 5\r\n", None),
            ("Content-Length: +5\r\n", None),
            ("Content-Length: \r\n", None),
            ("Content-Length: 18446744073709551616\r\n", None),
            ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", None),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", None),
            ("Transfer-Encoding: gzip, chunked\r\n", None),
            ("Transfer-Encoding: identity\r\n", None),
            ("A: b\r\n c\r\n", None),
            ("A : b\r\n", None),
            ("A\r\n", None),
            ("A: \0\r\n", None),
        ];
        for (fields, expected) in cases {
            let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            assert_eq!(read(&text, &Method::GET), *expected, "{fields:?}");
        }
    }

    #[test]
    fn some_answers_have_no_body_and_old_ones_end_their_connection() {
        let cases: &[(&str, Method, Read)] = &[
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Method::HEAD,
                Some((200, "nothing", false)),
            ),
            ("HTTP/1.1 200 OK\r\n\r\n", Method::HEAD, Some((200, "nothing", false))),
            ("HTTP/1.1 204 No Content\r\n\r\n", Method::GET, Some((204, "nothing", false))),
            (
                "HTTP/1.1 304 \r\nContent-Length: 5\r\n\r\n",
                Method::GET,
                Some((304, "nothing", false)),
            ),
            (
                "HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n",
                Method::GET,
                Some((101, "nothing", false)),
            ),
            (
                "HTTP/1.1 404\r\nContent-Length: 1\r\n\r\n",
                Method::GET,
                Some((404, "length", false)),
            ),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
                Method::GET,
                Some((200, "length", true)),
            ),
            (
                "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\n",
                Method::GET,
                Some((200, "length", false)),
            ),
            ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Method::GET, None),
            ("HTTP/1.1 200 OK\nContent-Length: 1\n\n", Method::GET, Some((200, "length", false))),
            ("\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", Method::GET, None),
            ("HTTP/2.0 200 OK\r\n\r\n", Method::GET, None),
            ("HTTP/1.1 2000 OK\r\n\r\n", Method::GET, None),
            ("HTTP/1.1 099 OK\r\n\r\n", Method::GET, None),
            ("SSH-2.0-OpenSSH_9.2\r\n", Method::GET, None),
            ("ICY 200 OK\r\n\r\n", Method::GET, None),
            ("{\"status\": 200}", Method::GET, None),
        ];
        for (text, method, expected) in cases {
            assert_eq!(read(text, method), *expected, "{text:?}");
        }
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_BYTES));
        let mut intake = Intake::default();
        intake.reader.bytes.extend_from_slice(long.as_bytes());
        assert_eq!(end_of_head(&intake.reader.bytes, &mut 0), Err(PROTOCOL));
    }

    #[test]
    fn a_reason_of_its_own_goes_on() {
        for (text, expected) in [("OK", None), ("Fine by me", Some("Fine by me"))] {
            let bytes = Bytes::from(format!("HTTP/1.1 200 {text}\r\n\r\n"));
            let (head, _) = read_head(&bytes, &Method::GET).unwrap();
            let reason = head.head.reason.as_ref();
            assert_eq!(reason.map(ReasonPhrase::as_bytes), expected.map(str::as_bytes));
        }
    }
}

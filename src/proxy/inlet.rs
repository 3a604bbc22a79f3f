//! What a client of HTTP/1.1 sends, taken apart: a head, its body, and then the next (RFC 9112).
//!
//! INVARIANT: a message ends in one place only, by [`head`](super::head) and [`chunks`](super::chunks);
//! or it is refused, and no byte behind that is looked at.

use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use http::{Method, Uri, Version};
use http_body::Frame;
use memchr::memchr;

use super::activity::Activity;
use super::chunks::Pieces;
use super::fields::{Fields, NoFields, place, set};
use super::head::{Flaw, Framing, Head};
use super::incoming::Broken;
use super::message::{Asking, Target};
use super::reader::{Reader, Rest};
use super::settings::Limits;
use super::transport::Transport;
use crate::policy::DenyReason;
use crate::telemetry::Limit;

/// The longest target that `http` reads, in bytes.
const LONGEST_TARGET: usize = u16::MAX as usize - 1;

/// What comes from a client.
#[derive(Debug)]
pub(super) struct Inlet {
    reader: Reader,
    head: Head,
    /// How many of the bytes the head has seen.
    seen: usize,
}

/// Why a head is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHead {
    /// There is more than one way to read it.
    Flaw(Flaw),
    /// It is no head.
    Unreadable,
    TargetTooLong,
    TooLarge,
    TooManyFields,
}

impl BadHead {
    /// The status and its name.
    pub(super) fn status(self) -> (u16, &'static str) {
        match self {
            Self::Flaw(_) | Self::Unreadable => (400, "400 Bad Request"),
            Self::TargetTooLong => (414, "414 URI Too Long"),
            Self::TooLarge | Self::TooManyFields => (431, "431 Request Header Fields Too Large"),
        }
    }

    /// For the client: a text without anything that it sent.
    pub(super) fn detail(self) -> &'static str {
        match self {
            Self::Flaw(flaw) => flaw.detail(),
            Self::Unreadable | Self::TargetTooLong | Self::TooLarge | Self::TooManyFields => {
                "the request's head cannot be read"
            }
        }
    }

    /// Why nothing is decided, where it is no limit that it went past.
    pub(super) fn reason(self) -> Option<DenyReason> {
        match self {
            Self::Flaw(flaw) => Some(flaw.reason()),
            Self::Unreadable => Some(DenyReason::BadRequest),
            Self::TargetTooLong | Self::TooLarge | Self::TooManyFields => None,
        }
    }

    /// The limit that it went past.
    pub(super) fn limit(self) -> Option<Limit> {
        match self {
            Self::Flaw(_) | Self::Unreadable => None,
            Self::TargetTooLong => Some(Limit::TargetBytes),
            Self::TooLarge => Some(Limit::HeaderBytes),
            Self::TooManyFields => Some(Limit::Headers),
        }
    }
}

impl Inlet {
    pub(super) fn new() -> Self {
        Self { reader: Reader::of_requests(), head: Head::default(), seen: 0 }
    }

    /// Whether the client says nothing more.
    pub(super) fn has_ended(&self) -> bool {
        self.reader.has_ended()
    }

    /// One that has read these bytes.
    #[cfg(any(test, fuzzing))]
    pub(super) fn holding(bytes: &[u8]) -> Self {
        let mut inlet = Self::new();
        inlet.reader.bytes.extend_from_slice(bytes);
        inlet
    }

    /// Whether all of the last request was read, and nothing behind it.
    pub(super) fn is_fresh(&self) -> bool {
        self.reader.is_empty()
    }

    /// Whether all of the last request was read.
    pub(super) fn is_over(&self) -> bool {
        self.reader.is_over()
    }

    /// How many bytes of its body are to come, where that is known.
    pub(super) fn left(&self) -> Option<u64> {
        self.reader.left()
    }

    /// What was read behind the last request.
    pub(super) fn into_bytes(self) -> Bytes {
        self.reader.bytes.freeze()
    }

    /// The next request's head. Nothing once none comes any more. Most heads are read in `room`, and
    /// nothing of them is kept here.
    ///
    /// # Errors
    ///
    /// Why it is none.
    pub(super) fn poll_head(
        &mut self,
        transport: &mut Transport,
        limits: &Limits,
        activity: &Activity,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Asking>, BadHead>> {
        let mut head = match self.seen < self.reader.bytes.len() {
            true => self.next_head(limits),
            false => Ok(None),
        };
        loop {
            match head {
                Ok(Some(head)) => return Poll::Ready(Ok(Some(head))),
                Ok(None) if self.reader.bytes.is_empty() => {}
                Ok(None) => activity.head_came(),
                Err(refusal) => {
                    activity.head_came();
                    return Poll::Ready(Err(refusal));
                }
            }
            let is_aside = self.reader.bytes.is_empty();
            let read = match is_aside {
                true => transport.poll_recv(room, cx),
                false => self.reader.poll_read(transport, cx),
            };
            let read = ready!(read);
            self.reader.note(&read);
            let read = match read {
                Ok(0) | Err(_) => return Poll::Ready(Ok(None)),
                Ok(read) => read,
            };
            head = match is_aside {
                true => self.first_head(room.get(..read).unwrap_or_default(), limits),
                false => self.next_head(limits),
            };
        }
    }

    /// What came of the body together with its head, where the head says how long it is.
    pub(super) fn take_first(&mut self) -> Option<Bytes> {
        self.reader.take_first()
    }

    /// The next piece of the request's body. Nothing once it is whole.
    ///
    /// # Errors
    ///
    /// When it never will be.
    pub(super) fn poll_piece(
        &mut self,
        transport: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.reader.poll_piece(transport, cx)
    }

    /// Ready once the client is gone. Where it has sent more than one request, that is not looked at.
    pub(super) fn poll_gone(
        &mut self,
        transport: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !self.reader.bytes.is_empty() {
            return Poll::Pending;
        }
        ready!(transport.poll_readable(cx));
        match ready!(self.reader.poll_glance(transport, cx)) {
            Ok(0) | Err(_) => Poll::Ready(()),
            Ok(_) => Poll::Pending,
        }
    }

    /// Takes and forgets what a client says that is not listened to any more. How much it was;
    /// nothing at its end.
    pub(super) fn poll_drop(
        &mut self,
        transport: &mut Transport,
        cx: &mut Context<'_>,
    ) -> Poll<usize> {
        self.reader.bytes.clear();
        self.reader.poll_read(transport, cx).map(Result::unwrap_or_default)
    }

    /// The head that the bytes here begin with, if it is whole.
    pub(super) fn next_head(&mut self, limits: &Limits) -> Result<Option<Asking>, BadHead> {
        let Self { reader: Reader { bytes, rest, .. }, head, seen } = self;
        let Some((asking, end)) = take_head(bytes, head, seen, rest, limits)? else {
            return Ok(None);
        };
        bytes.advance(end);
        Ok(Some(asking))
    }

    /// The same of bytes that are nowhere else. What comes behind the head is kept, and a part of one;
    /// and of a bad one all, as its client may say more and is listened to until it has heard why.
    fn first_head(&mut self, bytes: &[u8], limits: &Limits) -> Result<Option<Asking>, BadHead> {
        let Self { reader: Reader { bytes: kept, rest, .. }, head, seen } = self;
        let taken = take_head(bytes, head, seen, rest, limits);
        let end = taken.as_ref().map_or(0, |taken| taken.as_ref().map_or(0, |(_, end)| *end));
        kept.extend_from_slice(bytes.get(end..).unwrap_or_default());
        Ok(taken?.map(|(asking, _)| asking))
    }
}

/// The head that bytes begin with of which it has `seen` some, and where it ends; and how its body
/// does.
fn take_head(
    bytes: &[u8],
    head: &mut Head,
    seen: &mut usize,
    rest: &mut Rest,
    limits: &Limits,
) -> Result<Option<(Asking, usize)>, BadHead> {
    let new = bytes.get(*seen..).unwrap_or_default();
    let Some((taken, framing)) = head.read(new).map_err(BadHead::Flaw)? else {
        *seen = bytes.len();
        return if *seen > limits.header_bytes { Err(BadHead::TooLarge) } else { Ok(None) };
    };
    let end = std::mem::take(seen) + taken;
    if end > limits.header_bytes {
        return Err(BadHead::TooLarge);
    }
    *rest = match framing {
        Framing::Length(0) => Rest::Nothing,
        Framing::Length(length) => Rest::Length(length),
        Framing::Chunked => Rest::Chunks(Pieces::strict()),
    };
    let asking = read_head(bytes.get(..end).unwrap_or_default(), limits.headers)?;
    Ok(Some((asking, end)))
}

/// A head that has one reading, as a request with no more than so many fields.
fn read_head(bytes: &[u8], most: usize) -> Result<Asking, BadHead> {
    let bytes = bytes.strip_prefix(b"\r\n").unwrap_or(bytes);
    let (line, _) = memchr(b'\n', bytes)
        .and_then(|end| bytes.split_at_checked(end + 1))
        .ok_or(BadHead::Unreadable)?;
    let first = line.len();
    // `Head` has seen how it ends.
    let (line, version) = match line.strip_suffix(b" HTTP/1.1\r\n") {
        Some(start) => (start, Version::HTTP_11),
        None => {
            let start = line.strip_suffix(b" HTTP/1.0\r\n").ok_or(BadHead::Unreadable)?;
            (start, Version::HTTP_10)
        }
    };
    let (method, target) =
        memchr(b' ', line).and_then(|end| line.split_at_checked(end)).ok_or(BadHead::Unreadable)?;
    let start = method.len() + 1;
    let target = target.get(1..).unwrap_or_default();
    if target.len() > LONGEST_TARGET {
        return Err(BadHead::TargetTooLong);
    }
    // A blank or a control byte is no part of either.
    let method = Method::from_bytes(method).map_err(|_| BadHead::Unreadable)?;
    let target = match is_plain(target) {
        true => Target::Plain(place(start, start + target.len())),
        false => Uri::try_from(target).map_err(|_| BadHead::Unreadable)?.into(),
    };
    let fields = Fields::read_behind(bytes, first, most).map_err(|none| match none {
        NoFields::TooMany => BadHead::TooManyFields,
        NoFields::Unreadable => BadHead::Unreadable,
    })?;
    Ok(Asking { method, target, version, fields })
}

/// Whether a target is in origin-form, and without a byte that RFC 3986 does not know there.
fn is_plain(target: &[u8]) -> bool {
    const PLAIN: [bool; 256] = {
        let mut table = [false; 256];
        let mut rest = b"/?%-._~!$&'()*+,;=:@\
            0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
            .as_slice();
        while let [byte, others @ ..] = rest {
            set(&mut table, *byte, true);
            rest = others;
        }
        table
    };
    target.starts_with(b"/")
        && target.iter().all(|byte| PLAIN.get(usize::from(*byte)) == Some(&true))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The request that a text is, and what is left behind its head.
    fn read(text: &[u8], limits: &Limits) -> Result<Option<(Asking, Vec<u8>)>, BadHead> {
        let mut inlet = Inlet::holding(text);
        Ok(inlet.next_head(limits)?.map(|head| (head, inlet.reader.bytes.to_vec())))
    }

    #[test]
    fn a_head_is_a_request() {
        let limits = Limits { headers: 2, header_bytes: 100, ..Limits::default() };
        let text = b"\r\nPUT /a?b HTTP/1.0\r\nA: 1\r\na:\t2\r\n\r\nrest";
        let (head, rest) = read(text, &limits).unwrap().unwrap();
        assert_eq!(head.target(), Some(b"/a?b".as_slice()));
        assert_eq!((head.method, head.version), (Method::PUT, Version::HTTP_10));
        assert_eq!(head.fields.all("a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(rest, b"rest");
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100));
        let far = Limits { header_bytes: 1 << 20, ..limits };
        let endless = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(LONGEST_TARGET));
        let cases: &[(&str, &Limits, BadHead)] = &[
            ("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", &limits, BadHead::TooManyFields),
            (&long, &limits, BadHead::TooLarge),
            (long.trim_end(), &limits, BadHead::TooLarge),
            (&endless, &far, BadHead::TargetTooLong),
            ("GET  / HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET\t/ HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET /a b HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET / \0 HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            (" / HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            ("G(T / HTTP/1.1\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET / HTTP/1.1\r\nA : 1\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET / HTTP/1.1\r\nA: 1\r2\r\n\r\n", &limits, BadHead::Unreadable),
            ("GET / HTTP/1.1\r\nA: 1\n\r\n", &limits, BadHead::Flaw(Flaw::LineEnd)),
        ];
        for (text, limits, refusal) in cases {
            let read = read(text.as_bytes(), limits);
            assert_eq!(read.map(|_| ()).unwrap_err(), *refusal, "{text:?}");
        }
        assert!(read(b"GET / HTTP/1.1\r\nA: 1\r\n\r", &limits).unwrap().is_none());
    }

    /// Its client is listened to until it has heard why: closed at once, it would see a reset.
    #[test]
    fn a_bad_head_is_not_forgotten() {
        let bad = b"GET / HTTP/1.1\nHost: h\r\n\r\nmore";
        let mut inlet = Inlet::new();
        let refused = inlet.first_head(bad, &Limits::default()).map(|_| ());
        assert_eq!(refused, Err(BadHead::Flaw(Flaw::LineEnd)));
        assert!(!inlet.is_fresh());
    }

    /// What is behind a head is kept to the last byte, whatever was read at once, and nothing of it.
    #[test]
    fn a_head_comes_in_whatever_pieces() {
        const HEAD: &[u8] = b"\r\nPOST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
        const BEHIND: &[u8] = b"helloGET /b HTTP/1.1\r\n\r\n";
        let (text, limits) = ([HEAD, BEHIND].concat(), Limits::default());
        for (first, second) in
            (1..text.len()).flat_map(|at| (at..text.len()).map(move |to| (at, to)))
        {
            let (mut inlet, mut head, mut left) = (Inlet::new(), None, Vec::new());
            for part in [&text[..first], &text[first..second], &text[second..]] {
                if head.is_some() {
                    left.extend_from_slice(part);
                } else if inlet.reader.bytes.is_empty() {
                    head = inlet.first_head(part, &limits).unwrap();
                } else {
                    inlet.reader.bytes.extend_from_slice(part);
                    head = inlet.next_head(&limits).unwrap();
                }
            }
            let head = head.unwrap();
            assert_eq!(head.target(), Some(b"/a".as_slice()), "{first} {second}");
            assert_eq!((inlet.left(), inlet.seen), (Some(5), 0), "{first} {second}");
            assert_eq!([&inlet.reader.bytes, &left[..]].concat(), BEHIND, "{first} {second}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Whatever is a request here is the same to a reader that many use.
        #[test]
        fn another_reader_agrees(
            start in prop::sample::select(vec!["GET / HTTP/1.1\r\n", "POST /a HTTP/1.0\r\n", "\r\n", ""]),
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "GET", "/", "/a?b", " ", "  ", "\t", " HTTP/1.1", " HTTP/1.0", "\r\n", "\r\n", "\n",
                    "\r", ":", "A: b\r\n", "x", "*", "h:80", "http://h/", "\0", "\x7f", "\u{e9}", "\"",
                    "{", "\\", "%", "Host: h\r\n",
                ]),
                0..12,
            ),
        ) {
            let text = format!("{start}{}\r\n\r\n", parts.concat());
            let Ok(Some((head, rest))) = read(text.as_bytes(), &Limits::default()) else {
                return Ok(());
            };
            let mut fields = [httparse::EMPTY_HEADER; 64];
            let mut request = httparse::Request::new(&mut fields);
            let parsed = request.parse(text.as_bytes());
            prop_assert_eq!(parsed, Ok(httparse::Status::Complete(text.len() - rest.len())), "{:?}", text);
            prop_assert_eq!(request.method, Some(head.method.as_str()));
            let target = Uri::try_from(request.path.unwrap()).unwrap();
            let target = target.path_and_query().map(|target| target.as_str().as_bytes());
            prop_assert_eq!(target, head.target());
            prop_assert_eq!(request.version == Some(0), head.version == Version::HTTP_10);
            prop_assert_eq!(request.headers.len(), head.fields.len());
            for field in request.headers.iter() {
                let name = field.name.to_ascii_lowercase();
                prop_assert!(head.fields.all(&name).any(|value| value == field.value));
            }
        }
    }
}

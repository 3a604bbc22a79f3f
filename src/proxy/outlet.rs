//! What goes out over HTTP/1.1, requests as answers: a head, and its body as it comes (RFC 9112).
//!
//! INVARIANT: the body ends where the head says. One that turns out longer or shorter is never made
//! to look whole.

use std::io::{self, IoSlice, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HOST, HeaderName, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::body::RequestBody;
use super::fault::Fault;
use super::fields::{Fields, text};
use super::head::number;
use super::message::Asking;

/// Bytes that are copied behind each other, to go in one piece. What is longer goes by itself.
const TOGETHER: usize = 16 * 1024;
/// What is kept of a buffer for the next request.
const KEPT: usize = 4 * 1024;

/// What is still to be written of a message.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Goes first.
    bytes: Vec<u8>,
    /// How much of it has.
    written: usize,
    /// A part of the body that is too long to be copied goes behind it, and then its end.
    part: Bytes,
    end: &'static [u8],
    framing: Framing,
    /// Names of trailers that were promised.
    promised: Vec<HeaderName>,
    /// Whether any of the message has left, or its body was begun.
    is_touched: bool,
    /// It takes no more. What it said before that is still read.
    is_deaf: bool,
}

/// What of the body is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Over,
    Length(u64),
    Chunked,
    /// The connection's end is the body's: of an answer to who knows no chunks.
    UntilEnd,
}

impl Default for Outlet {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            written: 0,
            part: Bytes::new(),
            end: b"",
            framing: Framing::Over,
            promised: Vec::new(),
            is_touched: false,
            is_deaf: false,
        }
    }
}

impl Outlet {
    /// Makes a request's head ready to go, and its body if that is here: then none is asked for, and
    /// it can go elsewhere as long as nothing was written. `preamble` is said right behind the first
    /// line.
    ///
    /// # Errors
    ///
    /// Where the head says another length of the body than there is; and where something is left of
    /// what went before, which would be taken for a part of this.
    pub(super) fn begin(
        &mut self,
        head: &Asking,
        preamble: &[u8],
        body: &RequestBody,
    ) -> Result<(), Fault> {
        if self.is_full() {
            return Err(Fault::BodyBroken);
        }
        let Self { bytes, .. } = self;
        let target = head.target().unwrap_or(b"/");
        for part in [head.method.as_str().as_bytes(), b" ", target, b" HTTP/1.1\r\n"] {
            bytes.extend_from_slice(part);
        }
        bytes.extend_from_slice(preamble);
        let length = head.fields.get("content-length");
        let length = length.map(|value| number(value).ok_or(Fault::BodyBroken)).transpose()?;
        let is_chunked = head.fields.has("transfer-encoding");
        head.fields.write(bytes);
        bytes.extend_from_slice(b"\r\n");
        let framing = match (body, length, is_chunked) {
            (RequestBody::Empty, None | Some(0), false) => Framing::Over,
            (RequestBody::Whole(data), Some(length), false) if data.len() as u64 == length => {
                self.put(data.clone());
                Framing::Over
            }
            (RequestBody::Streaming(_), Some(length), false) => Framing::Length(length),
            (RequestBody::Streaming(_), None, true) => Framing::Chunked,
            _ => return Err(Fault::BodyBroken),
        };
        let promised = match framing {
            Framing::Chunked => promised(&head.fields),
            _ => Vec::new(),
        };
        self.start(framing, promised);
        Ok(())
    }

    /// Where a head is written to, behind what is still to go of what came before it.
    pub(super) fn room(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// A head is written: its body follows, with the trailers of these names.
    pub(super) fn start(&mut self, framing: Framing, promised: Vec<HeaderName>) {
        self.is_touched = false;
        self.framing = framing;
        self.promised = promised;
    }

    /// Ready once all of the message is written, or nothing more of it is taken.
    ///
    /// # Errors
    ///
    /// Why there will not be more of the body.
    pub(super) fn poll<W: AsyncWrite + Unpin, B: Body<Data = Bytes, Error = Fault> + Unpin>(
        &mut self,
        link: &mut W,
        body: &mut B,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Fault>> {
        loop {
            if self.is_deaf {
                return Poll::Ready(Ok(()));
            }
            if self.written == self.bytes.len() {
                self.written = 0;
                self.bytes.clear();
            }
            self.gather(body, cx)?;
            if !self.is_full() {
                // TLS has a buffer of its own.
                if ready!(Pin::new(&mut *link).poll_flush(cx)).is_err() {
                    self.is_deaf = true;
                    continue;
                }
                self.bytes.shrink_to(KEPT);
                return match self.framing {
                    Framing::Over => Poll::Ready(Ok(())),
                    Framing::Length(_) | Framing::Chunked | Framing::UntilEnd => Poll::Pending,
                };
            }
            match ready!(self.poll_write(link, cx)) {
                Ok(()) => self.is_touched = true,
                Err(_) => self.is_deaf = true,
            }
        }
    }

    /// Writes what is here, without a body: ready once it is gone, or nothing more is taken.
    pub(super) fn poll_said<W: AsyncWrite + Unpin>(
        &mut self,
        link: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while self.written < self.bytes.len() && !self.is_deaf {
            self.is_deaf = ready!(self.poll_write(link, cx)).is_err();
        }
        self.written = 0;
        self.bytes.clear();
        if !self.is_deaf {
            self.is_deaf = ready!(Pin::new(&mut *link).poll_flush(cx)).is_err();
        }
        Poll::Ready(())
    }

    /// Whether all of the message is written, and the other side took it.
    pub(super) fn is_over(&self) -> bool {
        self.framing == Framing::Over && !self.is_full() && !self.is_deaf
    }

    /// Whether there is something that could go.
    pub(super) fn is_full(&self) -> bool {
        !(self.bytes.is_empty() && self.part.is_empty() && self.end.is_empty())
    }

    /// Whether the same request can be sent elsewhere, as if it had not been tried here.
    pub(super) fn is_untouched(&self) -> bool {
        !self.is_touched
    }

    /// Takes of the body what has come and what there is room for.
    fn gather<B: Body<Data = Bytes, Error = Fault> + Unpin>(
        &mut self,
        body: &mut B,
        cx: &mut Context<'_>,
    ) -> Result<(), Fault> {
        while self.framing != Framing::Over
            && self.part.is_empty()
            && self.end.is_empty()
            && self.bytes.len() < TOGETHER
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { break };
            self.is_touched = true;
            match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => self.data(data)?,
                Some(Err(frame)) => self.over(frame.trailers_ref())?,
                None => self.over(None)?,
            }
        }
        Ok(())
    }

    fn data(&mut self, data: Bytes) -> Result<(), Fault> {
        // A chunk of nothing would be the last one.
        if data.is_empty() {
            return Ok(());
        }
        self.end = match &mut self.framing {
            Framing::Length(left) => {
                *left = left.checked_sub(data.len() as u64).ok_or(Fault::BodyBroken)?;
                b""
            }
            Framing::Chunked => {
                write!(self.bytes, "{:x}\r\n", data.len()).map_err(|_| Fault::BodyBroken)?;
                b"\r\n"
            }
            Framing::UntilEnd => b"",
            Framing::Over => return Err(Fault::BodyBroken),
        };
        self.put(data);
        Ok(())
    }

    fn put(&mut self, data: Bytes) {
        if self.bytes.len() + data.len() <= TOGETHER {
            self.bytes.extend_from_slice(&data);
            self.bytes.extend_from_slice(std::mem::take(&mut self.end));
        } else {
            self.part = data;
        }
    }

    fn over(&mut self, trailers: Option<&HeaderMap>) -> Result<(), Fault> {
        match self.framing {
            Framing::Length(1..) => return Err(Fault::BodyBroken),
            Framing::Length(0) | Framing::UntilEnd | Framing::Over => {}
            Framing::Chunked => {
                self.bytes.extend_from_slice(b"0\r\n");
                let trailers = trailers.into_iter().flatten();
                for (name, value) in trailers.filter(|(name, _)| self.promised.contains(name)) {
                    for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                        self.bytes.extend_from_slice(part);
                    }
                }
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
        self.framing = Framing::Over;
        Ok(())
    }

    fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        link: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let head = self.bytes.get(self.written..).unwrap_or_default();
        let link = Pin::new(link);
        let mut count = if self.part.is_empty() && self.end.is_empty() {
            ready!(link.poll_write(cx, head))?
        } else {
            let parts = [head, &self.part, self.end].map(IoSlice::new);
            ready!(link.poll_write_vectored(cx, &parts))?
        };
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        let of_head = count.min(head.len());
        self.written += of_head;
        count -= of_head;
        let of_part = count.min(self.part.len());
        let _ = self.part.split_to(of_part);
        count -= of_part;
        self.end = self.end.get(count..).unwrap_or_default();
        Poll::Ready(Ok(()))
    }
}

/// The trailers that a head names, but for those that would change what was said (RFC 9110 §6.5.1).
pub(super) fn promised(fields: &Fields) -> Vec<HeaderName> {
    const REFUSED: [HeaderName; 12] = [
        AUTHORIZATION,
        CACHE_CONTROL,
        CONTENT_ENCODING,
        CONTENT_LENGTH,
        CONTENT_RANGE,
        CONTENT_TYPE,
        HOST,
        MAX_FORWARDS,
        SET_COOKIE,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
    ];
    let named = fields.all("trailer").filter_map(text);
    let names = named.flat_map(|value| value.split(','));
    names
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .filter(|name| !REFUSED.contains(name))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http::{Method, Uri, Version};

    use super::*;

    /// Takes so many bytes at once, and notes how it was asked.
    #[derive(Debug, Default)]
    struct Far {
        taken: Vec<u8>,
        most: usize,
        writes: usize,
        flushes: usize,
        /// How many writes it takes before it has no room, where it takes so few.
        patience: Option<usize>,
        /// How often it has to be asked to flush before it has.
        unflushed: usize,
        is_gone: bool,
    }

    impl Far {
        fn taking(most: usize) -> Self {
            Self { most, ..Self::default() }
        }
    }

    impl AsyncWrite for Far {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.is_gone {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if self.patience == Some(self.writes) {
                return Poll::Pending;
            }
            let part = bytes.len().min(self.most);
            self.taken.extend_from_slice(&bytes[..part]);
            self.writes += 1;
            Poll::Ready(Ok(part))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
            self.poll_write(cx, &bytes)
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.flushes += 1;
            match self.unflushed.checked_sub(1) {
                Some(left) => {
                    self.unflushed = left;
                    Poll::Pending
                }
                None => Poll::Ready(Ok(())),
            }
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn asking(length: usize) -> Asking {
        let mut fields = Fields::default();
        fields.add("content-length", length.to_string());
        let (method, target) = (Method::POST, Uri::from_static("/a").into());
        Asking { method, target, version: Version::HTTP_11, fields }
    }

    fn head(length: usize) -> String {
        format!("POST /a HTTP/1.1\r\nhost: h\r\ncontent-length: {length}\r\n\r\n")
    }

    /// A small body goes with its head, and it is not taken from who may have to send it again.
    #[test]
    fn a_body_that_is_here_is_written_with_its_head() {
        for (length, most) in [(1024, 1 << 20), (1024, 7), (TOGETHER, 1 << 20), (TOGETHER, 999)] {
            let data = vec![b'x'; length];
            let mut body = RequestBody::Whole(data.clone().into());
            let (mut outlet, mut far) = (Outlet::default(), Far::taking(most));
            outlet.begin(&asking(length), b"host: h\r\n", &body).unwrap();
            let polled = outlet.poll(&mut far, &mut body, &mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(()))) && outlet.is_over());
            let sent = [head(length).into_bytes(), data.clone()].concat();
            assert_eq!(far.taken, sent, "{length} by {most}");
            assert_eq!(far.writes, sent.len().div_ceil(most));
            assert!(matches!(body, RequestBody::Whole(kept) if kept == data));
        }
    }

    #[test]
    fn a_body_that_is_here_can_go_elsewhere_until_some_of_it_is_written() {
        for is_gone in [true, false] {
            let mut body = RequestBody::Whole(Bytes::from_static(b"hello"));
            let (mut outlet, mut far) = (Outlet::default(), Far::taking(1 << 20));
            far.is_gone = is_gone;
            outlet.begin(&asking(5), b"", &body).unwrap();
            let polled = outlet.poll(&mut far, &mut body, &mut Context::from_waker(Waker::noop()));
            assert!(polled.is_ready());
            assert_eq!((outlet.is_untouched(), outlet.is_over()), (is_gone, !is_gone));
        }
    }

    /// What is left of one request would be taken for a part of the next.
    #[test]
    fn nothing_follows_a_body_that_is_not_written_to_its_end() {
        let mut cx = Context::from_waker(Waker::noop());
        let length = 3 * TOGETHER;
        let mut body = RequestBody::Whole(vec![b'x'; length].into());
        let (mut outlet, mut far) = (Outlet::default(), Far::taking(head(length).len() + 1));
        far.patience = Some(1);
        outlet.begin(&asking(length), b"host: h\r\n", &body).unwrap();
        assert!(outlet.poll(&mut far, &mut body, &mut cx).is_pending());
        assert_eq!(far.taken.len(), head(length).len() + 1, "the head has gone, and little more");
        assert!(!outlet.is_over() && outlet.is_full());
        assert_eq!(outlet.begin(&asking(0), b"", &RequestBody::Empty), Err(Fault::BodyBroken));
        far.patience = None;
        assert!(outlet.poll(&mut far, &mut body, &mut cx).is_ready() && outlet.is_over());
        assert_eq!(far.taken.len(), head(length).len() + length);
    }

    #[test]
    fn a_body_of_another_length_than_its_head_says_does_not_go() {
        for (said, data) in [(4, "hello"), (6, "hello"), (0, "hello"), (5, "")] {
            let body = RequestBody::Whole(data.into());
            let begun = Outlet::default().begin(&asking(said), b"", &body);
            assert_eq!(begun, Err(Fault::BodyBroken), "{said} {data:?}");
        }
    }

    /// What was written has to leave a buffer below, too, also where it could not at once.
    #[test]
    fn a_flush_that_was_pending_is_taken_up_again() {
        let mut cx = Context::from_waker(Waker::noop());
        let (mut outlet, mut far) = (Outlet::default(), Far::taking(1 << 20));
        far.unflushed = 2;
        outlet.room().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        for (flushes, is_ready) in [(1, false), (2, false), (3, true)] {
            assert_eq!(outlet.poll_said(&mut far, &mut cx).is_ready(), is_ready);
            assert_eq!((far.writes, far.flushes), (1, flushes));
        }
        let mut body = RequestBody::Empty;
        far.unflushed = 1;
        outlet.room().extend_from_slice(b"HTTP/1.1 204 No Content\r\n\r\n");
        outlet.start(Framing::Over, Vec::new());
        for is_ready in [false, true] {
            assert_eq!(outlet.poll(&mut far, &mut body, &mut cx).is_ready(), is_ready);
        }
        assert_eq!((far.writes, far.flushes), (2, 5));
    }
}

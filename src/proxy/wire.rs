//! The socket of an upstream connection, below hyper.

use std::cell::RefCell;
use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::link::Link;
use super::socket::Socket;

/// Bytes that follow a head in one piece with it. What is longer goes by itself.
const TOGETHER: usize = 16 * 1024;
/// Reads before others have their turn. hyper goes on for as long as there is something to read, such
/// as one informational answer behind the other, and no timeout is looked at meanwhile.
const READS: u32 = 8;

/// What is to be said right behind the next request's first line, or in place of its whole head.
/// Set by whoever sends the request, taken by the [`Wire`] when the head goes out.
#[derive(Debug, Clone, Default)]
pub(super) struct Preamble(Rc<RefCell<Said>>);

#[derive(Debug, Default)]
struct Said {
    bytes: Vec<u8>,
    is_head: bool,
}

impl Preamble {
    pub(super) fn set(&self, lines: &[u8]) {
        let mut said = self.0.borrow_mut();
        said.is_head = false;
        said.bytes.clear();
        said.bytes.extend_from_slice(lines);
    }

    /// A head as another [`Wire`] wrote it.
    pub(super) fn set_head(&self, head: Vec<u8>) {
        *self.0.borrow_mut() = Said { bytes: head, is_head: true };
    }
}

/// An upstream's socket.
///
/// Where it takes no more, what it said before is still read: the read side tells how it ended.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket<Link>,
    deaf: bool,
    preamble: Preamble,
    /// The last request's head with its preamble, and how much of it is written.
    head: Vec<u8>,
    written: usize,
    /// Reads since somebody else had a turn.
    reads: u32,
}

impl Wire {
    pub(super) fn new(link: Link, preamble: Preamble) -> Self {
        let socket = Socket::new(link);
        Self { socket, deaf: false, preamble, head: Vec::new(), written: 0, reads: 0 }
    }

    pub(super) fn into_link(self) -> Link {
        self.socket.into_stream()
    }

    /// The head of the last request. What is said of a body goes with it, if it was short.
    pub(super) fn into_head(self) -> Vec<u8> {
        self.head
    }

    /// Takes what hyper writes as the start of a request, if one is about to begin, and returns how
    /// much of it.
    fn begin(&mut self, buffers: &[&[u8]]) -> io::Result<Option<usize>> {
        let Said { bytes: lines, is_head } = &mut *self.preamble.0.borrow_mut();
        if lines.is_empty() {
            return Ok(None);
        }
        if *is_head {
            self.head = std::mem::take(lines);
            self.written = 0;
            return Ok(Some(buffers.iter().map(|part| part.len()).sum()));
        }
        let first = buffers.first().copied().unwrap_or_default();
        let at = end_of_request_line(first).ok_or_else(|| {
            // Rather no request than one that says nothing of who asks.
            io::Error::new(io::ErrorKind::InvalidData, "a request did not begin with its line")
        })?;
        let (line, rest) = first.split_at_checked(at).unwrap_or_default();
        self.head.clear();
        self.written = 0;
        for part in [line, lines, rest] {
            self.head.extend_from_slice(part);
        }
        lines.clear();
        let mut taken = first.len();
        for part in buffers.get(1..).unwrap_or_default() {
            if self.head.len() + part.len() > TOGETHER {
                break;
            }
            self.head.extend_from_slice(part);
            taken += part.len();
        }
        Ok(Some(taken))
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.head.get(self.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, rest)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.written += written,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn heard<T>(&mut self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(poll, Poll::Ready(Err(_))) {
            self.deaf = true;
            return Poll::Pending;
        }
        poll
    }

    fn poll_parts(
        &mut self,
        cx: &mut Context<'_>,
        parts: &[&[u8]],
        plain: impl FnOnce(Pin<&mut Socket<Link>>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Pending;
        }
        let poll = self.poll_head(cx);
        if let Err(error) = ready!(self.heard(poll)) {
            return Poll::Ready(Err(error));
        }
        if let Some(taken) = self.begin(parts)? {
            // As far as it goes: the rest goes with the flush that follows.
            let poll = self.poll_head(cx);
            let _ = self.heard(poll);
            return Poll::Ready(Ok(taken));
        }
        let poll = plain(Pin::new(&mut self.socket), cx);
        self.heard(poll)
    }
}

/// Where the line ends that a request begins with (RFC 9112 §3), its line end included.
fn end_of_request_line(bytes: &[u8]) -> Option<usize> {
    let end = bytes.iter().position(|byte| *byte == b'\r')?;
    let line = bytes.get(..end)?;
    (line.ends_with(b" HTTP/1.1") && bytes.get(end + 1) == Some(&b'\n')).then_some(end + 2)
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads == READS {
            self.reads = 0;
            return pin!(tokio::task::yield_now()).poll(cx).map(Ok);
        }
        let polled = Pin::new(&mut self.socket).poll_read(cx, buffer);
        self.reads = if polled.is_ready() { self.reads + 1 } else { 0 };
        polled
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_parts(cx, &[bytes], |socket, cx| socket.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper has a head and a chunk or two of its body; a longer list goes by itself.
        let mut parts = [&[][..]; 4];
        let count = buffers.len().min(parts.len());
        parts.iter_mut().zip(buffers).for_each(|(part, buffer)| *part = buffer);
        let parts = parts.get(..count).unwrap_or_default();
        self.poll_parts(cx, parts, |socket, cx| socket.poll_write_vectored(cx, buffers))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.deaf {
            return Poll::Pending;
        }
        let poll = self.poll_head(cx);
        ready!(self.heard(poll))?;
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_begins_with_its_line() {
        let cases: &[(&[u8], Option<usize>)] = &[
            (b"GET / HTTP/1.1\r\nhost: h\r\n\r\n", Some(16)),
            (b"GET / HTTP/1.1\r\n\r\n", Some(16)),
            (b"GET / HTTP/1.1\r", None),
            (b"GET / HTTP/1.1", None),
            (b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n", None),
            (b"", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(end_of_request_line(bytes), *expected, "{bytes:?}");
        }
    }
}

//! What bytes come and go by: TCP, TLS over it, or a Unix socket.
//!
//! Plain TCP is what most sockets are, upstream ones among them: it is looked for first, and the
//! rest is kept out of its way.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use super::plain;

/// A connection's bytes, without what protects them.
#[derive(Debug)]
pub(super) enum Transport {
    Tcp(TcpStream),
    Other(Other),
}

/// What is not plain TCP, or not yet.
#[derive(Debug)]
pub(super) enum Other {
    /// Bytes that were read already, to see which protocol they are, and then the rest.
    Ahead(Bytes, Box<Transport>),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Transport {
    fn from(stream: UnixStream) -> Self {
        Self::Other(Other::Unix(stream))
    }
}

impl From<TlsStream<TcpStream>> for Transport {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self::Other(Other::Tls(Box::new(stream)))
    }
}

impl Transport {
    /// Gives `bytes` once more to whoever reads next.
    pub(super) fn put_back(self, bytes: Bytes) -> Self {
        if bytes.is_empty() {
            return self;
        }
        let rest = match self {
            Self::Other(Other::Ahead(read, rest)) if read.is_empty() => rest,
            rest => Box::new(rest),
        };
        Self::Other(Other::Ahead(bytes, rest))
    }

    /// Whether an HTTP/2 client was promised HTTP/2 (RFC 7301).
    pub(super) fn has_agreed_on_http2(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            Self::Other(other) => match other {
                Other::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
                Other::Ahead(_, rest) => rest.has_agreed_on_http2(),
                Other::Unix(_) => false,
            },
        }
    }

    /// The socket, if it is plain TCP.
    pub(super) fn into_tcp(self) -> Option<TcpStream> {
        match self {
            Self::Tcp(stream) => Some(stream),
            Self::Other(_) => None,
        }
    }

    /// Reads what is there into `room`.
    #[inline]
    pub(super) fn poll_recv(
        &mut self,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => plain::poll_recv(stream, room, cx),
            Self::Other(_) => plain::poll_other(self, room, cx),
        }
    }

    /// Ready where it is worth reading, or not known.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(cx).map(drop),
            Self::Other(_) => Poll::Ready(()),
        }
    }

    /// Looks at what can be read, without taking it. Of plain TCP only: the rest is unsupported.
    pub(super) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => stream.poll_peek(cx, buffer),
            Self::Other(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Says what there is room for, without waiting: the peer may be gone, or not reading.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        let mut cx = Context::from_waker(Waker::noop());
        match self {
            Self::Tcp(stream) => _ = stream.try_write(bytes),
            Self::Other(other) => match other {
                Other::Ahead(_, rest) => rest.say(bytes),
                Other::Tls(stream) => {
                    let _ = Pin::new(&mut **stream).poll_write(&mut cx, bytes);
                    let _ = Pin::new(&mut **stream).poll_flush(&mut cx);
                }
                Other::Unix(stream) => _ = stream.try_write(bytes),
            },
        }
    }

    /// Its end will be a reset: nobody takes what came before for all there was.
    pub(super) fn break_off(&self) {
        let stream = match self {
            Self::Tcp(stream) => stream,
            Self::Other(other) => match other {
                Other::Ahead(_, rest) => return rest.break_off(),
                Other::Tls(stream) => stream.get_ref().0,
                // Nothing of it tells a reset from an end.
                Other::Unix(_) => return,
            },
        };
        let _ = stream.set_zero_linger();
    }
}

impl Other {
    #[cold]
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Ahead(bytes, rest) if bytes.is_empty() => {
                Pin::new(&mut **rest).poll_read(cx, buffer)
            }
            Self::Ahead(bytes, _) => {
                let part = bytes.len().min(buffer.remaining());
                buffer.put_slice(&bytes.split_to(part));
                Poll::Ready(Ok(()))
            }
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }

    #[cold]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Ahead(_, rest) => Pin::new(&mut **rest).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    #[cold]
    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Ahead(_, rest) => Pin::new(&mut **rest).poll_write_vectored(cx, buffers),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, buffers),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
        }
    }

    #[cold]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Ahead(_, rest) => Pin::new(&mut **rest).poll_flush(cx),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Ahead(_, rest) => Pin::new(&mut **rest).poll_shutdown(cx),
            Self::Tls(stream) => {
                ready!(Pin::new(&mut **stream).poll_flush(cx))?;
                Pin::new(&mut **stream).poll_shutdown(cx)
            }
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl AsyncRead for Transport {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Other(other) => other.poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => plain::poll_send(stream, bytes, cx),
            Self::Other(other) => other.poll_write(cx, bytes),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Self::Other(other) => other.poll_write_vectored(cx, buffers),
        }
    }

    #[inline]
    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            // The kernel has what was written.
            Self::Tcp(_) => Poll::Ready(Ok(())),
            Self::Other(other) => other.poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Other(other) => other.poll_shutdown(cx),
        }
    }
}

//! What bytes come and go by: TCP, TLS over it, or a Unix socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

/// A connection's bytes, without what protects them.
#[derive(Debug)]
pub(super) struct Transport {
    wire: Wire,
    /// Read already, to see which protocol it is, and not handed out.
    ahead: Bytes,
}

#[derive(Debug)]
enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl From<TcpStream> for Transport {
    fn from(stream: TcpStream) -> Self {
        Self { wire: Wire::Tcp(stream), ahead: Bytes::new() }
    }
}

impl From<UnixStream> for Transport {
    fn from(stream: UnixStream) -> Self {
        Self { wire: Wire::Unix(stream), ahead: Bytes::new() }
    }
}

impl From<TlsStream<TcpStream>> for Transport {
    fn from(stream: TlsStream<TcpStream>) -> Self {
        Self { wire: Wire::Tls(Box::new(stream)), ahead: Bytes::new() }
    }
}

impl Transport {
    /// Gives `bytes` once more to whoever reads next.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.ahead = bytes;
    }

    /// Whether an HTTP/2 client was promised HTTP/2 (RFC 7301).
    pub(super) fn has_agreed_on_http2(&self) -> bool {
        match &self.wire {
            Wire::Tcp(_) | Wire::Unix(_) => false,
            Wire::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// Without what it has read ahead, if it is TCP as it comes.
    pub(super) fn into_tcp(self) -> Option<TcpStream> {
        match self.wire {
            Wire::Tcp(stream) => Some(stream),
            Wire::Unix(_) | Wire::Tls(_) => None,
        }
    }

    /// Looks at what can be read, without taking it, where that can be done: a Unix socket and TLS
    /// are unsupported.
    pub(super) fn poll_peek(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        match &self.wire {
            Wire::Tcp(stream) => stream.poll_peek(cx, buffer),
            Wire::Unix(_) | Wire::Tls(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    /// Says what there is room for, without waiting: the peer may be gone, or not reading.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        match &mut self.wire {
            Wire::Tcp(stream) => _ = stream.try_write(bytes),
            Wire::Unix(stream) => _ = stream.try_write(bytes),
            Wire::Tls(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                let _ = Pin::new(&mut **stream).poll_write(&mut cx, bytes);
                let _ = Pin::new(&mut **stream).poll_flush(&mut cx);
            }
        }
    }

    /// Its end will be a reset: nobody takes what came before for all there was.
    pub(super) fn break_off(&self) {
        let stream = match &self.wire {
            Wire::Tcp(stream) => stream,
            Wire::Tls(stream) => stream.get_ref().0,
            // Nothing of it tells a reset from an end.
            Wire::Unix(_) => return,
        };
        let _ = stream.set_zero_linger();
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let part = self.ahead.len().min(buffer.remaining());
            buffer.put_slice(self.ahead.get(..part).unwrap_or_default());
            self.ahead.advance(part);
            return Poll::Ready(Ok(()));
        }
        match &mut self.wire {
            Wire::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Wire::Tls(stream) => Pin::new(&mut **stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Wire::Tls(stream) => Pin::new(&mut **stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Wire::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, buffers),
            Wire::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            // The kernel has what was written.
            Wire::Tcp(_) | Wire::Unix(_) => Poll::Ready(Ok(())),
            Wire::Tls(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Wire::Tls(stream) => {
                ready!(Pin::new(&mut **stream).poll_flush(cx))?;
                Pin::new(&mut **stream).poll_shutdown(cx)
            }
        }
    }
}

//! A socket as hyper reads and writes it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Up to this many bytes, a copy costs less than the kernel's walk of a vector of buffers.
const SMALL: usize = 1024;

/// A socket that writes a small message with one plain `send`.
#[derive(Debug)]
pub(super) struct Socket<S>(TokioIo<S>);

impl<S> Socket<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(TokioIo::new(stream))
    }
}

impl<S: AsyncRead + Unpin> Read for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> Write for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [only] = buffers {
            return Pin::new(&mut self.0).poll_write(cx, only);
        }
        let mut small = [0; SMALL];
        match joined(buffers, &mut small) {
            Some(message) => Pin::new(&mut self.0).poll_write(cx, message),
            None => Pin::new(&mut self.0).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The buffers one after the other, if there is room for all of them.
fn joined<'s>(buffers: &[IoSlice<'_>], room: &'s mut [u8; SMALL]) -> Option<&'s [u8]> {
    let mut length = 0;
    for buffer in buffers {
        let end = length + buffer.len();
        room.get_mut(length..end)?.copy_from_slice(buffer);
        length = end;
    }
    room.get(..length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_fits_is_joined() {
        let half = [7; SMALL / 2];
        let slices = [IoSlice::new(&half), IoSlice::new(b""), IoSlice::new(&half)];
        assert_eq!(joined(&slices, &mut [0; SMALL]), Some([7; SMALL].as_slice()));
        let more = [IoSlice::new(&half), IoSlice::new(&half), IoSlice::new(b"x")];
        assert_eq!(joined(&more, &mut [0; SMALL]), None);
        assert_eq!(joined(&[], &mut [0; SMALL]), Some(b"".as_slice()));
    }
}

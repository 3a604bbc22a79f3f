//! An HTTP/2 client's transport, watched: which frames go by, and whether the client reads.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use super::frames::{Flood, Frames};
use super::transport::Transport;
use crate::clock;

/// Bytes that a flooding client's kernel may still hand us, so that it reads our last word.
const LINGER_BYTES: usize = 1 << 20;

/// The transport as hyper reads and writes it, watched. Shared with who serves the connection.
#[derive(Debug, Clone)]
pub(super) struct Wire(Rc<RefCell<Watched>>);

#[derive(Debug)]
struct Watched {
    transport: Transport,
    frames: Frames,
    flood: Option<Flood>,
    stalled: Option<Instant>,
}

impl Wire {
    pub(super) fn new(transport: Transport) -> Self {
        let frames = Frames::new(clock::instant());
        Self(Rc::new(RefCell::new(Watched { transport, frames, flood: None, stalled: None })))
    }

    /// What the client did too much of.
    pub(super) fn flood(&self) -> Option<Flood> {
        self.0.borrow().flood
    }

    /// Since when the head that is coming has been.
    pub(super) fn head(&self) -> Option<Instant> {
        self.0.borrow().frames.head()
    }

    /// Since when the client has not taken what was written.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.0.borrow().stalled
    }

    /// Tells a client to calm down, and waits until it has heard it.
    pub(super) async fn last_word(self) {
        let Ok(watched) = Rc::try_unwrap(self.0) else { return };
        let mut watched = watched.into_inner();
        let Some(frame) = watched.frames.go_away() else { return };
        if watched.transport.write_all(&frame).await.is_ok() {
            watched.part().await;
        }
    }

    /// Ends a connection that was said to be over. To close it with something unread would reset it,
    /// and a client that is writing could lose the answers that it has not read.
    pub(super) async fn part(self) {
        if let Ok(watched) = Rc::try_unwrap(self.0) {
            watched.into_inner().part().await;
        }
    }
}

impl Watched {
    /// Waits until the client has ended, too.
    async fn part(mut self) {
        if self.transport.shutdown().await.is_err() {
            return;
        }
        let mut rest = self.transport.take(LINGER_BYTES as u64);
        let mut room = [0; 4096];
        while rest.read(&mut room).await.is_ok_and(|length| length > 0) {}
    }

    fn wrote(&mut self, poll: &Poll<io::Result<usize>>) {
        match poll {
            Poll::Pending => self.stalled = self.stalled.or_else(|| Some(clock::instant())),
            Poll::Ready(_) => self.stalled = None,
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Watched { transport, frames, flood, .. } = &mut *self.0.borrow_mut();
        let from = buffer.filled().len();
        ready!(Pin::new(transport).poll_read(cx, buffer))?;
        let read = buffer.filled().get(from..).unwrap_or_default();
        Poll::Ready(frames.received(read, clock::instant()).map_err(|seen| {
            *flood = Some(seen);
            io::Error::other("flood")
        }))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut watched = self.0.borrow_mut();
        let poll = Pin::new(&mut watched.transport).poll_write(cx, bytes);
        if let Poll::Ready(Ok(length)) = &poll {
            watched.frames.sent(bytes.get(..*length).unwrap_or_default());
        }
        watched.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut watched = self.0.borrow_mut();
        let poll = Pin::new(&mut watched.transport).poll_write_vectored(cx, buffers);
        if let Poll::Ready(Ok(length)) = &poll {
            let mut left = *length;
            for part in buffers {
                let here = left.min(part.len());
                watched.frames.sent(part.get(..here).unwrap_or_default());
                left -= here;
            }
        }
        watched.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().transport).poll_shutdown(cx)
    }
}

//! A WebSocket after its handshake (RFC 6455 §4): bytes both ways, until both sides have ended.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::endpoint::Load;
use super::link::Link;
use super::record::Record;
use super::timer::{LazyTimer, deadline};
use super::transport::Transport;
use super::worker::Worker;
use crate::clock;

/// What one read takes at most. All tunnels of a worker read into the same bytes.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024;

/// One side of a handshake that succeeded, and what it said behind its part of it.
#[derive(Debug)]
pub(super) struct Leg<S = TcpStream> {
    pub(super) stream: S,
    pub(super) read: Bytes,
}

/// A tunnel that begins as soon as the client has its answer.
#[derive(Debug)]
pub(super) struct Tunnel {
    upstream: Leg<Link>,
    worker: Rc<Worker>,
    _load: Load,
    /// Its request is over when the tunnel is.
    _record: Record,
}

impl Tunnel {
    pub(super) fn new(upstream: Leg<Link>, load: Load, worker: Rc<Worker>, record: Record) -> Self {
        worker.meters().streams(1);
        Self { upstream, worker, _load: load, _record: record }
    }

    /// Carries bytes until both sides have ended, or were silent for too long.
    pub(super) async fn run(mut self, client: Leg<Transport>) {
        let (worker, silence) = (Rc::clone(&self.worker), self.worker.timeouts().tunnel);
        let mut client = client;
        let mut up = Way::new(&client.read);
        let mut down = Way::new(&self.upstream.read);
        let mut last = clock::instant();
        let mut timer = LazyTimer::new(deadline(last, silence));
        poll_fn(|cx| {
            let (near, far) = (&mut client.stream, &mut self.upstream.stream);
            let mut scratch = worker.scratch();
            let up = up.poll(cx, near, far, &mut scratch, &mut last);
            let down = down.poll(cx, far, near, &mut scratch, &mut last);
            if up.is_ready() && down.is_ready() {
                return Poll::Ready(());
            }
            timer.poll(cx, deadline(last, silence))
        })
        .await;
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.worker.meters().streams(-1);
    }
}

/// One direction.
#[derive(Debug)]
struct Way {
    /// What was read and could not be written yet.
    left: Vec<u8>,
    written: usize,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// All was read; its end is to be said.
    Ending,
    Ended,
}

impl Way {
    fn new(first: &[u8]) -> Self {
        Self { left: first.to_vec(), written: 0, state: State::Open }
    }

    /// Carries what there is. Ready when the way has ended. One that fails has ended, too: what was
    /// said on the other before it failed, such as why, is still carried.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        scratch: &mut [u8],
        last: &mut Instant,
    ) -> Poll<()> {
        if ready!(self.carry(cx, from, to, scratch, last)).is_err() {
            self.state = State::Ended;
            self.left = Vec::new();
        }
        Poll::Ready(())
    }

    fn carry(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
        scratch: &mut [u8],
        last: &mut Instant,
    ) -> Poll<io::Result<()>> {
        loop {
            while let Some(rest) = self.left.get(self.written..).filter(|rest| !rest.is_empty()) {
                self.written += written(ready!(Pin::new(&mut *to).poll_write(cx, rest)))?;
                *last = clock::instant();
            }
            // An idle tunnel keeps nothing.
            (self.left, self.written) = (Vec::new(), 0);
            if self.state == State::Ending {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.state = State::Ended;
            }
            if self.state == State::Ended {
                return Poll::Ready(Ok(()));
            }
            let mut buffer = ReadBuf::new(scratch);
            let read = match Pin::new(&mut *from).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(())) => buffer.filled(),
                Poll::Ready(Err(_)) => &[],
            };
            *last = clock::instant();
            if read.is_empty() {
                self.state = State::Ending;
                continue;
            }
            let sent = match Pin::new(&mut *to).poll_write(cx, read) {
                Poll::Ready(result) => written(result)?,
                Poll::Pending => 0,
            };
            self.left.extend_from_slice(read.get(sent..).unwrap_or_default());
        }
    }
}

/// A socket that takes nothing will never take more.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        result => result,
    }
}

//! A WebSocket after its handshake (RFC 6455 §4): bytes both ways, until both sides have ended, or
//! what let it through no longer does: it lasts from its first moment.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::endpoint::Load;
use super::farewell::Farewell;
use super::lasting::GRACE;
use super::link::Link;
use super::record::Record;
use super::timer::{LazyTimer, deadline};
use super::way::Way;
use super::worker::Worker;
use crate::clock;

/// What one read takes at most. All tunnels of a worker read into the same bytes.
pub(super) const SCRATCH_BYTES: usize = 64 * 1024;

/// One side of a handshake that succeeded, and what it said behind its part of it.
#[derive(Debug)]
pub(super) struct Leg<S> {
    pub(super) stream: S,
    pub(super) read: Bytes,
}

/// A tunnel that begins as soon as the client has its answer.
pub(super) struct Tunnel {
    upstream: Leg<Link>,
    worker: Rc<Worker>,
    _load: Load,
    /// Its request is over when the tunnel is.
    record: Box<Record>,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Tunnel {
    pub(super) fn new(
        upstream: Leg<Link>,
        load: Load,
        worker: Rc<Worker>,
        record: Box<Record>,
    ) -> Self {
        Self { upstream, worker, _load: load, record }
    }

    /// Carries bytes until both sides have ended, were silent for too long, or are told to end.
    pub(super) async fn run<S>(mut self, mut client: Leg<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let worker = Rc::clone(&self.worker);
        let mut up = Way::new(&client.read);
        let mut down = Way::new(&self.upstream.read);
        let end = {
            let mut drain = pin!(worker.drain().begins());
            let silence = worker.timeouts().tunnel;
            let mut last = clock::instant();
            let mut timer = LazyTimer::new(deadline(last, silence));
            poll_fn(|cx| {
                let activity = self.record.activity();
                worker.lasting().enter(&worker, activity, cx.waker());
                if activity.right.lost().is_some() {
                    return Poll::Ready(End::Told(Farewell::Policy));
                }
                if drain.as_mut().poll(cx).is_ready() || worker.drain().has_begun() {
                    worker.meters().stream_terminated("drain");
                    return Poll::Ready(End::Told(Farewell::GoingAway));
                }
                ready_or(self.carry(cx, &mut client, &mut up, &mut down, &mut last), || {
                    timer.poll(cx, deadline(last, silence)).map(|()| End::Silent)
                })
            })
            .await
        };
        match end {
            End::Both => {}
            End::Silent => worker.meters().stream_terminated("idle"),
            End::Told(farewell) => {
                up.end_with(&farewell.to_upstream());
                down.end_with(&farewell.to_client());
                self.part(&mut client, up, down).await;
            }
        }
    }

    fn carry<S>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut Leg<S>,
        up: &mut Way,
        down: &mut Way,
        last: &mut Instant,
    ) -> Poll<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (near, far) = (&mut client.stream, &mut self.upstream.stream);
        let mut scratch = self.worker.scratch();
        let up = up.poll(cx, near, far, &mut scratch, last);
        let down = down.poll(cx, far, near, &mut scratch, last);
        if up.is_ready() && down.is_ready() { Poll::Ready(End::Both) } else { Poll::Pending }
    }

    /// Lets both sides hear why, as soon as the message that they are hearing is whole. What a client
    /// still says is read, so that closing does not take from it what it was told.
    async fn part<S>(&mut self, client: &mut Leg<S>, mut up: Way, mut down: Way)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let due = deadline(clock::instant(), GRACE);
        let mut timer = LazyTimer::new(due);
        let mut last = clock::instant();
        poll_fn(|cx| {
            if self.carry(cx, client, &mut up, &mut down, &mut last).is_ready() {
                let mut scratch = self.worker.scratch();
                loop {
                    let mut buffer = ReadBuf::new(&mut scratch);
                    let read = Pin::new(&mut client.stream).poll_read(cx, &mut buffer);
                    match read {
                        Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending => break,
                    }
                }
            }
            timer.poll(cx, due)
        })
        .await;
    }
}

/// Why a tunnel ends.
enum End {
    Both,
    Silent,
    Told(Farewell),
}

fn ready_or<T>(first: Poll<T>, other: impl FnOnce() -> Poll<T>) -> Poll<T> {
    match first {
        Poll::Ready(_) => first,
        Poll::Pending => other(),
    }
}

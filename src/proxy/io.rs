//! A client's socket, watched: what it last did decides which timeout is running.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use hyper::rt::{Read, ReadBufCursor, Write};

use super::door::Peer;
use super::respond;
use super::socket::Socket;
use super::transport::Transport;
use super::tunnel::Tunnel;
use crate::clock;

/// What a client connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waiting for a request's first byte.
    Idle,
    /// Reading a head.
    Head,
    /// Answering.
    Busy,
}

/// What a client connection is doing, and since when. Shared by socket, requests and timer, all of
/// one task.
#[derive(Debug)]
pub(super) struct Activity {
    pub(super) peer: Peer,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    stalled: Cell<Option<Instant>>,
    /// Names the connection where there is no request that could be named.
    id: u128,
    uploading: Cell<bool>,
    due: Cell<Option<Instant>>,
    overdue: Cell<bool>,
    tunnel: RefCell<Option<Box<Tunnel>>>,
    /// Of one stream among others, not of a connection.
    is_stream: bool,
    cut: Cell<bool>,
    upload: RefCell<Option<Waker>>,
}

impl Activity {
    pub(super) fn new(peer: Peer) -> Rc<Self> {
        Rc::new(Self::of(peer, false))
    }

    /// Of one HTTP/2 stream: its connection is watched elsewhere.
    pub(super) fn stream(peer: Peer) -> Rc<Self> {
        Rc::new(Self::of(peer, true))
    }

    fn of(peer: Peer, is_stream: bool) -> Self {
        Self {
            peer,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(clock::instant()),
            stalled: Cell::new(None),
            id: fastrand::u128(..),
            uploading: Cell::new(false),
            due: Cell::new(None),
            overdue: Cell::new(false),
            tunnel: RefCell::default(),
            is_stream,
            cut: Cell::new(false),
            upload: RefCell::default(),
        }
    }

    /// The id of what never became a request on this connection.
    pub(super) fn id(&self) -> String {
        format!("{:032x}", self.id)
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(super) fn since(&self) -> Instant {
        self.since.get()
    }

    /// Since when the client has not taken what was written.
    pub(super) fn stalled(&self) -> Option<Instant> {
        self.stalled.get()
    }

    pub(super) fn set_stalled(&self, stalled: Option<Instant>) {
        self.stalled.set(stalled);
    }

    /// The stream is over: what of its request's body has not come is not waited for.
    pub(super) fn cut(&self) {
        self.cut.set(true);
        if let Some(waker) = self.upload.take() {
            waker.wake();
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut.get()
    }

    /// Notes who waits for a request's body. A connection that ends tells it by itself.
    pub(super) fn note_upload(&self, waker: &Waker) {
        if self.is_stream {
            *self.upload.borrow_mut() = Some(waker.clone());
        }
    }

    /// When the request's present wait ends, where it has an end.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.get()
    }

    /// The request waits until then. Nothing else is paid for a wait: the connection's timer looks
    /// here, and wakes the request with [`is_overdue`](Self::is_overdue) when the time has passed.
    pub(super) fn wait_until(&self, due: Instant) {
        self.due.set(Some(due));
    }

    /// The connection's timer found the wait to be over.
    pub(super) fn set_overdue(&self) {
        self.due.set(None);
        self.overdue.set(true);
    }

    /// Whether the wait is over, asked once: the next one begins anew.
    pub(super) fn is_overdue(&self) -> bool {
        self.overdue.replace(false)
    }

    /// What becomes of the connection when its request has been answered.
    pub(super) fn set_tunnel(&self, tunnel: Tunnel) {
        *self.tunnel.borrow_mut() = Some(Box::new(tunnel));
    }

    /// To be asked when hyper is done: the tunnel's record knows this, and would keep it for ever.
    pub(super) fn take_tunnel(&self) -> Option<Box<Tunnel>> {
        self.tunnel.take()
    }

    /// Whether a request's body is still to come, though it may have its answer already.
    pub(super) fn is_uploading(&self) -> bool {
        self.uploading.get()
    }

    pub(super) fn set_uploading(&self, uploading: bool) {
        self.uploading.set(uploading);
    }

    /// A head is whole. Returns when its first byte came.
    pub(super) fn begin(&self) -> Instant {
        // A pipelined request was read together with the one before it.
        let started = match self.phase.replace(Phase::Busy) {
            Phase::Head => self.since.get(),
            Phase::Idle | Phase::Busy => clock::instant(),
        };
        self.since.set(started);
        started
    }

    /// An answer was given to the last byte.
    pub(super) fn end(&self, now: Instant) {
        self.phase.set(Phase::Idle);
        self.since.set(now);
        self.due.set(None);
        self.overdue.set(false);
    }
}

/// The socket that hyper serves.
#[derive(Debug)]
pub(super) struct ClientIo {
    socket: Socket,
    activity: Rc<Activity>,
}

impl ClientIo {
    pub(super) fn new(stream: Transport, activity: Rc<Activity>) -> Self {
        Self { socket: Socket::new(stream), activity }
    }

    pub(super) fn into_stream(self) -> Transport {
        self.socket.into_stream()
    }

    /// What is written while a head is read is hyper's own answer to it: it is said in our words.
    fn refusal(&self, bytes: &[u8]) -> Option<String> {
        if self.activity.phase.get() != Phase::Head {
            return None;
        }
        let status = match bytes.get(9..12)? {
            b"400" => "400 Bad Request",
            b"414" => "414 URI Too Long",
            b"431" => "431 Request Header Fields Too Large",
            _ => return None,
        };
        Some(respond::raw(status, "the request's head cannot be read", &self.activity.id()))
    }

    fn write_refusal(
        &mut self,
        cx: &mut Context<'_>,
        text: &str,
        said: usize,
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.socket).poll_write(cx, text.as_bytes());
        self.wrote(&poll);
        // A few hundred bytes on a connection that has nothing else to write: they go whole.
        poll.map_ok(|_| said)
    }

    fn wrote<T>(&self, poll: &Poll<T>) {
        let stalled = &self.activity.stalled;
        if poll.is_pending() {
            stalled.set(stalled.get().or_else(|| Some(clock::instant())));
        } else {
            stalled.set(None);
        }
    }
}

impl Read for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let room = buffer.remaining();
        if self.activity.phase.get() != Phase::Idle {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let poll = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if room > 0 && matches!(poll, Poll::Ready(Ok(()))) {
            if !self.activity.is_uploading() {
                self.activity.phase.set(Phase::Head);
            }
            self.activity.since.set(clock::instant());
        }
        poll
    }
}

impl Write for ClientIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(text) = self.refusal(bytes) {
            return self.write_refusal(cx, &text, bytes.len());
        }
        let poll = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(&poll);
        poll
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(text) = bytes.first().and_then(|first| self.refusal(first)) {
            let said = bytes.iter().map(|part| part.len()).sum();
            return self.write_refusal(cx, &text, said);
        }
        let poll = Pin::new(&mut self.socket).poll_write_vectored(cx, bytes);
        self.wrote(&poll);
        poll
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

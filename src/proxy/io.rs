//! A client's socket, watched: what it last did decides which timeout is running.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::head::Flaw;
use super::inlet::{Checked, Inlet};
use super::respond;
use super::socket::Socket;
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
    pub(super) peer: IpAddr,
    /// The same, as it is said to upstreams.
    pub(super) peer_text: Box<str>,
    /// Whether the peer's forwarding fields are kept.
    pub(super) trusted: bool,
    phase: Cell<Phase>,
    since: Cell<Instant>,
    stalled: Cell<Option<Instant>>,
    /// Names the connection where there is no request that could be named.
    id: u128,
    uploading: Cell<bool>,
    due: Cell<Option<Instant>>,
    overdue: Cell<bool>,
    engaged: Cell<bool>,
    turn: RefCell<Option<Waker>>,
    flaw: Cell<Option<Flaw>>,
    tunnel: RefCell<Option<Box<Tunnel>>>,
}

impl Activity {
    pub(super) fn new(peer: IpAddr, trusted: bool) -> Rc<Self> {
        Rc::new(Self {
            peer,
            peer_text: peer.to_string().into(),
            trusted,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(clock::instant()),
            stalled: Cell::new(None),
            id: fastrand::u128(..),
            uploading: Cell::new(false),
            due: Cell::new(None),
            overdue: Cell::new(false),
            engaged: Cell::new(false),
            turn: RefCell::default(),
            flaw: Cell::new(None),
            tunnel: RefCell::default(),
        })
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

    /// Part of a head came.
    pub(super) fn head_came(&self) {
        if self.phase.get() == Phase::Idle {
            self.phase.set(Phase::Head);
            self.since.set(clock::instant());
        }
    }

    /// Anything came.
    pub(super) fn heard(&self) {
        if self.phase.get() == Phase::Idle {
            self.since.set(clock::instant());
        }
    }

    /// Whether a request was let through that has not been answered to its last byte.
    pub(super) fn is_engaged(&self) -> bool {
        self.engaged.get()
    }

    pub(super) fn engage(&self) {
        self.engaged.set(true);
    }

    /// Wakes when the request that was let through is over.
    pub(super) fn await_turn(&self, waker: &Waker) {
        *self.turn.borrow_mut() = Some(waker.clone());
    }

    /// Nothing of the head that is being read will be.
    pub(super) fn refuse(&self, flaw: Flaw) {
        self.flaw.set(Some(flaw));
    }

    /// Why, where it was not hyper that refused it.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        self.flaw.get()
    }

    /// A head is whole. Returns when its first byte came.
    pub(super) fn begin(&self) -> Instant {
        self.phase.set(Phase::Busy);
        self.since.get()
    }

    /// An answer was given to the last byte.
    pub(super) fn end(&self, now: Instant) {
        self.phase.set(Phase::Idle);
        self.since.set(now);
        self.due.set(None);
        self.overdue.set(false);
        self.engaged.set(false);
        if let Some(waker) = self.turn.take() {
            waker.wake();
        }
    }
}

/// The socket that hyper serves.
#[derive(Debug)]
pub(super) struct ClientIo {
    socket: Socket,
    inlet: Inlet,
    activity: Rc<Activity>,
}

impl ClientIo {
    pub(super) fn new(stream: TcpStream, activity: Rc<Activity>) -> Self {
        let inlet = Inlet::new(Rc::clone(&activity));
        Self { socket: Socket::new(stream), inlet, activity }
    }

    /// The socket, and what was read from it and not given to hyper.
    pub(super) fn into_parts(self) -> (TcpStream, Bytes) {
        (self.socket.into_stream(), self.inlet.into_beyond())
    }

    /// What is written while a head is read is hyper's own answer to it: it is said in our words.
    fn refusal(&self, bytes: &[u8]) -> Option<String> {
        // What the client has not taken yet is of an answer before.
        if self.activity.phase.get() != Phase::Head || self.activity.stalled.get().is_some() {
            return None;
        }
        let status = match bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)? {
            b"400" => "400 Bad Request",
            b"414" => "414 URI Too Long",
            b"431" => "431 Request Header Fields Too Large",
            _ => return None,
        };
        let detail = self.activity.flaw().map_or("the request's head cannot be read", Flaw::detail);
        Some(respond::raw(status, detail, &self.activity.id()))
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
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { socket, inlet, .. } = self.get_mut();
        Pin::new(&mut TokioIo::new(Checked(inlet, socket.stream()))).poll_read(cx, buffer)
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

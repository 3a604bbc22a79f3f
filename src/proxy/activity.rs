//! What a client connection does, and since when: it decides which timeout is running.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::door::Peer;
use super::fields::Fields;
use super::hints;
use super::right::Right;
use super::timer::deadline;
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
    end: Cell<Option<Instant>>,
    /// Whether its request may have an answer before the answer, and what is to be said of one.
    takes_hints: Cell<bool>,
    hint: RefCell<Option<Vec<u8>>>,
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
    /// By what right the request goes on.
    pub(super) right: Right,
}

impl Activity {
    pub(super) fn new(peer: Peer) -> Rc<Self> {
        Rc::new(Self::of(peer, false, Vec::new()))
    }

    /// Of one HTTP/2 stream: its connection is watched elsewhere. `room` is an empty buffer, which is
    /// to be had back from [`Right::take_room`].
    pub(super) fn stream(peer: Peer, room: Vec<u8>) -> Rc<Self> {
        Rc::new(Self::of(peer, true, room))
    }

    fn of(peer: Peer, is_stream: bool, room: Vec<u8>) -> Self {
        Self {
            peer,
            phase: Cell::new(Phase::Idle),
            since: Cell::new(clock::instant()),
            stalled: Cell::new(None),
            end: Cell::new(None),
            takes_hints: Cell::new(false),
            hint: RefCell::default(),
            id: fastrand::u128(..),
            uploading: Cell::new(false),
            due: Cell::new(None),
            overdue: Cell::new(false),
            tunnel: RefCell::default(),
            is_stream,
            cut: Cell::new(false),
            upload: RefCell::default(),
            right: Right::new(room),
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

    /// When the answer has to be whole, even to a client that does not read.
    pub(super) fn set_end(&self, end: Instant) {
        self.end.set(Some(end));
    }

    /// When a client that has not read since `stalled` is not waited for any more.
    pub(super) fn patience(&self, stalled: Instant, most: Duration) -> Instant {
        let due = deadline(stalled, most);
        self.end.get().map_or(due, |end| end.min(due))
    }

    /// Whether the client of the request hears hints: one of HTTP/1.0 would take them for the answer.
    pub(super) fn set_takes_hints(&self, takes: bool) {
        self.takes_hints.set(takes && !self.is_stream);
    }

    /// Has this said before the answer, if the one before has been. `false` where nobody hears it.
    pub(super) fn hint(&self, fields: &Fields) -> bool {
        let hint = self.hint.take();
        let is_heard = hint.is_none() && self.takes_hints.get();
        let hint = hint.or_else(|| if is_heard { hints::head(fields) } else { None });
        let is_said = is_heard && hint.is_some();
        self.hint.replace(hint);
        is_said
    }

    /// What is to be said now. Nothing, once the answer is there.
    pub(super) fn take_hint(&self) -> Option<Vec<u8>> {
        self.hint.take()
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

    /// To be asked when nothing else is said: the tunnel's record knows this, and would keep it for ever.
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

    /// Part of a head came, or one that is none.
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

    /// Whether it is one stream of a connection.
    pub(super) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Whether the request goes on behind its answer: a body that is still to come. Where there are
    /// streams, it ends with its answer.
    pub(super) fn outlasts_its_answer(&self) -> bool {
        self.uploading.get() && !self.is_stream
    }

    /// A head is whole. Returns when its first byte came, and the time that it is.
    pub(super) fn begin(&self) -> (Instant, Instant) {
        let now = clock::instant();
        // All of it came at once.
        if self.phase.replace(Phase::Busy) == Phase::Idle {
            self.since.set(now);
        }
        (self.since.get(), now)
    }

    /// An answer was given to the last byte.
    pub(super) fn end(&self, now: Instant) {
        self.phase.set(Phase::Idle);
        self.since.set(now);
        self.due.set(None);
        self.overdue.set(false);
        self.end.set(None);
        if !self.outlasts_its_answer() {
            self.right.end();
        }
    }
}

//! A request's body as it comes in.
//!
//! That of HTTP/1.1 is read by who serves the connection, and only as fast as somebody takes it:
//! there is one piece between the two. They are one task mostly, and two while an answer goes out
//! before its request is whole.

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body;

/// A request's body.
#[derive(Debug)]
pub(super) enum Incoming {
    /// There is none.
    Empty,
    /// All of it came together with its head.
    Here(Bytes),
    /// On a connection of HTTP/1.1.
    Alone(Outflow),
    /// On a stream of HTTP/2.
    Shared(body::Incoming),
}

/// It will never be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

impl Body for Incoming {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Here(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Here(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Alone(outflow) => outflow.0.poll_take(cx),
            Self::Shared(incoming) => {
                let polled = Pin::new(incoming).poll_frame(cx);
                polled.map(|frame| frame.map(|frame| frame.map_err(|_| Broken)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Here(bytes) => bytes.is_empty(),
            Self::Alone(outflow) => outflow.0.is_over(),
            Self::Shared(incoming) => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Here(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Alone(outflow) => {
                outflow.0.left.get().map_or_else(SizeHint::default, SizeHint::with_exact)
            }
            Self::Shared(incoming) => incoming.size_hint(),
        }
    }
}

/// A body between who reads it from its connection and who takes it.
#[derive(Debug)]
struct Flow {
    piece: RefCell<Option<Frame<Bytes>>>,
    /// How many bytes have not been taken, where that is known.
    left: Cell<Option<u64>>,
    /// No other piece comes.
    is_last: Cell<bool>,
    /// Nobody reads it any more, though it is not whole.
    is_broken: Cell<bool>,
    /// Somebody has asked for a piece since the last one came.
    is_wanted: Cell<bool>,
    is_abandoned: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    taker: RefCell<Option<Waker>>,
}

/// The end of a body at which it is taken.
#[derive(Debug)]
pub(super) struct Outflow(Rc<Flow>);

impl Drop for Outflow {
    fn drop(&mut self) {
        self.0.is_abandoned.set(true);
        wake(&self.0.reader, None);
    }
}

/// The end of a body at which it is read.
#[derive(Debug)]
pub(super) struct Inflow(Rc<Flow>);

impl Drop for Inflow {
    fn drop(&mut self) {
        if !self.0.is_last.get() {
            self.0.is_broken.set(true);
            wake(&self.0.taker, None);
        }
    }
}

/// Both ends of a body with that many bytes, if that is known, of which that many are here.
pub(super) fn flow(length: Option<u64>, first: Option<Bytes>) -> (Inflow, Outflow) {
    let flow = Rc::new(Flow {
        piece: RefCell::new(first.map(Frame::data)),
        left: Cell::new(length),
        is_last: Cell::new(false),
        is_broken: Cell::new(false),
        is_wanted: Cell::new(false),
        is_abandoned: Cell::new(false),
        reader: RefCell::default(),
        taker: RefCell::default(),
    });
    (Inflow(Rc::clone(&flow)), Outflow(flow))
}

impl Inflow {
    /// Whether there is somebody who takes what comes.
    pub(super) fn is_taken(&self) -> bool {
        !self.0.is_abandoned.get()
    }

    /// Ready while a piece is waited for. Who asks is woken, too, when nobody waits any more.
    pub(super) fn poll_wanted(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.is_wanted.get() {
            return Poll::Ready(());
        }
        note(&self.0.reader, cx.waker());
        Poll::Pending
    }

    /// Hands on a piece. Nothing comes behind one that `is_last`.
    pub(super) fn give(&self, frame: Frame<Bytes>, is_last: bool, cx: &Context<'_>) {
        self.0.is_last.set(is_last);
        self.put(Some(frame), cx);
    }

    /// The body is whole.
    pub(super) fn end(&self, cx: &Context<'_>) {
        self.0.is_last.set(true);
        self.put(None, cx);
    }

    fn put(&self, piece: Option<Frame<Bytes>>, cx: &Context<'_>) {
        self.0.piece.replace(piece);
        self.0.is_wanted.set(false);
        wake(&self.0.taker, Some(cx.waker()));
    }
}

impl Flow {
    fn is_over(&self) -> bool {
        self.is_last.get() && self.piece.borrow().is_none()
    }

    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if let Some(piece) = self.piece.take() {
            if let Some(left) = self.left.get() {
                let taken = piece.data_ref().map_or(0, Bytes::len) as u64;
                self.left.set(Some(left.saturating_sub(taken)));
            }
            return Poll::Ready(Some(Ok(piece)));
        }
        if self.is_last.get() {
            return Poll::Ready(None);
        }
        if self.is_broken.get() {
            return Poll::Ready(Some(Err(Broken)));
        }
        self.is_wanted.set(true);
        note(&self.taker, cx.waker());
        wake(&self.reader, Some(cx.waker()));
        Poll::Pending
    }
}

fn note(place: &RefCell<Option<Waker>>, waker: &Waker) {
    let mut place = place.borrow_mut();
    match &mut *place {
        Some(noted) => noted.clone_from(waker),
        none => *none = Some(waker.clone()),
    }
}

/// Wakes who is noted, but not the task that is running: it looks by itself.
fn wake(place: &RefCell<Option<Waker>>, running: Option<&Waker>) {
    if let Some(noted) = &*place.borrow()
        && !running.is_some_and(|running| running.will_wake(noted))
    {
        noted.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is taken next: how many bytes, or why none; nothing where more may come.
    fn taken(incoming: &mut Incoming) -> Option<Option<Result<usize, Broken>>> {
        let polled = Pin::new(incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
        match polled {
            Poll::Ready(frame) => {
                Some(frame.map(|frame| frame.map(|frame| frame.into_data().unwrap().len())))
            }
            Poll::Pending => None,
        }
    }

    /// What came before is taken; nobody waits for the rest.
    #[test]
    fn a_body_that_nobody_reads_any_more_is_broken() {
        for first in [None, Some(Bytes::from_static(b"hello"))] {
            let (inflow, outflow) = flow(Some(10), first.clone());
            let mut incoming = Incoming::Alone(outflow);
            assert_eq!(incoming.size_hint().exact(), Some(10));
            if first.is_some() {
                assert_eq!(taken(&mut incoming), Some(Some(Ok(5))));
                assert_eq!(incoming.size_hint().exact(), Some(5));
            }
            assert_eq!(taken(&mut incoming), None);
            assert!(!incoming.is_end_stream());
            drop(inflow);
            assert_eq!(taken(&mut incoming), Some(Some(Err(Broken))));
        }
        let (inflow, outflow) = flow(Some(10), Some(Bytes::from_static(b"hello")));
        let mut incoming = Incoming::Alone(outflow);
        drop(inflow);
        assert_eq!(taken(&mut incoming), Some(Some(Ok(5))));
        assert_eq!(taken(&mut incoming), Some(Some(Err(Broken))));
    }
}

//! The body of a request that may have to be sent again because nobody has looked at it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::RequestBody;
use super::fault::Fault;

/// Bytes of a body that are kept until it has an answer. Most calls of gRPC are smaller.
const KEPT: usize = 64 * 1024;

/// A body on one of its ways to an upstream.
#[derive(Debug)]
pub(super) struct Held {
    shared: Rc<RefCell<Source>>,
    /// Which of its ways this is: an earlier one that still goes on gets nothing more.
    way: u32,
    again: VecDeque<Bytes>,
}

#[derive(Debug)]
struct Source {
    body: RequestBody,
    /// What was read of it. Nothing where that is too much, or more than data.
    kept: Option<Vec<Bytes>>,
    length: usize,
    way: u32,
}

/// What a body can be sent again from.
#[derive(Debug, Clone)]
pub(super) struct Original(Rc<RefCell<Source>>);

impl Original {
    pub(super) fn new(body: RequestBody) -> Self {
        let source = Source { body, kept: Some(Vec::new()), length: 0, way: 0 };
        Self(Rc::new(RefCell::new(source)))
    }

    /// The whole body from its start, if that is still to be had.
    pub(super) fn send(&self) -> Option<Held> {
        let mut source = self.0.borrow_mut();
        let again = source.kept.as_ref()?.iter().cloned().collect();
        source.way += 1;
        Some(Held { shared: Rc::clone(&self.0), way: source.way, again })
    }

    /// Whether there is nothing to be sent.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self.0.borrow().body, RequestBody::Empty)
    }

    /// The body itself, if nothing of it was sent.
    pub(super) fn into_untouched(self) -> Option<RequestBody> {
        let mut source = self.0.borrow_mut();
        let is_untouched = source.kept.as_ref().is_some_and(Vec::is_empty);
        source.way += 1;
        is_untouched.then(|| std::mem::replace(&mut source.body, RequestBody::Empty))
    }
}

impl Source {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        let Some(kept) = &mut self.kept else { return };
        match frame.data_ref().filter(|data| self.length + data.len() <= KEPT) {
            Some(data) => {
                self.length += data.len();
                kept.push(data.clone());
            }
            None => self.kept = None,
        }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let shared = Rc::clone(&self.shared);
        let mut source = shared.borrow_mut();
        if source.way != self.way {
            return Poll::Ready(Some(Err(Fault::BodyBroken)));
        }
        if let Some(data) = self.again.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let frame = ready!(Pin::new(&mut source.body).poll_frame(cx));
        if let Some(Ok(frame)) = &frame {
            source.keep(frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.again.is_empty() && self.shared.borrow().body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let again: usize = self.again.iter().map(Bytes::len).sum();
        let rest = self.shared.borrow().body.size_hint();
        match rest.exact() {
            Some(rest) => SizeHint::with_exact(rest + again as u64),
            None => SizeHint::default(),
        }
    }
}

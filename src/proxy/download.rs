//! An answer's body, and what carries it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::mpsc;

use super::activity::Activity;
use super::body::{RequestBody, Upload};
use super::endpoint::Load;
use super::fault::Fault;
use super::pool::Caller;
use super::settings::Timeouts;
use super::shared::Stream;
use super::timer::deadline;
use super::upstream::{Connection, Part, RESET};
use crate::clock;
use crate::telemetry::UpstreamErrorKind;

/// An answer's body, and the connection that it comes on until it is whole.
#[derive(Debug)]
pub(super) struct Download {
    source: Source,
    /// Nothing where the body was whole together with its head.
    patience: Option<Patience>,
}

#[derive(Debug)]
enum Source {
    /// All that is left of it.
    Here(Bytes),
    /// Driven by whoever reads the body. The connection goes back to its endpoint in the end.
    Alone(Box<Connection>, Load),
    /// Driven by itself, while the request's body goes on.
    Detached(mpsc::Receiver<Part>, Option<u64>),
    /// A part of a connection.
    Shared { incoming: Incoming, _stream: Stream, _load: Load },
}

/// How long the next part of a body may take.
#[derive(Debug)]
struct Patience {
    upload: Rc<Upload>,
    activity: Rc<Activity>,
    limit: Duration,
    /// When the present wait began.
    since: Option<Instant>,
}

impl Download {
    /// What comes on `connection`, while the rest of `body` goes.
    pub(super) fn new(
        mut connection: Box<Connection>,
        body: RequestBody,
        load: Load,
        Caller { upload, activity, .. }: Caller<'_>,
        timeouts: &Timeouts,
    ) -> Self {
        let is_whole = upload.is_whole() && connection.is_sent();
        if is_whole && let Some(bytes) = connection.take_body() {
            if connection.rest() {
                // Not later than now, which is all that its freshness needs.
                load.keep(connection, upload.progress());
            }
            return Self { source: Source::Here(bytes), patience: None };
        }
        let source = if is_whole {
            Source::Alone(connection, load)
        } else {
            let length = connection.length();
            Source::Detached(connection.detach(body, load, timeouts.upstream), length)
        };
        let (upload, activity) = (Rc::clone(upload), Rc::clone(activity));
        let patience = Some(Patience { upload, activity, limit: timeouts.body, since: None });
        Self { source, patience }
    }

    /// What comes on a part of a connection.
    pub(super) fn shared(
        incoming: Incoming,
        stream: Stream,
        load: Load,
        Caller { upload, activity, .. }: Caller<'_>,
        limit: Duration,
    ) -> Self {
        if incoming.is_end_stream() {
            return Self { source: Source::Here(Bytes::new()), patience: None };
        }
        let (upload, activity) = (Rc::clone(upload), Rc::clone(activity));
        let source = Source::Shared { incoming, _stream: stream, _load: load };
        Self { source, patience: Some(Patience { upload, activity, limit, since: None }) }
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        let polled = match &mut self.source {
            Source::Here(bytes) if bytes.is_empty() => return Poll::Ready(None),
            Source::Here(bytes) => {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
            }
            Source::Alone(connection, _) => connection.poll_frame(cx),
            // One that ends without a word did not end well.
            Source::Detached(parts, _) => parts.poll_recv(cx).map(|part| match part {
                Some(part) => part,
                None => Some(Err(RESET)),
            }),
            Source::Shared { incoming, .. } => match Pin::new(&mut *incoming).poll_frame(cx) {
                // hyper takes a reset without an error for an end, wherever it comes.
                Poll::Ready(None) if !incoming.is_end_stream() => Poll::Ready(Some(Err(RESET))),
                polled => polled.map(|frame| frame.map(|frame| frame.map_err(|_| RESET))),
            },
        };
        if let Some(patience) = &mut self.patience {
            if polled.is_pending() {
                return patience.poll().map(|fault| Some(Err(fault)));
            }
            patience.since = None;
        }
        match (&polled, &mut self.source) {
            (Poll::Ready(Some(Ok(frame))), Source::Detached(_, Some(length))) => {
                let came = frame.data_ref().map_or(0, Bytes::len);
                *length = length.saturating_sub(came as u64);
            }
            (Poll::Ready(Some(Ok(_))), Source::Alone(connection, _)) if connection.is_over() => {
                self.release();
            }
            (Poll::Ready(Some(Ok(_))), _) => {}
            (Poll::Ready(None), _) => self.release(),
            // What broke off stays as it is: it never looks whole.
            (Poll::Ready(Some(Err(_))) | Poll::Pending, _) => {}
        }
        polled
    }

    pub(super) fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Here(bytes) => bytes.is_empty(),
            Source::Alone(connection, _) => connection.is_over(),
            Source::Detached(_, length) => *length == Some(0),
            Source::Shared { incoming, .. } => incoming.is_end_stream(),
        }
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        let length = match &self.source {
            Source::Here(bytes) => Some(bytes.len() as u64),
            Source::Alone(connection, _) => connection.length(),
            Source::Detached(_, length) => *length,
            Source::Shared { incoming, .. } => return incoming.size_hint(),
        };
        length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }

    /// The answer is over: its connection is kept if it can take another request.
    fn release(&mut self) {
        let source = std::mem::replace(&mut self.source, Source::Here(Bytes::new()));
        if let Source::Alone(mut connection, load) = source
            && connection.rest()
        {
            load.keep(connection, clock::instant());
        }
    }
}

impl Patience {
    /// Ready with a fault once the upstream has paused for too long. An upload that goes on is no
    /// pause: the upstream may answer as it reads.
    fn poll(&mut self) -> Poll<Fault> {
        let since = *self.since.get_or_insert_with(|| {
            // What was overdue before this wait began says nothing of it.
            self.activity.is_overdue();
            clock::instant()
        });
        let due = deadline(since.max(self.upload.progress()), self.limit);
        if self.activity.is_overdue() && due <= clock::instant() {
            return Poll::Ready(Fault::Upstream(UpstreamErrorKind::Timeout));
        }
        self.activity.wait_until(due);
        Poll::Pending
    }
}

//! An answer's body, and what carries it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::activity::Activity;
use super::body::Upload;
use super::endpoint::Load;
use super::fault::Fault;
use super::pool::Caller;
use super::shared::Stream;
use super::timer::deadline;
use super::upstream::Connection;
use crate::clock;
use crate::telemetry::UpstreamErrorKind;

/// An answer's body, and the connection that it comes on until it is whole.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    carrier: Option<Carrier>,
    /// Nothing where the body was whole together with its head.
    patience: Option<Patience>,
}

#[derive(Debug)]
enum Carrier {
    /// Driven by whoever reads the body.
    Alone(Box<Connection>, Load),
    /// Driven by itself.
    Shared { _stream: Stream, _load: Load },
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
    /// What comes on `connection`, which goes back to its endpoint when that is whole.
    pub(super) fn new(
        response: Response<Incoming>,
        connection: Box<Connection>,
        load: Load,
        Caller { upload, activity }: Caller<'_>,
        limit: Duration,
    ) -> Response<Self> {
        let (head, incoming) = response.into_parts();
        if connection.is_idle() {
            // Not later than now, which is all that its freshness needs.
            load.keep(connection, upload.progress());
            return Response::from_parts(head, Self { incoming, carrier: None, patience: None });
        }
        let (upload, activity) = (Rc::clone(upload), Rc::clone(activity));
        let carrier = if upload.is_whole() {
            Some(Carrier::Alone(connection, load))
        } else {
            connection.detach(load);
            None
        };
        let patience = Some(Patience { upload, activity, limit, since: None });
        Response::from_parts(head, Self { incoming, carrier, patience })
    }

    /// What comes on a part of a connection.
    pub(super) fn shared(
        response: Response<Incoming>,
        stream: Stream,
        load: Load,
        Caller { upload, activity }: Caller<'_>,
        limit: Duration,
    ) -> Response<Self> {
        response.map(|incoming| {
            if incoming.is_end_stream() {
                return Self { incoming, carrier: None, patience: None };
            }
            let (upload, activity) = (Rc::clone(upload), Rc::clone(activity));
            let carrier = Some(Carrier::Shared { _stream: stream, _load: load });
            let patience = Some(Patience { upload, activity, limit, since: None });
            Self { incoming, carrier, patience }
        })
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let (Poll::Pending, Some(Carrier::Alone(connection, _))) = (&polled, &mut self.carrier) {
            connection.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        if let Some(patience) = &mut self.patience {
            if polled.is_pending() {
                return patience.poll().map(|fault| Some(Err(fault)));
            }
            patience.since = None;
        }
        let is_whole = self.incoming.is_end_stream();
        if matches!(polled, Poll::Ready(None)) || is_whole {
            // hyper takes a reset without an error for an end, wherever it comes.
            if !is_whole && matches!(self.carrier, Some(Carrier::Shared { .. })) {
                return Poll::Ready(Some(Err(Fault::Upstream(UpstreamErrorKind::Reset))));
            }
            self.release(cx);
        }
        polled.map(|frame| {
            frame.map(|frame| frame.map_err(|_| Fault::Upstream(UpstreamErrorKind::Reset)))
        })
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    /// The answer is whole: its connection is kept if it can take another request.
    fn release(&mut self, cx: &mut Context<'_>) {
        if let Some(Carrier::Alone(mut connection, load)) = self.carrier.take() {
            connection.drive(cx);
            if connection.is_idle() {
                load.keep(connection, clock::instant());
            }
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

//! A worker's connections to one upstream, and the answers that come on them.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::activity::Activity;
use super::body::{RequestBody, Upload};
use super::fault::Fault;
use super::headers;
use super::settings::{Timeouts, Upstream};
use super::timer::deadline;
use super::tunnel::Leg;
use super::upstream::{Connection, PROTOCOL, RESET, Sent};
use crate::clock;
use crate::telemetry::UpstreamErrorKind;

/// A worker's idle connections to one upstream, the most recently used last.
#[derive(Debug)]
pub(super) struct Pool {
    upstream: Upstream,
    timeouts: Timeouts,
    idle: RefCell<Vec<Idle>>,
}

/// What an upstream said to a request.
pub(super) enum Exchange {
    Answer(Response<Download>),
    /// It goes on in the protocol that was asked for.
    Switch(response::Parts, Leg),
}

/// A request that does the same when it is done twice (RFC 9110 §9.2.2), without a body that would
/// have to be kept.
struct Repeatable(Method);

impl Repeatable {
    fn of(request: &Request<RequestBody>) -> Option<Self> {
        let repeats = matches!(request.body(), RequestBody::Empty);
        (repeats && request.method().is_idempotent()).then(|| Self(request.method().clone()))
    }
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Pool {
    pub(super) fn new(upstream: Upstream, timeouts: Timeouts) -> Rc<Self> {
        Rc::new(Self { upstream, timeouts, idle: RefCell::default() })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// An upstream may close an idle connection at any time, also while a request is on its way on
    /// it: what can be sent twice then goes once more, on a new one (RFC 9112 §9.3.1).
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) async fn exchange(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
        preamble: &[u8],
        upload: &Rc<Upload>,
        activity: &Rc<Activity>,
    ) -> Result<Response<Download>, Fault> {
        while let Some(mut connection) = self.take(upload.progress()) {
            connection.preamble().set(preamble);
            let repeatable = Repeatable::of(&request);
            match connection.send(request, upload, activity, &self.timeouts).await {
                Sent::Answered(response) => {
                    return Ok(self.download(response, connection, upload, activity));
                }
                Sent::Unsent(unsent) => request = *unsent,
                Sent::Unheard(head) => {
                    let repeatable = repeatable.ok_or(RESET)?;
                    // Boxed, as what is rare: its state would be carried by every request.
                    return Box::pin(self.repeat(repeatable, head, upload, activity)).await;
                }
                Sent::Failed(fault) => return Err(fault),
                Sent::Switched(_) => return Err(PROTOCOL),
            }
        }
        let mut connection = Box::pin(Connection::open(&self.upstream, &self.timeouts)).await?;
        connection.preamble().set(preamble);
        let sent = connection.send(request, upload, activity, &self.timeouts).await;
        self.answered(sent, connection, upload, activity)
    }

    async fn repeat(
        self: &Rc<Self>,
        Repeatable(method): Repeatable,
        head: Vec<u8>,
        upload: &Rc<Upload>,
        activity: &Rc<Activity>,
    ) -> Result<Response<Download>, Fault> {
        let mut connection = Connection::open(&self.upstream, &self.timeouts).await?;
        connection.preamble().set_head(head);
        let mut request = Request::new(RequestBody::Empty);
        // By its method it is known whether its answer has a body.
        *request.method_mut() = method;
        let sent = connection.send(request, upload, activity, &self.timeouts).await;
        self.answered(sent, connection, upload, activity)
    }

    /// What came on a new connection.
    fn answered(
        self: &Rc<Self>,
        sent: Sent,
        connection: Box<Connection>,
        upload: &Rc<Upload>,
        activity: &Rc<Activity>,
    ) -> Result<Response<Download>, Fault> {
        match sent {
            Sent::Answered(response) => Ok(self.download(response, connection, upload, activity)),
            Sent::Failed(fault) => Err(fault),
            Sent::Unsent(_) | Sent::Unheard(_) => Err(RESET),
            Sent::Switched(_) => Err(PROTOCOL),
        }
    }

    /// Sends a request for another protocol, on a connection of its own.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) async fn switch(
        self: &Rc<Self>,
        request: Request<RequestBody>,
        preamble: &[u8],
        upload: &Rc<Upload>,
        activity: &Rc<Activity>,
    ) -> Result<Exchange, Fault> {
        let mut connection = Connection::open(&self.upstream, &self.timeouts).await?;
        connection.set_last();
        connection.preamble().set(preamble);
        match connection.send(request, upload, activity, &self.timeouts).await {
            Sent::Switched(response) if headers::is_websocket(response.headers()) => {
                let leg = poll_fn(|cx| Poll::Ready(connection.end(cx))).await.ok_or(PROTOCOL)?;
                Ok(Exchange::Switch(response.into_parts().0, leg))
            }
            sent => self.answered(sent, connection, upload, activity).map(Exchange::Answer),
        }
    }

    /// Closes what was idle for too long, or was closed by the other side.
    pub(super) fn sweep(&self) {
        let now = clock::instant();
        let mut context = Context::from_waker(Waker::noop());
        self.idle.borrow_mut().retain_mut(|idle| {
            idle.connection.drive(&mut context);
            !idle.connection.is_closed() && self.is_fresh(idle, now)
        });
    }

    fn is_fresh(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) < self.timeouts.idle
    }

    fn take(&self, now: Instant) -> Option<Box<Connection>> {
        let idle = self.idle.borrow_mut().pop()?;
        if self.is_fresh(&idle, now) {
            return Some(idle.connection);
        }
        // The last was used most recently: all the others are older.
        self.idle.borrow_mut().clear();
        None
    }

    fn put(&self, connection: Box<Connection>, since: Instant) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.upstream.idle_connections {
            idle.push(Idle { connection, since });
        }
    }

    fn download(
        self: &Rc<Self>,
        response: Response<Incoming>,
        connection: Box<Connection>,
        upload: &Rc<Upload>,
        activity: &Rc<Activity>,
    ) -> Response<Download> {
        let (head, incoming) = response.into_parts();
        if connection.is_idle() {
            // Not later than now, which is all that its freshness needs.
            self.put(connection, upload.progress());
            let download = Download { incoming, carrier: None, patience: None };
            return Response::from_parts(head, download);
        }
        let patience = Patience {
            upload: Rc::clone(upload),
            activity: Rc::clone(activity),
            limit: self.timeouts.body,
            since: None,
        };
        let carrier = if upload.is_whole() {
            Some(Carrier { connection, pool: Rc::clone(self) })
        } else {
            connection.detach();
            None
        };
        Response::from_parts(head, Download { incoming, carrier, patience: Some(patience) })
    }
}

/// An answer's body, and the connection that it comes on until it is whole.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    carrier: Option<Carrier>,
    /// Nothing where the body was whole together with its head.
    patience: Option<Patience>,
}

#[derive(Debug)]
struct Carrier {
    connection: Box<Connection>,
    pool: Rc<Pool>,
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
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some(carrier) = self.carrier.as_mut().filter(|_| polled.is_pending()) {
            carrier.connection.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(cx);
        }
        if let Some(patience) = &mut self.patience {
            if polled.is_pending() {
                return patience.poll().map(|fault| Some(Err(fault)));
            }
            patience.since = None;
        }
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
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
        if let Some(mut carrier) = self.carrier.take() {
            carrier.connection.drive(cx);
            if carrier.connection.is_idle() {
                carrier.pool.put(carrier.connection, clock::instant());
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

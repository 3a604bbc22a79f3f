//! One upstream: its idle connections, and an exchange on one of them.
//!
//! A connection is driven by the future that waits for its answer, then by the body that carries
//! it on: no task of its own, no wake from one task to another. Only where an answer comes before
//! the request's body is whole does the connection get a task, so that reading the answer and
//! sending the rest cannot wait for each other.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::net::TcpStream;

use super::body::{RequestBody, Upload};
use super::fault::Fault;
use super::io::Activity;
use super::settings::{Timeouts, Upstream};
use super::socket::Socket;
use super::timer::deadline;
use crate::clock;
use crate::telemetry::UpstreamErrorKind;

/// Bytes of an answer's head that are taken from an upstream.
const ANSWER_HEAD_BYTES: usize = 128 * 1024;

/// A worker's idle connections to one upstream, the most recently used last.
#[derive(Debug)]
pub(super) struct Pool {
    upstream: Upstream,
    timeouts: Timeouts,
    idle: RefCell<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

/// A connection to an upstream. Its waits end by the timer of the client whose request it has.
#[derive(Debug)]
struct Connection {
    sender: SendRequest<RequestBody>,
    driver: http1::Connection<Socket, RequestBody>,
    closed: bool,
}

/// What became of a request on one connection.
enum Sent {
    Answered(Response<Incoming>),
    /// Nothing of it was written: it can go on another connection.
    Unsent(Box<Request<RequestBody>>),
    Failed(Fault),
}

impl Pool {
    pub(super) fn new(upstream: Upstream, timeouts: Timeouts) -> Rc<Self> {
        Rc::new(Self { upstream, timeouts, idle: RefCell::default() })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) async fn exchange(
        self: &Rc<Self>,
        mut request: Request<RequestBody>,
        upload: &Upload,
        activity: &Rc<Activity>,
    ) -> Result<Response<Download>, Fault> {
        loop {
            let (mut connection, reused) = match self.take(upload.progress()) {
                Some(connection) => (connection, true),
                // Boxed: it is rare, and its state would be carried by every request.
                None => (Box::pin(self.connect()).await?, false),
            };
            match connection.send(request, upload, activity, &self.timeouts).await {
                Sent::Answered(response) => {
                    return Ok(self.download(response, connection, upload, activity));
                }
                // The upstream closed an idle connection; a new one says whether it is there.
                Sent::Unsent(unsent) if reused => request = *unsent,
                Sent::Unsent(_) => return Err(Fault::Upstream(UpstreamErrorKind::Reset)),
                Sent::Failed(fault) => return Err(fault),
            }
        }
    }

    /// Closes what was idle for too long, or was closed by the other side.
    pub(super) fn sweep(&self) {
        let now = clock::instant();
        let mut context = Context::from_waker(Waker::noop());
        self.idle.borrow_mut().retain_mut(|idle| {
            idle.connection.drive(&mut context);
            !idle.connection.closed && self.is_fresh(idle, now)
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

    async fn connect(&self) -> Result<Box<Connection>, Fault> {
        let Upstream { host, port, .. } = &self.upstream;
        let connecting = TcpStream::connect((host.as_str(), *port));
        let fault = |kind| move |_| Fault::Upstream(kind);
        let socket = tokio::time::timeout(self.timeouts.connect, connecting)
            .await
            .map_err(|_| Fault::Upstream(UpstreamErrorKind::ConnectTimeout))?
            .map_err(fault(UpstreamErrorKind::Connect))?;
        socket.set_nodelay(true).map_err(fault(UpstreamErrorKind::Connect))?;
        let (sender, driver) = http1::Builder::new()
            .max_header_size(ANSWER_HEAD_BYTES)
            .handshake(Socket::new(socket))
            .await
            .map_err(|_| Fault::Upstream(UpstreamErrorKind::Connect))?;
        Ok(Box::new(Connection { sender, driver, closed: false }))
    }

    fn download(
        self: &Rc<Self>,
        response: Response<Incoming>,
        connection: Box<Connection>,
        upload: &Upload,
        activity: &Rc<Activity>,
    ) -> Response<Download> {
        let (head, incoming) = response.into_parts();
        let carrier = if connection.is_idle() {
            // Not later than now, which is all that its freshness needs.
            self.put(connection, upload.progress());
            None
        } else if upload.is_whole() {
            let (pool, activity) = (Rc::clone(self), Rc::clone(activity));
            Some(Carrier { connection, pool, activity, waiting: false })
        } else {
            connection.detach();
            None
        };
        Response::from_parts(head, Download { incoming, carrier })
    }
}

impl Connection {
    async fn send(
        &mut self,
        request: Request<RequestBody>,
        upload: &Upload,
        activity: &Activity,
        timeouts: &Timeouts,
    ) -> Sent {
        let mut answer = pin!(self.sender.try_send_request(request));
        let (driver, closed) = (&mut self.driver, &mut self.closed);
        poll_fn(|cx| {
            if !*closed {
                *closed = Pin::new(&mut *driver).poll(cx).is_ready();
            }
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(match answer {
                    // We asked for no other protocol.
                    Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                        Sent::Failed(Fault::Upstream(UpstreamErrorKind::Protocol))
                    }
                    Ok(response) => Sent::Answered(response),
                    Err(mut error) => match error.take_message() {
                        Some(request) => Sent::Unsent(Box::new(request)),
                        None => Sent::Failed(fault_of(error.error(), upload)),
                    },
                });
            }
            let (wait, fault) = if upload.is_whole() {
                (timeouts.upstream, Fault::Upstream(UpstreamErrorKind::Timeout))
            } else {
                (timeouts.body, Fault::BodyTimeout)
            };
            if activity.is_overdue() {
                return Poll::Ready(Sent::Failed(fault));
            }
            activity.wait_until(deadline(upload.progress(), wait));
            Poll::Pending
        })
        .await
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if !self.closed {
            self.closed = Pin::new(&mut self.driver).poll(cx).is_ready();
        }
    }

    /// Whether the answer was read to its end and another request can be sent.
    fn is_idle(&self) -> bool {
        !self.closed && self.sender.is_ready()
    }

    /// Lets the connection end by itself, in a task of its own.
    fn detach(self: Box<Self>) {
        let Self { sender, driver, closed, .. } = *self;
        drop(sender);
        if !closed {
            tokio::task::spawn_local(async move {
                // Whoever reads the answer's body is told of an error there.
                let _ = driver.await;
            });
        }
    }
}

fn fault_of(error: &hyper::Error, upload: &Upload) -> Fault {
    if let Some(fault) = upload.fault() {
        return fault;
    }
    Fault::Upstream(if error.is_parse() {
        UpstreamErrorKind::Protocol
    } else {
        UpstreamErrorKind::Reset
    })
}

/// An answer's body, and the connection that it comes on until it is whole.
#[derive(Debug)]
pub(super) struct Download {
    incoming: Incoming,
    carrier: Option<Carrier>,
}

#[derive(Debug)]
struct Carrier {
    connection: Box<Connection>,
    pool: Rc<Pool>,
    activity: Rc<Activity>,
    /// Whether the activity's wait is for the frame that comes next.
    waiting: bool,
}

impl Download {
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let mut polled = Pin::new(&mut self.incoming).poll_frame(cx);
        if let Some(carrier) = &mut self.carrier {
            if polled.is_pending() {
                carrier.connection.drive(cx);
                polled = Pin::new(&mut self.incoming).poll_frame(cx);
            }
            if polled.is_pending() {
                return carrier.wait().map(|fault| Some(Err(fault)));
            }
            carrier.waiting = false;
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

impl Carrier {
    /// Ready with a fault once the upstream has paused for too long.
    fn wait(&mut self) -> Poll<Fault> {
        if !self.waiting {
            self.waiting = true;
            // What was overdue before this wait began says nothing of it.
            self.activity.is_overdue();
            self.activity.wait_until(deadline(clock::instant(), self.pool.timeouts.body));
        } else if self.activity.is_overdue() {
            return Poll::Ready(Fault::Upstream(UpstreamErrorKind::Timeout));
        }
        Poll::Pending
    }
}

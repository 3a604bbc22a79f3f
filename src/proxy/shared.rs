//! A connection that many requests share: HTTP/2 to an upstream (RFC 9113).
//!
//! It has a task of its own, as no single request can drive it. What is said of who asks goes as
//! fields of each request: there is no line to write them behind.

use std::cell::{Cell, RefCell};
use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{HOST, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::{self, Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::TokioTimer;
use tokio::sync::Notify;

use super::body::Upload;
use super::dial::Refused;
use super::ear::Ear;
use super::fault::Fault;
use super::held::Held;
use super::link::Link;
use super::message::Asking;
use super::pool::Caller;
use super::preamble;
use super::settings::Timeouts;
use super::timer::deadline;
use super::upstream::{PROTOCOL, RESET, has_one_framing};
use crate::clock;

/// Requests at once on one connection, even where the upstream would take more.
const STREAMS: usize = 100;
/// What is taken for the number of requests that an upstream takes before it has said one.
const UNSAID: usize = 999_983;
/// Bytes that an answer may be ahead of its client.
const STREAM_WINDOW: u32 = 128 * 1024;
/// All answers together: one that its client does not read must not stop the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;
/// Bytes of an answer's fields.
const ANSWER_HEAD_BYTES: u32 = 128 * 1024;
/// How long a connection with requests may be silent before it is asked whether it is there, and
/// how long that may take.
const SILENCE: Duration = Duration::from_secs(20);
const REPLY: Duration = Duration::from_secs(10);

/// A connection to an upstream.
#[derive(Debug)]
pub(super) struct Shared {
    sender: SendRequest<Held>,
    state: Rc<State>,
}

type Driver = http2::Connection<Ear, Held, Local>;

#[derive(Debug)]
struct State {
    /// Gone when it has ended: with it go requests that wait in its queue.
    driver: RefCell<Option<Driver>>,
    streams: Cell<usize>,
    /// It takes no more requests.
    is_over: Cell<bool>,
    used: Cell<Instant>,
}

/// One request's part of it.
#[derive(Debug)]
pub(super) struct Stream {
    sender: SendRequest<Held>,
    state: Rc<State>,
}

/// What became of a request.
pub(super) enum Heard {
    Answered(Response<Incoming>),
    /// The upstream has not looked at it.
    Unprocessed,
    /// Neither, and by no fault: the connection ended as all do at some time, while it waited for
    /// its turn on it or was on its way.
    Late,
    /// The connection ended; nobody knows.
    Nothing,
    Failed(Fault),
}

#[derive(Debug, Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, task: F) {
        tokio::task::spawn_local(task);
    }
}

impl Shared {
    /// Begins, and waits for the upstream's first word: how many requests it takes at once. Who does
    /// not speak HTTP/2 is found out before anything is sent.
    pub(super) async fn over(link: Link, timeouts: &Timeouts) -> Result<Self, Refused> {
        let heard = Rc::new(Notify::new());
        let (sender, driver) = http2::Builder::new(Local)
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(UNSAID)
            .max_header_list_size(ANSWER_HEAD_BYTES)
            .keep_alive_interval(SILENCE)
            .keep_alive_timeout(REPLY)
            .handshake(Ear::new(link, Rc::clone(&heard)))
            .await
            .map_err(Refused::handshake)?;
        let state = Rc::new(State {
            driver: RefCell::new(Some(driver)),
            streams: Cell::new(0),
            is_over: Cell::new(false),
            used: Cell::new(clock::instant()),
        });
        tokio::task::spawn_local(Rc::clone(&state).drive(Rc::clone(&heard)));
        let said = async {
            while state.most() == UNSAID && !state.is_over.get() {
                heard.notified().await;
            }
        };
        tokio::time::timeout(timeouts.connect, said).await.map_err(|_| Refused::late())?;
        if state.is_over.get() {
            return Err(Refused::strange());
        }
        Ok(Self { sender, state })
    }

    /// Room for one more request, if there is any.
    pub(super) fn stream(&self) -> Option<Stream> {
        let State { streams, is_over, .. } = &*self.state;
        let has_room = streams.get() < self.state.most().min(STREAMS);
        if is_over.get() || self.sender.is_closed() || !has_room {
            return None;
        }
        streams.set(streams.get() + 1);
        Some(Stream { sender: self.sender.clone(), state: Rc::clone(&self.state) })
    }

    /// Whether it may still be of use to requests to come.
    pub(super) fn is_fresh(&self, now: Instant, idle: Duration) -> bool {
        let State { streams, is_over, used, .. } = &*self.state;
        let is_idle = streams.get() == 0 && now.saturating_duration_since(used.get()) >= idle;
        !is_over.get() && !self.sender.is_closed() && !is_idle
    }
}

impl State {
    /// Requests that the upstream takes at once.
    fn most(&self) -> usize {
        let driver = self.driver.try_borrow();
        let driver = driver.as_deref().ok().and_then(Option::as_ref);
        driver.map_or(0, Driver::current_max_send_streams)
    }

    async fn drive(self: Rc<Self>, heard: Rc<Notify>) {
        poll_fn(|cx| match &mut *self.driver.borrow_mut() {
            // Each request is told of an error itself.
            Some(driver) => Pin::new(driver).poll(cx).map(drop),
            None => Poll::Ready(()),
        })
        .await;
        self.is_over.set(true);
        self.driver.replace(None);
        heard.notify_one();
    }
}

impl Stream {
    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Held>,
        Caller { upload, activity, .. }: Caller<'_>,
        timeouts: &Timeouts,
    ) -> Heard {
        let mut answer = pin!(self.sender.try_send_request(request));
        poll_fn(|cx| {
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(match answer {
                    Ok(response) if has_one_framing(response.headers()) => {
                        Heard::Answered(response)
                    }
                    Ok(_) => Heard::Failed(PROTOCOL),
                    Err(mut error) => match error.take_message() {
                        Some(_) => Heard::Late,
                        None => Heard::of(error.error(), upload),
                    },
                });
            }
            if activity.right.lost().is_some() {
                return Poll::Ready(Heard::Failed(Fault::Lost));
            }
            let (wait, fault) = upload.patience(timeouts);
            let due = deadline(upload.progress(), wait);
            // The body goes on beside this: what was overdue need not be any more.
            if activity.is_overdue() && due <= clock::instant() {
                return Poll::Ready(Heard::Failed(fault));
            }
            activity.wait_until(due);
            Poll::Pending
        })
        .await
    }

    /// No other request is sent on its connection.
    pub(super) fn retire(&self) {
        self.state.is_over.set(true);
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.state.streams.set(self.state.streams.get() - 1);
        self.state.used.set(clock::instant());
    }
}

impl Heard {
    fn of(error: &hyper::Error, upload: &Upload) -> Self {
        if let Some(fault) = upload.fault() {
            return Self::Failed(fault);
        }
        let Some(error) = error.source().and_then(|source| source.downcast_ref::<h2::Error>())
        else {
            return Self::Nothing;
        };
        // A GOAWAY fails the requests that it says were not processed, and no others.
        let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
        match (error.is_remote(), error.is_reset(), error.is_go_away()) {
            (true, true, _) if is_refused => Self::Unprocessed,
            (true, true, _) => Self::Failed(RESET),
            (true, _, true) if error.reason() == Some(h2::Reason::NO_ERROR) => Self::Late,
            (true, _, true) => Self::Unprocessed,
            (false, true, _) | (false, _, true) => Self::Failed(PROTOCOL),
            _ => Self::Nothing,
        }
    }
}

/// A request as HTTP/2 has it. Nothing where its host is none.
pub(super) fn request(
    head: &Asking,
    body: Held,
    preamble: &[u8],
    scheme: &Scheme,
) -> Option<Request<Held>> {
    let mut request = Request::new(body);
    let host = head.fields.get("host")?;
    let mut uri = uri::Parts::default();
    uri.path_and_query = Some(PathAndQuery::try_from(head.target()?).ok()?);
    uri.scheme = Some(scheme.clone());
    uri.authority = Some(Authority::try_from(host).ok()?);
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    *request.method_mut() = head.method.clone();
    *request.version_mut() = Version::HTTP_2;
    let mut fields = HeaderMap::from(&head.fields);
    fields.remove(HOST);
    fields.remove(TRANSFER_ENCODING);
    preamble::insert(&mut fields, preamble)?;
    // gRPC asks for it (its PROTOCOL-HTTP2.md): answers end in trailers.
    fields.insert(TE, HeaderValue::from_static("trailers"));
    *request.headers_mut() = fields;
    Some(request)
}

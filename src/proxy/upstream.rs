//! A connection to an upstream, and an exchange on it.
//!
//! A connection is driven by the future that waits for its answer, then by the body that carries
//! it on: no task of its own, no wake from one task to another. Only where an answer comes before
//! the request's body is whole does the connection get a task, so that reading the answer and
//! sending the rest cannot wait for each other.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};

use super::body::{RequestBody, Upload};
use super::endpoint::Load;
use super::fault::Fault;
use super::link::Link;
use super::pool::Caller;
use super::settings::Timeouts;
use super::timer::deadline;
use super::tunnel::Leg;
use super::wire::{Preamble, Wire};
use crate::telemetry::UpstreamErrorKind;

/// Bytes of an answer's head that are taken from an upstream.
const ANSWER_HEAD_BYTES: usize = 128 * 1024;

/// It closed before its answer was there.
pub(super) const RESET: Fault = Fault::Upstream(UpstreamErrorKind::Reset);
/// What it said is no answer to what it was asked.
pub(super) const PROTOCOL: Fault = Fault::Upstream(UpstreamErrorKind::Protocol);

/// A connection to an upstream. Its waits end by the timer of the client whose request it has.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    driver: Driver,
    preamble: Preamble,
    /// Whether it takes no request after this one.
    is_last: bool,
}

/// What reads and writes.
#[derive(Debug, Default)]
struct Driver {
    /// Gone when it has ended: with it go requests that wait in its queue.
    running: Option<http1::Connection<Wire, RequestBody>>,
    /// What it has left.
    ended: Option<http1::Parts<Wire>>,
}

/// What became of a request on one connection.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// With 101: what follows is not HTTP any more.
    Switched(Response<Incoming>),
    /// Nothing of it was written: it can go on another connection.
    Unsent(Box<Request<RequestBody>>),
    /// Its head was written, this one, and then the connection closed without a byte.
    Unheard(Vec<u8>),
    Failed(Fault),
}

impl Connection {
    pub(super) async fn over(link: Link) -> hyper::Result<Box<Self>> {
        let preamble = Preamble::default();
        let (sender, driver) = http1::Builder::new()
            .max_header_size(ANSWER_HEAD_BYTES)
            .handshake(Wire::new(link, preamble.clone()))
            .await?;
        let driver = Driver { running: Some(driver), ended: None };
        Ok(Box::new(Self { sender, driver, preamble, is_last: false }))
    }

    /// What the next request says of us: see [`Preamble`].
    pub(super) fn preamble(&self) -> &Preamble {
        &self.preamble
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        Caller { upload, activity }: Caller<'_>,
        timeouts: &Timeouts,
    ) -> Sent {
        let mut answer = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            driver.drive(cx);
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(match answer {
                    Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
                        Sent::Switched(response)
                    }
                    Ok(response) if has_one_framing(response.headers()) => Sent::Answered(response),
                    Ok(_) => Sent::Failed(PROTOCOL),
                    Err(mut error) => match error.take_message() {
                        Some(request) => Sent::Unsent(Box::new(request)),
                        None => match (fault_of(error.error(), upload), driver.unheard()) {
                            (RESET, Some(head)) => Sent::Unheard(head),
                            (fault, _) => Sent::Failed(fault),
                        },
                    },
                });
            }
            if activity.right.lost().is_some() {
                return Poll::Ready(Sent::Failed(Fault::Lost));
            }
            let (wait, fault) = upload.patience(timeouts);
            if activity.is_overdue() {
                return Poll::Ready(Sent::Failed(fault));
            }
            activity.wait_until(deadline(upload.progress(), wait));
            Poll::Pending
        })
        .await
    }

    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        self.driver.drive(cx);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.driver.running.is_none()
    }

    /// Whether the answer was read to its end and another request can be sent.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_last && !self.is_closed() && self.sender.is_ready()
    }

    /// Closes it after one request, whatever the answer.
    pub(super) fn set_last(&mut self) {
        self.is_last = true;
    }

    /// What hyper leaves of a connection that has switched. Nothing if it was not done with it.
    pub(super) fn end(&mut self, cx: &mut Context<'_>) -> Option<Leg<Link>> {
        self.driver.drive(cx);
        let http1::Parts { io, read_buf, .. } = self.driver.ended.take()?;
        Some(Leg { stream: io.into_link(), read: read_buf })
    }

    /// Lets the connection end by itself, in a task of its own.
    pub(super) fn detach(self: Box<Self>, load: Load) {
        let Self { sender, driver, .. } = *self;
        drop(sender);
        if let Some(running) = driver.running {
            tokio::task::spawn_local(async move {
                // Whoever reads the answer's body is told of an error there.
                let _ = running.await;
                drop(load);
            });
        }
    }
}

impl Driver {
    fn drive(&mut self, cx: &mut Context<'_>) {
        let Some(running) = &mut self.running else { return };
        if running.poll_without_shutdown(cx).is_ready() {
            self.ended = self.running.take().map(http1::Connection::into_parts);
        }
    }

    /// The last request's head, if nothing came since.
    fn unheard(&mut self) -> Option<Vec<u8>> {
        let ended = self.ended.take_if(|ended| ended.read_buf.is_empty())?;
        Some(ended.io.into_head()).filter(|head| !head.is_empty())
    }
}

/// An answer ends in one way only (RFC 9112 §6.3).
pub(super) fn has_one_framing(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (codings.next(), lengths.next()) {
        (None, None) => true,
        (Some(_), Some(_)) => false,
        (Some(coding), None) => {
            codings.next().is_none() && coding.as_bytes().eq_ignore_ascii_case(b"chunked")
        }
        (None, Some(length)) => {
            lengths.next().is_none() && length.as_bytes().iter().all(u8::is_ascii_digit)
        }
    }
}

fn fault_of(error: &hyper::Error, upload: &Upload) -> Fault {
    if let Some(fault) = upload.fault() {
        return fault;
    }
    if error.is_parse() { PROTOCOL } else { RESET }
}

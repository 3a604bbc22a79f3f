//! A connection to an upstream, and an exchange on it.
//!
//! A connection is driven by the future that waits for its answer, then by the body that carries
//! it on: no task of its own, no wake from one task to another. Only where an answer comes before
//! the request's body is whole does the connection get a task, so that reading the answer and
//! sending the rest cannot wait for each other.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use tokio::net::TcpStream;

use super::body::{RequestBody, Upload};
use super::fault::Fault;
use super::io::Activity;
use super::settings::{Timeouts, Upstream};
use super::timer::deadline;
use super::wire::{Preamble, Wire};
use crate::telemetry::UpstreamErrorKind;

/// Bytes of an answer's head that are taken from an upstream.
const ANSWER_HEAD_BYTES: usize = 128 * 1024;

/// A connection to an upstream. Its waits end by the timer of the client whose request it has.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    /// Gone when it has ended: with it go requests that wait in its queue.
    driver: Option<Driver>,
    preamble: Preamble,
}

type Driver = http1::Connection<Wire, RequestBody>;

/// What became of a request on one connection.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// Nothing of it was written: it can go on another connection.
    Unsent(Box<Request<RequestBody>>),
    Failed(Fault),
}

impl Connection {
    pub(super) async fn open(upstream: &Upstream, timeouts: &Timeouts) -> Result<Box<Self>, Fault> {
        let connecting = TcpStream::connect((upstream.host.as_str(), upstream.port));
        let stream = tokio::time::timeout(timeouts.connect, connecting)
            .await
            .map_err(|_| Fault::Upstream(UpstreamErrorKind::ConnectTimeout))?
            .and_then(|stream| stream.set_nodelay(true).map(|()| stream))
            .map_err(|_| Fault::Upstream(UpstreamErrorKind::Connect))?;
        let preamble = Preamble::default();
        let (sender, driver) = http1::Builder::new()
            .max_header_size(ANSWER_HEAD_BYTES)
            .handshake(Wire::new(stream, preamble.clone()))
            .await
            .map_err(|_| Fault::Upstream(UpstreamErrorKind::Connect))?;
        Ok(Box::new(Self { sender, driver: Some(driver), preamble }))
    }

    /// Sends a request, the preamble behind its first line, and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<RequestBody>,
        preamble: &[u8],
        upload: &Upload,
        activity: &Activity,
        timeouts: &Timeouts,
    ) -> Sent {
        self.preamble.set(preamble);
        let mut answer = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            drive(driver, cx);
            if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
                return Poll::Ready(match answer {
                    Ok(response) if is_sound(&response) => Sent::Answered(response),
                    Ok(_) => Sent::Failed(Fault::Upstream(UpstreamErrorKind::Protocol)),
                    Err(mut error) => match error.take_message() {
                        Some(request) => Sent::Unsent(Box::new(request)),
                        None => Sent::Failed(fault_of(error.error(), upload)),
                    },
                });
            }
            let (wait, fault) = if upload.waits() {
                (timeouts.body, Fault::BodyTimeout)
            } else {
                (timeouts.upstream, Fault::Upstream(UpstreamErrorKind::Timeout))
            };
            if activity.is_overdue() {
                return Poll::Ready(Sent::Failed(fault));
            }
            activity.wait_until(deadline(upload.progress(), wait));
            Poll::Pending
        })
        .await
    }

    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        drive(&mut self.driver, cx);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_none()
    }

    /// Whether the answer was read to its end and another request can be sent.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_closed() && self.sender.is_ready()
    }

    /// Lets the connection end by itself, in a task of its own.
    pub(super) fn detach(self: Box<Self>) {
        let Self { sender, driver, .. } = *self;
        drop(sender);
        if let Some(driver) = driver {
            tokio::task::spawn_local(async move {
                // Whoever reads the answer's body is told of an error there.
                let _ = driver.await;
            });
        }
    }
}

fn drive(driver: &mut Option<Driver>, cx: &mut Context<'_>) {
    if driver.as_mut().is_some_and(|driver| Pin::new(driver).poll(cx).is_ready()) {
        *driver = None;
    }
}

/// We asked for no other protocol, and an answer ends in one way only (RFC 9112 §6.3).
fn is_sound(response: &Response<Incoming>) -> bool {
    response.status() != StatusCode::SWITCHING_PROTOCOLS && has_one_framing(response.headers())
}

fn has_one_framing(headers: &HeaderMap) -> bool {
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
    Fault::Upstream(if error.is_parse() {
        UpstreamErrorKind::Protocol
    } else {
        UpstreamErrorKind::Reset
    })
}

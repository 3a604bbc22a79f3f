//! A connection to an upstream, and an exchange on it, over HTTP/1.1.
//!
//! A connection is driven by the future that waits for its answer, then by the body that carries
//! it on: no task of its own, no wake from one task to another. Only where an answer comes before
//! the request's body is whole does the connection get a task, so that reading the answer and
//! sending the rest cannot wait for each other.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use http_body::Frame;
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::coop::unconstrained;

use super::answer::{Head, Intake};
use super::body::RequestBody;
use super::endpoint::Load;
use super::fault::Fault;
use super::link::Link;
use super::message::{Answering, Asking};
use super::outlet::Outlet;
use super::pool::Caller;
use super::reader::head_room;
use super::settings::Timeouts;
use super::timer::deadline;
use super::tunnel::Leg;
use crate::telemetry::UpstreamErrorKind;

/// It closed before its answer was there.
pub(super) const RESET: Fault = Fault::Upstream(UpstreamErrorKind::Reset);
/// What it said is no answer to what it was asked.
pub(super) const PROTOCOL: Fault = Fault::Upstream(UpstreamErrorKind::Protocol);

/// It opens no WebSocket.
pub(super) const UPGRADE: Fault = Fault::Upstream(UpstreamErrorKind::Upgrade);

/// Parts of an answer that wait for their client, where a task reads them.
const AHEAD: usize = 1;

/// A connection to an upstream. Its waits end by the timer of the client whose request it has.
#[derive(Debug)]
pub(super) struct Connection {
    link: Link,
    outlet: Outlet,
    intake: Intake,
    /// Whether it takes no request after this one.
    is_last: bool,
}

/// A part of an answer's body; nothing where it is whole.
pub(super) type Part = Option<Result<Frame<Bytes>, Fault>>;

/// What became of a request on one connection.
pub(super) enum Sent {
    Answered(Answering),
    /// With 101: what follows is not HTTP any more.
    Switched(Answering),
    /// Nothing of it was written: it can go on another connection.
    Unsent,
    /// It was written, in part at least, and then the connection closed without a byte.
    Unheard,
    Failed(Fault),
}

impl Connection {
    pub(super) fn over(link: Link) -> Box<Self> {
        let (outlet, intake) = (Outlet::default(), Intake::default());
        Box::new(Self { link, outlet, intake, is_last: false })
    }

    /// Sends a request and waits for the head of its answer. What is to be said of who asks is in
    /// `preamble`.
    pub(super) async fn send(
        &mut self,
        head: &Asking,
        preamble: &[u8],
        body: &mut RequestBody,
        Caller { upload, activity, worker }: Caller<'_>,
        timeouts: &Timeouts,
    ) -> Sent {
        let Self { link, outlet, intake, is_last } = self;
        let mut is_begun = false;
        poll_fn(|cx| {
            let is_first = !std::mem::replace(&mut is_begun, true);
            if is_first {
                if !is_quiet(link, cx) {
                    return Poll::Ready(Sent::Unsent);
                }
                if let Err(fault) = outlet.begin(head, preamble, body) {
                    return Poll::Ready(Sent::Failed(fault));
                }
            }
            if let Poll::Ready(Err(fault)) = outlet.poll(link, body, cx) {
                return Poll::Ready(Sent::Failed(upload.fault().unwrap_or(fault)));
            }
            // At first nothing can be there: it was looked just now, and who looked is woken.
            while !is_first
                && let Poll::Ready(answer) = {
                    let mut room = worker.scratch();
                    intake.poll_head(link, &head.method, head_room(&mut room), cx)
                }
            {
                if let Ok(Some(Head { head, .. })) = &answer
                    && head.status == StatusCode::EARLY_HINTS
                {
                    if !activity.hint(&head.fields) {
                        continue;
                    }
                    // It is written before we go on: the answer may be here, too.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                return Poll::Ready(match answer {
                    Ok(Some(Head { head, is_last: ends })) => {
                        *is_last |= ends;
                        if head.status == StatusCode::SWITCHING_PROTOCOLS {
                            Sent::Switched(head)
                        } else {
                            Sent::Answered(head)
                        }
                    }
                    Ok(None) if outlet.is_untouched() => Sent::Unsent,
                    Ok(None) => Sent::Unheard,
                    Err(fault) => Sent::Failed(fault),
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

    /// The next part of the answer's body. Nothing once it is whole.
    ///
    /// # Errors
    ///
    /// When it breaks off.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        self.intake.poll_frame(&mut self.link, cx)
    }

    /// The whole body of the answer, if it is short and here.
    pub(super) fn take_body(&mut self) -> Option<Bytes> {
        self.intake.take_whole()
    }

    /// Whether all of the request is written.
    pub(super) fn is_sent(&self) -> bool {
        self.outlet.is_over()
    }

    /// Whether the answer was read to its end.
    pub(super) fn is_over(&self) -> bool {
        self.intake.is_over()
    }

    /// How many bytes of the answer's body are to come, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.intake.length()
    }

    /// Makes it ready for another request. `false` where it takes none.
    pub(super) fn rest(&mut self) -> bool {
        let is_ready = !self.is_last && self.outlet.is_over() && self.intake.is_empty();
        self.intake.rest();
        is_ready
    }

    /// Whether the other side has left it open and has said nothing, as long as it is idle.
    pub(super) fn is_quiet(&mut self, cx: &mut Context<'_>) -> bool {
        is_quiet(&mut self.link, cx)
    }

    /// Closes it after one request, whatever the answer.
    pub(super) fn set_last(&mut self) {
        self.is_last = true;
    }

    /// What is left of a connection that has switched.
    pub(super) fn into_leg(self) -> Leg<Link> {
        Leg { stream: self.link, read: self.intake.into_bytes() }
    }

    /// Lets the rest of `body` and the answer go on at once, in a task of its own, and says where
    /// the answer comes. What is left of the body when the answer is whole may take `limit` longer.
    pub(super) fn detach(
        self: Box<Self>,
        body: RequestBody,
        load: Load,
        limit: Duration,
    ) -> mpsc::Receiver<Part> {
        let (sender, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_local(async move {
            self.both_ways(body, sender, limit).await;
            drop(load);
        });
        receiver
    }

    async fn both_ways(
        self: Box<Self>,
        mut body: RequestBody,
        answer: mpsc::Sender<Part>,
        limit: Duration,
    ) {
        let Self { link, mut outlet, mut intake, .. } = *self;
        let (link, is_whole) = (RefCell::new(link), Cell::new(false));
        let mut upload = pin!(poll_fn(|cx| outlet.poll(&mut *link.borrow_mut(), &mut body, cx)));
        let mut download = pin!(async {
            loop {
                let frame = poll_fn(|cx| intake.poll_frame(&mut link.borrow_mut(), cx)).await;
                is_whole.set(intake.is_over());
                let is_last = !matches!(frame, Some(Ok(_)));
                if answer.send(frame).await.is_err() || is_last {
                    return;
                }
            }
        });
        let mut is_uploading = true;
        loop {
            tokio::select! {
                () = &mut download => break,
                result = &mut upload, if is_uploading => match result {
                    Ok(()) => is_uploading = false,
                    // The answer is to a request that never was.
                    Err(_) => return,
                },
                // Its reader has enough, or is gone.
                () = answer.closed() => break,
            }
        }
        if is_uploading && is_whole.get() {
            let _ = tokio::time::timeout(limit, upload).await;
        }
    }
}

/// Whether nothing can be read: neither an end, nor what nobody asked for. It is looked, also for a
/// task that has done so much that it is told of nothing more: what is there would be taken for the
/// answer to its request.
fn is_quiet(link: &mut Link, cx: &mut Context<'_>) -> bool {
    let mut byte = [0];
    let mut buffer = ReadBuf::new(&mut byte);
    let read = poll_fn(|cx| Pin::new(&mut *link).poll_read(cx, &mut buffer));
    pin!(unconstrained(read)).poll(cx).is_pending()
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

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::Interest;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::runtime::Builder;
    use tokio::task::coop::consume_budget;

    use super::*;

    /// What an upstream says unasked must not become an answer.
    #[test]
    fn a_busy_task_hears_what_a_connection_has_said() {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (peer, _) = listener.accept().await.unwrap();
            let mut peer = peer.into_std().unwrap();
            let mut link = Link::Tcp(stream);
            let busy = |cx: &mut Context<'_>| {
                while pin!(consume_budget()).poll(cx).is_ready() {}
            };
            poll_fn(|cx| {
                busy(cx);
                assert!(is_quiet(&mut link, cx));
                Poll::Ready(())
            })
            .await;
            peer.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            if let Link::Tcp(stream) = &link {
                stream.ready(Interest::READABLE).await.unwrap();
            }
            poll_fn(|cx| {
                busy(cx);
                assert!(!is_quiet(&mut link, cx));
                Poll::Ready(())
            })
            .await;
        });
    }
}

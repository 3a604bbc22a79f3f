//! A client's connection of HTTP/1.1: what comes in by an [inlet](super::inlet), and what goes out by
//! an [outlet](super::outlet), a request and its answer at a time.
//!
//! Both go on at once: an answer may come before its request is whole, and a client that leaves is
//! noticed while nothing is said.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::activity::Activity;
use super::body::AnswerBody;
use super::date::Date;
use super::incoming::{Incoming, Inflow, flow};
use super::inlet::{BadHead, Inlet};
use super::message::{Answering, Asking};
use super::outlet::Outlet;
use super::reply::{self, Asked};
use super::respond;
use super::settings::Limits;
use super::transport::Transport;
use crate::clock;

/// What is left of a refused request's body is read for another request up to this length.
pub(super) const DRAINED_BYTES: u64 = 4096;
/// Bytes that a client may still send that was told that it is not heard any more. To close before it
/// has heard it would reset the connection, and take the answer from it.
const LINGER_BYTES: usize = 1 << 20;

/// The connection.
#[derive(Debug)]
pub(super) struct Line {
    transport: Transport,
    inlet: Inlet,
    outlet: Outlet,
    activity: Rc<Activity>,
    /// The request's body, while it comes.
    inflow: Option<Inflow>,
    asked: Option<Asked>,
    /// Whether the client is heard no more.
    is_closed: bool,
}

/// How an answer went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Said {
    Whole,
    /// Its body broke off.
    Broken,
    /// There is nobody who hears it.
    Unheard,
}

/// What happened beside an answer.
enum Beside {
    /// Something of the request's body came, or its end.
    More,
    /// The client has gone.
    Gone,
}

impl Line {
    pub(super) fn new(transport: Transport, activity: Rc<Activity>) -> Self {
        Self {
            transport,
            inlet: Inlet::new(),
            outlet: Outlet::default(),
            activity,
            inflow: None,
            asked: None,
            is_closed: false,
        }
    }

    pub(super) fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    /// The transport, and what was read from it behind the last request.
    pub(super) fn into_parts(self) -> (Transport, Bytes) {
        (self.transport, self.inlet.into_bytes())
    }

    /// Whether it is between two requests.
    pub(super) fn is_idle(&self) -> bool {
        self.inlet.is_fresh() && !self.outlet.is_full() && !self.is_closed
    }

    /// The next request, read in `room` mostly. Nothing once none comes any more.
    ///
    /// # Errors
    ///
    /// Why what came is none.
    pub(super) fn poll_request(
        &mut self,
        limits: &Limits,
        room: &mut [u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<(Asking, Incoming)>, BadHead>> {
        let Self { transport, inlet, activity, .. } = self;
        let Some(head) = ready!(inlet.poll_head(transport, limits, activity, room, cx))? else {
            return Poll::Ready(Ok(None));
        };
        self.asked = Some(Asked::of(&head));
        let length = inlet.left();
        let body = match inlet.take_first() {
            Some(bytes) if inlet.is_over() => Incoming::Here(bytes),
            None if inlet.is_over() => Incoming::Empty,
            first => {
                let (inflow, outflow) = flow(length, first);
                self.inflow = Some(inflow);
                Incoming::Alone(outflow)
            }
        };
        Poll::Ready(Ok(Some((head, body))))
    }

    /// Polls what answers the request, and what there is beside it. Nothing once the client is gone.
    pub(super) fn poll_answering<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        loop {
            if let Poll::Ready(answer) = poll(cx) {
                return Poll::Ready(Some(answer));
            }
            if let Some(hint) = self.activity.take_hint() {
                self.outlet.room().extend_from_slice(&hint);
            }
            if self.outlet.is_full() || self.activity.stalled().is_some() {
                let _ = self.poll_said(cx);
            }
            match ready!(self.poll_beside(cx)) {
                Beside::More => {}
                Beside::Gone => return Poll::Ready(None),
            }
        }
    }

    /// Makes the answer to the request ready to go.
    pub(super) fn answer(&mut self, head: &Answering, body: &AnswerBody, date: &Date) {
        let is_last = self.is_last();
        let Some(asked) = &mut self.asked else { return };
        // A client that waits for a word to send its body will not, or is about to: what comes next
        // could be either.
        if (std::mem::take(&mut asked.expects) && self.inflow.is_some()) || is_last {
            asked.is_kept = false;
        }
        let ending = reply::write(self.outlet.room(), head, body, *asked, date);
        asked.is_kept = ending.is_kept;
        self.outlet.start(ending.framing, ending.promised);
    }

    /// Whether nothing can follow what is answered now: the request broke off, or more of it is left
    /// that nobody wants than is read for another.
    fn is_last(&self) -> bool {
        let is_wanted = || self.inflow.as_ref().is_some_and(Inflow::is_taken);
        self.is_closed || (!self.inlet.is_over() && !is_wanted() && !self.is_drained())
    }

    /// Whether what is left of the request's body is so little that it is read to its end.
    fn is_drained(&self) -> bool {
        self.inlet.left().is_some_and(|left| left <= DRAINED_BYTES)
    }

    /// Ready once the answer is gone, or never will be.
    pub(super) fn poll_answer(
        &mut self,
        body: &mut AnswerBody,
        cx: &mut Context<'_>,
    ) -> Poll<Said> {
        loop {
            let Self { transport, outlet, activity, .. } = self;
            match outlet.poll(&mut Heard { transport, activity }, body, cx) {
                Poll::Ready(Ok(())) if outlet.is_over() => return Poll::Ready(Said::Whole),
                Poll::Ready(Ok(())) => return Poll::Ready(Said::Unheard),
                Poll::Ready(Err(_)) => return Poll::Ready(Said::Broken),
                Poll::Pending => {}
            }
            match ready!(self.poll_beside(cx)) {
                Beside::More => {}
                Beside::Gone => return Poll::Ready(Said::Unheard),
            }
        }
    }

    /// Ready once the request is over, whose answer has gone: whether another may come.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let is_kept = !self.is_closed && self.asked.is_some_and(|asked| asked.is_kept);
        loop {
            if self.inlet.is_over() {
                self.inflow = None;
                return Poll::Ready(is_kept);
            }
            if self.inflow.as_ref().is_some_and(Inflow::is_taken) {
                match ready!(self.poll_beside(cx)) {
                    Beside::More => continue,
                    Beside::Gone => return Poll::Ready(false),
                }
            }
            // A body that nobody wants.
            self.inflow = None;
            if !is_kept || self.is_closed || !self.is_drained() {
                return Poll::Ready(false);
            }
            match ready!(self.inlet.poll_piece(&mut self.transport, cx)) {
                Some(Err(_)) => return Poll::Ready(false),
                Some(Ok(_)) | None => self.activity.heard(),
            }
        }
    }

    /// Tells the client that this is no request.
    pub(super) async fn refuse(&mut self, refusal: BadHead) {
        let text = respond::raw(refusal.status().1, refusal.detail(), &self.activity.id());
        self.outlet.room().extend_from_slice(text.as_bytes());
        poll_fn(|cx| self.poll_said(cx)).await;
    }

    /// Ends the connection, so that what was said last is heard.
    pub(super) async fn part(&mut self) {
        let is_heard = self.inlet.has_ended() || self.inlet.is_fresh();
        self.is_closed = true;
        if self.transport.shutdown().await.is_err() || is_heard {
            return;
        }
        let mut left = LINGER_BYTES;
        while left > 0 {
            let Self { inlet, transport, .. } = self;
            match poll_fn(|cx| inlet.poll_drop(transport, cx)).await {
                0 => return,
                length => left = left.saturating_sub(length),
            }
        }
    }

    fn poll_said(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { transport, outlet, activity, .. } = self;
        outlet.poll_said(&mut Heard { transport, activity }, cx)
    }

    /// Reads of the request's body what is waited for, or looks whether the client is still there.
    fn poll_beside(&mut self, cx: &mut Context<'_>) -> Poll<Beside> {
        if self.is_closed {
            return Poll::Pending;
        }
        let Some(inflow) = &self.inflow else {
            return self.inlet.poll_gone(&mut self.transport, cx).map(|()| Beside::Gone);
        };
        ready!(inflow.poll_wanted(cx));
        if self.asked.as_mut().is_some_and(|asked| std::mem::take(&mut asked.expects)) {
            self.outlet.room().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            let _ = self.poll_said(cx);
        }
        let Some(inflow) = &self.inflow else { return Poll::Pending };
        match ready!(self.inlet.poll_piece(&mut self.transport, cx)) {
            Some(Ok(frame)) => {
                self.activity.heard();
                inflow.give(frame, self.inlet.is_over(), cx);
                if self.inlet.is_over() {
                    self.inflow = None;
                }
            }
            None => {
                inflow.end(cx);
                self.inflow = None;
            }
            Some(Err(_)) => {
                // Who takes it hears that it is not whole.
                self.inflow = None;
                self.is_closed = true;
            }
        }
        Poll::Ready(Beside::More)
    }
}

/// The transport, written to: it is noted whether the client takes what is.
struct Heard<'l> {
    transport: &'l mut Transport,
    activity: &'l Activity,
}

impl Heard<'_> {
    fn note<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let since = || self.activity.stalled().or_else(|| Some(clock::instant()));
        self.activity.set_stalled(if poll.is_pending() { since() } else { None });
        poll
    }
}

impl AsyncWrite for Heard<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut *self.transport).poll_write(cx, bytes);
        self.note(poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut *self.transport).poll_write_vectored(cx, parts);
        self.note(poll)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes more than its client does.
        let poll = Pin::new(&mut *self.transport).poll_flush(cx);
        self.note(poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.transport).poll_shutdown(cx)
    }
}

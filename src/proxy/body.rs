//! Bodies: streamed both ways, counted, never buffered whole.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::activity::Activity;
use super::bounded::Bounded;
use super::download::Download;
use super::fault::Fault;
use super::headers;
use super::incoming::Incoming;
use super::record::Record;
use super::respond::{self, Form};
use super::settings::Timeouts;
use crate::clock;
use crate::telemetry::UpstreamErrorKind;

/// How a request's body is coming along. Shared by the body and by whoever waits for the answer.
#[derive(Debug)]
pub(super) struct Upload {
    progress: Cell<Instant>,
    whole: Cell<bool>,
    waits: Cell<bool>,
    fault: Cell<Option<Fault>>,
}

impl Upload {
    /// When a part of it last came, or when it became whole.
    pub(super) fn progress(&self) -> Instant {
        self.progress.get()
    }

    /// Whether all of it was handed on.
    pub(super) fn is_whole(&self) -> bool {
        self.whole.get()
    }

    /// Whether it is the client that has to send more.
    pub(super) fn waits(&self) -> bool {
        self.waits.get()
    }

    /// How long the next step may take, and what it is if it takes longer.
    pub(super) fn patience(&self, timeouts: &Timeouts) -> (Duration, Fault) {
        if self.waits() {
            (timeouts.body, Fault::BodyTimeout)
        } else {
            (timeouts.upstream, Fault::Upstream(UpstreamErrorKind::Timeout))
        }
    }

    /// Why it never will be.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.fault.get()
    }
}

/// A request's body on its way to an upstream.
#[derive(Debug)]
pub(super) enum RequestBody {
    /// There is none.
    Empty,
    /// All of it, as it came with its head.
    Whole(Bytes),
    /// From the client as it comes.
    Streaming(Stream),
}

/// A body that is on its way.
#[derive(Debug)]
pub(super) struct Stream {
    incoming: Incoming,
    left: u64,
    /// What it is when that is not enough.
    too_large: Fault,
    upload: Rc<Upload>,
    activity: Rc<Activity>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.activity.set_uploading(false);
    }
}

impl RequestBody {
    /// `incoming`, of which at most so many bytes are let through; more are that fault.
    pub(super) fn new(
        incoming: Incoming,
        (left, too_large): (u64, Fault),
        now: Instant,
        activity: &Rc<Activity>,
    ) -> (Self, Rc<Upload>) {
        let body = match incoming {
            Incoming::Here(bytes) if bytes.len() as u64 <= left => Ok(Self::Whole(bytes)),
            incoming if incoming.is_end_stream() => Ok(Self::Empty),
            incoming => Err(incoming),
        };
        let upload = Rc::new(Upload {
            progress: Cell::new(now),
            whole: Cell::new(body.is_ok()),
            waits: Cell::new(false),
            fault: Cell::new(None),
        });
        let incoming = match body {
            Ok(body) => return (body, upload),
            Err(incoming) => incoming,
        };
        activity.set_uploading(true);
        let (shared, activity) = (Rc::clone(&upload), Rc::clone(activity));
        let stream = Stream { incoming, left, too_large, upload: shared, activity };
        (Self::Streaming(stream), upload)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Stream { incoming, left, too_large, upload, activity } = match &mut *self {
            Self::Streaming(stream) => stream,
            Self::Whole(bytes) if !bytes.is_empty() => {
                return Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))));
            }
            Self::Empty | Self::Whole(_) => return Poll::Ready(None),
        };
        let Poll::Ready(polled) = Pin::new(&mut *incoming).poll_frame(cx) else {
            if activity.is_cut() {
                upload.fault.set(Some(Fault::BodyBroken));
                return Poll::Ready(Some(Err(Fault::BodyBroken)));
            }
            activity.note_upload(cx.waker());
            upload.waits.set(true);
            return Poll::Pending;
        };
        upload.waits.set(false);
        upload.progress.set(clock::instant());
        let mut is_last = incoming.is_end_stream();
        let result = match polled {
            // For hyper, a reset without an error is an end, too (RFC 9113 §8.1): of an answer that
            // comes early, not of a request.
            None if activity.is_stream() && !is_last => Some(Err(Fault::BodyBroken)),
            None => None,
            Some(Err(_)) => Some(Err(Fault::BodyBroken)),
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    is_last = true;
                    headers::clean_trailers(trailers);
                }
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                match left.checked_sub(length) {
                    Some(rest) => {
                        *left = rest;
                        Some(Ok(frame))
                    }
                    None => Some(Err(*too_large)),
                }
            }
        };
        match &result {
            Some(Err(fault)) => upload.fault.set(Some(*fault)),
            None => upload.whole.set(true),
            // Nothing follows trailers, and whoever reads the body does not ask.
            Some(Ok(_)) => upload.whole.set(is_last),
        }
        if upload.whole.get() {
            activity.set_uploading(false);
        }
        Poll::Ready(result)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streaming(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streaming(stream) => stream.incoming.size_hint(),
        }
    }
}

/// An answer's body on its way to the client, with the record that is written when it is over.
#[derive(Debug)]
pub(super) struct AnswerBody {
    source: Source,
    record: Option<Box<Record>>,
}

#[derive(Debug)]
enum Source {
    Own(Bytes),
    /// And what its client speaks.
    Upstream(Download, Form),
    /// It has the record while it lasts.
    Bounded(Box<Bounded>),
}

impl AnswerBody {
    pub(super) fn own(bytes: Bytes, record: Box<Record>) -> Self {
        Self { source: Source::Own(bytes), record: Some(record) }
    }

    /// What goes to a client that speaks so, and has to be whole by `end`, if there is one.
    pub(super) fn upstream(
        download: Download,
        record: Box<Record>,
        form: Form,
        end: Option<Instant>,
    ) -> Self {
        match end {
            Some(end) if !download.is_end_stream() => {
                let bounded = Bounded::new(download, record, form, end);
                Self { source: Source::Bounded(Box::new(bounded)), record: None }
            }
            _ => Self { source: Source::Upstream(download, form), record: Some(record) },
        }
    }

    /// Of an answer that its request is not over with.
    pub(super) fn empty() -> Self {
        Self { source: Source::Own(Bytes::new()), record: None }
    }

    /// How what comes from an upstream ends that lost what let it through, if it did. A call of gRPC
    /// ends in fields that say why, any other body breaks off: nobody takes it for a whole one.
    fn lost(&mut self) -> Option<Result<Frame<Bytes>, Fault>> {
        let (download, form, record) = match &self.source {
            Source::Own(_) => return None,
            Source::Upstream(download, form) => (download, *form, self.record.as_deref()?),
            Source::Bounded(bounded) => (bounded.download(), bounded.form(), bounded.record()?),
        };
        let activity = record.activity();
        let reason = activity.right.lost()?.denial.reason;
        let has_length = download.size_hint().exact().is_some();
        let has_fields = activity.is_stream() && form == Form::Grpc && !has_length;
        // The upstream is let go of at once.
        let source = std::mem::replace(&mut self.source, Source::Own(Bytes::new()));
        if let Source::Bounded(mut bounded) = source {
            self.record = bounded.take_record();
        }
        Some(match has_fields {
            true => Ok(Frame::trailers(respond::last_words(reason))),
            false => Err(Fault::Lost),
        })
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(end) = self.lost() {
            return Poll::Ready(Some(end));
        }
        match &mut self.source {
            Source::Own(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Own(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Upstream(download, _) => download.poll_frame(cx),
            Source::Bounded(bounded) => bounded.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Own(bytes) => bytes.is_empty(),
            Source::Upstream(download, _) => download.is_end_stream(),
            Source::Bounded(bounded) => bounded.download().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Own(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Upstream(download, _) => download.size_hint(),
            Source::Bounded(bounded) => bounded.download().size_hint(),
        }
    }
}

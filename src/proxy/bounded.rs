//! An answer that has to be whole by some time, as its route has it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::Frame;
use tokio::time::Sleep;

use super::download::Download;
use super::fault::Fault;
use super::record::Record;
use super::respond::Form;
use crate::clock;
use crate::telemetry::Limit;

/// An answer with an end in time. It has a timer of its own: that of the connection is for pauses,
/// and one who never pauses would not meet it. While the client does not read, nobody asks for the
/// answer, and the connection looks at the end.
#[derive(Debug)]
pub(super) struct Bounded {
    download: Download,
    /// Nothing once it ends for another reason than its time.
    record: Option<Box<Record>>,
    /// What its client speaks.
    form: Form,
    end: Pin<Box<Sleep>>,
    is_whole: bool,
}

impl Bounded {
    pub(super) fn new(download: Download, record: Box<Record>, form: Form, end: Instant) -> Self {
        record.activity().set_end(end);
        let end = Box::pin(tokio::time::sleep_until(end.into()));
        Self { download, record: Some(record), form, end, is_whole: false }
    }

    pub(super) fn download(&self) -> &Download {
        &self.download
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// To be asked before it is let go of early: then it was not its time that it went past.
    pub(super) fn take_record(&mut self) -> Option<Box<Record>> {
        self.record.take()
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if self.end.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(Fault::RouteLate)));
        }
        let polled = self.download.poll_frame(cx);
        self.is_whole |= matches!(polled, Poll::Ready(None)) || self.download.is_end_stream();
        polled
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        if let Some(record) = &self.record
            && !self.is_whole
            && self.end.deadline().into_std() <= clock::instant()
        {
            record.exceeded(Limit::RouteTimeout);
        }
    }
}

//! A timer that is moved for nothing: it fires at the earliest time that it ever had to, and only
//! then is asked what the deadline has become.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::time::Sleep;

use crate::clock;

/// One timer of a connection, for all of its deadlines.
#[derive(Debug)]
pub(super) struct LazyTimer {
    sleep: Pin<Box<Sleep>>,
    /// Whether this task will be woken when the sleep has run out.
    armed: bool,
}

impl LazyTimer {
    pub(super) fn new(first: Instant) -> Self {
        Self { sleep: Box::pin(tokio::time::sleep_until(first.into())), armed: false }
    }

    /// Ready once `deadline` has passed. The wheel is touched only when the sleep has run out or
    /// when the deadline has come nearer. Always polled by the same task: its waker is left with
    /// the sleep once.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        if deadline < self.sleep.deadline().into_std() {
            self.reset(deadline);
        }
        loop {
            if self.armed && !self.sleep.is_elapsed() {
                return Poll::Pending;
            }
            self.armed = self.sleep.as_mut().poll(cx).is_pending();
            if self.armed {
                return Poll::Pending;
            }
            if deadline <= clock::instant() {
                return Poll::Ready(());
            }
            self.reset(deadline);
        }
    }

    fn reset(&mut self, deadline: Instant) {
        self.sleep.as_mut().reset(deadline.into());
        self.armed = false;
    }
}

/// `since` and `wait`, or a day from `since` where that overflows.
pub(super) fn deadline(since: Instant, wait: Duration) -> Instant {
    since.checked_add(wait).unwrap_or_else(|| since + Duration::from_secs(86_400))
}

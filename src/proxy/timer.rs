//! A timer that is moved for nothing: it fires at the earliest time that it ever had to, and only
//! then is asked what the deadline has become.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::task::coop::unconstrained;
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
            // Whatever else the task has done: who always has more to read is timed, too, and a sleep
            // that was not looked at for that would not wake anybody.
            self.armed = pin!(unconstrained(self.sleep.as_mut())).poll(cx).is_pending();
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::runtime::Builder;
    use tokio::task::coop::consume_budget;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(10);

    /// Spends all that tokio lets a task do at a time.
    fn spend(cx: &mut Context<'_>) {
        while pin!(consume_budget()).poll(cx).is_ready() {}
    }

    #[test]
    fn a_task_that_is_always_busy_is_timed() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        for always in [true, false] {
            let task = async move {
                let due = clock::instant() + SHORT;
                let (mut timer, mut polls) = (LazyTimer::new(due), 0_u32);
                poll_fn(|cx| {
                    polls += 1;
                    if always || polls == 1 {
                        spend(cx);
                    }
                    match timer.poll(cx, due) {
                        Poll::Ready(()) => Poll::Ready(true),
                        // One that is always busy would never hear of it.
                        Poll::Pending if clock::instant() > due + LONG => Poll::Ready(false),
                        Poll::Pending => Poll::Pending,
                    }
                })
                .await
            };
            let ended = runtime.block_on(async {
                let task = tokio::spawn(task);
                tokio::time::timeout(2 * LONG, task).await
            });
            assert!(ended.unwrap().unwrap(), "busy always: {always}");
        }
    }
}

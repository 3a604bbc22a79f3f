//! What the connections of a worker know of its end.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::timer::deadline;
use crate::clock;

/// The end of a worker, once it is near.
#[derive(Debug)]
pub(super) struct Drain {
    begun: Notify,
    since: Cell<Option<Instant>>,
    linger: Duration,
}

impl Drain {
    /// `linger` is how long a connection may bring one more request.
    pub(super) fn new(linger: Duration) -> Self {
        Self { begun: Notify::new(), since: Cell::new(None), linger }
    }

    pub(super) fn begin(&self) {
        self.since.set(Some(clock::instant()));
        self.begun.notify_waiters();
    }

    pub(super) fn has_begun(&self) -> bool {
        self.since.get().is_some()
    }

    /// When it begins. Where it has begun, that is never.
    pub(super) fn begins(&self) -> Notified<'_> {
        self.begun.notified()
    }

    /// Until when what has brought nothing since then may still bring a request: a client that has
    /// not heard that there is no next one may have sent it.
    pub(super) fn lingers_until(&self, since: Instant) -> Option<Instant> {
        self.since.get().map(|begun| deadline(since.max(begun), self.linger))
    }

    /// Waits until what brings nothing from now on is to end.
    pub(super) async fn lingered(&self) {
        let since = clock::instant();
        loop {
            match self.lingers_until(since) {
                Some(until) => return tokio::time::sleep_until(until.into()).await,
                None => self.begins().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_idle_lingers_from_the_later_of_two_times() {
        let drain = Drain::new(Duration::from_secs(2));
        let before = clock::instant();
        assert!(!drain.has_begun() && drain.lingers_until(before).is_none());
        drain.begin();
        let begun = drain.since.get().unwrap();
        assert_eq!(drain.lingers_until(before), Some(begun + Duration::from_secs(2)));
        let later = begun + Duration::from_secs(1);
        assert_eq!(drain.lingers_until(later), Some(later + Duration::from_secs(2)));
    }
}

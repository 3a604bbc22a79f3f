//! Whether a key is in use, as far as that was kept.

use crate::keystore::{LastUsed, Record, Timestamp};
use crate::policy::UnixSeconds;

/// When keys were used, and the time after which one counts as unused.
#[derive(Clone, Copy)]
pub(super) struct Use<'a> {
    pub(super) last: &'a LastUsed,
    /// Seconds.
    pub(super) unused: i64,
}

/// What can be said of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was used then, and not since.
    Last(Timestamp),
    /// It was not used since then, which is when it was made or when that began to be kept.
    NeverSince(Timestamp),
    /// Neither the key nor what is kept is old enough.
    TooEarly,
    /// It is in use.
    Used,
}

impl Use<'_> {
    pub(super) fn verdict(self, record: &Record<'_>, now: UnixSeconds) -> Verdict {
        let long_ago = |time: Timestamp| now.0.saturating_sub(time.seconds().0) >= self.unused;
        let began = record.not_before.map_or(record.created, |start| start.max(record.created));
        let watched = began.max(self.last.since());
        match self.last.last(&record.id) {
            Some(at) if long_ago(at) => Verdict::Last(at),
            Some(_) => Verdict::Used,
            None if long_ago(watched) => Verdict::NeverSince(watched),
            None => Verdict::TooEarly,
        }
    }
}

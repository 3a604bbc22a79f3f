//! A worker's wall clock: read once a moment, as each request asks for it more than once; and the
//! `Date` of answers that have none (RFC 9110 §6.6.1), written once a second.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::policy::UnixSeconds;

/// Bytes of a date of HTTP, whatever it is.
const LENGTH: usize = 29;
/// How late it may be.
const MOMENT: Duration = Duration::from_millis(1);

/// The date, of one worker.
#[derive(Debug)]
pub(super) struct Date {
    read: Cell<(Instant, UnixSeconds)>,
    written: Cell<(UnixSeconds, [u8; LENGTH])>,
}

impl Default for Date {
    fn default() -> Self {
        let now = clock::now();
        Self { read: Cell::new((clock::instant(), now)), written: Cell::new((now, text(now))) }
    }
}

impl Date {
    /// The wall clock, by the steady one.
    pub(super) fn at(&self, now: Instant) -> UnixSeconds {
        let (read, seconds) = self.read.get();
        if now.saturating_duration_since(read) < MOMENT {
            return seconds;
        }
        let seconds = clock::now();
        self.read.set((now, seconds));
        seconds
    }

    /// As it is in a field: when it was last asked [`at`](Self::at).
    pub(super) fn text(&self) -> [u8; LENGTH] {
        let (_, now) = self.read.get();
        let (written, before) = self.written.get();
        if written == now {
            return before;
        }
        let text = text(now);
        self.written.set((now, text));
        text
    }
}

fn text(now: UnixSeconds) -> [u8; LENGTH] {
    let since = Duration::from_secs(u64::try_from(now.0).unwrap_or_default());
    let text = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + since);
    text.as_bytes().try_into().unwrap_or(*b"Thu, 01 Jan 1970 00:00:00 GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_that_of_http() {
        assert_eq!(text(UnixSeconds(784_111_777)), *b"Sun, 06 Nov 1994 08:49:37 GMT");
        let date = Date::default();
        assert_eq!(date.text().len(), LENGTH);
        assert!(date.text().ends_with(b" GMT"));
        date.written.set((UnixSeconds(0), [0; LENGTH]));
        date.at(clock::instant() + MOMENT);
        assert!(date.text().ends_with(b" GMT"), "written anew");
    }
}

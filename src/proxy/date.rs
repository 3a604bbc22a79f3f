//! The `Date` of answers that have none (RFC 9110 §6.6.1), written once a second.

use std::cell::Cell;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::policy::UnixSeconds;

/// Bytes of a date of HTTP, whatever it is.
const LENGTH: usize = 29;

/// The date, of one worker.
#[derive(Debug)]
pub(super) struct Date(Cell<(UnixSeconds, [u8; LENGTH])>);

impl Default for Date {
    fn default() -> Self {
        let now = clock::now();
        Self(Cell::new((now, text(now))))
    }
}

impl Date {
    /// As it is in a field.
    pub(super) fn text(&self) -> [u8; LENGTH] {
        let now = clock::now();
        let (written, before) = self.0.get();
        if written == now {
            return before;
        }
        let text = text(now);
        self.0.set((now, text));
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
    }
}

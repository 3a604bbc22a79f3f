//! The one reader of the clocks.
//!
//! Everything else is handed a time, so that the same input gives the same answer online, in
//! `explain` and in tests.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::policy::UnixSeconds;

/// The wall clock now, in whole seconds. A clock set before 1970 reads as 1970.
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
pub fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixSeconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// The wall clock now, in microseconds from 1970, for what is only told.
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the wall clock")]
pub fn micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// A steady time, for how long something took and when something is due.
#[expect(clippy::disallowed_methods, reason = "this is the one reader of the steady clock")]
pub fn instant() -> Instant {
    Instant::now()
}

/// The processor's time that the calling thread has had so far, as of its last tick or wait; nothing
/// where the system does not tell.
pub fn busy() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(told.split(' ').next()?.parse().ok()?))
}

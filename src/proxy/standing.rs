//! Whether an endpoint is asked at all: one that fails again and again is left out for a while,
//! and longer each time (passive ejection).

use std::time::{Duration, Instant};

/// The first time out. It doubles with each failure on trial.
const FIRST: Duration = Duration::from_secs(1);
/// The longest time out.
const LONGEST: Duration = Duration::from_secs(60);

/// How one endpoint has been doing, as one worker has seen it.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// In a row.
    failures: u32,
    out: Option<Out>,
}

#[derive(Debug)]
struct Out {
    until: Instant,
    /// How long this time was, before the jitter.
    time: Duration,
    /// One request has been let in to see.
    is_trial: bool,
}

impl Standing {
    /// Whether there is nothing against it, which is known without a look at the clock.
    pub(super) fn is_good(&self) -> bool {
        self.out.is_none()
    }

    /// Whether it may be asked. The first one to come when its time out is over is its trial.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.out.as_ref().is_none_or(|out| out.until <= now)
    }

    /// A request goes there.
    pub(super) fn asked(&mut self, now: Instant) {
        if let Some(out) = self.out.as_mut().filter(|out| out.until <= now) {
            out.is_trial = true;
            // If nothing is ever heard of it, there is another trial.
            out.until = now + out.time;
        }
    }

    /// It has answered. Returns whether that lets it in again.
    pub(super) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.out.take().is_some()
    }

    /// It has not. Returns whether it is out from now on, after `most` failures in a row; `jitter`
    /// is from 0 to 1.
    pub(super) fn failed(&mut self, most: u32, now: Instant, jitter: f64) -> bool {
        let jittered = |time: Duration| now + time.mul_f64(0.8 + 0.4 * jitter.clamp(0.0, 1.0));
        if let Some(out) = &mut self.out {
            // Requests that were on their way when it went out say nothing new.
            if std::mem::take(&mut out.is_trial) {
                out.time = (out.time * 2).min(LONGEST);
                out.until = jittered(out.time);
            }
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        let is_out = most > 0 && self.failures >= most;
        if is_out {
            self.out = Some(Out { until: jittered(FIRST), time: FIRST, is_trial: false });
        }
        is_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn it_is_out_after_failures_in_a_row_and_longer_each_time() {
        let start = clock::instant();
        let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
        let mut standing = Standing::default();
        assert!(!standing.failed(3, at(0.0), 0.5));
        assert!(!standing.failed(3, at(0.0), 0.5));
        assert!(!standing.succeeded());
        assert!(!standing.failed(3, at(0.0), 0.5));
        assert!(!standing.failed(3, at(0.0), 0.5));
        assert!(standing.is_good() && standing.is_open(at(0.0)));
        assert!(standing.failed(3, at(0.0), 0.5));
        // Stragglers.
        assert!(!standing.failed(3, at(0.5), 0.5));
        assert!(!standing.is_good() && !standing.is_open(at(0.9)) && standing.is_open(at(1.1)));
        let mut now = 1.1;
        for time in [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            assert!(standing.is_open(at(now)));
            standing.asked(at(now));
            assert!(!standing.is_open(at(now + 0.1)), "one trial at a time");
            assert!(!standing.failed(3, at(now), 0.5));
            assert!(!standing.is_open(at(now + time - 0.1)), "{time}");
            now += time + 0.1;
        }
        standing.asked(at(now));
        assert!(standing.succeeded());
        assert!(standing.is_good());
    }

    #[test]
    fn a_trial_of_which_nothing_is_heard_is_not_the_last() {
        let now = clock::instant();
        let mut standing = Standing::default();
        assert!(standing.failed(1, now, 0.5));
        let later = now + FIRST * 2;
        standing.asked(later);
        assert!(!standing.is_open(later));
        assert!(standing.is_open(later + FIRST));
    }

    #[test]
    fn the_time_is_jittered_and_zero_is_never() {
        let now = clock::instant();
        for (jitter, before, after) in [(0.0, 0.79, 0.81), (1.0, 1.19, 1.21), (9.0, 1.19, 1.21)] {
            let mut standing = Standing::default();
            assert!(standing.failed(1, now, jitter));
            assert!(!standing.is_open(now + Duration::from_secs_f64(before)), "{jitter}");
            assert!(standing.is_open(now + Duration::from_secs_f64(after)), "{jitter}");
        }
        let mut standing = Standing::default();
        assert!((0..100).all(|_| !standing.failed(0, now, 0.5)));
    }
}

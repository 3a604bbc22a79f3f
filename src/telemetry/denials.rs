//! How many denials are logged: all of them, but for those of one reason that come by the thousand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::policy::DenyReason;

/// So many of each reason in a second, all workers together; what is left out is counted.
#[derive(Debug)]
pub(super) struct DenialLimit {
    most: u32,
    began: Instant,
    reasons: [Reason; DenyReason::ALL.len()],
}

#[derive(Debug, Default)]
struct Reason {
    /// A second, counted from the beginning, and how many were logged in it.
    window: AtomicU64,
    left_out: AtomicU64,
    /// How many of these were told of.
    told: AtomicU64,
}

impl DenialLimit {
    pub(super) fn new(most: u32, began: Instant) -> Self {
        let reasons = std::array::from_fn(|_| Reason::default());
        Self { most, began, reasons }
    }

    /// Whether one more is logged.
    pub(super) fn admits(&self, reason: DenyReason, now: Instant) -> bool {
        let Some(of) = self.reasons.get(reason as usize) else { return true };
        let second = self.second(now);
        let count = |window: u64| match window >> 32 == second {
            true => window & u64::from(u32::MAX),
            false => 0,
        };
        let next = |window| {
            let count = count(window);
            (count < u64::from(self.most)).then_some(second << 32 | (count + 1))
        };
        let admitted = of.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok();
        if !admitted {
            of.left_out.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    /// What was left out of each reason since this was asked last.
    pub(super) fn left_out(&self) -> impl Iterator<Item = (DenyReason, u64)> {
        DenyReason::ALL.into_iter().zip(&self.reasons).filter_map(|(reason, of)| {
            let all = of.left_out.load(Ordering::Relaxed);
            let left_out = all.saturating_sub(of.told.swap(all, Ordering::Relaxed));
            (left_out > 0).then_some((reason, left_out))
        })
    }

    /// What was left out since the start.
    pub(super) fn all_left_out(&self) -> u64 {
        self.reasons.iter().map(|of| of.left_out.load(Ordering::Relaxed)).sum()
    }

    fn second(&self, now: Instant) -> u64 {
        // From 1, as a window of nothing has 0; 32 bits hold 136 years.
        now.saturating_duration_since(self.began).as_secs() + 1
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_reason_has_so_many_in_a_second() {
        let began = crate::clock::instant();
        let limit = DenialLimit::new(3, began);
        let admitted = |reason, after: u64| {
            let now = began + Duration::from_millis(after);
            (0..5).filter(|_| limit.admits(reason, now)).count()
        };
        assert_eq!(admitted(DenyReason::KeyMissing, 0), 3);
        assert_eq!(admitted(DenyReason::KeyMissing, 999), 0);
        assert_eq!(admitted(DenyReason::ViewOnly, 999), 3);
        assert_eq!(admitted(DenyReason::KeyMissing, 1000), 3);
        let told: Vec<_> = limit.left_out().collect();
        assert_eq!(told, [(DenyReason::KeyMissing, 9), (DenyReason::ViewOnly, 2)]);
        assert_eq!(limit.left_out().count(), 0);
        assert_eq!(limit.all_left_out(), 11);
    }

    #[test]
    fn workers_share_what_a_second_has() {
        let began = crate::clock::instant();
        let limit = DenialLimit::new(100, began);
        let admitted: usize = thread::scope(|scope| {
            let count = || (0..1000).filter(|_| limit.admits(DenyReason::BadTarget, began)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 100);
        assert_eq!(limit.left_out().next(), Some((DenyReason::BadTarget, 3900)));
    }
}

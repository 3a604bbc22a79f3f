//! How much may be loaded: a fifth of a core's time, some of it saved up.

use std::time::{Duration, Instant};

/// A load takes so many times its own time of what there is.
const TIMES: u32 = 5;
/// What was not used is kept for so long: two seconds of loads in a row.
const SAVED: Duration = Duration::from_secs(10);
/// The longest that loads keep the next one waiting, however long they took.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What loads have cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credit {
    /// What was loaded is paid for from then on.
    paid: Instant,
}

impl Credit {
    /// With all that can be saved up.
    pub(super) fn new(now: Instant) -> Self {
        Self { paid: now.checked_sub(SAVED).unwrap_or(now) }
    }

    /// When the next load may begin.
    pub(super) fn next(&self) -> Instant {
        self.paid
    }

    /// Pays for a load that ended at `now` and took so much of the cores' time.
    pub(super) fn pay(&mut self, took: Duration, now: Instant) {
        let kept = self.paid.max(Self::new(now).paid);
        self.paid = (kept + took * TIMES).min(now + LONGEST_WAIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// How many loads of that length there are in some seconds if the next is always wanted.
    fn loads(took: Duration, seconds: u64) -> u128 {
        let start = clock::instant();
        let (mut now, mut credit, mut loads) = (start, Credit::new(start), 0);
        while now < start + Duration::from_secs(seconds) {
            now += took;
            loads += 1;
            credit.pay(took, now);
            now = now.max(credit.next());
        }
        loads
    }

    #[test]
    fn loads_follow_at_once_until_two_seconds_are_used_up() {
        let start = clock::instant();
        let (mut now, mut credit) = (start, Credit::new(start));
        for _ in 0..24 {
            assert!(credit.next() <= now);
            now += 100 * MILLISECOND;
            credit.pay(100 * MILLISECOND, now);
        }
        assert!(credit.next() <= now);
        now += 200 * MILLISECOND;
        credit.pay(200 * MILLISECOND, now);
        assert!(credit.next() > now);
    }

    #[test]
    fn a_storm_takes_a_fifth_of_the_time_and_what_was_saved() {
        for took in [MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND, 200 * MILLISECOND] {
            let busy = loads(took, 100) * took.as_millis();
            assert!((21_500..22_500).contains(&busy), "{took:?}: {busy} ms of 100 s");
        }
    }

    #[test]
    fn no_load_keeps_the_next_one_waiting_for_long() {
        let long = Duration::from_secs(20);
        let now = clock::instant() + long;
        let mut credit = Credit::new(now);
        for _ in 0..3 {
            credit.pay(long, now);
            assert_eq!(credit.next(), now + LONGEST_WAIT);
        }
    }
}

//! How much may be loaded: a fifth of a core's time, some of it saved up.
//!
//! Loads of everything have that, and loads of the keys alone, so that a revocation does not wait
//! for what was spent on whole policies before it. Both pay for what everything may cost: in the long
//! run it is a fifth together.

use std::time::{Duration, Instant};

use super::lookout::Extent;

/// A load takes so many times its own time of what there is.
const TIMES: u32 = 5;
/// What was not used is kept for so long: two seconds of loads in a row.
const SAVED: Duration = Duration::from_secs(10);
/// The longest that loads keep the next one waiting, however long they took.
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// What loads have cost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credit {
    /// Everything that was loaded is paid for from then on.
    paid: Instant,
    /// What was loaded of the keys alone is.
    keys: Instant,
}

impl Credit {
    /// With all that can be saved up.
    pub(super) fn new(now: Instant) -> Self {
        Self { paid: least(now), keys: least(now) }
    }

    /// When the next load may begin.
    pub(super) fn next(&self, extent: Extent) -> Instant {
        match extent {
            Extent::Everything | Extent::Policy => self.paid,
            Extent::Keys => self.paid.min(self.keys),
        }
    }

    /// Pays for a load that ended at `now` and took so much of the cores' time.
    pub(super) fn pay(&mut self, extent: Extent, took: Duration, now: Instant) {
        let after = |paid: Instant| (paid.max(least(now)) + took * TIMES).min(now + LONGEST_WAIT);
        self.paid = after(self.paid);
        if extent == Extent::Keys {
            self.keys = after(self.keys);
        }
    }
}

/// What loads that are paid for from then on have saved up at `now` is all that can be.
fn least(now: Instant) -> Instant {
    now.checked_sub(SAVED).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// How many loads of that length there are in some seconds if the next is always wanted.
    fn loads(extents: &[Extent], took: Duration, seconds: u64) -> u128 {
        let start = clock::instant();
        let (mut now, mut credit, mut loads) = (start, Credit::new(start), 0);
        for extent in extents.iter().cycle() {
            now = now.max(credit.next(*extent));
            if now >= start + Duration::from_secs(seconds) {
                break;
            }
            now += took;
            loads += 1;
            credit.pay(*extent, took, now);
        }
        loads
    }

    #[test]
    fn loads_follow_at_once_until_two_seconds_are_used_up() {
        for extent in [Extent::Everything, Extent::Keys] {
            let start = clock::instant();
            let (mut now, mut credit) = (start, Credit::new(start));
            for _ in 0..24 {
                assert!(credit.next(extent) <= now);
                now += 100 * MILLISECOND;
                credit.pay(extent, 100 * MILLISECOND, now);
            }
            assert!(credit.next(extent) <= now);
            now += 200 * MILLISECOND;
            credit.pay(extent, 200 * MILLISECOND, now);
            assert!(credit.next(extent) > now);
        }
    }

    #[test]
    fn a_storm_takes_a_fifth_of_the_time_and_what_was_saved() {
        for extents in [&[Extent::Everything][..], &[Extent::Keys]] {
            for took in [MILLISECOND, 10 * MILLISECOND, 100 * MILLISECOND, 200 * MILLISECOND] {
                let busy = loads(extents, took, 100) * took.as_millis();
                assert!((21_500..22_500).contains(&busy), "{took:?}: {busy} ms of 100 s");
            }
        }
    }

    #[test]
    fn a_storm_of_both_takes_no_more_than_one_of_either() {
        let took = 50 * MILLISECOND;
        let busy = loads(&[Extent::Everything, Extent::Keys, Extent::Keys], took, 100);
        assert!(busy * took.as_millis() <= 24_000, "{busy} loads");
    }

    #[test]
    fn no_load_keeps_the_next_one_waiting_for_long() {
        let long = Duration::from_secs(20);
        let now = clock::instant() + long;
        for extent in [Extent::Everything, Extent::Keys] {
            let mut credit = Credit::new(now);
            for _ in 0..3 {
                credit.pay(extent, long, now);
                assert_eq!(credit.next(extent), now + LONGEST_WAIT);
            }
        }
    }

    /// Of a million keys, two whole loads took so long that the next revocation waited for most of a
    /// second.
    #[test]
    fn a_revocation_does_not_wait_for_whole_loads_before_it() {
        let now = clock::instant() + Duration::from_secs(20);
        let mut credit = Credit::new(now);
        for _ in 0..3 {
            credit.pay(Extent::Everything, Duration::from_secs(2), now);
        }
        assert!(credit.next(Extent::Everything) > now);
        assert!(credit.next(Extent::Keys) <= now);
    }
}

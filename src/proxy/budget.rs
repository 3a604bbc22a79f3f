//! How many requests may be tried once more: a share of all, so that retries do not multiply an
//! outage.

use std::cell::Cell;

/// A retry for so many requests.
const REQUESTS_PER_RETRY: u32 = 5;
/// Retries a second that are always allowed.
const PER_SECOND: u32 = 3;
/// For how long what was not used is kept.
const KEPT_SECONDS: u32 = 10;

/// One upstream's budget in one worker. Filled by [`tick`](Self::tick) once a second.
#[derive(Debug)]
pub(super) struct Budget {
    requests: Cell<u32>,
    retries: Cell<u32>,
    kept: Cell<u32>,
}

impl Default for Budget {
    fn default() -> Self {
        let (requests, retries) = (Cell::new(0), Cell::new(0));
        Self { requests, retries, kept: Cell::new(PER_SECOND * KEPT_SECONDS) }
    }
}

impl Budget {
    pub(super) fn request(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Whether one more retry is within the budget; then it is taken from it.
    pub(super) fn take(&self) -> bool {
        let retries = self.retries.get();
        let is_allowed = retries < self.kept.get() + self.requests.get() / REQUESTS_PER_RETRY;
        if is_allowed {
            self.retries.set(retries + 1);
        }
        is_allowed
    }

    /// A second has passed.
    pub(super) fn tick(&self) {
        let earned = self.requests.replace(0) / REQUESTS_PER_RETRY;
        let left = (self.kept.get() + earned).saturating_sub(self.retries.replace(0));
        let most = (earned + PER_SECOND) * KEPT_SECONDS;
        // A burst is over sooner than what it has earned.
        let decayed = left - left / KEPT_SECONDS;
        self.kept.set((left + PER_SECOND).min(most.max(decayed)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &Budget) -> u32 {
        (0..1_000_000).take_while(|_| budget.take()).count() as u32
    }

    #[test]
    fn a_quiet_worker_has_three_a_second() {
        let budget = Budget::default();
        assert_eq!(taken(&budget), PER_SECOND * KEPT_SECONDS);
        for _second in 0..5 {
            budget.tick();
            assert_eq!(taken(&budget), PER_SECOND);
        }
        (0..100).for_each(|_| budget.tick());
        assert_eq!(taken(&budget), PER_SECOND * KEPT_SECONDS);
    }

    #[test]
    fn a_fifth_of_all_requests_in_the_long_run() {
        let budget = Budget::default();
        let mut retries = 0;
        for _second in 0..100 {
            (0..1000).for_each(|_| budget.request());
            retries += taken(&budget);
            budget.tick();
        }
        assert!((20_000..20_400).contains(&retries), "{retries}");
    }

    #[test]
    fn what_a_burst_has_earned_is_not_kept_for_ever() {
        let budget = Budget::default();
        (0..100_000).for_each(|_| budget.request());
        (0..100).for_each(|_| budget.tick());
        assert_eq!(taken(&budget), PER_SECOND * KEPT_SECONDS);
    }
}

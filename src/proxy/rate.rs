//! How often one key may ask: a bucket of requests a key, for all workers together.
//!
//! The generic cell rate algorithm: of each key is kept when its bucket will be full again, and
//! nothing once it is. Only where a rate is set does a request come here, and then it takes one of
//! [`SHARDS`] locks for a look-up.

use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use foldhash::quality::RandomState;
use hashbrown::HashMap;

use super::settings::Rate;

/// So many that two workers seldom want the same one.
const SHARDS: usize = 64;

/// The buckets of every key that was seen lately.
#[derive(Debug)]
pub(super) struct Rates {
    /// Between two requests of one key, once its bucket is empty.
    interval: Duration,
    /// What a full bucket is worth.
    burst: Duration,
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

/// By the hash of a key's id: when its bucket is full again.
type Shard = HashMap<u64, Instant, FixedState>;

impl Rates {
    pub(super) fn new(rate: Rate) -> Self {
        let interval = Duration::from_secs(1) / rate.requests_per_second.max(1);
        Self {
            interval,
            burst: interval.saturating_mul(rate.burst.max(1)),
            hasher: RandomState::default(),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Takes a request out of a key's bucket.
    ///
    /// # Errors
    ///
    /// How long to wait until there is one.
    pub(super) fn take(&self, key_id: &str, now: Instant) -> Result<(), Duration> {
        let hash = self.hasher.hash_one(key_id);
        let shard = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        let Some(shard) = self.shards.get(shard) else { return Ok(()) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.len() == shard.capacity() {
            // Before it grows: a full bucket is as good as none.
            shard.retain(|_, full| *full > now);
        }
        let full = shard.entry(hash).or_insert(now);
        let next = (*full).max(now) + self.interval;
        match next.saturating_duration_since(now).checked_sub(self.burst) {
            None | Some(Duration::ZERO) => {
                *full = next;
                Ok(())
            }
            Some(wait) => Err(wait),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    fn rates(requests_per_second: u32, burst: u32) -> Rates {
        Rates::new(Rate { requests_per_second, burst })
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (rates, start) = (rates(10, 3), clock::instant());
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for _ in 0..3 {
            assert_eq!(rates.take("k", at(0)), Ok(()));
        }
        assert_eq!(rates.take("k", at(0)), Err(Duration::from_millis(100)));
        assert_eq!(rates.take("k", at(40)), Err(Duration::from_millis(60)));
        assert_eq!(rates.take("other", at(40)), Ok(()));
        assert_eq!(rates.take("k", at(100)), Ok(()));
        assert_eq!(rates.take("k", at(100)), Err(Duration::from_millis(100)));
        // A refused request costs nothing, and a rest fills the bucket, no more than full.
        for _ in 0..3 {
            assert_eq!(rates.take("k", at(60_000)), Ok(()));
        }
        assert!(rates.take("k", at(60_000)).is_err());
    }

    #[test]
    fn the_rate_is_kept_over_a_long_time() {
        let (rates, start) = (rates(100, 1), clock::instant());
        let asked = (0..100_000).map(|at| start + Duration::from_micros(at * 100));
        let taken = asked.filter(|now| rates.take("k", *now).is_ok()).count();
        assert_eq!(taken, 1000, "in ten seconds");
    }

    #[test]
    fn keys_that_rest_are_forgotten() {
        let (rates, start) = (rates(1000, 1), clock::instant());
        for number in 0..200_000_u64 {
            let now = start + Duration::from_micros(number * 100);
            assert_eq!(rates.take(&number.to_string(), now), Ok(()));
        }
        let kept: usize = rates.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept < 10_000, "{kept}");
    }
}

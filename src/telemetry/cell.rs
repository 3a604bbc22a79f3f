//! What one worker counts: plain stores into memory that it alone writes, summed at a scrape.
//!
//! Counters that workers share took an allowed request 111 ns of CPU with one worker and 183 ns with
//! four; these take 31 and 30 (`cargo bench --bench metrics`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prefetch_index::prefetch_index;

/// A count. One writer, read at a scrape.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// One writer: no read-modify-write is needed, and none is paid for.
    pub(super) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long things took: how many were up to each bound, and the sum. One writer. What most things
/// touch comes first.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Spread<const N: usize> {
    scale: &'static Scale<N>,
    /// In nanoseconds: 64 bits are 584 years.
    sum: Count,
    up_to: [Count; N],
    beyond: Count,
}

/// The bounds of a histogram's buckets, upwards, and how they are written.
#[derive(Debug)]
pub(super) struct Scale<const N: usize> {
    /// In nanoseconds.
    pub(super) bounds: [u64; N],
    /// In seconds.
    pub(super) texts: [&'static str; N],
}

/// From half a millisecond, under which a product's own work disappears, to the default timeout of
/// an upstream, three to a decade: a quantile is known within a factor of 2.5, and a limit such as
/// 100 ms or 1 s is a bound, so that what share was faster is counted, not guessed. More would be paid for at each
/// scrape, once for each route; native histograms, which would be finer for less, exist in no text format.
pub(super) static REQUESTS: Scale<15> = Scale {
    bounds: [
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        25_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        500_000_000,
        1_000_000_000,
        2_500_000_000,
        5_000_000_000,
        10_000_000_000,
        30_000_000_000,
    ],
    texts: [
        "0.0005", "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0",
        "2.5", "5.0", "10.0", "30.0",
    ],
};

/// A decision is a hash and a few look-ups: hundreds of nanoseconds, more where caches are cold. A
/// millisecond is a worker that was not let run.
pub(super) static DECISIONS: Scale<9> = Scale {
    bounds: [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000],
    texts: [
        "0.00000025",
        "0.0000005",
        "0.000001",
        "0.0000025",
        "0.000005",
        "0.00001",
        "0.000025",
        "0.0001",
        "0.001",
    ],
};

impl<const N: usize> Spread<N> {
    pub(super) fn new(scale: &'static Scale<N>) -> Self {
        Self {
            scale,
            up_to: [const { Count(AtomicU64::new(0)) }; N],
            beyond: Count::default(),
            sum: Count::default(),
        }
    }

    /// Notes what one thing took.
    pub(super) fn observe(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let at = self.scale.bounds.partition_point(|bound| *bound < took);
        self.up_to.get(at).unwrap_or(&self.beyond).add(1);
        self.sum.add(took);
    }

    /// Starts to read what [`observe`](Self::observe) will touch of what took milliseconds.
    pub(super) fn expect(&self) {
        prefetch_index(&self.up_to, N / 3);
    }

    /// Adds what was noted here to `total`.
    pub(super) fn add_to(&self, total: &mut Total<N>) {
        for (sum, count) in total.up_to.iter_mut().zip(&self.up_to) {
            *sum = sum.wrapping_add(count.value());
        }
        total.beyond = total.beyond.wrapping_add(self.beyond.value());
        total.sum = total.sum.wrapping_add(self.sum.value());
    }
}

/// What workers noted, summed.
#[derive(Debug)]
pub(super) struct Total<const N: usize> {
    pub(super) scale: &'static Scale<N>,
    pub(super) up_to: [u64; N],
    pub(super) beyond: u64,
    /// In nanoseconds.
    pub(super) sum: u64,
}

impl<const N: usize> Total<N> {
    pub(super) fn of<'s>(
        scale: &'static Scale<N>,
        spreads: impl Iterator<Item = &'s Spread<N>>,
    ) -> Self {
        let mut total = Self { scale, up_to: [0; N], beyond: 0, sum: 0 };
        spreads.for_each(|spread| spread.add_to(&mut total));
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_of_its_own_bucket() {
        let spread = Spread::new(&DECISIONS);
        for nanos in [0, 250, 251, 1_000_000, 1_000_001, u64::MAX] {
            spread.observe(Duration::from_nanos(nanos));
        }
        let total = Total::of(&DECISIONS, [&spread, &spread].into_iter());
        assert_eq!(total.up_to, [4, 2, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(total.beyond, 4);
    }

    #[test]
    fn bounds_rise_and_are_written_as_they_are() {
        fn holds<const N: usize>(scale: &Scale<N>) {
            assert!(scale.bounds.is_sorted_by(|one, other| one < other));
            for (bound, text) in scale.bounds.iter().zip(scale.texts) {
                assert_eq!(*bound as f64 / 1e9, text.parse::<f64>().unwrap(), "{text}");
                // As OpenMetrics has floats; the text format takes them so, too.
                assert!(text.contains('.'), "{text}");
            }
        }
        holds(&REQUESTS);
        holds(&DECISIONS);
    }
}

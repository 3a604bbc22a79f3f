//! Series whose labels are names of the policy: they come with their first use, and go when the
//! policy has had none of their names for a while.
//!
//! The last counts of a route that was renamed are to reach whoever scrapes, and a name that comes
//! back soon is to go on where it was: so they stay for [`KEPT_SECONDS`], Prometheus' own patience. How many
//! there are is bounded also where nobody scrapes and the policy changes all the time.
//!
//! INVARIANT: a series goes from all workers at once. If one worker's part went before the others',
//! their sum would fall, and who scrapes would take what is left for new.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::policy::UnixSeconds;

/// How long the series of a name stay that the policy has no more.
const KEPT_SECONDS: i64 = 300;
const NOT_GONE: i64 = i64::MIN;

/// Cells `C` of all workers, by labels `K`.
#[derive(Debug)]
pub(super) struct Ledger<K, C>(Mutex<Book<K, C>>);

#[derive(Debug)]
struct Book<K, C> {
    series: BTreeMap<K, Arc<Series<K, C>>>,
    /// The latest generation that asked. An older one does not know which names are gone.
    generation: u64,
}

/// Everything counted under the same labels.
#[derive(Debug)]
pub(super) struct Series<K, C> {
    pub(super) key: K,
    /// As they are written.
    pub(super) labels: Box<str>,
    /// Of each worker that has used it, by its number.
    cells: Vec<(usize, Arc<C>)>,
    gone_since: AtomicI64,
}

/// Who asks for a cell, and what there is room for.
pub(super) struct Asker<'a, K> {
    pub(super) worker: usize,
    /// By whose names it asks.
    pub(super) generation: u64,
    /// Series at the most.
    pub(super) most: usize,
    /// Whether that generation has the names of a key.
    pub(super) has: &'a dyn Fn(&K) -> bool,
}

impl<K: Ord + Clone, C> Ledger<K, C> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Book { series: BTreeMap::new(), generation: 0 }))
    }

    /// The asking worker's own cell of a series. Nothing where there is no room for another series,
    /// not even without those that are gone.
    pub(super) fn cell(
        &self,
        key: &K,
        asker: &Asker<'_, K>,
        labels: impl FnOnce() -> String,
        make: impl FnOnce() -> C,
    ) -> Option<Arc<C>> {
        let mut book = self.lock();
        book.generation = book.generation.max(asker.generation);
        if let Some(series) = book.series.get_mut(key) {
            let own = series.cells.iter().find(|(worker, _)| *worker == asker.worker);
            if let Some((_, cell)) = own {
                return Some(Arc::clone(cell));
            }
            // A copy where a scrape reads it just now, so that neither waits for the other.
            let cell = Arc::new(make());
            let mut cells = series.cells.clone();
            cells.push((asker.worker, Arc::clone(&cell)));
            *series = Series::new(series.key.clone(), series.labels.clone(), cells);
            return Some(cell);
        }
        if book.series.len() >= asker.most {
            if book.generation != asker.generation {
                return None;
            }
            book.series.retain(|key, _| (asker.has)(key));
            if book.series.len() >= asker.most {
                return None;
            }
        }
        let cell = Arc::new(make());
        let cells = vec![(asker.worker, Arc::clone(&cell))];
        let series = Series::new(key.clone(), labels().into(), cells);
        book.series.insert(key.clone(), series);
        Some(cell)
    }

    /// Every series, in the order of their keys, without those that have been gone for long.
    pub(super) fn read(
        &self,
        has: impl Fn(&K) -> bool,
        now: UnixSeconds,
    ) -> Vec<Arc<Series<K, C>>> {
        let mut all: Vec<_> = self.lock().series.values().map(Arc::clone).collect();
        let mut over = Vec::new();
        all.retain(|series| {
            let stays = has(&series.key) && {
                series.gone_since.store(NOT_GONE, Ordering::Relaxed);
                true
            } || !series.is_over(now);
            if !stays {
                over.push(Arc::clone(series));
            }
            stays
        });
        if !over.is_empty() {
            let mut book = self.lock();
            for series in over {
                // One that a worker asked for in the meantime is another.
                if book.series.get(&series.key).is_some_and(|it| Arc::ptr_eq(it, &series)) {
                    book.series.remove(&series.key);
                }
            }
        }
        all
    }

    fn lock(&self) -> MutexGuard<'_, Book<K, C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, C> Series<K, C> {
    fn new(key: K, labels: Box<str>, cells: Vec<(usize, Arc<C>)>) -> Arc<Self> {
        Arc::new(Self { key, labels, cells, gone_since: AtomicI64::new(NOT_GONE) })
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &C> {
        self.cells.iter().map(|(_, cell)| &**cell)
    }

    /// Of one whose names are gone: whether they have been for long.
    fn is_over(&self, now: UnixSeconds) -> bool {
        let since = self.gone_since.load(Ordering::Relaxed);
        if since == NOT_GONE {
            self.gone_since.store(now.0, Ordering::Relaxed);
            return false;
        }
        now.0.saturating_sub(since) >= KEPT_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::super::cell::Count;
    use super::*;

    type Names = Ledger<&'static str, Count>;

    fn cell(
        names: &Names,
        worker: usize,
        name: &'static str,
        generation: u64,
        all: &[&str],
    ) -> Option<Arc<Count>> {
        let has = |name: &&'static str| all.contains(name);
        let asker = Asker { worker, generation, most: 3, has: &has };
        names.cell(&name, &asker, || name.to_owned(), Count::default)
    }

    fn read(names: &Names, all: &[&str], now: i64) -> Vec<(&'static str, u64)> {
        let series = names.read(|name| all.contains(name), UnixSeconds(now));
        let value = |series: &Arc<Series<_, Count>>| series.cells().map(Count::value).sum();
        series.iter().map(|series| (series.key, value(series))).collect()
    }

    #[test]
    fn each_worker_has_a_cell_of_its_own() {
        let names = Names::new();
        let one = cell(&names, 0, "a", 1, &["a"]).unwrap();
        let other = cell(&names, 1, "a", 1, &["a"]).unwrap();
        one.add(1);
        other.add(2);
        assert!(Arc::ptr_eq(&one, &cell(&names, 0, "a", 2, &["a"]).unwrap()));
        assert_eq!(read(&names, &["a"], 0), [("a", 3)]);
    }

    #[test]
    fn a_name_that_is_gone_stays_for_a_while() {
        let names = Names::new();
        cell(&names, 0, "a", 1, &["a", "b"]).unwrap().add(1);
        cell(&names, 0, "b", 1, &["a", "b"]).unwrap().add(2);
        assert_eq!(read(&names, &["b"], 1_000), [("a", 1), ("b", 2)]);
        // It comes back, and goes again.
        assert_eq!(read(&names, &["a", "b"], 1_299), [("a", 1), ("b", 2)]);
        assert_eq!(read(&names, &["b"], 1_300), [("a", 1), ("b", 2)]);
        assert_eq!(read(&names, &["b"], 1_599), [("a", 1), ("b", 2)]);
        assert_eq!(read(&names, &["b"], 1_600), [("b", 2)]);
        // Another time it begins anew.
        cell(&names, 0, "a", 2, &["a", "b"]).unwrap().add(5);
        assert_eq!(read(&names, &["a", "b"], 1_601), [("a", 5), ("b", 2)]);
    }

    #[test]
    fn without_a_scrape_there_is_room_for_so_many() {
        let names = Names::new();
        for name in ["a", "b", "c"] {
            cell(&names, 0, name, 1, &["a", "b", "c"]).unwrap().add(1);
        }
        assert!(cell(&names, 0, "d", 1, &["a", "b", "c", "d"]).is_none());
        // Who is gone makes room, unless an old generation asks.
        let two = cell(&names, 0, "d", 3, &["c", "d"]).unwrap();
        two.add(7);
        assert_eq!(read(&names, &["c", "d"], 0), [("c", 1), ("d", 7)]);
        cell(&names, 0, "e", 3, &["c", "d", "e"]).unwrap();
        assert!(cell(&names, 0, "a", 2, &["a"]).is_none());
        assert_eq!(read(&names, &["c", "d"], 0), [("c", 1), ("d", 7), ("e", 0)]);
    }
}

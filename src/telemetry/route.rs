//! How many requests the routes have that take only so many, whichever worker has them.
//!
//! A route is known by its name: what is in flight when a policy is changed counts in the next.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGaugeVec;

/// The loads of all such routes.
#[derive(Debug)]
pub(super) struct RouteLoads {
    loads: Mutex<BTreeMap<Box<str>, Arc<RouteLoad>>>,
    family: IntGaugeVec,
}

/// Requests in flight on one route. All workers count here: a part for each would make of a small
/// limit none, or a larger one.
#[derive(Debug, Default)]
pub(super) struct RouteLoad(AtomicU32);

/// A request in flight on a route, until this is dropped.
#[derive(Debug)]
pub struct RoutePlace(Arc<RouteLoad>);

impl RouteLoads {
    pub(super) fn new(family: IntGaugeVec) -> Self {
        Self { loads: Mutex::default(), family }
    }

    /// Asked by each worker once in a generation.
    pub(super) fn of(&self, route: &str) -> Arc<RouteLoad> {
        Arc::clone(self.lock().entry(route.into()).or_default())
    }

    /// Writes what is in flight.
    pub(super) fn render(&self) {
        for (route, load) in &*self.lock() {
            let number = load.0.load(Ordering::Relaxed);
            self.family.with_label_values(&[route]).set(number.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Arc<RouteLoad>>> {
        self.loads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RouteLoad {
    /// A place, where fewer than `most` are taken.
    pub(super) fn enter(self: &Arc<Self>, most: u32) -> Option<RoutePlace> {
        let more = |taken| (taken < most).then(|| taken + 1);
        // A count, not a lock: nothing else is published with it.
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(RoutePlace(Arc::clone(self)))
    }
}

impl Drop for RoutePlace {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn there_are_never_more_than_most() {
        let load = Arc::new(RouteLoad::default());
        let one = load.enter(2).unwrap();
        let two = load.enter(2).unwrap();
        assert!(load.enter(2).is_none() && load.enter(1).is_none());
        // Another policy may allow more, or fewer.
        let three = load.enter(3).unwrap();
        drop((one, two));
        assert!(load.enter(1).is_none());
        drop(three);
        assert!(load.enter(0).is_none() && load.enter(1).is_some());
    }

    #[test]
    fn as_many_as_may_get_in_from_any_thread() {
        let load = Arc::new(RouteLoad::default());
        let enter = || {
            let places = (0..100).filter_map(|_| load.enter(150)).collect::<Vec<_>>();
            thread::yield_now();
            places
        };
        let places: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(enter)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(places.iter().map(Vec::len).sum::<usize>(), 150);
        drop(places);
        assert_eq!(load.0.load(Ordering::Relaxed), 0);
    }
}

//! What is counted of each route.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prefetch_index::prefetch_index;

use super::cell::{Count, REQUESTS, Spread, Total};
use super::kinds::Limit;
use super::ledger::{Ledger, Series};
use super::page::{Family, Kind, Page, labels};

/// What stands in place of a name that there is not.
pub(super) const NONE: &str = "none";

/// Series of routes, by their names.
pub(super) type Routes = Ledger<Arc<str>, RouteCells>;

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

const REQUESTS_TOTAL: Family<'_> =
    Family { name: "sidegate_requests_total", kind: Kind::Counter, help: "Requests answered." };
const DURATION: Family<'_> = Family {
    name: "sidegate_request_duration_seconds",
    kind: Kind::Histogram,
    help: "From a request's first byte to its answer's last.",
};
const EXCEEDED: Family<'_> = Family {
    name: "sidegate_limits_exceeded_total",
    kind: Kind::Counter,
    help: "Requests that went past a limit, and were refused or cut for it.",
};
const IN_FLIGHT: Family<'_> = Family {
    name: "sidegate_route_requests_in_flight",
    kind: Kind::Gauge,
    help: "Requests being answered on a route that takes only so many.",
};

/// What one worker counts of one route: of a short request, on one or two cache lines of 64 bytes. Of
/// many routes, each is far.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct RouteCells {
    by_class: [Count; CLASSES.len()],
    pub(super) duration: Spread<15>,
    exceeded: [Count; Limit::ALL.len()],
}

impl RouteCells {
    pub(super) fn new() -> Self {
        Self {
            by_class: Default::default(),
            duration: Spread::new(&REQUESTS),
            exceeded: Default::default(),
        }
    }

    /// Starts to read what an answer will touch.
    pub(super) fn expect(&self) {
        prefetch_index(&self.by_class, 0);
        self.duration.expect();
    }

    /// By the status of an answer; one past 599 is in none.
    pub(super) fn answered(&self, status: u16) {
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(count) = self.by_class.get(class) {
            count.add(1);
        }
    }

    pub(super) fn exceeded(&self, limit: Limit) {
        if let Some(count) = self.exceeded.get(limit as usize) {
            count.add(1);
        }
    }
}

/// Writes all that is known of routes.
pub(super) fn write(page: &mut Page, routes: &[Arc<Series<Arc<str>, RouteCells>>]) {
    page.begin(&REQUESTS_TOTAL);
    for route in routes {
        for (nth, class) in CLASSES.iter().enumerate() {
            let count = |cells: &RouteCells| cells.by_class.get(nth).map_or(0, Count::value);
            let labels = format!("code=\"{class}\",{}", route.labels);
            page.sample(&REQUESTS_TOTAL, &labels, route.cells().map(count).sum());
        }
    }
    page.begin(&DURATION);
    for route in routes {
        let total = Total::of(&REQUESTS, route.cells().map(|cells| &cells.duration));
        page.histogram(&DURATION, &route.labels, &total);
    }
    page.begin(&EXCEEDED);
    for route in routes {
        for limit in Limit::ALL {
            let count =
                |cells: &RouteCells| cells.exceeded.get(limit as usize).map_or(0, Count::value);
            let count = route.cells().map(count).sum();
            // Most never are.
            if count > 0 {
                let labels = format!("limit=\"{}\",{}", limit.code(), route.labels);
                page.sample(&EXCEEDED, &labels, count);
            }
        }
    }
}

/// How many requests the routes have that take only so many, whichever worker has them. A route is
/// known by its name: what is in flight when a policy is changed counts in the next.
#[derive(Debug, Default)]
pub(super) struct RouteLoads(Mutex<BTreeMap<Box<str>, Arc<RouteLoad>>>);

/// Requests in flight on one route. All workers count here: a part for each would make of a small
/// limit none, or a larger one.
#[derive(Debug, Default)]
pub(super) struct RouteLoad(AtomicU32);

/// A request in flight on a route, until this is dropped.
#[derive(Debug)]
pub struct RoutePlace(Arc<RouteLoad>);

impl RouteLoads {
    /// Asked by each worker once in a generation.
    pub(super) fn of(&self, route: &str) -> Arc<RouteLoad> {
        Arc::clone(self.lock().entry(route.into()).or_default())
    }

    /// Writes what is in flight. Routes that are gone are, too, once no worker knows of them.
    pub(super) fn write(&self, page: &mut Page, has: impl Fn(&str) -> bool) {
        let mut loads = self.lock();
        loads.retain(|route, load| Arc::strong_count(load) > 1 || has(route));
        page.begin(&IN_FLIGHT);
        for (route, load) in &*loads {
            let number = load.0.load(Ordering::Relaxed);
            page.sample(&IN_FLIGHT, &labels([("route", &**route)]), number.into());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Box<str>, Arc<RouteLoad>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

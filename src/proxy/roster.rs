//! The endpoints of one upstream, as one worker knows them: which there are, and who is asked.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::address::Known;
use super::endpoint::{Bounds, Endpoint, Load};
use super::fault::Fault;
use super::scout::Source;
use crate::clock;
use crate::telemetry::{PoolMeters, UpstreamErrorKind};

const FULL: Fault = Fault::Upstream(UpstreamErrorKind::Full);
const NAMELESS: Fault = Fault::Upstream(UpstreamErrorKind::Dns);

#[derive(Debug)]
pub(super) struct Roster {
    sources: Vec<Source>,
    bounds: Bounds,
    meters: Rc<PoolMeters>,
    /// Those of the addresses that are known.
    endpoints: RefCell<Vec<Rc<Endpoint>>>,
    /// They have changed.
    changed: Notify,
}

impl Roster {
    pub(super) fn new(sources: Vec<Source>, bounds: Bounds, meters: Rc<PoolMeters>) -> Self {
        let (endpoints, changed) = (RefCell::default(), Notify::new());
        let roster = Self { sources, bounds, meters, endpoints, changed };
        roster.learn();
        roster
    }

    /// Whether a request that one endpoint has failed can go to another.
    pub(super) fn is_plural(&self) -> bool {
        self.endpoints.borrow().len() > 1
    }

    /// The better of two at random that are open and have room, or of any that have room. Nothing
    /// where none but `tried` has.
    pub(super) fn choose(&self, tried: &[Load], now: Instant) -> Option<Load> {
        let endpoints = self.endpoints.borrow();
        if let [only] = endpoints.as_slice() {
            return (tried.is_empty() && !only.is_full()).then(|| only.enter(now));
        }
        let is_free = |it: &&Rc<Endpoint>| !it.is_full() && !tried.iter().any(|at| at.is_at(it));
        let free = || endpoints.iter().filter(is_free);
        let better = better_of_two(free().filter(|it| it.is_open(now)));
        better.or_else(|| better_of_two(free())).map(|it| it.enter(now))
    }

    /// Nobody can be asked: waits where a first address may become known, for as long as a
    /// connection may take.
    pub(super) async fn wait(&self, limit: Duration) -> Result<Load, Fault> {
        let first = async {
            loop {
                let changed = self.changed.notified();
                let is_empty = self.endpoints.borrow().is_empty();
                match self.choose(&[], clock::instant()) {
                    Some(load) => return Ok(load),
                    None if !is_empty => return Err(FULL),
                    None if !self.is_learning() => return Err(NAMELESS),
                    None => changed.await,
                }
            }
        };
        tokio::time::timeout(limit, first).await.unwrap_or(Err(NAMELESS))
    }

    fn is_learning(&self) -> bool {
        self.sources.iter().any(|source| matches!(*source.known.borrow(), Known::NotYet))
    }

    /// Closes what was idle for too long.
    pub(super) fn sweep(&self, now: Instant) {
        self.endpoints.borrow().iter().for_each(|endpoint| endpoint.sweep(now));
    }

    /// Takes up what becomes known of one of the sources, by its number, for ever.
    pub(super) async fn follow(&self, number: usize) {
        let Some(mut known) = self.sources.get(number).map(|source| source.known.clone()) else {
            return;
        };
        while known.changed().await.is_ok() {
            self.learn();
        }
    }

    /// How many sources there are.
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Endpoints of addresses that are known as before stay as they are.
    fn learn(&self) {
        let before = self.endpoints.take();
        let mut endpoints = Vec::with_capacity(before.len());
        for source in &self.sources {
            for address in source.known.borrow().addresses() {
                let same = before.iter().find(|endpoint| endpoint.is_at(address));
                endpoints.push(same.map(Rc::clone).unwrap_or_else(|| {
                    let meters = self.meters.endpoint(&source.url);
                    Endpoint::new(Arc::clone(address), source.dial.clone(), self.bounds, meters)
                }));
            }
        }
        *self.endpoints.borrow_mut() = endpoints;
        self.changed.notify_waiters();
    }
}

/// Of two that are drawn, the one with fewer requests.
fn better_of_two<'e>(
    endpoints: impl Iterator<Item = &'e Rc<Endpoint>>,
) -> Option<&'e Rc<Endpoint>> {
    let mut drawn: [Option<&Rc<Endpoint>>; 2] = [None; 2];
    for (seen, endpoint) in endpoints.enumerate() {
        // The first two are taken; each later one takes the place of one of them as often as
        // makes all equally likely.
        let slot = if seen < 2 { seen } else { fastrand::usize(..=seen) };
        if let Some(slot) = drawn.get_mut(slot) {
            *slot = Some(endpoint);
        }
    }
    match drawn {
        [Some(one), Some(other)] => match one.load().cmp(&other.load()) {
            std::cmp::Ordering::Less => Some(one),
            std::cmp::Ordering::Greater => Some(other),
            std::cmp::Ordering::Equal => Some(if fastrand::bool() { one } else { other }),
        },
        [one, _] => one,
    }
}

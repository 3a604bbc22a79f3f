//! A worker's own handles: resolved at first use in a generation, then a plain store.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use prefetch_index::prefetch_index;
use prometheus::IntCounter;

use super::cell::Count;
use super::denied::{self, Labels};
use super::kinds::{CutKind, HandshakeErrorKind, Limit, OriginErrorKind, UpstreamErrorKind};
use super::ledger::Asker;
use super::metrics::Telemetry;
use super::names::Names;
use super::page::labels;
use super::pool::PoolMeters;
use super::refusals::{Board, Refusal};
use super::route::{NONE, RouteCells, RouteLoad, RoutePlace};
use super::tally::WorkerCells;
use crate::policy::{Denial, Facts, Snapshot, UnixSeconds};

/// Workspaces with a label of their own: the first of the policy. The rest are `other`.
pub(super) const LABELLED_WORKSPACES: usize = 100;

/// A worker's own handles. Never shared: workers meet only in the families behind them.
#[derive(Debug)]
pub struct WorkerMeters {
    telemetry: Arc<Telemetry>,
    number: usize,
    cells: Arc<WorkerCells>,
    /// The latest that was asked for; handles are its own.
    generation: u64,
    /// By route number; the last is that of requests that no route was found for.
    routes: Vec<Option<RouteMeters>>,
    denials: HashMap<DenialKey, Arc<Count>, foldhash::fast::FixedState>,
    /// There is no room for refusals by workspace any more.
    is_crowded: bool,
    /// By upstream.
    upstream_errors: Vec<[IntCounter; UpstreamErrorKind::ALL.len()]>,
    handshake_errors: [IntCounter; HandshakeErrorKind::ALL.len()],
    origin_errors: [IntCounter; OriginErrorKind::ALL.len()],
    cut_connections: [IntCounter; CutKind::ALL.len()],
    refusals: Board,
}

/// Reason, route, workspace and level; the product is the route's.
type DenialKey = (u8, u32, u32, u8);

const OTHER_WORKSPACE: u32 = LABELLED_WORKSPACES as u32;

#[derive(Debug, Clone)]
struct RouteMeters {
    cells: Arc<RouteCells>,
    /// Where the route takes only so many requests.
    load: Option<Arc<RouteLoad>>,
}

impl WorkerMeters {
    pub(super) fn new(telemetry: Arc<Telemetry>, number: usize, upstreams: &[String]) -> Self {
        let errors = upstreams.iter().map(|name| {
            UpstreamErrorKind::ALL.map(|kind| {
                telemetry.upstream_errors.with_label_values(&[name.as_str(), kind.code()])
            })
        });
        Self {
            number,
            cells: Arc::new(WorkerCells::new(upstreams)),
            generation: 0,
            routes: Vec::new(),
            denials: HashMap::default(),
            is_crowded: false,
            upstream_errors: errors.collect(),
            cut_connections: CutKind::ALL
                .map(|kind| telemetry.cut_connections.with_label_values(&[kind.code()])),
            handshake_errors: HandshakeErrorKind::ALL
                .map(|kind| telemetry.handshake_errors.with_label_values(&[kind.code()])),
            origin_errors: OriginErrorKind::ALL
                .map(|kind| telemetry.origin_errors.with_label_values(&[kind.code()])),
            refusals: telemetry.refusals.add(),
            telemetry,
        }
    }

    pub(super) fn cells(&self) -> Arc<WorkerCells> {
        Arc::clone(&self.cells)
    }

    /// The handles of one upstream's pool.
    pub fn pool(&self, upstream: &str) -> PoolMeters {
        PoolMeters::new(&self.telemetry.pools, upstream)
    }

    /// Counts a connection in (1) or out (-1), and returns how many this worker has.
    pub fn connections(&self, change: i64) -> i64 {
        self.cells.connections.add(change)
    }

    /// Counts a request in (1) or out (-1), and returns how many this worker has.
    pub fn in_flight(&self, change: i64) -> i64 {
        self.cells.in_flight.add(change)
    }

    /// Counts a request that lasts in (1) or out (-1), and returns how many this worker has.
    pub fn streams(&self, change: i64) -> i64 {
        self.cells.streams.add(change)
    }

    /// Counts a request that lasts and is ended from here. `reason` is the code of a refusal or, of
    /// WebSockets, `drain` or `idle`.
    pub fn stream_terminated(&self, reason: &'static str) {
        self.telemetry.streams_terminated.with_label_values(&[reason]).inc();
    }

    /// Counts a connection that the limit refused.
    pub fn connection_refused(&self) {
        self.telemetry.refused_connections.inc();
    }

    /// Counts an HTTP/2 connection that was cut.
    pub fn connection_cut(&self, kind: CutKind) {
        if let Some(cut) = self.cut_connections.get(kind as usize) {
            cut.inc();
        }
    }

    /// Counts a TLS handshake that failed.
    pub fn handshake_failed(&self, kind: HandshakeErrorKind) {
        if let Some(errors) = self.handshake_errors.get(kind as usize) {
            errors.inc();
        }
    }

    /// Counts a connection that did not say where it comes from as it has to.
    pub fn origin_failed(&self, kind: OriginErrorKind) {
        if let Some(errors) = self.origin_errors.get(kind as usize) {
            errors.inc();
        }
    }

    /// Notes what a decision took.
    pub fn decided(&self, took: Duration) {
        self.cells.decision.observe(took);
    }

    /// Notes what an upstream took to answer.
    pub fn upstream_answered(&self, upstream: usize, took: Duration) {
        if let Some(cells) = self.cells.upstreams.get(upstream) {
            cells.duration.observe(took);
        }
    }

    /// Counts a request that an upstream did not answer as it should.
    pub fn upstream_failed(&self, upstream: usize, kind: UpstreamErrorKind) {
        let errors = self.upstream_errors.get(upstream);
        if let Some(errors) = errors.and_then(|errors| errors.get(kind as usize)) {
            errors.inc();
        }
    }

    /// Starts to read where the cells of a request's route are. They are far, where there are many.
    pub fn expect(&self, facts: &Facts) {
        if let Some(number) = facts.route() {
            prefetch_index(&self.routes, number);
        }
    }

    /// As [`expect`](Self::expect), of the cells: the request is about to be answered.
    pub fn expect_answer(&self, facts: &Facts) {
        // Those of another generation are read for nothing.
        let meters = facts.route().and_then(|number| self.routes.get(number)?.as_ref());
        if let Some(meters) = meters {
            meters.cells.expect();
        }
    }

    /// Counts a request that was answered, refused or not.
    pub fn answered(
        &mut self,
        generation: u64,
        snapshot: &Snapshot,
        facts: &Facts,
        status: u16,
        took: Duration,
    ) {
        self.with_route(generation, snapshot, facts, |route, _| {
            route.cells.answered(status);
            route.cells.duration.observe(took);
        });
    }

    /// A place for a request on a route that takes `most` at a time, if it has one.
    pub fn enter(
        &mut self,
        generation: u64,
        snapshot: &Snapshot,
        facts: &Facts,
        most: u32,
    ) -> Option<RoutePlace> {
        self.with_route(generation, snapshot, facts, |route, telemetry| {
            let name = || snapshot.describe(facts).route.unwrap_or(NONE);
            route.load.get_or_insert_with(|| telemetry.route_loads.of(name())).enter(most)
        })?
    }

    /// Counts a request that went past a limit.
    pub fn exceeded(&mut self, generation: u64, snapshot: &Snapshot, facts: &Facts, limit: Limit) {
        self.with_route(generation, snapshot, facts, |route, _| route.cells.exceeded(limit));
    }

    /// Has `note` write down something of a request's route.
    fn with_route<T>(
        &mut self,
        generation: u64,
        snapshot: &Snapshot,
        facts: &Facts,
        note: impl FnOnce(&mut RouteMeters, &Telemetry) -> T,
    ) -> Option<T> {
        if !self.follows(generation, snapshot) {
            let mut meters = self.route_meters(generation, snapshot, facts)?;
            return Some(note(&mut meters, &self.telemetry));
        }
        let last = self.routes.len().saturating_sub(1);
        let number = facts.route().unwrap_or(last);
        if let Some(Some(route)) = self.routes.get_mut(number) {
            return Some(note(route, &self.telemetry));
        }
        let meters = self.route_meters(generation, snapshot, facts)?;
        let route = self.routes.get_mut(number)?.insert(meters);
        Some(note(route, &self.telemetry))
    }

    #[cold]
    fn route_meters(
        &self,
        generation: u64,
        snapshot: &Snapshot,
        facts: &Facts,
    ) -> Option<RouteMeters> {
        let name: Arc<str> = snapshot.describe(facts).route.unwrap_or(NONE).into();
        let names = LazyCell::new(|| Names::of(snapshot));
        let asker = Asker {
            worker: self.number,
            generation,
            // All of them may have got other names once within the time that series stay.
            most: 2 * (snapshot.route_count() + 1),
            has: &|name: &Arc<str>| names.has_route(name),
        };
        let labels = || labels([("route", &*name)]);
        let cells = self.telemetry.routes.cell(&name, &asker, labels, RouteCells::new)?;
        Some(RouteMeters { cells, load: None })
    }

    /// Counts a refusal by its reason.
    pub fn denied(&mut self, generation: u64, snapshot: &Snapshot, denial: &Denial) {
        let follows = self.follows(generation, snapshot);
        let route = denial.facts.route().map_or(u32::MAX, |number| number as u32);
        let workspace = snapshot
            .workspace_number(&denial.facts)
            .map_or(u32::MAX, |number| number.min(LABELLED_WORKSPACES) as u32);
        let level = denial.facts.needed().map_or(u8::MAX, |level| level as u8);
        let key = |workspace| (denial.reason as u8, route, workspace, level);
        let known = self.denials.get(&key(workspace)).filter(|_| follows);
        if let Some(count) = known {
            return count.add(1);
        }
        // Of a generation that is over there are few: they are looked up, and not kept.
        if !follows || !self.is_crowded {
            let is_named = workspace != OTHER_WORKSPACE;
            if let Some(count) = self.denial_count(generation, snapshot, denial, is_named) {
                count.add(1);
                if follows {
                    self.denials.insert(key(workspace), count);
                }
                return;
            }
            self.is_crowded |= follows;
        }
        let other = self.denials.get(&key(OTHER_WORKSPACE)).filter(|_| follows);
        if let Some(count) = other {
            return count.add(1);
        }
        if let Some(count) = self.denial_count(generation, snapshot, denial, false) {
            count.add(1);
            if follows {
                self.denials.insert(key(OTHER_WORKSPACE), count);
            }
        }
    }

    #[cold]
    fn denial_count(
        &self,
        generation: u64,
        snapshot: &Snapshot,
        denial: &Denial,
        is_named: bool,
    ) -> Option<Arc<Count>> {
        let labels = Labels::of(denial, &snapshot.describe(&denial.facts), is_named);
        let names = LazyCell::new(|| Names::of(snapshot));
        let asker = Asker {
            worker: self.number,
            generation,
            most: denied::most(snapshot, is_named),
            has: &|labels: &Labels| names.has(labels),
        };
        self.telemetry.denials.cell(&labels, &asker, || labels.text(), Count::default)
    }

    /// Notes a refusal for who looks at the last ones.
    pub fn refused(&self, snapshot: &Snapshot, refusal: &Refusal<'_>, now: UnixSeconds) {
        self.refusals.note(refusal, || snapshot.describe(&refusal.facts), now);
    }

    /// Whether handles are of that generation; those of the next begin with its first request.
    /// Numbers of routes and workspaces mean others there.
    fn follows(&mut self, generation: u64, snapshot: &Snapshot) -> bool {
        if self.generation < generation {
            self.generation = generation;
            self.routes.clear();
            self.routes.resize_with(snapshot.route_count() + 1, || None);
            self.denials.clear();
            self.is_crowded = false;
        }
        self.generation == generation
    }
}

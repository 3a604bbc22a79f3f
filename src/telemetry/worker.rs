//! A worker's own handles: resolved at first use in a generation, then a plain increment.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use hashbrown::HashMap;
use prometheus::{Histogram, IntCounter};

use super::kinds::{CutKind, HandshakeErrorKind, Limit, OriginErrorKind, UpstreamErrorKind};
use super::metrics::Telemetry;
use super::pool::PoolMeters;
use super::refusals::{Board, Refusal};
use super::route::{RouteLoad, RoutePlace};
use crate::policy::{Denial, Description, Facts, Level, Snapshot, UnixSeconds};

/// Workspaces with a label of their own: the first of the policy. The rest are `other`.
const LABELLED_WORKSPACES: usize = 100;
/// What a label says where there is nothing to say.
const NONE: &str = "none";

/// What one worker does at this moment. One writer, read at a scrape.
#[derive(Debug, Default)]
pub(super) struct WorkerGauges {
    connections: AtomicI64,
    in_flight: AtomicI64,
    streams: AtomicI64,
}

impl WorkerGauges {
    pub(super) fn connections(&self) -> i64 {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> i64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn streams(&self) -> i64 {
        self.streams.load(Ordering::Relaxed)
    }
}

/// A worker's own handles. Never shared: workers meet only in the families behind them.
#[derive(Debug)]
pub struct WorkerMeters {
    telemetry: Arc<Telemetry>,
    gauges: Arc<WorkerGauges>,
    generation: u64,
    /// By route number; the last is that of requests that no route was found for.
    routes: Vec<Option<Box<RouteMeters>>>,
    denials: HashMap<DenialKey, IntCounter, foldhash::fast::FixedState>,
    upstreams: Vec<UpstreamMeters>,
    handshake_errors: [IntCounter; HandshakeErrorKind::ALL.len()],
    origin_errors: [IntCounter; OriginErrorKind::ALL.len()],
    cut_connections: [IntCounter; CutKind::ALL.len()],
    decision: Histogram,
    refusals: Board,
}

/// Product and route go together: the route stands for both.
type DenialKey = (u8, u32, u32, u8);

#[derive(Debug)]
struct RouteMeters {
    by_class: [IntCounter; 5],
    duration: Histogram,
    /// Where the route takes only so many requests.
    load: Option<Arc<RouteLoad>>,
    /// By limit, where it was exceeded.
    exceeded: [Option<IntCounter>; Limit::ALL.len()],
}

#[derive(Debug)]
struct UpstreamMeters {
    duration: Histogram,
    errors: [IntCounter; UpstreamErrorKind::ALL.len()],
}

impl WorkerMeters {
    pub(super) fn new(telemetry: Arc<Telemetry>, upstreams: &[String]) -> Self {
        let upstreams = upstreams
            .iter()
            .map(|name| UpstreamMeters {
                duration: telemetry.upstream_duration.with_label_values(&[name]),
                errors: UpstreamErrorKind::ALL.map(|kind| {
                    telemetry.upstream_errors.with_label_values(&[name.as_str(), kind.code()])
                }),
            })
            .collect();
        Self {
            gauges: Arc::default(),
            generation: 0,
            routes: Vec::new(),
            denials: HashMap::default(),
            upstreams,
            cut_connections: CutKind::ALL
                .map(|kind| telemetry.cut_connections.with_label_values(&[kind.code()])),
            handshake_errors: HandshakeErrorKind::ALL
                .map(|kind| telemetry.handshake_errors.with_label_values(&[kind.code()])),
            origin_errors: OriginErrorKind::ALL
                .map(|kind| telemetry.origin_errors.with_label_values(&[kind.code()])),
            decision: telemetry.decision_duration.clone(),
            refusals: telemetry.refusals.add(),
            telemetry,
        }
    }

    pub(super) fn gauges(&self) -> Arc<WorkerGauges> {
        Arc::clone(&self.gauges)
    }

    /// The handles of one upstream's pool.
    pub fn pool(&self, upstream: &str) -> PoolMeters {
        PoolMeters::new(&self.telemetry.pools, upstream)
    }

    /// Counts a connection in (1) or out (-1), and returns how many this worker has.
    pub fn connections(&self, change: i64) -> i64 {
        add(&self.gauges.connections, change)
    }

    /// Counts a request in (1) or out (-1), and returns how many this worker has.
    pub fn in_flight(&self, change: i64) -> i64 {
        add(&self.gauges.in_flight, change)
    }

    /// Counts a request that lasts in (1) or out (-1), and returns how many this worker has.
    pub fn streams(&self, change: i64) -> i64 {
        add(&self.gauges.streams, change)
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
        self.decision.observe(took.as_secs_f64());
    }

    /// Notes what an upstream took to answer.
    pub fn upstream_answered(&self, upstream: usize, took: Duration) {
        if let Some(meters) = self.upstreams.get(upstream) {
            meters.duration.observe(took.as_secs_f64());
        }
    }

    /// Counts a request that an upstream did not answer as it should.
    pub fn upstream_failed(&self, upstream: usize, kind: UpstreamErrorKind) {
        let meters = self.upstreams.get(upstream);
        if let Some(errors) = meters.and_then(|meters| meters.errors.get(kind as usize)) {
            errors.inc();
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
        let Some((meters, _)) = self.route(generation, snapshot, facts) else { return };
        let class = usize::from(status / 100).wrapping_sub(1);
        if let Some(counter) = meters.by_class.get(class) {
            counter.inc();
        }
        meters.duration.observe(took.as_secs_f64());
    }

    /// A place for a request on a route that takes `most` at a time, if it has one.
    pub fn enter(
        &mut self,
        generation: u64,
        snapshot: &Snapshot,
        facts: &Facts,
        most: u32,
    ) -> Option<RoutePlace> {
        let (meters, telemetry) = self.route(generation, snapshot, facts)?;
        let name = || snapshot.describe(facts).route.unwrap_or(NONE);
        meters.load.get_or_insert_with(|| telemetry.route_loads.of(name())).enter(most)
    }

    /// Counts a request that went past a limit.
    pub fn exceeded(&mut self, generation: u64, snapshot: &Snapshot, facts: &Facts, limit: Limit) {
        let Some((meters, telemetry)) = self.route(generation, snapshot, facts) else { return };
        let Some(slot) = meters.exceeded.get_mut(limit as usize) else { return };
        let counter = slot.get_or_insert_with(|| {
            let route = snapshot.describe(facts).route.unwrap_or(NONE);
            telemetry.limits_exceeded.with_label_values(&[limit.code(), route])
        });
        counter.inc();
    }

    /// The handles of a request's route.
    fn route(
        &mut self,
        generation: u64,
        snapshot: &Snapshot,
        facts: &Facts,
    ) -> Option<(&mut RouteMeters, &Telemetry)> {
        self.follow(generation, snapshot);
        let last = self.routes.len().saturating_sub(1);
        let slot = self.routes.get_mut(facts.route().unwrap_or(last))?;
        let telemetry = &self.telemetry;
        let meters = slot.get_or_insert_with(|| {
            let route = snapshot.describe(facts).route.unwrap_or(NONE);
            Box::new(RouteMeters::new(telemetry, route))
        });
        Some((meters, telemetry))
    }

    /// Counts a refusal by its reason.
    pub fn denied(&mut self, generation: u64, snapshot: &Snapshot, denial: &Denial) {
        self.follow(generation, snapshot);
        let route = denial.facts.route().map_or(u32::MAX, |number| number as u32);
        let workspace = snapshot
            .workspace_number(&denial.facts)
            .map_or(u32::MAX, |number| number.min(LABELLED_WORKSPACES) as u32);
        let level = denial.facts.needed().map_or(u8::MAX, |level| level as u8);
        let key = (denial.reason as u8, route, workspace, level);
        let telemetry = &self.telemetry;
        let counter = self.denials.entry(key).or_insert_with(|| {
            let words = snapshot.describe(&denial.facts);
            denial_counter(telemetry, denial, &words, workspace as usize == LABELLED_WORKSPACES)
        });
        counter.inc();
    }

    /// Notes a refusal for who looks at the last ones.
    pub fn refused(&self, snapshot: &Snapshot, refusal: &Refusal<'_>, now: UnixSeconds) {
        self.refusals.note(refusal, || snapshot.describe(&refusal.facts), now);
    }

    /// Handles are of one generation: numbers of routes and workspaces mean others in the next.
    fn follow(&mut self, generation: u64, snapshot: &Snapshot) {
        if self.generation != generation {
            self.generation = generation;
            self.routes.clear();
            self.routes.resize_with(snapshot.route_count() + 1, || None);
            self.denials.clear();
        }
    }
}

impl RouteMeters {
    fn new(telemetry: &Telemetry, route: &str) -> Self {
        let class = |code| telemetry.requests.with_label_values(&[route, code]);
        Self {
            by_class: ["1xx", "2xx", "3xx", "4xx", "5xx"].map(class),
            duration: telemetry.request_duration.with_label_values(&[route]),
            load: None,
            exceeded: [const { None }; Limit::ALL.len()],
        }
    }
}

fn denial_counter(
    telemetry: &Telemetry,
    denial: &Denial,
    words: &Description<'_>,
    beyond: bool,
) -> IntCounter {
    telemetry.denials.with_label_values(&[
        denial.reason.code(),
        words.route.unwrap_or(NONE),
        if beyond { "other" } else { words.workspace.unwrap_or(NONE) },
        words.product.unwrap_or(NONE),
        words.needed.map_or(NONE, Level::name),
    ])
}

/// One writer: no read-modify-write is needed, and none is paid for.
fn add(gauge: &AtomicI64, change: i64) -> i64 {
    let now = gauge.load(Ordering::Relaxed) + change;
    gauge.store(now, Ordering::Relaxed);
    now
}

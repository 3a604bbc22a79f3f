//! The metric families, and their text (Prometheus text exposition 0.0.4).

use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::Spans;
use super::audit::{Audit, AuditCounters};
use super::collector::SpanCounters;
use super::log::{Log, LogCounters};
use super::pool::{EndpointBoard, EndpointState, PoolFamilies};
use super::refusals::{Boards, Refused};
use super::route::RouteLoads;
use super::worker::{WorkerGauges, WorkerMeters};
use crate::clock;
use crate::current::Current;
use crate::policy::{Snapshot, UnixSeconds};

/// From half a millisecond, under which a product's own work disappears, to the default timeouts.
const REQUEST_BUCKETS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// A decision is a hash and a few look-ups: hundreds of nanoseconds, more where caches are cold.
const DECISION_BUCKETS: &[f64] = &[2.5e-7, 5e-7, 1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 1e-4, 1e-3];

/// Every metric of the process.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    pub(super) requests: IntCounterVec,
    pub(super) denials: IntCounterVec,
    pub(super) request_duration: HistogramVec,
    pub(super) upstream_duration: HistogramVec,
    pub(super) upstream_errors: IntCounterVec,
    pub(super) pools: PoolFamilies,
    boards: Mutex<Vec<EndpointBoard>>,
    pub(super) decision_duration: Histogram,
    pub(super) refused_connections: IntCounter,
    pub(super) handshake_errors: IntCounterVec,
    pub(super) origin_errors: IntCounterVec,
    pub(super) cut_connections: IntCounterVec,
    pub(super) streams_terminated: IntCounterVec,
    pub(super) limits_exceeded: IntCounterVec,
    pub(super) route_loads: RouteLoads,
    pub(super) refusals: Boards,
    connections: IntGauge,
    in_flight: IntGauge,
    streams: IntGauge,
    log: LogCounters,
    audit: AuditCounters,
    spans: SpanCounters,
    policy: PolicyGauges,
    workers: Mutex<Vec<Arc<WorkerGauges>>>,
}

#[derive(Debug)]
struct PolicyGauges {
    generation: IntGauge,
    last_successful: IntGauge,
    held_back: IntGauge,
    from_last_good: IntGauge,
    last_success: Gauge,
    reloads: IntCounterVec,
    keys: IntGauge,
    routes: IntGauge,
    expiring: IntGaugeVec,
}

impl Telemetry {
    /// A registry with every family in it.
    ///
    /// # Errors
    ///
    /// When a family cannot be registered, which is a fault of this file.
    pub fn new(version: &str) -> Result<Arc<Self>, prometheus::Error> {
        let registry = Registry::new();
        let made = Families { registry: &registry };
        let build = made.gauges("build_info", "What is running.", &["version"])?;
        build.with_label_values(&[version]).set(1);
        let telemetry = Self {
            requests: made.counters("requests_total", "Requests answered.", &["route", "code"])?,
            denials: made.counters(
                "denials_total",
                "Requests refused, by reason.",
                &["reason", "route", "workspace", "product", "level"],
            )?,
            request_duration: made.histograms(
                "request_duration_seconds",
                "From a request's first byte to its answer's last.",
                REQUEST_BUCKETS,
                "route",
            )?,
            upstream_duration: made.histograms(
                "upstream_duration_seconds",
                "From a request forwarded to the head of the upstream's answer.",
                REQUEST_BUCKETS,
                "upstream",
            )?,
            upstream_errors: made.counters(
                "upstream_errors_total",
                "Requests that an upstream did not answer as it should.",
                &["upstream", "kind"],
            )?,
            pools: PoolFamilies::new(&made)?,
            refusals: Boards::default(),
            boards: Mutex::default(),
            decision_duration: made.histogram(
                "decision_duration_seconds",
                "What it takes to find the key and decide.",
                DECISION_BUCKETS,
            )?,
            streams_terminated: made.counters(
                "streams_terminated_total",
                "Live streams ended from here: what let them through no longer does, or a drain.",
                &["reason"],
            )?,
            limits_exceeded: made.counters(
                "limits_exceeded_total",
                "Requests that went past a limit, and were refused or cut for it.",
                &["limit", "route"],
            )?,
            route_loads: RouteLoads::new(made.gauges(
                "route_requests_in_flight",
                "Requests being answered on a route that takes only so many.",
                &["route"],
            )?),
            refused_connections: made
                .counter("connections_refused_total", "Connections refused by the limit.")?,
            cut_connections: made.counters(
                "http2_connections_cut_total",
                "HTTP/2 connections cut for what the client did.",
                &["kind"],
            )?,
            handshake_errors: made.counters(
                "tls_handshake_errors_total",
                "TLS handshakes with clients that failed.",
                &["kind"],
            )?,
            origin_errors: made.counters(
                "proxy_protocol_errors_total",
                "Connections without a PROXY header as it has to be, or not of a trusted proxy.",
                &["kind"],
            )?,
            connections: made.gauge("connections_active", "Client connections.")?,
            in_flight: made.gauge("requests_in_flight", "Requests being answered.")?,
            streams: made.gauge(
                "streams_active",
                "WebSockets, and requests that last longer than a moment.",
            )?,
            log: LogCounters::new(&made)?,
            audit: AuditCounters::new(&made)?,
            spans: SpanCounters::new(&made)?,
            policy: PolicyGauges::new(&made)?,
            workers: Mutex::default(),
            registry: registry.clone(),
        };
        #[cfg(target_os = "linux")]
        registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(Arc::new(telemetry))
    }

    /// A worker's own handles. `upstreams` are their names, in the order of their numbers.
    pub fn worker(self: &Arc<Self>, upstreams: &[String]) -> WorkerMeters {
        let meters = WorkerMeters::new(Arc::clone(self), upstreams);
        self.lock_workers().push(meters.gauges());
        meters
    }

    /// The handles of what is found out about one url of an upstream.
    pub fn endpoint(&self, upstream: &str, url: &str, is_checked: bool) -> EndpointBoard {
        let board = self.pools.board(upstream, url, is_checked);
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        boards.push(board.clone());
        board
    }

    /// How every url of every upstream is, in the order of [`endpoint`](Self::endpoint).
    pub fn endpoints(&self) -> Vec<EndpointState> {
        let boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        boards.iter().map(EndpointBoard::state).collect()
    }

    /// Refusals of the last half hour by reason, and examples of them.
    pub fn refusals(&self, now: UnixSeconds) -> Vec<Refused> {
        self.refusals.read(now)
    }

    /// Counts what that log does not tell. The first one given is the one counted.
    pub fn watch_log(&self, log: &Log) {
        self.log.watch(log);
    }

    /// Counts what that audit log does. The first one given is the one counted.
    pub fn watch_audit(&self, audit: &Audit) {
        self.audit.watch(audit);
    }

    /// Counts the spans of a collector. The first one given is the one counted.
    pub fn watch_spans(&self, spans: &Spans) {
        self.spans.watch(spans);
    }

    /// Every metric as text, with what is in force now.
    pub fn render(&self, current: &Current) -> String {
        self.policy.set(current);
        self.log.render();
        self.audit.render();
        self.spans.render();
        let workers = self.lock_workers();
        self.connections.set(workers.iter().map(|worker| worker.connections()).sum());
        self.in_flight.set(workers.iter().map(|worker| worker.in_flight()).sum());
        self.streams.set(workers.iter().map(|worker| worker.streams()).sum());
        drop(workers);
        self.route_loads.render();
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            Ok(()) => String::from_utf8(text).unwrap_or_default(),
            Err(error) => format!("# the metrics could not be written: {error}\n"),
        }
    }

    fn lock_workers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<WorkerGauges>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PolicyGauges {
    fn new(made: &Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            generation: made.gauge("policy_generation", "The policy in force, from 1.")?,
            last_successful: made.gauge(
                "policy_last_reload_successful",
                "1 where the files on disk are what is in force, else 0.",
            )?,
            held_back: made.gauge(
                "policy_change_held_back",
                "1 where the files have no fault and wait for an operator's consent, else 0.",
            )?,
            from_last_good: made.gauge(
                "policy_from_last_good",
                "1 where the last good copy on disk is in force, else 0.",
            )?,
            last_success: {
                let name = "sidegate_policy_last_reload_success_timestamp_seconds";
                made.register(Gauge::new(name, "When the policy in force was loaded.")?)?
            },
            reloads: made.counters(
                "policy_reloads_total",
                "Attempts to load the policy, by result.",
                &["result"],
            )?,
            keys: made.gauge("policy_keys", "Key records in force.")?,
            routes: made.gauge("policy_routes", "Routes in force.")?,
            expiring: made.gauges(
                "keys_expiring",
                "Keys that stop being good within that time.",
                &["within"],
            )?,
        })
    }

    fn set(&self, current: &Current) {
        let generation = current.load();
        let status = current.status();
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.generation.set(number(generation.number));
        self.last_successful.set(i64::from(status.failing.is_none()));
        let held_back = status.failing.as_ref().is_some_and(|failing| failing.waiting.is_some());
        self.held_back.set(i64::from(held_back));
        self.from_last_good.set(i64::from(status.last_good.is_some()));
        self.last_success.set(status.succeeded_at.0 as f64);
        count_up_to(&self.reloads.with_label_values(&["success"]), status.successes);
        count_up_to(&self.reloads.with_label_values(&["failure"]), status.failures);
        self.keys.set(number(generation.snapshot.key_count() as u64));
        self.routes.set(number(generation.snapshot.route_count() as u64));
        for (within, count) in expiring(&generation.snapshot) {
            self.expiring.with_label_values(&[within]).set(count);
        }
    }
}

/// Makes a counter say what somebody else has counted since the start.
pub(super) fn count_up_to(counter: &IntCounter, all: u64) {
    counter.inc_by(all.saturating_sub(counter.get()));
}

/// Good keys that stop being good within a day, a week, a month.
fn expiring(snapshot: &Snapshot) -> [(&'static str, i64); 3] {
    const DAY: i64 = 86_400;
    let now = clock::now().0;
    let mut counts = [("24h", DAY, 0), ("7d", 7 * DAY, 0), ("30d", 30 * DAY, 0)];
    for left in snapshot.key_expiries().map(|at| at.0.saturating_sub(now)).filter(|left| *left > 0)
    {
        for (_, within, count) in &mut counts {
            *count += i64::from(left <= *within);
        }
    }
    counts.map(|(name, _, count)| (name, count))
}

/// Makes families with our prefix.
pub(super) struct Families<'r> {
    registry: &'r Registry,
}

impl Families<'_> {
    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.register(IntCounterVec::new(Self::opts(name, help), labels)?)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.register(IntCounter::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.register(IntGauge::with_opts(Self::opts(name, help))?)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        self.register(IntGaugeVec::new(Self::opts(name, help), labels)?)
    }

    fn histograms(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
        label: &str,
    ) -> Result<HistogramVec, prometheus::Error> {
        let opts = HistogramOpts::from(Self::opts(name, help)).buckets(buckets.to_vec());
        self.register(HistogramVec::new(opts, &[label])?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let opts = HistogramOpts::from(Self::opts(name, help)).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(opts)?)
    }

    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("sidegate_{name}"), help)
    }

    fn register<C: Collector + Clone + 'static>(&self, family: C) -> Result<C, prometheus::Error> {
        self.registry.register(Box::new(family.clone()))?;
        Ok(family)
    }
}

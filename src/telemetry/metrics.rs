//! The metric families, and what is written of them.
//!
//! What requests count is in the workers' own cells ([`super::cell`]); what is counted seldom, or set at
//! a scrape, is in a registry of `prometheus`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntCounter, IntCounterVec, IntGauge, Registry};

use super::Form;
use super::Spans;
use super::audit::{Audit, AuditCounters};
use super::cell::{DECISIONS, REQUESTS, Total};
use super::collector::SpanCounters;
use super::denied::{self, DeniedSeries};
use super::families::Families;
use super::log::{Log, LogCounters};
use super::names::Names;
use super::page::{Family, Kind, Page, labels};
use super::policy::PolicyGauges;
use super::pool::{EndpointBoard, EndpointState, PoolFamilies};
use super::refusals::{Boards, Refused};
use super::route::{self, RouteLoads, Routes};
use super::tally::WorkerCells;
use super::worker::WorkerMeters;
use crate::current::{Current, ReloadStatus};
use crate::policy::UnixSeconds;

const UPSTREAM_DURATION: Family<'_> = Family {
    name: "sidegate_upstream_duration_seconds",
    kind: Kind::Histogram,
    help: "From a request forwarded to the head of the upstream's answer.",
};
const DECISION_DURATION: Family<'_> = Family {
    name: "sidegate_decision_duration_seconds",
    kind: Kind::Histogram,
    help: "What it takes to find the key and decide.",
};

const CERTIFICATE: Family<'_> = Family {
    name: "sidegate_certificate_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    help: "When the first certificate of a file in force stops being good.",
};

/// Every metric of the process.
#[derive(Debug)]
pub struct Telemetry {
    registry: Registry,
    pub(super) routes: Routes,
    pub(super) denials: DeniedSeries,
    pub(super) upstream_errors: IntCounterVec,
    pub(super) pools: PoolFamilies,
    boards: Mutex<Vec<EndpointBoard>>,
    pub(super) refused_connections: IntCounter,
    pub(super) handshake_errors: IntCounterVec,
    pub(super) origin_errors: IntCounterVec,
    pub(super) cut_connections: IntCounterVec,
    pub(super) streams_terminated: IntCounterVec,
    pub(super) route_loads: RouteLoads,
    pub(super) refusals: Boards,
    connections: IntGauge,
    in_flight: IntGauge,
    streams: IntGauge,
    log: LogCounters,
    audit: AuditCounters,
    spans: SpanCounters,
    policy: PolicyGauges,
    workers: Mutex<Vec<Arc<WorkerCells>>>,
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
            routes: Routes::new(),
            denials: DeniedSeries::new(),
            upstream_errors: made.counters(
                "upstream_errors_total",
                "Requests that an upstream did not answer as it should.",
                &["upstream", "kind"],
            )?,
            pools: PoolFamilies::new(&made)?,
            refusals: Boards::default(),
            boards: Mutex::default(),
            streams_terminated: made.streams_terminated()?,
            route_loads: RouteLoads::default(),
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
        let mut workers = self.lock_workers();
        let meters = WorkerMeters::new(Arc::clone(self), workers.len(), upstreams);
        workers.push(meters.cells());
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

    /// DeniedSeries of the last half hour by reason, and examples of them.
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

    /// Every metric, with what is in force at `now`.
    pub fn render(&self, current: &Current, form: Form, now: UnixSeconds) -> String {
        let generation = current.load();
        let names = Names::of(&generation.snapshot);
        let routes = self.routes.read(|name| names.has_route(name), now);
        let denials = self.denials.read(|labels| names.has(labels), now);
        let workers = self.lock_workers().clone();

        let mut page = Page::new(form, 4096 * (routes.len() + 4) + 128 * denials.len());
        route::write(&mut page, &routes);
        denied::write(&mut page, &denials);
        self.route_loads.write(&mut page, |name| names.has_route(name));
        write_durations(&mut page, &workers);
        let status = current.status();
        write_certificates(&mut page, &status);
        self.policy.set(&generation, &status, now);
        self.log.render();
        self.audit.render();
        self.spans.render();
        self.connections.set(workers.iter().map(|worker| worker.connections.value()).sum());
        self.in_flight.set(workers.iter().map(|worker| worker.in_flight.value()).sum());
        self.streams.set(workers.iter().map(|worker| worker.streams.value()).sum());
        page.gathered(&self.registry.gather());
        page.end()
    }

    fn lock_workers(&self) -> std::sync::MutexGuard<'_, Vec<Arc<WorkerCells>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that two tables name stands once, with what ends first.
fn write_certificates(page: &mut Page, status: &ReloadStatus) {
    let mut files: BTreeMap<&str, UnixSeconds> = BTreeMap::new();
    for certificate in &*status.certificates {
        let expires = files.entry(&certificate.file).or_insert(certificate.expires);
        *expires = certificate.expires.min(*expires);
    }
    page.begin(&CERTIFICATE);
    for (file, expires) in files {
        let seconds = u64::try_from(expires.0).unwrap_or(0);
        page.sample(&CERTIFICATE, &labels([("file", file)]), seconds);
    }
}

/// What took how long, of all workers.
fn write_durations(page: &mut Page, workers: &[Arc<WorkerCells>]) {
    page.begin(&DECISION_DURATION);
    let decisions = workers.iter().map(|worker| &worker.decision);
    page.histogram(&DECISION_DURATION, "", &Total::of(&DECISIONS, decisions));
    page.begin(&UPSTREAM_DURATION);
    let upstreams = workers.first().map_or(&[][..], |worker| &worker.upstreams);
    for (nth, upstream) in upstreams.iter().enumerate() {
        let durations = workers.iter().filter_map(|worker| worker.upstreams.get(nth));
        let total = Total::of(&REQUESTS, durations.map(|upstream| &upstream.duration));
        page.histogram(&UPSTREAM_DURATION, &labels([("upstream", &*upstream.name)]), &total);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::current::Current;
    use crate::policy::draft::{DraftRoute, DraftScope};
    use crate::policy::{
        At, Decision, Denial, Draft, Facts, Level, Query, RouteLimits, Snapshot, Upgrade, compile,
    };
    use crate::telemetry::Limit;

    fn draft(routes: &[&str]) -> Draft {
        let at = |text: &str| At::new(text.to_owned(), Default::default());
        let route = |name: &&str| DraftRoute {
            place: Default::default(),
            name: Some(at(name)),
            host: None,
            prefix: at(&format!("/{name}")),
            workspace: None,
            scope: DraftScope::Public,
            upstream: at("app"),
            view_methods: None,
            methods: None,
            protect: Vec::new(),
            strip_prefix: false,
            upgrade: Level::None,
            preflight: false,
            encoded_slash: None,
            path_params: None,
            limits: RouteLimits::default(),
        };
        let routes = routes.iter().map(route).collect();
        Draft { upstreams: vec!["app".to_owned()], routes, ..Draft::default() }
    }

    fn current(routes: &[&str]) -> Arc<Current> {
        Current::new(compile(draft(routes)).unwrap(), None, UnixSeconds(0))
    }

    fn judged(snapshot: &Snapshot, target: &str) -> Result<Facts, Denial> {
        let query = Query {
            method: "GET",
            host: "h",
            target,
            credential: None,
            upgrade: Upgrade::None,
            preflight: false,
        };
        match snapshot.decide(&query, UnixSeconds(0)) {
            Decision::Allow(permit) => Ok(permit.facts()),
            Decision::Deny(denial) => Err(denial),
        }
    }

    /// One request to a path, answered or refused.
    fn ask(meters: &mut WorkerMeters, current: &Current, target: &str) {
        let generation = current.load();
        let (number, snapshot) = (generation.number, &generation.snapshot);
        let took = Duration::from_millis(3);
        match judged(snapshot, target) {
            Ok(facts) => {
                meters.answered(number, snapshot, &facts, 200, took);
                meters.exceeded(number, snapshot, &facts, Limit::RouteRequests);
                assert!(meters.enter(number, snapshot, &facts, 5).is_some());
            }
            Err(denial) => {
                meters.denied(number, snapshot, &denial);
                meters.answered(number, snapshot, &denial.facts, 401, took);
            }
        }
    }

    fn samples(telemetry: &Telemetry, current: &Current, now: i64) -> BTreeSet<String> {
        let text = telemetry.render(current, Form::Text, UnixSeconds(now));
        let own = text.lines().filter(|line| line.starts_with("sidegate_"));
        own.map(str::to_owned).collect()
    }

    /// Those that have a label of that value.
    fn of(samples: &BTreeSet<String>, value: &str) -> usize {
        samples.iter().filter(|line| line.contains(&format!("=\"{value}\""))).count()
    }

    #[test]
    fn workers_are_summed() {
        let (telemetry, current) = (Telemetry::new("test").unwrap(), current(&["a"]));
        let mut workers = [0; 3].map(|_| telemetry.worker(&["app".to_owned()]));
        for meters in &mut workers {
            ask(meters, &current, "/a");
            ask(meters, &current, "/nowhere");
            meters.decided(Duration::from_nanos(300));
            meters.upstream_answered(0, Duration::from_secs(1));
            meters.upstream_answered(1, Duration::from_secs(1));
            meters.streams(1);
        }
        let samples = samples(&telemetry, &current, 0);
        for line in [
            "sidegate_requests_total{code=\"2xx\",route=\"a\"} 3",
            "sidegate_requests_total{code=\"4xx\",route=\"none\"} 3",
            "sidegate_denials_total{level=\"none\",product=\"none\",reason=\"key_missing\",route=\"none\",workspace=\"none\"} 3",
            "sidegate_request_duration_seconds_bucket{route=\"a\",le=\"0.0025\"} 0",
            "sidegate_request_duration_seconds_bucket{route=\"a\",le=\"0.005\"} 3",
            "sidegate_request_duration_seconds_sum{route=\"a\"} 0.009",
            "sidegate_limits_exceeded_total{limit=\"route_requests\",route=\"a\"} 3",
            "sidegate_route_requests_in_flight{route=\"a\"} 0",
            "sidegate_decision_duration_seconds_count 3",
            "sidegate_upstream_duration_seconds_sum{upstream=\"app\"} 3",
            "sidegate_streams_active 3",
        ] {
            assert!(samples.contains(line), "no {line} in {samples:#?}");
        }
    }

    #[test]
    fn routes_that_are_gone_go_from_all_workers_at_once() {
        let (telemetry, current) = (Telemetry::new("test").unwrap(), current(&["a", "b"]));
        let mut workers = [0; 2].map(|_| telemetry.worker(&["app".to_owned()]));
        let mut ask_all = |target: &str| {
            workers.iter_mut().for_each(|meters| ask(meters, &current, target));
        };
        ask_all("/a");
        ask_all("/b");
        let before = samples(&telemetry, &current, 0);
        current.swap(compile(draft(&["b"])).unwrap(), None, UnixSeconds(1));
        // Their last counts are still to be had, whoever has a request since.
        ask_all("/b");
        let (kept, in_flight) =
            (samples(&telemetry, &current, 1), "sidegate_route_requests_in_flight");
        let gauge = 1;
        assert_eq!(of(&kept, "a"), of(&before, "a") - gauge, "{kept:#?}");
        assert_eq!(of(&samples(&telemetry, &current, 300), "a"), of(&before, "a") - gauge);
        let after = samples(&telemetry, &current, 301);
        assert_eq!((of(&after, "a"), of(&after, "b")), (0, of(&before, "b")), "{after:#?}");
        assert!(after.contains("sidegate_requests_total{code=\"2xx\",route=\"b\"} 4"));
        assert!(after.contains(&format!("{in_flight}{{route=\"b\"}} 0")));
    }

    /// What lasts ends by the names that it was judged by.
    #[test]
    fn a_request_of_an_older_policy_is_counted_beside_those_of_the_next() {
        let (telemetry, current) = (Telemetry::new("test").unwrap(), current(&["a", "b"]));
        let mut meters = telemetry.worker(&[]);
        let old = current.load();
        let facts = judged(&old.snapshot, "/b").unwrap();
        ask(&mut meters, &current, "/b");
        current.swap(compile(draft(&["c", "b"])).unwrap(), None, UnixSeconds(1));
        ask(&mut meters, &current, "/c");
        meters.answered(old.number, &old.snapshot, &facts, 200, Duration::ZERO);
        let lost = judged(&old.snapshot, "/nowhere").unwrap_err();
        meters.denied(old.number, &old.snapshot, &lost);
        ask(&mut meters, &current, "/c");
        let samples = samples(&telemetry, &current, 1);
        for line in [
            "sidegate_requests_total{code=\"2xx\",route=\"b\"} 2",
            "sidegate_requests_total{code=\"2xx\",route=\"c\"} 2",
        ] {
            assert!(samples.contains(line), "no {line} in {samples:#?}");
        }
        let refused = samples.iter().filter(|line| line.starts_with("sidegate_denials_total"));
        assert_eq!(refused.count(), 1, "{samples:#?}");
    }

    #[test]
    fn renamed_routes_take_bounded_room_where_nobody_scrapes() {
        let (telemetry, current) = (Telemetry::new("test").unwrap(), current(&["a-0", "b-0"]));
        let mut workers = [0; 2].map(|_| telemetry.worker(&["app".to_owned()]));
        for round in 0..100 {
            let names = ["a", "b"].map(|name| format!("{name}-{round}"));
            let names = names.each_ref().map(String::as_str);
            current.swap(compile(draft(&names)).unwrap(), None, UnixSeconds(1));
            for meters in &mut workers {
                names.iter().for_each(|name| ask(meters, &current, &format!("/{name}")));
                ask(meters, &current, "/nowhere");
            }
        }
        let samples = samples(&telemetry, &current, 1);
        let counted = |name: &str| {
            samples.iter().filter(|line| line.starts_with(name) && line.contains("2xx")).count()
        };
        // Of two policies with two routes and one for what has none, at the most.
        assert!(counted("sidegate_requests_total") <= 6, "{samples:#?}");
        assert_eq!(of(&samples, "a-99"), of(&samples, "b-99"));
        assert!(samples.contains("sidegate_requests_total{code=\"2xx\",route=\"b-99\"} 2"));
    }

    #[test]
    fn every_counter_ends_in_total_and_every_family_is_told_once() {
        let (telemetry, current) = (Telemetry::new("test").unwrap(), current(&["a"]));
        ask(&mut telemetry.worker(&["app".to_owned()]), &current, "/a");
        let text = telemetry.render(&current, Form::Text, UnixSeconds(0));
        let types: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        for told in &types {
            let (name, kind) = told.split_once(' ').unwrap();
            assert_eq!(kind == "counter", name.ends_with("_total"), "{told}");
            assert_eq!(
                types.iter().filter(|other| other.starts_with(&format!("{name} "))).count(),
                1
            );
        }
        let open = telemetry.render(&current, Form::OpenMetrics, UnixSeconds(0));
        assert!(open.ends_with("\n# EOF\n") && !open.contains("\n\n"), "{open}");
        let own = |text: &str| {
            let lines = text.lines().filter(|line| line.starts_with("sidegate_"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(own(&text), own(&open), "samples differ by form");
    }
}

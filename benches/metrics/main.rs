//! What the metrics cost: a request of a worker beside the same without them, with one worker and
//! with as many as there are cores; a scrape of 1,000 routes; and how long a scrape keeps a worker.
//!
//! `cargo bench --bench metrics` measures; without `--bench` it only shows that it would.
//!
//! Costs of a request are CPU time of the worker's thread: what the machine does besides does not
//! count, what workers do to each other's caches does.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on should stop")]

#[path = "../decide/requests.rs"]
#[expect(dead_code, reason = "the bench of decisions has more outcomes")]
mod requests;
#[path = "../decide/world.rs"]
mod world;

use std::env;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sidegate::clock;
use sidegate::current::Current;
use sidegate::policy::{Decision, Denial, Facts, Snapshot, compile};
use sidegate::telemetry::{Form, Telemetry, WorkerMeters};

use requests::{Case, Requests};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUTES: usize = 1_000;
const KEYS: usize = 1_000;
const UPSTREAM: &str = "app";

fn main() {
    let measures = env::args().any(|argument| argument == "--bench");
    let bench = Bench::new(if measures { 2_000_000 } else { 100 });
    let cores = thread::available_parallelism().map_or(1, usize::from);
    bench.requests("allowed", cores, one_allowed);
    bench.requests("refused", cores, one_refused);
    bench.scrapes(cores, if measures { 300 } else { 1 });
    bench.stalls(if measures { Duration::from_secs(3) } else { Duration::from_millis(1) });
}

struct Bench {
    times: u32,
    current: Arc<Current>,
    allowed: Vec<Facts>,
    refused: Vec<Denial>,
}

impl Bench {
    fn new(times: u32) -> Self {
        let current =
            Current::new(compile(world::draft(KEYS, ROUTES)).unwrap(), None, clock::now());
        let generation = current.load();
        let seen = |cases: &[Case]| facts(&generation.snapshot, cases);
        // One of these is what becomes of a request to any route.
        let all = [
            Case::Allow,
            Case::Public,
            Case::ProductAbsent,
            Case::SubscriptionInactive,
            Case::ProtectedAccount,
        ];
        let (mut allowed, refused) = (seen(&all).0, seen(&[Case::ViewOnly]).1);
        allowed.sort_by_key(Facts::route);
        allowed.dedup_by_key(|facts| facts.route());
        drop(generation);
        Self { times, current, allowed, refused }
    }

    /// CPU time of each request, by how many workers there are at once.
    fn requests(
        &self,
        name: &str,
        cores: usize,
        one: fn(&Self, &mut WorkerMeters, &Snapshot, u32),
    ) {
        for workers in [1, 2, 4].into_iter().filter(|workers| *workers <= cores) {
            let telemetry = Telemetry::new("bench").unwrap();
            let barrier = Barrier::new(workers);
            let each = thread::scope(|scope| {
                let threads: Vec<_> = (0..workers)
                    .map(|_| {
                        scope.spawn(|| {
                            let mut meters = telemetry.worker(&[UPSTREAM.to_owned()]);
                            let generation = self.current.load();
                            let snapshot = &generation.snapshot;
                            (0..2 * ROUTES as u32)
                                .for_each(|n| one(self, &mut meters, snapshot, n));
                            barrier.wait();
                            let start = cpu();
                            (0..self.times).for_each(|n| one(self, &mut meters, snapshot, n));
                            let with = cpu() - start;
                            let start = cpu();
                            (0..self.times).for_each(|n| none(self, n));
                            let without = cpu() - start;
                            [with, without].map(|took| nanos(took) / f64::from(self.times))
                        })
                    })
                    .collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            let mean = |which: fn(&[f64; 2]) -> f64| {
                each.iter().map(which).sum::<f64>() / each.len() as f64
            };
            println!(
                "{name} requests, {workers} workers: {:.1} ns of CPU each with metrics, {:.1} without",
                mean(|[with, _]| *with),
                mean(|[_, without]| *without)
            );
        }
    }

    /// CPU time of a scrape with all routes in use by all workers.
    fn scrapes(&self, workers: usize, times: usize) {
        let telemetry = Telemetry::new("bench").unwrap();
        self.fill(&telemetry, workers);
        let mut took: Vec<f64> = (0..times)
            .map(|_| {
                let start = cpu();
                black_box(telemetry.render(&self.current, Form::OpenMetrics, clock::now()));
                nanos(cpu() - start) / 1e6
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let text = telemetry.render(&self.current, Form::OpenMetrics, clock::now());
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap();
        println!(
            "a scrape of {ROUTES} routes and {workers} workers: {:.2} ms of CPU, 99th percentile {:.2}; \
             {series} series, {} KiB",
            at(0.5),
            at(0.99),
            text.len() >> 10
        );
    }

    fn fill(&self, telemetry: &Arc<Telemetry>, workers: usize) {
        let generation = self.current.load();
        for _ in 0..workers {
            let mut meters = telemetry.worker(&[UPSTREAM.to_owned()]);
            let routes = u32::try_from(2 * ROUTES).unwrap();
            (0..routes).for_each(|n| one_allowed(self, &mut meters, &generation.snapshot, n));
            (0..routes).for_each(|n| one_refused(self, &mut meters, &generation.snapshot, n));
        }
    }

    /// The longest that a worker's counting took while scrape follows scrape, and while none is made. Handles
    /// are resolved anew all the time, as after a reload: that is when a worker and a scrape meet.
    fn stalls(&self, whole: Duration) {
        let telemetry = Telemetry::new("bench").unwrap();
        self.fill(&telemetry, 2);
        for scraped in [false, true] {
            let over = AtomicBool::new(false);
            let (mut took, scrapes) = thread::scope(|scope| {
                let scrapes = scope.spawn(|| {
                    let mut scrapes = 0_u32;
                    while scraped && !over.load(Ordering::Relaxed) {
                        black_box(telemetry.render(&self.current, Form::OpenMetrics, clock::now()));
                        scrapes += 1;
                    }
                    scrapes
                });
                let took = self.worker(&telemetry, whole);
                over.store(true, Ordering::Relaxed);
                (took, scrapes.join().unwrap())
            });
            took.sort();
            let at = |share: f64| took.get((took.len() as f64 * share) as usize).copied().unwrap();
            println!(
                "{} requests counted, their handles looked up, beside {scrapes} scrapes: median {:?}, 99.9th \
                 percentile {:?}, longest {:?}",
                took.len(),
                at(0.5),
                at(0.999),
                took.last().unwrap()
            );
        }
    }

    fn worker(&self, telemetry: &Arc<Telemetry>, whole: Duration) -> Vec<Duration> {
        let mut meters = telemetry.worker(&[UPSTREAM.to_owned()]);
        let generation = self.current.load();
        let mut took = Vec::new();
        let start = clock::instant();
        for number in 1.. {
            for (nth, facts) in self.allowed.iter().enumerate() {
                let before = clock::instant();
                let lasted = Duration::from_micros(nth as u64);
                meters.answered(number, &generation.snapshot, facts, 200, lasted);
                took.push(before.elapsed());
            }
            if start.elapsed() > whole {
                break;
            }
        }
        took
    }
}

/// What was decided of many requests; a refusal's facts are also among those of all.
fn facts(snapshot: &Snapshot, cases: &[Case]) -> (Vec<Facts>, Vec<Denial>) {
    let (mut all, mut denials) = (Vec::new(), Vec::new());
    for case in cases {
        let mut requests = Requests::new(*case, KEYS, ROUTES);
        for _ in 0..ROUTES / 4 {
            for query in requests.batch(usize::MAX) {
                match snapshot.decide(&query, case.now()) {
                    Decision::Allow(permit) => all.push(permit.facts()),
                    Decision::Deny(denial) => {
                        all.push(denial.facts);
                        denials.push(denial);
                    }
                }
            }
        }
    }
    (all, denials)
}

fn one_allowed(bench: &Bench, meters: &mut WorkerMeters, snapshot: &Snapshot, n: u32) {
    let (facts, decided, answered, took) = allowed(bench, n);
    meters.in_flight(1);
    meters.decided(decided);
    meters.upstream_answered(0, answered);
    meters.in_flight(-1);
    meters.answered(1, snapshot, facts, 200, took);
}

/// The same without meters.
fn none(bench: &Bench, n: u32) {
    black_box(allowed(bench, n));
}

fn allowed(bench: &Bench, n: u32) -> (&Facts, Duration, Duration, Duration) {
    let times = Duration::from_nanos(u64::from(n).wrapping_mul(2_654_435_761) % 1_000_000);
    let facts = bench.allowed.get(n as usize % bench.allowed.len()).unwrap();
    (black_box(facts), black_box(times / 1000), black_box(times), black_box(times * 2))
}

fn one_refused(bench: &Bench, meters: &mut WorkerMeters, snapshot: &Snapshot, n: u32) {
    let (_, decided, _, took) = allowed(bench, n);
    let denial = bench.refused.get(n as usize % bench.refused.len()).unwrap();
    meters.in_flight(1);
    meters.decided(decided);
    meters.denied(1, snapshot, black_box(denial));
    meters.in_flight(-1);
    meters.answered(1, snapshot, &denial.facts, 403, took);
}

/// CPU time of this thread so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

fn nanos(took: Duration) -> f64 {
    took.as_secs_f64() * 1e9
}

//! What one worker has and counts, whatever the policy says.

use std::sync::atomic::{AtomicI64, Ordering};

use super::cell::{DECISIONS, REQUESTS, Spread};

/// What one worker does at this moment, and what it counts whatever the policy says. One writer, read
/// at a scrape; on cache lines that no other worker writes to.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct WorkerCells {
    pub(super) connections: Gauge,
    pub(super) in_flight: Gauge,
    pub(super) streams: Gauge,
    pub(super) decision: Spread<9>,
    /// By upstream.
    pub(super) upstreams: Box<[UpstreamCells]>,
}

/// What one worker counts of one upstream.
#[derive(Debug)]
pub(super) struct UpstreamCells {
    pub(super) name: Box<str>,
    pub(super) duration: Spread<15>,
}

impl WorkerCells {
    pub(super) fn new(upstreams: &[String]) -> Self {
        let upstream = |name: &String| UpstreamCells {
            name: name.as_str().into(),
            duration: Spread::new(&REQUESTS),
        };
        Self {
            connections: Gauge::default(),
            in_flight: Gauge::default(),
            streams: Gauge::default(),
            decision: Spread::new(&DECISIONS),
            upstreams: upstreams.iter().map(upstream).collect(),
        }
    }
}

/// How many there are now. One writer.
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicI64);

impl Gauge {
    /// One writer: no read-modify-write is needed, and none is paid for.
    pub(super) fn add(&self, change: i64) -> i64 {
        let now = self.value() + change;
        self.0.store(now, Ordering::Relaxed);
        now
    }

    pub(super) fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

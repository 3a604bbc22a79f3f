//! What is kept of a request until it is over: then it is counted once and told once.

use std::rc::Rc;
use std::time::Instant;

use http::Method;

use super::activity::Activity;
use super::fault::Fault;
use super::trace::Trace;
use super::worker::Worker;
use crate::clock;
use crate::current::Held;
use crate::policy::{Denial, DenyReason, Facts};
use crate::telemetry::{Limit, RequestEvent, RoutePlace};

/// Status of a request whose client went away before there was an answer. No client sees it.
const CLIENT_GONE: u16 = 499;

/// One request. Counted and told when dropped, however it ended.
#[derive(Debug)]
pub(super) struct Record {
    worker: Rc<Worker>,
    activity: Rc<Activity>,
    generation: Rc<Held>,
    started: Instant,
    facts: Facts,
    decided: bool,
    status: u16,
    /// Where its route takes only so many requests.
    place: Option<RoutePlace>,
    told: Option<Box<Told>>,
}

/// What an event says that a metric does not.
#[derive(Debug)]
struct Told {
    denial: Option<Denial>,
    method: Method,
    trace: Trace,
    upstream_status: Option<u16>,
    upstream_error: Option<&'static str>,
}

impl Record {
    pub(super) fn new(
        worker: Rc<Worker>,
        activity: Rc<Activity>,
        generation: Rc<Held>,
        started: Instant,
    ) -> Self {
        worker.meters().in_flight(1);
        let facts = Facts::default();
        let (decided, status, place, told) = (false, CLIENT_GONE, None, None);
        Self { worker, activity, generation, started, facts, decided, status, place, told }
    }

    pub(super) fn allowed(&mut self, facts: Facts) {
        self.decided = true;
        self.facts = facts;
    }

    /// Takes one of the places that its route has, until it is over.
    ///
    /// # Errors
    ///
    /// When `most` are taken.
    pub(super) fn enter(&mut self, most: u32) -> Result<(), Fault> {
        let generation = &self.generation;
        let mut meters = self.worker.meters();
        let place = meters.enter(generation.number, &generation.snapshot, &self.facts, most);
        self.place = Some(place.ok_or(Fault::RouteFull)?);
        Ok(())
    }

    /// The request went past a limit.
    pub(super) fn exceeded(&self, limit: Limit) {
        let generation = &self.generation;
        let mut meters = self.worker.meters();
        meters.exceeded(generation.number, &generation.snapshot, &self.facts, limit);
    }

    /// The request will be told of, whatever becomes of it.
    pub(super) fn tell(&mut self, method: &Method, trace: &Trace) {
        self.told = Some(Box::new(Told {
            denial: None,
            method: method.clone(),
            trace: trace.clone(),
            upstream_status: None,
            upstream_error: None,
        }));
    }

    pub(super) fn denied(&mut self, denial: Denial, status: u16) {
        self.decided = true;
        self.facts = denial.facts;
        self.status = status;
        let generation = &self.generation;
        self.worker.meters().denied(generation.number, &generation.snapshot, &denial);
        if let Some(told) = &mut self.told {
            told.denial = Some(denial);
        }
    }

    /// The policy of another generation lets it go on.
    pub(super) fn judged_again(&mut self, generation: Rc<Held>, facts: Facts) {
        self.generation = generation;
        self.facts = facts;
    }

    /// What was let through is no longer.
    pub(super) fn cut(&mut self, reason: DenyReason) {
        if let Some(told) = &mut self.told {
            told.denial = Some(Denial { reason, facts: self.facts });
        }
    }

    pub(super) fn failed(&mut self, fault: Fault, upstream_error: Option<&'static str>) {
        self.status = fault.status();
        if let Some(limit) = fault.limit() {
            self.exceeded(limit);
        }
        if let Some(told) = &mut self.told {
            told.upstream_error = upstream_error;
        }
    }

    pub(super) fn answered(&mut self, status: u16) {
        self.status = status;
        if let Some(told) = &mut self.told {
            told.upstream_status = Some(status);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = clock::instant();
        self.activity.end(now);
        let took = now.saturating_duration_since(self.started);
        let generation = &self.generation;
        let mut meters = self.worker.meters();
        meters.in_flight(-1);
        meters.answered(generation.number, &generation.snapshot, &self.facts, self.status, took);
        drop(meters);
        let Some(told) = &self.told else { return };
        RequestEvent {
            decided: self.decided,
            denial: told.denial,
            words: generation.snapshot.describe(&self.facts),
            generation: generation.number,
            method: known(&told.method),
            status: self.status,
            upstream_status: told.upstream_status,
            upstream_error: told.upstream_error,
            took,
            request_id: told.trace.request_id(),
            trace_id: told.trace.trace_id(),
            peer: self.activity.peer.text(),
        }
        .write();
    }
}

/// A method of RFC 9110 or 5789 as it is; anything else a client made up.
fn known(method: &Method) -> &str {
    match method.as_str() {
        name @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" | "CONNECT"
        | "TRACE") => name,
        _ => "other",
    }
}

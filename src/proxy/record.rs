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
use crate::policy::{Denial, Facts};
use crate::telemetry::{Limit, Refusal, RequestEvent, RoutePlace};

/// Status of a request whose client went away before there was an answer. No client sees it.
const CLIENT_GONE: u16 = 499;

/// One request. Counted and told when dropped, however it ended.
#[derive(Debug)]
pub(super) struct Record {
    worker: Rc<Worker>,
    activity: Rc<Activity>,
    started: Instant,
    /// What it was judged by, and what that is made of. Nothing where its claim says it: that is
    /// judged again, and a request must not keep a policy that is no longer in force.
    judged: Option<(Rc<Held>, Facts)>,
    decided: bool,
    status: u16,
    /// Where its route takes only so many requests.
    place: Option<RoutePlace>,
    told: Option<Told>,
}

/// What an event says that a metric does not.
#[derive(Debug)]
struct Told {
    /// Whether the log has it, too, or only the audit log or a collector.
    logged: bool,
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
    ) -> Box<Self> {
        worker.meters().in_flight(1);
        let judged = Some((generation, Facts::default()));
        let (decided, status, place, told) = (false, CLIENT_GONE, None, None);
        Box::new(Self { worker, activity, started, judged, decided, status, place, told })
    }

    /// It goes on, by what was asked last.
    pub(super) fn allowed(&mut self, facts: Facts) {
        self.decided = true;
        if let Some((generation, _)) = self.judged.take() {
            self.activity.right.hold(generation, facts, self.started);
        }
    }

    pub(super) fn activity(&self) -> &Rc<Activity> {
        &self.activity
    }

    /// Takes one of the places that its route has, until it is over. Asked before it is allowed.
    ///
    /// # Errors
    ///
    /// When `most` are taken.
    pub(super) fn enter(&mut self, most: u32, facts: &Facts) -> Result<(), Fault> {
        let Some((generation, _)) = &self.judged else { return Err(Fault::RouteFull) };
        let mut meters = self.worker.meters();
        let place = meters.enter(generation.number, &generation.snapshot, facts, most);
        self.place = Some(place.ok_or(Fault::RouteFull)?);
        Ok(())
    }

    /// The request went past a limit.
    pub(super) fn exceeded(&self, limit: Limit) {
        let claim = self.activity.right.claim();
        let Some((generation, facts)) = self.judged.as_ref().or(claim.judged()) else { return };
        let mut meters = self.worker.meters();
        meters.exceeded(generation.number, &generation.snapshot, facts, limit);
    }

    /// The request will be told of, whatever becomes of it.
    pub(super) fn tell(&mut self, method: &Method, trace: &Trace) {
        self.note(true, method, trace);
    }

    /// The audit log or a collector will have the request, whatever becomes of it, and the log as it is.
    pub(super) fn keep(&mut self, method: &Method, trace: &Trace) {
        if self.told.is_none() {
            self.note(false, method, trace);
        }
    }

    fn note(&mut self, logged: bool, method: &Method, trace: &Trace) {
        self.told = Some(Told {
            logged,
            denial: None,
            method: method.clone(),
            trace: trace.clone(),
            upstream_status: None,
            upstream_error: None,
        });
    }

    /// The same of one that was answered before anybody knew that it will be told of.
    fn tell_claim(&mut self) {
        let activity = Rc::clone(&self.activity);
        let claim = activity.right.claim();
        if let Some(trace) = claim.trace() {
            self.tell(claim.method(), trace);
            self.answered(self.status);
        }
    }

    pub(super) fn denied(&mut self, denial: Denial, status: u16) {
        self.decided = true;
        self.status = status;
        if let Some((generation, facts)) = &mut self.judged {
            *facts = denial.facts;
            self.worker.meters().denied(generation.number, &generation.snapshot, &denial);
        }
        if let Some(told) = &mut self.told {
            told.denial = Some(denial);
        }
    }

    /// What was let through no longer is, and its client is told so instead of an answer.
    pub(super) fn lost(&mut self, status: u16) {
        self.status = status;
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

impl Record {
    /// Counts it, and tells it if it is to be told of.
    fn write(&self, generation: &Held, facts: &Facts, now: Instant) {
        let took = now.saturating_duration_since(self.started);
        let (number, snapshot) = (generation.number, &generation.snapshot);
        let mut meters = self.worker.meters();
        meters.in_flight(-1);
        meters.answered(number, snapshot, facts, self.status, took);
        drop(meters);
        let Some(told) = &self.told else { return };
        let lost = self.activity.right.lost().map(|lost| lost.denial);
        let denial = told.denial.or(lost);
        if let Some(denial) = denial {
            let refusal = Refusal {
                reason: denial.reason,
                facts: *facts,
                generation: number,
                method: known(&told.method),
                status: self.status,
                request_id: told.trace.request_id(),
                peer: self.activity.peer.text(),
            };
            self.worker.meters().refused(snapshot, &refusal, self.worker.date().at(now));
        }
        let event = RequestEvent {
            logged: told.logged,
            decided: self.decided,
            denial,
            terminated: lost.is_some(),
            words: snapshot.describe(facts),
            generation: number,
            method: known(&told.method),
            status: self.status,
            upstream_status: told.upstream_status,
            upstream_error: told.upstream_error,
            took,
            request_id: told.trace.request_id(),
            trace_id: told.trace.trace_id(),
            traceparent: told.trace.traceparent(),
            parent: told.trace.parent(),
            exported: told.trace.is_exported(),
            peer: self.activity.peer.text(),
        };
        self.worker.journal().tell(&event, now);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let now = clock::instant();
        if self.told.is_none() && self.activity.right.lost().is_some() {
            self.tell_claim();
        }
        let claim = self.activity.right.claim();
        if let Some((generation, facts)) = self.judged.as_ref().or(claim.judged()) {
            self.write(generation, facts, now);
        }
        drop(claim);
        if !self.activity.outlasts_its_answer() {
            self.worker.lasting().leave(&self.worker, &self.activity);
        }
        self.activity.end(now);
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

//! The life of one request: extract, decide, forward or refuse.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Uri, Version};
use http_body::Body as _;

use super::activity::Activity;
use super::body::{AnswerBody, RequestBody, Upload};
use super::extract;
use super::fault::Fault;
use super::headers;
use super::incoming::Incoming;
use super::line::DRAINED_BYTES;
use super::message::{Answer, Asking};
use super::pool::{Caller, Exchange};
use super::preamble;
use super::protocols;
use super::record::Record;
use super::respond::{self, Form};
use super::settings::Limits;
use super::timer::deadline;
use super::trace::Trace;
use super::tunnel::Tunnel;
use super::worker::Worker;
use crate::clock;
use crate::current::Generation;
use crate::policy::{Decision, Denial, DenyReason, Facts, Permit, RouteLimits, Snapshot};
use crate::telemetry::Audit;

/// Answers one request.
pub(super) async fn answer(
    worker: &Rc<Worker>,
    activity: &Rc<Activity>,
    mut asking: Asking,
    incoming: Incoming,
) -> Answer<AnswerBody> {
    let (started, begun) = activity.begin();
    worker.date().at(begun);
    let generation = worker.generation();
    let snapshot = &generation.snapshot;
    let trace = worker.trace(&asking.fields);
    let mut record =
        Record::new(Rc::clone(worker), Rc::clone(activity), Rc::clone(&generation), started);
    if worker.is_sampled() {
        record.tell(&asking.method, &trace);
    } else if trace.is_exported() {
        record.keep(&asking.method, &trace);
    }
    if let Some(fault) = worker.overload().or_else(|| oversize(&asking, &incoming, worker.limits()))
    {
        return fail(fault, &asking, &trace, record);
    }
    let (decision, decided) = decide(worker, activity, &generation, &asking, &incoming, begun);
    let permit = match decision {
        Decision::Allow(permit) => permit,
        Decision::Deny(denial) => {
            let mut response = deny(denial, snapshot, &asking, &trace, record);
            if !is_drained(&incoming) {
                response.head.fields.set("connection", "close");
            }
            return response;
        }
    };
    if let Err(wait) = worker.pace(snapshot, &permit.facts(), decided) {
        let denial = Denial { reason: DenyReason::RateLimited, facts: permit.facts() };
        let mut response = deny(denial, snapshot, &asking, &trace, record);
        respond::retry_after(&mut response.head.fields, wait);
        if !is_drained(&incoming) {
            response.head.fields.set("connection", "close");
        }
        return response;
    }
    let facts = permit.facts();
    let audit = worker.journal().audits(facts.needed());
    if audit.is_some() {
        record.keep(&asking.method, &trace);
    }
    let limits = permit.route().limits();
    let refused = match audit.is_some_and(Audit::holds_up) {
        true => Some(Fault::Unaudited),
        false => limits.and_then(|it| beyond(it, &facts, &incoming, &mut record).err()),
    };
    if let Some(fault) = refused {
        record.allowed(facts);
        let mut response = fail(fault, &asking, &trace, record);
        if !is_drained(&incoming) {
            response.head.fields.set("connection", "close");
        }
        return response;
    }
    let most = most_bytes(worker.limits(), limits);
    let end = limits.and_then(|limits| Some(deadline(decided, limits.timeout?)));
    let form = Form::of(&asking.fields);
    let upstream = permit.route().upstream();
    let Some(pool) = worker.pool(upstream) else {
        let denial = Denial { reason: DenyReason::RouteUnknown, facts: permit.facts() };
        return deny(denial, snapshot, &asking, &trace, record);
    };
    let upgrades = permit.upgrades();
    let by_protocol = upgrades && protocols::has_key(&asking.fields);
    let is_new = asking.version == Version::HTTP_11;
    let mut preamble = worker.room();
    if let Err(reason) = forward(permit, snapshot, &mut asking, &trace, activity, &mut preamble) {
        let denial = Denial { reason, facts: Facts::default() };
        return deny(denial, snapshot, &asking, &trace, record);
    }
    record.allowed(facts);
    worker.meters().expect(&facts);
    // From here on, only the claim has it: it may wait for longer than that is in force.
    drop(generation);
    if upgrades {
        headers::name_websocket(&mut asking.fields);
    }
    let (body, upload) = RequestBody::new(incoming, most, decided, activity);
    if matches!(body, RequestBody::Streaming(_)) {
        headers::name_framing(&mut asking.fields);
    }
    activity.set_takes_hints(is_new);
    let caller = Caller { upload: &upload, activity, worker };
    let exchanged = match end {
        None if upgrades => Box::pin(pool.switch(&asking, body, &preamble, caller)).await,
        None => pool.exchange(&asking, body, &preamble, caller).await.map(Exchange::Answer),
        Some(end) => {
            let exchange = async {
                match upgrades {
                    true => pool.switch(&asking, body, &preamble, caller).await,
                    false => {
                        let exchange = pool.exchange(&asking, body, &preamble, caller);
                        exchange.await.map(Exchange::Answer)
                    }
                }
            };
            let exchange = Box::pin(tokio::time::timeout_at(end.into(), exchange));
            exchange.await.unwrap_or(Err(Fault::RouteLate))
        }
    };
    worker.give_back(preamble);
    // Too late for what was not said yet: the answer comes now.
    activity.take_hint();
    let now = clock::instant();
    worker.date().at(now);
    if exchanged.is_ok() {
        let meters = worker.meters();
        meters.expect_answer(&facts);
        meters.upstream_answered(upstream, now.saturating_duration_since(decided));
    }
    match exchanged {
        Ok(Exchange::Answer((mut head, download))) => {
            record.answered(head.status.as_u16());
            headers::clean_response(&mut head.fields);
            // What is left of a body is not read to its end, and what came behind a head that asked
            // for another protocol may be of that: nothing can follow either.
            if upgrades || !upload.is_whole() {
                head.fields.set("connection", "close");
            }
            activity.right.set_trace(trace);
            Answer { head, body: AnswerBody::upstream(download, record, form, end) }
        }
        Ok(Exchange::Switch(mut head, leg, load)) => {
            headers::clean_response(&mut head.fields);
            headers::name_websocket(&mut head.fields);
            if by_protocol {
                protocols::agree(&mut head.fields);
            }
            // It lives long and may end for many reasons: it is always told of.
            record.tell(&asking.method, &trace);
            record.answered(head.status.as_u16());
            poll_fn(|cx| {
                worker.lasting().enter(worker, activity, cx.waker());
                Poll::Ready(())
            })
            .await;
            activity.set_tunnel(Tunnel::new(leg, load, Rc::clone(worker), record));
            Answer { head, body: AnswerBody::empty() }
        }
        Err(fault) => {
            record.tell(&asking.method, &trace);
            let lost = activity.right.lost().filter(|_| fault == Fault::Lost);
            let mut response = match lost {
                Some(lost) => lose(lost.denial, worker, form, &trace, record, &upload),
                None => {
                    let mut error = None;
                    if let Fault::Upstream(kind) = fault {
                        worker.meters().upstream_failed(upstream, kind);
                        error = Some(kind.code());
                    }
                    record.failed(fault, error);
                    own(respond::failed(fault, form, &trace), record)
                }
            };
            // What came behind its head may be of the other protocol.
            if upgrades {
                response.head.fields.set("connection", "close");
            }
            response
        }
    }
}

/// The decision, and when it was made. It takes as long as it is since its head was whole.
fn decide<'s>(
    worker: &Worker,
    activity: &Activity,
    generation: &'s Generation,
    asking: &Asking,
    incoming: &Incoming,
    begun: Instant,
) -> (Decision<'s>, Instant) {
    let decision = match extract::query(asking) {
        Ok(mut query) => {
            // No field tells of a body in HTTP/2.
            query.preflight &= incoming.is_end_stream();
            let now = worker.date().at(begun);
            let decision = generation.snapshot.decide(&query, now);
            if let Decision::Allow(permit) = &decision {
                generation.used.mark(&permit.facts(), now);
                activity.right.ask(&query, &asking.method);
            }
            decision
        }
        Err(reason) => Decision::Deny(Denial { reason, facts: Facts::default() }),
    };
    let decided = clock::instant();
    worker.meters().decided(decided.saturating_duration_since(begun));
    (decision, decided)
}

/// Makes of a permitted request the one that goes on. The permit is used up: what was not
/// permitted cannot come here.
fn forward(
    permit: Permit<'_>,
    snapshot: &Snapshot,
    asking: &mut Asking,
    trace: &Trace,
    activity: &Activity,
    preamble: &mut Vec<u8>,
) -> Result<(), DenyReason> {
    if let Some(target) = permit.rewritten_target() {
        let target = Bytes::copy_from_slice(target.as_bytes());
        let target = PathAndQuery::from_maybe_shared(target).map_err(|_| DenyReason::BadTarget)?;
        asking.target = Uri::from(target).into();
    }
    asking.version = Version::HTTP_11;
    let words = snapshot.identify(&permit.facts());
    preamble::write(preamble, &asking.fields, &words, trace, &activity.peer);
    headers::clean_request(&mut asking.fields);
    // It says more of a trace that does not go on (W3C Trace Context §4.3).
    if !trace.is_continued() {
        asking.fields.remove("tracestate");
    }
    Ok(())
}

fn deny(
    denial: Denial,
    snapshot: &Snapshot,
    asking: &Asking,
    trace: &Trace,
    mut record: Box<Record>,
) -> Answer<AnswerBody> {
    let hide_none = snapshot.hide_none();
    record.tell(&asking.method, trace);
    record.denied(denial, denial.reason.status(hide_none));
    let allow = snapshot.allowed_methods(&denial.facts);
    let form = Form::of(&asking.fields);
    own(respond::denied(denial.reason, hide_none, allow, form, trace), record)
}

/// Tells the client of a request that has no answer yet what one that came now would be told.
fn lose(
    denial: Denial,
    worker: &Worker,
    form: Form,
    trace: &Trace,
    mut record: Box<Record>,
    upload: &Upload,
) -> Answer<AnswerBody> {
    let generation = worker.generation();
    let snapshot = &generation.snapshot;
    let hide_none = snapshot.hide_none();
    record.lost(denial.reason.status(hide_none));
    let allow = snapshot.allowed_methods(&denial.facts);
    let mut response = respond::denied(denial.reason, hide_none, allow, form, trace);
    if !upload.is_whole() {
        response.head.fields.set("connection", "close");
    }
    own(response, record)
}

fn fail(
    fault: Fault,
    asking: &Asking,
    trace: &Trace,
    mut record: Box<Record>,
) -> Answer<AnswerBody> {
    record.tell(&asking.method, trace);
    record.failed(fault, None);
    own(respond::failed(fault, Form::of(&asking.fields), trace), record)
}

fn own(response: Answer<Bytes>, record: Box<Record>) -> Answer<AnswerBody> {
    response.map(|bytes| AnswerBody::own(bytes, record))
}

/// What bounds a permitted request on its route, before anything of it goes on.
fn beyond(
    limits: &RouteLimits,
    facts: &Facts,
    incoming: &Incoming,
    record: &mut Record,
) -> Result<(), Fault> {
    let length = incoming.size_hint().exact();
    if length.zip(limits.body_bytes).is_some_and(|(length, most)| length > most) {
        return Err(Fault::RouteBodyTooLarge);
    }
    limits.requests.map_or(Ok(()), |most| record.enter(most, facts))
}

/// How many bytes a body may have, and what it is if there are more.
fn most_bytes(limits: &Limits, route: Option<&RouteLimits>) -> (u64, Fault) {
    match route.and_then(|route| route.body_bytes) {
        Some(most) if most < limits.body_bytes => (most, Fault::RouteBodyTooLarge),
        _ => (limits.body_bytes, Fault::BodyTooLarge),
    }
}

/// Whether what is left of a refused request is so little that it was read with its head, mostly.
fn is_drained(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Here(_))
        || incoming.size_hint().upper().is_some_and(|length| length <= DRAINED_BYTES)
}

/// What the limits refuse before anything is decided. The head as a whole was bounded before.
fn oversize(asking: &Asking, incoming: &Incoming, limits: &Limits) -> Option<Fault> {
    // Those of HTTP/1 were counted as they were read.
    if asking.fields.len() > limits.headers {
        return Some(Fault::HeadTooLarge);
    }
    if asking.target().is_some_and(|target| target.len() > limits.target_bytes) {
        return Some(Fault::TargetTooLong);
    }
    let body = incoming.size_hint().exact();
    body.is_some_and(|length| length > limits.body_bytes).then_some(Fault::BodyTooLarge)
}

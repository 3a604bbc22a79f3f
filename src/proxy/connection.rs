//! One client connection: hyper's requests, one timer for every timeout, and the drain.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Instant;

use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;

use super::activity::{Activity, Phase};
use super::gate;
use super::head::Flaw;
use super::io::ClientIo;
use super::respond;
use super::rest;
use super::settings::{Limits, Timeouts};
use super::timer::{LazyTimer, deadline};
use super::transport::Transport;
use super::tunnel::Leg;
use super::worker::Worker;
use crate::clock;
use crate::policy::{Denial, DenyReason, Description, Facts};
use crate::telemetry::{Limit, Refusal, RequestEvent};

/// What a read takes at most, and what is kept for a client that does not read. Larger than any head
/// that is allowed by default: bodies use it, too.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// hyper as this data plane wants it. Its own timeouts are off: [`serve`] has one timer for all.
pub(super) fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes)
        .max_buf_size(READ_BUFFER_BYTES.max(limits.header_bytes));
    builder
}

/// How a connection ended.
enum End {
    Closed(hyper::Result<()>),
    TimedOut,
    /// No request has come for a moment.
    Resting,
    /// Its request lost what let it through, and did not end.
    Cut,
}

/// What a connection has among those that last goes with it, whatever of its request is left.
struct Stays<'c>(&'c Worker, &'c Activity);

impl Drop for Stays<'_> {
    fn drop(&mut self) {
        self.0.lasting().leave(self.0, self.1);
    }
}

/// Serves a connection until it is closed, times out, or is drained; or until it has nothing to do,
/// and then it is given back.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: Transport,
    activity: Rc<Activity>,
) -> Option<Transport> {
    let requests = {
        let (worker, activity) = (Rc::clone(&worker), Rc::clone(&activity));
        service_fn(move |request| {
            let (worker, activity) = (Rc::clone(&worker), Rc::clone(&activity));
            async move {
                let mut answer = gate::answer(&worker, &activity, request).await;
                if worker.drain().has_begun() && answer.status() != StatusCode::SWITCHING_PROTOCOLS
                {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        })
    };
    let _stays = Stays(&worker, &activity);
    let io = ClientIo::new(stream, Rc::clone(&activity));
    let mut connection = worker.http().serve_connection(io, requests);
    let timeouts = *worker.timeouts();
    let first = timeouts.idle.min(rest::MOMENT);
    let mut timer = LazyTimer::new(deadline(clock::instant(), first));
    let mut drain = pin!(worker.drain().begins());
    let mut listening = false;
    let end = poll_fn(|cx| {
        // Polled once: the task stays the same, and the worker knows the rest.
        if !listening {
            listening = true;
            let _ = drain.as_mut().poll(cx);
        }
        loop {
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(End::Closed(result));
            }
            let Some((due, whose)) = due(&worker, &activity, &timeouts) else {
                return Poll::Pending;
            };
            ready!(timer.poll(cx, due));
            match whose {
                Wait::Connection => return Poll::Ready(End::TimedOut),
                Wait::Rest => return Poll::Ready(End::Resting),
                // The request answers for itself.
                Wait::Request => activity.set_overdue(),
                Wait::Moment => worker.lasting().enter(&worker, &activity, cx.waker()),
                Wait::End => return Poll::Ready(End::Cut),
            }
        }
    })
    .await;
    let tunnel = activity.take_tunnel();
    match end {
        End::Closed(Ok(())) => {
            if let Some(tunnel) = tunnel {
                // What came behind the head was kept from hyper.
                let (stream, read) = connection.into_parts().io.into_parts();
                let client = Leg { stream, read };
                tunnel.run(client).await;
            }
        }
        // The answer broke off: to a client that reads until the end, a clean close would look
        // like a whole one.
        End::Closed(Err(error)) if error.is_user() => {
            connection.into_parts().io.into_parts().0.break_off();
        }
        End::Closed(Err(error)) if error.is_parse_too_large() => {
            head_refused(&worker, 431, &activity);
        }
        End::Closed(Err(error)) if error.is_parse() => head_refused(&worker, 400, &activity),
        End::Closed(Err(_)) => {}
        End::Cut => connection.into_parts().io.into_parts().0.break_off(),
        End::TimedOut if activity.phase() == Phase::Head => {
            let (mut stream, _beyond) = connection.into_parts().io.into_parts();
            refuse_slow_head(&worker, &mut stream, &activity);
        }
        End::TimedOut => {}
        End::Resting => {
            let parts = connection.into_parts();
            let (stream, beyond) = parts.io.into_parts();
            // As long as not a byte of a head has come, hyper has none.
            return (parts.read_buf.is_empty() && beyond.is_empty()).then_some(stream);
        }
    }
    None
}

/// Ends a connection whose client has begun a head and not ended it.
pub(super) fn refuse_slow_head(worker: &Worker, stream: &mut Transport, activity: &Activity) {
    let detail = "the request's head did not come in time";
    let text = respond::raw("408 Request Timeout", detail, &activity.id());
    stream.say(text.as_bytes());
    head_refused(worker, 408, activity);
}

/// A head that was never whole, or that hyper refused, is no request: it is counted here.
fn head_refused(worker: &Worker, status: u16, activity: &Activity) {
    let generation = worker.generation();
    let (number, snapshot) = (generation.number, &generation.snapshot);
    let reason = activity.flaw().map_or(DenyReason::BadRequest, Flaw::reason);
    let bad = Denial { reason, facts: Facts::default() };
    let denial = (status == 400).then_some(bad);
    let now = clock::instant();
    let took = now.saturating_duration_since(activity.since());
    let mut meters = worker.meters();
    if let Some(denial) = &denial {
        meters.denied(number, snapshot, denial);
    }
    meters.answered(number, snapshot, &bad.facts, status, took);
    let limit = match status {
        408 => Some(Limit::HeaderTimeout),
        431 => Some(Limit::HeaderBytes),
        _ => None,
    };
    if let Some(limit) = limit {
        meters.exceeded(number, snapshot, &bad.facts, limit);
    }
    if denial.is_some() {
        let refusal = Refusal {
            reason,
            facts: bad.facts,
            generation: number,
            method: "other",
            status,
            request_id: &activity.id(),
            peer: activity.peer.text(),
        };
        meters.refused(snapshot, &refusal, clock::now());
    }
    drop(meters);
    let event = RequestEvent {
        logged: true,
        decided: false,
        denial,
        terminated: false,
        words: Description::default(),
        generation: generation.number,
        method: "other",
        status,
        upstream_status: None,
        upstream_error: None,
        took,
        request_id: &activity.id(),
        trace_id: "",
        traceparent: "",
        parent: None,
        exported: false,
        peer: activity.peer.text(),
    };
    worker.journal().tell(&event, now);
}

/// Who waits.
enum Wait {
    Connection,
    /// Nobody, before the connection rests.
    Rest,
    Request,
    /// Nobody: a request begins to last.
    Moment,
    /// We do, for the end of what is to end.
    End,
}

/// What is due first.
fn due(worker: &Worker, activity: &Activity, timeouts: &Timeouts) -> Option<(Instant, Wait)> {
    let patience = patience(worker, activity, timeouts);
    let own = match (activity.right.moment(), activity.right.lost()) {
        (Some(moment), _) => (moment, Wait::Moment),
        (None, Some(lost)) => (lost.due(), Wait::End),
        (None, None) => return patience,
    };
    match patience {
        Some((due, whose)) if due < own.0 => Some((due, whose)),
        _ => Some(own),
    }
}

/// When patience ends, and whose. A client that does not read what it asked for comes first: while
/// it does not, its request cannot go on.
fn patience(worker: &Worker, activity: &Activity, timeouts: &Timeouts) -> Option<(Instant, Wait)> {
    if let Some(stalled) = activity.stalled() {
        return Some((activity.patience(stalled, timeouts.body), Wait::Connection));
    }
    match activity.phase() {
        Phase::Idle if activity.is_uploading() => {
            Some((deadline(activity.since(), timeouts.body), Wait::Connection))
        }
        Phase::Idle => {
            let idle = deadline(activity.since(), timeouts.idle);
            // A client that has not heard that an answer was its last may have asked again.
            match worker.drain().lingers_until(activity.since()) {
                Some(last) => Some((last.min(idle), Wait::Connection)),
                None if timeouts.idle > rest::MOMENT => {
                    Some((deadline(activity.since(), rest::MOMENT), Wait::Rest))
                }
                None => Some((idle, Wait::Connection)),
            }
        }
        Phase::Head => Some((deadline(activity.since(), timeouts.header), Wait::Connection)),
        Phase::Busy => activity.due().map(|due| (due, Wait::Request)),
    }
}

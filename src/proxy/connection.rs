//! One client connection of HTTP/1.1: its requests, one timer for every timeout, and the drain.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Instant;

use http::StatusCode;

use super::activity::{Activity, Phase};
use super::gate;
use super::inlet::BadHead;
use super::line::{Line, Said};
use super::message::Answer;
use super::reader::head_room;
use super::respond;
use super::rest;
use super::settings::Timeouts;
use super::timer::{LazyTimer, deadline};
use super::transport::Transport;
use super::tunnel::Leg;
use super::worker::Worker;
use crate::clock;
use crate::policy::{Denial, DenyReason, Description, Facts};
use crate::telemetry::{Limit, Refusal, RequestEvent};

/// How a connection ended.
enum End {
    /// Nothing more is to be said on it.
    Closed,
    /// Its answer broke off, or lost what let it through and did not end.
    Broken,
    /// It is no longer HTTP.
    Switched,
    TimedOut,
    /// No request has come for a moment.
    Resting,
}

/// What a connection has among those that last goes with it, whatever of its request is left; and a
/// tunnel that never began: its record would keep it for ever.
struct Stays<'c>(&'c Worker, &'c Activity);

impl Drop for Stays<'_> {
    fn drop(&mut self) {
        self.0.lasting().leave(self.0, self.1);
        drop(self.1.take_tunnel());
    }
}

/// Serves a connection until it is closed, times out, or is drained; or until it has nothing to do,
/// and then it is given back.
pub(super) async fn serve(
    worker: Rc<Worker>,
    stream: Transport,
    activity: Rc<Activity>,
) -> Option<Transport> {
    let _stays = Stays(&worker, &activity);
    let mut line = Line::new(stream, Rc::clone(&activity));
    let end = timed(&worker, &activity, converse(&mut line, &worker, &activity)).await;
    match end {
        End::Closed => {}
        // To a client that reads until the end, a clean close would look like a whole answer.
        End::Broken => line.transport().break_off(),
        End::Switched => {
            if let Some(tunnel) = activity.take_tunnel() {
                let (stream, read) = line.into_parts();
                tunnel.run(Leg { stream, read }).await;
            }
        }
        End::TimedOut if activity.phase() == Phase::Head => {
            refuse_slow_head(&worker, line.transport(), &activity);
        }
        End::TimedOut => {}
        End::Resting => return line.is_idle().then(|| line.into_parts().0),
    }
    None
}

/// Serves one request after the other.
async fn converse(line: &mut Line, worker: &Rc<Worker>, activity: &Rc<Activity>) -> End {
    loop {
        let next = poll_fn(|cx| {
            let mut room = worker.scratch();
            line.poll_request(worker.limits(), head_room(&mut room), cx)
        });
        let (asking, incoming) = match next.await {
            Ok(Some(request)) => request,
            Ok(None) => break,
            Err(refusal) => {
                head_refused(worker, refusal, activity);
                // What is still waited for is not its head.
                activity.end(clock::instant());
                line.refuse(refusal).await;
                break;
            }
        };
        let answer = {
            let mut answering = pin!(gate::answer(worker, activity, asking, incoming));
            poll_fn(|cx| line.poll_answering(|cx| answering.as_mut().poll(cx), cx)).await
        };
        let Some(answer) = answer else { return End::Closed };
        let Answer { mut head, mut body } = answer;
        let is_switch = head.status == StatusCode::SWITCHING_PROTOCOLS;
        if worker.drain().has_begun() && !is_switch {
            head.fields.set("connection", "close");
        }
        line.answer(&head, &body, worker.date());
        match poll_fn(|cx| line.poll_answer(&mut body, cx)).await {
            Said::Whole if is_switch => return End::Switched,
            Said::Whole => {}
            Said::Broken => return End::Broken,
            Said::Unheard => return End::Closed,
        }
        drop(body);
        if !poll_fn(|cx| line.poll_over(cx)).await {
            break;
        }
    }
    line.part().await;
    End::Closed
}

/// Waits for the end of a connection, as long as it may take.
async fn timed(
    worker: &Worker,
    activity: &Rc<Activity>,
    conversation: impl Future<Output = End>,
) -> End {
    let mut conversation = pin!(conversation);
    let timeouts = worker.timeouts();
    let first = timeouts.idle.min(rest::MOMENT);
    let mut timer = LazyTimer::new(deadline(clock::instant(), first));
    let mut drain = pin!(worker.drain().begins());
    let mut listening = false;
    poll_fn(|cx| {
        // Polled once: the task stays the same, and the worker knows the rest.
        if !listening {
            listening = true;
            let _ = drain.as_mut().poll(cx);
        }
        loop {
            if let Poll::Ready(end) = conversation.as_mut().poll(cx) {
                return Poll::Ready(end);
            }
            let Some((due, whose)) = due(worker, activity, timeouts) else {
                return Poll::Pending;
            };
            ready!(timer.poll(cx, due));
            match whose {
                Wait::Connection => return Poll::Ready(End::TimedOut),
                Wait::Rest => return Poll::Ready(End::Resting),
                // The request answers for itself.
                Wait::Request => activity.set_overdue(),
                Wait::Moment => worker.lasting().enter(worker, activity, cx.waker()),
                Wait::End => return Poll::Ready(End::Broken),
            }
        }
    })
    .await
}

/// Ends a connection whose client has begun a head and not ended it.
pub(super) fn refuse_slow_head(worker: &Worker, stream: &mut Transport, activity: &Activity) {
    let detail = "the request's head did not come in time";
    let text = respond::raw("408 Request Timeout", detail, &activity.id());
    stream.say(text.as_bytes());
    refused(worker, 408, None, Some(Limit::HeaderTimeout), activity);
}

fn head_refused(worker: &Worker, refusal: BadHead, activity: &Activity) {
    refused(worker, refusal.status().0, refusal.reason(), refusal.limit(), activity);
}

/// A head that was never whole, or that is none, is no request: it is counted here.
fn refused(
    worker: &Worker,
    status: u16,
    reason: Option<DenyReason>,
    limit: Option<Limit>,
    activity: &Activity,
) {
    let generation = worker.generation();
    let (number, snapshot) = (generation.number, &generation.snapshot);
    let facts = Facts::default();
    let denial = reason.map(|reason| Denial { reason, facts });
    let now = clock::instant();
    let took = now.saturating_duration_since(activity.since());
    let mut meters = worker.meters();
    if let Some(denial) = &denial {
        meters.denied(number, snapshot, denial);
    }
    meters.answered(number, snapshot, &facts, status, took);
    if let Some(limit) = limit {
        meters.exceeded(number, snapshot, &facts, limit);
    }
    if let Some(reason) = reason {
        let refusal = Refusal {
            reason,
            facts,
            generation: number,
            method: "other",
            status,
            request_id: &activity.id(),
            peer: activity.peer.text(),
        };
        meters.refused(snapshot, &refusal, worker.date().at(now));
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

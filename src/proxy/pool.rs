//! A worker's way to one upstream: which endpoint a request goes to, and whether it goes once more.
//!
//! Of two endpoints that are open, drawn at random, the one with fewer requests is asked. One that
//! keeps failing is left out for a while, but never all of them: where none is open, all are tried.
//!
//! # What goes once more
//!
//! - A request of which nothing was written: on another connection, at another endpoint where the
//!   first could not be reached.
//! - A read of whose answer nothing came before its connection closed (RFC 9110 §9.2.2, RFC 9112
//!   §9.3.1): once, on a new connection, if it was on one that was used before or if there is
//!   another endpoint. At another endpoint, rather.
//!
//! Both as long as the [`Budget`] lasts, but for what finds its idle connection closed: that is no
//! failure.

use std::rc::Rc;

use super::activity::Activity;
use super::body::{RequestBody, Upload};
use super::budget::Budget;
use super::dial::Spoken;
use super::download::Download;
use super::endpoint::{Bounds, Load, Opened};
use super::extended;
use super::fault::Fault;
use super::fields::Fields;
use super::headers;
use super::held::Original;
use super::link::Link;
use super::message::{Answering, Asking};
use super::roster::Roster;
use super::scout::Source;
use super::settings::{Timeouts, Upstream};
use super::shared::{self, Heard, Stream};
use super::tunnel::Leg;
use super::upstream::{Connection, PROTOCOL, RESET, Sent, UPGRADE};
use super::worker::Worker;
use crate::clock;
use crate::telemetry::{PoolMeters, UpstreamErrorKind};

/// Endpoints that one request tries to reach, at most.
const TRIES: usize = 3;

/// Shared connections that may end as they should before one request's turn on them. Upstreams that
/// take so many requests a connection do that all the time: it only has to end.
const TURNS: usize = 10;

const FULL: Fault = Fault::Upstream(UpstreamErrorKind::Full);

/// A worker's endpoints of one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    roster: Roster,
    timeouts: Timeouts,
    budget: Budget,
    meters: Rc<PoolMeters>,
}

/// An answer's head, and its body.
pub(super) type Answer = (Answering, Download);

/// What an upstream said to a request.
pub(super) enum Exchange {
    Answer(Answer),
    /// It goes on in the protocol that was asked for.
    Switch(Answering, Leg<Link>, Load),
}

/// Whether a request does the same when it is done twice (RFC 9110 §9.2.2), and has no body that
/// would have to be kept.
fn is_repeatable(head: &Asking, body: &RequestBody) -> bool {
    matches!(body, RequestBody::Empty) && head.method.is_idempotent()
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'r> {
    pub(super) upload: &'r Rc<Upload>,
    pub(super) activity: &'r Rc<Activity>,
    /// Who reads for it.
    pub(super) worker: &'r Worker,
}

impl Pool {
    pub(super) fn new(
        upstream: &Upstream,
        sources: Vec<Source>,
        workers: usize,
        timeouts: Timeouts,
        meters: PoolMeters,
    ) -> Rc<Self> {
        let bounds = Bounds {
            idle_connections: upstream.idle_connections,
            idle: timeouts.idle,
            requests: upstream.requests.div_ceil(workers.max(1)),
            eject_after: upstream.eject_after,
        };
        let meters = Rc::new(meters);
        let roster = Roster::new(sources, bounds, Rc::clone(&meters));
        Rc::new(Self { roster, timeouts, budget: Budget::default(), meters })
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) async fn exchange(
        &self,
        head: &Asking,
        mut body: RequestBody,
        preamble: &[u8],
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        self.budget.request();
        let now = caller.upload.progress();
        let load = match self.roster.choose(&[], now) {
            Some(load) => load,
            None => Box::pin(self.roster.wait(self.timeouts.connect)).await?,
        };
        while let Some(mut connection) = load.take(now) {
            match connection.send(head, preamble, &mut body, caller, &self.timeouts).await {
                Sent::Unsent => {}
                Sent::Unheard => {
                    load.failed(RESET);
                    if !is_repeatable(head, &body) {
                        return Err(RESET);
                    }
                    // Boxed, as what is rare: its state would be carried by every request.
                    return Box::pin(self.repeat(head, preamble, load, caller)).await;
                }
                sent => return self.answered(sent, connection, body, load, caller),
            }
        }
        Box::pin(self.exchange_anew(head, body, preamble, load, caller)).await
    }

    /// The same on a new connection, or on a shared one.
    async fn exchange_anew(
        &self,
        head: &Asking,
        body: RequestBody,
        preamble: &[u8],
        load: Load,
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        let (opened, load) = self.open(vec![load], None).await?;
        match opened {
            Opened::Alone(connection) => {
                self.exchange_alone(head, body, preamble, connection, load, caller).await
            }
            Opened::Shared(stream) => {
                self.exchange_shared(head, body, preamble, stream, load, caller).await
            }
        }
    }

    async fn exchange_alone(
        &self,
        head: &Asking,
        mut body: RequestBody,
        preamble: &[u8],
        mut connection: Box<Connection>,
        load: Load,
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        match connection.send(head, preamble, &mut body, caller, &self.timeouts).await {
            Sent::Unheard if is_repeatable(head, &body) && self.roster.is_plural() => {
                load.failed(RESET);
                self.repeat(head, preamble, load, caller).await
            }
            sent => self.answered(sent, connection, body, load, caller),
        }
    }

    async fn exchange_shared(
        &self,
        head: &Asking,
        body: RequestBody,
        preamble: &[u8],
        mut stream: Stream,
        mut load: Load,
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        let body = Original::new(body);
        let is_repeatable = body.is_empty() && head.method.is_idempotent();
        let (mut tries, mut turns) = (1, 0);
        loop {
            let mut is_free = false;
            let held = body.send().ok_or(RESET)?;
            let request = shared::request(head, held, preamble, &load.scheme()).ok_or(PROTOCOL)?;
            match stream.send(request, caller, &self.timeouts).await {
                Heard::Answered(response) => {
                    load.succeeded();
                    let (parts, incoming) = response.into_parts();
                    let fields = Fields::from(&parts.headers);
                    let head = Answering { status: parts.status, reason: None, fields };
                    let limit = self.timeouts.body;
                    return Ok((head, Download::shared(incoming, stream, load, caller, limit)));
                }
                // That is its right, and no failure.
                Heard::Unprocessed => {}
                Heard::Late if turns < TURNS => {
                    turns += 1;
                    tries -= 1;
                    is_free = true;
                }
                Heard::Late => return Err(RESET),
                Heard::Nothing if is_repeatable => load.failed(RESET),
                Heard::Nothing => {
                    load.failed(RESET);
                    return Err(RESET);
                }
                Heard::Failed(fault) => {
                    load.failed(fault);
                    return Err(fault);
                }
            }
            stream.retire();
            if tries == TRIES || !(is_free || self.budget.take()) {
                return Err(RESET);
            }
            if !is_free {
                self.meters.retried();
            }
            tries += 1;
            match self.open_beside(load, None).await? {
                (Opened::Shared(other), at) => (stream, load) = (other, at),
                (Opened::Alone(connection), load) => {
                    let body = body.into_untouched().ok_or(RESET)?;
                    return self
                        .exchange_alone(head, body, preamble, connection, load, caller)
                        .await;
                }
            }
        }
    }

    async fn repeat(
        &self,
        head: &Asking,
        preamble: &[u8],
        failed: Load,
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        if !self.budget.take() {
            return Err(RESET);
        }
        self.meters.retried();
        let (opened, load) = self.open_beside(failed, Some(Spoken::Http1)).await?;
        let Opened::Alone(mut connection) = opened else { return Err(RESET) };
        let mut body = RequestBody::Empty;
        let sent = connection.send(head, preamble, &mut body, caller, &self.timeouts).await;
        self.answered(sent, connection, body, load, caller)
    }

    /// What came on a connection that is the last to be tried.
    fn answered(
        &self,
        sent: Sent,
        connection: Box<Connection>,
        body: RequestBody,
        load: Load,
        caller: Caller<'_>,
    ) -> Result<Answer, Fault> {
        let fault = match sent {
            Sent::Answered(head) => {
                load.succeeded();
                return Ok((head, Download::new(connection, body, load, caller, &self.timeouts)));
            }
            Sent::Failed(fault) => fault,
            Sent::Unsent | Sent::Unheard => RESET,
            Sent::Switched(_) => PROTOCOL,
        };
        load.failed(fault);
        Err(fault)
    }

    /// Sends a request for another protocol, on a connection of its own.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) async fn switch(
        &self,
        head: &Asking,
        mut body: RequestBody,
        preamble: &[u8],
        caller: Caller<'_>,
    ) -> Result<Exchange, Fault> {
        self.budget.request();
        let load = match self.roster.choose(&[], caller.upload.progress()) {
            Some(load) => load,
            None => self.roster.wait(self.timeouts.connect).await?,
        };
        let (opened, load) = self.open(vec![load], Some(Spoken::Http1)).await?;
        // There is a way for it in HTTP/2 (RFC 8441), which is not gone here.
        let Opened::Alone(mut connection) = opened else { return Err(UPGRADE) };
        connection.set_last();
        // In HTTP/1.1 the client sees for itself.
        let is_ours = caller.activity.is_stream();
        let expected = if is_ours { extended::accepts(&head.fields) } else { None };
        let agrees = |answer: &Fields| {
            headers::is_websocket(answer)
                && (!is_ours || extended::is_accepted(answer, expected.as_deref()))
        };
        match connection.send(head, preamble, &mut body, caller, &self.timeouts).await {
            Sent::Switched(head) if agrees(&head.fields) => {
                load.succeeded();
                Ok(Exchange::Switch(head, connection.into_leg(), load))
            }
            // On a stream of HTTP/2 this would be the agreement (RFC 8441 §5).
            Sent::Answered(head) if is_ours && head.status.is_success() => {
                load.succeeded();
                Err(UPGRADE)
            }
            sent => self.answered(sent, connection, body, load, caller).map(Exchange::Answer),
        }
    }

    /// Connects to another endpoint than that which failed. Where there is only one, or no other has
    /// room, to the same again.
    async fn open_beside(
        &self,
        failed: Load,
        wants: Option<Spoken>,
    ) -> Result<(Opened, Load), Fault> {
        let mut tried = vec![failed];
        tried.extend(self.roster.choose(&tried, clock::instant()));
        self.open(tried, wants).await
    }

    /// Connects to the last of `tried`, or else to another endpoint: nothing was sent yet.
    async fn open(
        &self,
        mut tried: Vec<Load>,
        wants: Option<Spoken>,
    ) -> Result<(Opened, Load), Fault> {
        let mut tries = 1;
        loop {
            let load = tried.last().ok_or(FULL)?;
            let fault = match load.open(wants, &self.timeouts).await {
                Ok(opened) => return Ok((opened, tried.pop().ok_or(FULL)?)),
                Err(fault) => fault,
            };
            if tries == TRIES {
                return Err(fault);
            }
            let other = self.roster.choose(&tried, clock::instant()).ok_or(fault)?;
            if !self.budget.take() {
                return Err(fault);
            }
            self.meters.retried();
            tried.push(other);
            tries += 1;
        }
    }

    /// Once a second.
    pub(super) fn sweep(&self) {
        self.budget.tick();
        self.roster.sweep(clock::instant());
    }

    /// Takes up what becomes known of one of the sources, by its number, for ever.
    pub(super) async fn follow(self: Rc<Self>, number: usize) {
        self.roster.follow(number).await;
    }

    /// How many sources there are.
    pub(super) fn sources(&self) -> usize {
        self.roster.sources()
    }
}

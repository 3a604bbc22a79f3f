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

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use http::{Method, Request, Response, response};
use tokio::sync::Notify;

use super::address::Known;
use super::body::{RequestBody, Upload};
use super::budget::Budget;
use super::download::Download;
use super::endpoint::{Bounds, Endpoint, Load};
use super::fault::Fault;
use super::headers;
use super::io::Activity;
use super::link::Link;
use super::scout::Source;
use super::settings::{Timeouts, Upstream};
use super::tunnel::Leg;
use super::upstream::{Connection, PROTOCOL, RESET, Sent};
use crate::clock;
use crate::telemetry::{PoolMeters, UpstreamErrorKind};

/// Endpoints that one request tries to reach, at most.
const TRIES: usize = 3;

const FULL: Fault = Fault::Upstream(UpstreamErrorKind::Full);
const NAMELESS: Fault = Fault::Upstream(UpstreamErrorKind::Dns);

/// A worker's endpoints of one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    sources: Vec<Source>,
    bounds: Bounds,
    /// Those of the addresses that are known.
    endpoints: RefCell<Vec<Rc<Endpoint>>>,
    /// They have changed.
    changed: Notify,
    timeouts: Timeouts,
    budget: Budget,
    meters: PoolMeters,
}

/// What an upstream said to a request.
pub(super) enum Exchange {
    Answer(Response<Download>),
    /// It goes on in the protocol that was asked for.
    Switch(response::Parts, Leg<Link>, Load),
}

/// A request that does the same when it is done twice (RFC 9110 §9.2.2), without a body that would
/// have to be kept.
struct Repeatable(Method);

impl Repeatable {
    fn of(request: &Request<RequestBody>) -> Option<Self> {
        let repeats = matches!(request.body(), RequestBody::Empty);
        (repeats && request.method().is_idempotent()).then(|| Self(request.method().clone()))
    }
}

/// Whose request it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'r> {
    pub(super) upload: &'r Rc<Upload>,
    pub(super) activity: &'r Rc<Activity>,
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
        let pool = Self {
            sources,
            bounds,
            endpoints: RefCell::default(),
            changed: Notify::new(),
            timeouts,
            budget: Budget::default(),
            meters,
        };
        pool.learn();
        Rc::new(pool)
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    ///
    /// What the client is to be told.
    pub(super) async fn exchange(
        &self,
        mut request: Request<RequestBody>,
        preamble: &[u8],
        caller: Caller<'_>,
    ) -> Result<Response<Download>, Fault> {
        self.budget.request();
        let now = caller.upload.progress();
        let load = match self.choose(&[], now) {
            Some(load) => load,
            None => Box::pin(self.wait()).await?,
        };
        while let Some(mut connection) = load.take(now) {
            connection.preamble().set(preamble);
            let repeatable = Repeatable::of(&request);
            match connection.send(request, caller, &self.timeouts).await {
                Sent::Unsent(unsent) => request = *unsent,
                Sent::Unheard(head) => {
                    load.failed(RESET);
                    let repeatable = repeatable.ok_or(RESET)?;
                    // Boxed, as what is rare: its state would be carried by every request.
                    return Box::pin(self.repeat(repeatable, head, load, caller)).await;
                }
                sent => return self.answered(sent, connection, load, caller),
            }
        }
        Box::pin(self.exchange_anew(request, preamble, load, caller)).await
    }

    /// The same on a new connection.
    async fn exchange_anew(
        &self,
        request: Request<RequestBody>,
        preamble: &[u8],
        load: Load,
        caller: Caller<'_>,
    ) -> Result<Response<Download>, Fault> {
        let (mut connection, load) = self.open(vec![load]).await?;
        connection.preamble().set(preamble);
        let repeatable = Repeatable::of(&request).filter(|_| self.endpoints.borrow().len() > 1);
        match connection.send(request, caller, &self.timeouts).await {
            Sent::Unheard(head) if let Some(repeatable) = repeatable => {
                load.failed(RESET);
                self.repeat(repeatable, head, load, caller).await
            }
            sent => self.answered(sent, connection, load, caller),
        }
    }

    async fn repeat(
        &self,
        Repeatable(method): Repeatable,
        head: Vec<u8>,
        failed: Load,
        caller: Caller<'_>,
    ) -> Result<Response<Download>, Fault> {
        if !self.budget.take() {
            return Err(RESET);
        }
        self.meters.retried();
        let now = clock::instant();
        // Where there is only one, or no other has room, the same again.
        let mut tried = vec![failed];
        tried.extend(self.choose(&tried, now));
        let (mut connection, load) = self.open(tried).await?;
        connection.preamble().set_head(head);
        let mut request = Request::new(RequestBody::Empty);
        // By its method it is known whether its answer has a body.
        *request.method_mut() = method;
        let sent = connection.send(request, caller, &self.timeouts).await;
        self.answered(sent, connection, load, caller)
    }

    /// What came on a connection that is the last to be tried.
    fn answered(
        &self,
        sent: Sent,
        connection: Box<Connection>,
        load: Load,
        caller: Caller<'_>,
    ) -> Result<Response<Download>, Fault> {
        let fault = match sent {
            Sent::Answered(response) => {
                load.succeeded();
                let limit = self.timeouts.body;
                return Ok(Download::new(response, connection, load, caller, limit));
            }
            Sent::Failed(fault) => fault,
            Sent::Unsent(_) | Sent::Unheard(_) => RESET,
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
        request: Request<RequestBody>,
        preamble: &[u8],
        caller: Caller<'_>,
    ) -> Result<Exchange, Fault> {
        self.budget.request();
        let load = match self.choose(&[], caller.upload.progress()) {
            Some(load) => load,
            None => self.wait().await?,
        };
        let (mut connection, load) = self.open(vec![load]).await?;
        connection.set_last();
        connection.preamble().set(preamble);
        match connection.send(request, caller, &self.timeouts).await {
            Sent::Switched(response) if headers::is_websocket(response.headers()) => {
                let leg = poll_fn(|cx| Poll::Ready(connection.end(cx))).await.ok_or(PROTOCOL)?;
                load.succeeded();
                Ok(Exchange::Switch(response.into_parts().0, leg, load))
            }
            sent => self.answered(sent, connection, load, caller).map(Exchange::Answer),
        }
    }

    /// Connects to the last of `tried`, or else to another endpoint: nothing was sent yet.
    async fn open(&self, mut tried: Vec<Load>) -> Result<(Box<Connection>, Load), Fault> {
        let mut tries = 1;
        loop {
            let load = tried.last().ok_or(FULL)?;
            let fault = match load.open(&self.timeouts).await {
                Ok(connection) => return Ok((connection, tried.pop().ok_or(FULL)?)),
                Err(fault) => fault,
            };
            if tries == TRIES {
                return Err(fault);
            }
            let other = self.choose(&tried, clock::instant()).ok_or(fault)?;
            if !self.budget.take() {
                return Err(fault);
            }
            self.meters.retried();
            tried.push(other);
            tries += 1;
        }
    }

    /// The better of two at random that are open and have room, or of any that have room. Nothing
    /// where none but `tried` has.
    fn choose(&self, tried: &[Load], now: Instant) -> Option<Load> {
        let endpoints = self.endpoints.borrow();
        if let [only] = endpoints.as_slice() {
            return (tried.is_empty() && !only.is_full()).then(|| only.enter(now));
        }
        let is_free = |it: &&Rc<Endpoint>| !it.is_full() && !tried.iter().any(|at| at.is_at(it));
        let free = || endpoints.iter().filter(is_free);
        let better = better_of_two(free().filter(|it| it.is_open(now)));
        better.or_else(|| better_of_two(free())).map(|it| it.enter(now))
    }

    /// Once a second: what was idle for too long is closed.
    pub(super) fn sweep(&self) {
        self.budget.tick();
        let now = clock::instant();
        self.endpoints.borrow().iter().for_each(|endpoint| endpoint.sweep(now));
    }

    /// Takes up what becomes known of one of the sources, by its number, for ever.
    pub(super) async fn follow(self: Rc<Self>, number: usize) {
        let Some(mut known) = self.sources.get(number).map(|source| source.known.clone()) else {
            return;
        };
        while known.changed().await.is_ok() {
            self.learn();
        }
    }

    /// How many sources there are.
    pub(super) fn sources(&self) -> usize {
        self.sources.len()
    }

    /// Endpoints of addresses that are known as before stay as they are.
    fn learn(&self) {
        let before = self.endpoints.take();
        let mut endpoints = Vec::with_capacity(before.len());
        for source in &self.sources {
            for address in source.known.borrow().addresses() {
                let same = before.iter().find(|endpoint| endpoint.is_at(address));
                endpoints.push(same.map(Rc::clone).unwrap_or_else(|| {
                    let meters = self.meters.endpoint(&source.url);
                    Endpoint::new(Arc::clone(address), source.dial.clone(), self.bounds, meters)
                }));
            }
        }
        *self.endpoints.borrow_mut() = endpoints;
        self.changed.notify_waiters();
    }

    /// Nobody can be asked: waits where a first address may become known, for as long as a
    /// connection may take.
    async fn wait(&self) -> Result<Load, Fault> {
        let first = async {
            loop {
                let changed = self.changed.notified();
                let is_empty = self.endpoints.borrow().is_empty();
                match self.choose(&[], clock::instant()) {
                    Some(load) => return Ok(load),
                    None if !is_empty => return Err(FULL),
                    None if !self.is_learning() => return Err(NAMELESS),
                    None => changed.await,
                }
            }
        };
        tokio::time::timeout(self.timeouts.connect, first).await.unwrap_or(Err(NAMELESS))
    }

    fn is_learning(&self) -> bool {
        self.sources.iter().any(|source| matches!(*source.known.borrow(), Known::NotYet))
    }
}

/// Of two that are drawn, the one with fewer requests.
fn better_of_two<'e>(
    endpoints: impl Iterator<Item = &'e Rc<Endpoint>>,
) -> Option<&'e Rc<Endpoint>> {
    let mut drawn: [Option<&Rc<Endpoint>>; 2] = [None; 2];
    for (seen, endpoint) in endpoints.enumerate() {
        // The first two are taken; each later one takes the place of one of them as often as
        // makes all equally likely.
        let slot = if seen < 2 { seen } else { fastrand::usize(..=seen) };
        if let Some(slot) = drawn.get_mut(slot) {
            *slot = Some(endpoint);
        }
    }
    match drawn {
        [Some(one), Some(other)] => match one.load().cmp(&other.load()) {
            std::cmp::Ordering::Less => Some(one),
            std::cmp::Ordering::Greater => Some(other),
            std::cmp::Ordering::Equal => Some(if fastrand::bool() { one } else { other }),
        },
        [one, _] => one,
    }
}

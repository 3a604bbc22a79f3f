//! One of an upstream's endpoints, as one worker knows it: its idle connections, how many requests
//! it has, and how it has been doing.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use http::uri::Scheme;

use super::address::{Address, Spot};
use super::dial::{Dial, Refused, Spoken};
use super::fault::Fault;
use super::settings::Timeouts;
use super::shared::{Shared, Stream};
use super::standing::Standing;
use super::upstream::Connection;
use crate::clock;
use crate::telemetry::{EndpointMeters, UpstreamErrorKind};

/// What bounds every endpoint of an upstream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Idle connections that are kept.
    pub(super) idle_connections: usize,
    /// How long they are.
    pub(super) idle: Duration,
    /// Requests in flight.
    pub(super) requests: usize,
    /// Failures in a row before it is left out.
    pub(super) eject_after: u32,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    address: Arc<Address>,
    dial: Dial,
    bounds: Bounds,
    meters: EndpointMeters,
    /// The most recently used last.
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Shared>>,
    /// What was spoken last, where that is the endpoint's choice.
    spoken: Cell<Option<Spoken>>,
    /// One at a time: what it makes may be enough for all who wait.
    opening: tokio::sync::Mutex<()>,
    load: Cell<usize>,
    /// Whether all that came of it lately was good: then its standing is not looked at.
    is_fine: Cell<bool>,
    standing: RefCell<Standing>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Endpoint {
    pub(super) fn new(
        address: Arc<Address>,
        dial: Dial,
        bounds: Bounds,
        meters: EndpointMeters,
    ) -> Rc<Self> {
        Rc::new(Self {
            address,
            bounds,
            meters,
            idle: RefCell::default(),
            shared: RefCell::default(),
            spoken: Cell::new(dial.spoken()),
            opening: tokio::sync::Mutex::default(),
            dial,
            load: Cell::new(0),
            is_fine: Cell::new(true),
            standing: RefCell::default(),
        })
    }

    pub(super) fn is_at(&self, address: &Arc<Address>) -> bool {
        Arc::ptr_eq(&self.address, address)
    }

    /// Requests in flight.
    pub(super) fn load(&self) -> usize {
        self.load.get()
    }

    pub(super) fn is_full(&self) -> bool {
        self.load.get() >= self.bounds.requests
    }

    /// Whether it is not left out for its health, or for what it did before.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        if !self.address.is_healthy() {
            return false;
        }
        self.is_fine.get() || self.standing.borrow().is_open(now)
    }

    /// Sends a request there, which is in flight as long as its load is kept.
    pub(super) fn enter(self: &Rc<Self>, now: Instant) -> Load {
        if !self.is_fine.get() {
            self.standing.borrow_mut().asked(now);
        }
        self.load.set(self.load.get() + 1);
        Load(Rc::clone(self))
    }

    /// Closes what was idle for too long, or was closed by the other side.
    pub(super) fn sweep(&self, now: Instant) {
        let mut context = Context::from_waker(Waker::noop());
        self.idle
            .borrow_mut()
            .retain_mut(|idle| idle.connection.is_quiet(&mut context) && self.is_fresh(idle, now));
        self.shared.borrow_mut().retain(|shared| shared.is_fresh(now, self.bounds.idle));
    }

    fn is_fresh(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) < self.bounds.idle
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        if !self.standing.get_mut().is_good() {
            self.meters.restored();
        }
    }
}

/// What a request can be sent on.
#[derive(Debug)]
pub(super) enum Opened {
    Alone(Box<Connection>),
    Shared(Stream),
}

/// A request that an endpoint has.
#[derive(Debug)]
pub(super) struct Load(Rc<Endpoint>);

impl Load {
    /// A connection: a new one, or a part of one that is shared. A new one speaks what it `wants`.
    ///
    /// # Errors
    ///
    /// When there is none in time. That counts against the endpoint.
    pub(super) async fn open(
        &self,
        wants: Option<Spoken>,
        timeouts: &Timeouts,
    ) -> Result<Opened, Fault> {
        let opened = if wants == Some(Spoken::Http1) || self.0.spoken.get() == Some(Spoken::Http1) {
            self.connect(wants, timeouts).await
        } else {
            self.share(timeouts).await
        };
        opened.map_err(|Refused { fault, error }| {
            if self.0.is_fine.get() {
                let (endpoint, address) = (self.0.meters.url(), self.spot());
                tracing::warn!(endpoint, %address, %error, "upstream endpoint cannot be reached");
            }
            self.count(fault);
            fault
        })
    }

    async fn share(&self, timeouts: &Timeouts) -> Result<Opened, Refused> {
        let stream = || self.0.shared.borrow().iter().find_map(Shared::stream);
        if let Some(stream) = stream() {
            return Ok(Opened::Shared(stream));
        }
        let turn = tokio::time::timeout(timeouts.connect, self.0.opening.lock()).await;
        let turn = turn.map_err(|_| Refused::late())?;
        if let Some(stream) = stream() {
            return Ok(Opened::Shared(stream));
        }
        if self.0.spoken.get() == Some(Spoken::Http1) {
            // Nothing to be shared after all: nobody waits for another.
            drop(turn);
        }
        self.connect(None, timeouts).await
    }

    async fn connect(&self, wants: Option<Spoken>, timeouts: &Timeouts) -> Result<Opened, Refused> {
        let (link, spoken) = self.0.dial.open(self.spot(), wants, timeouts).await?;
        if wants.is_none() {
            self.0.spoken.set(Some(spoken));
        }
        if spoken == Spoken::Http1 {
            return Ok(Opened::Alone(Connection::over(link)));
        }
        let shared = Shared::over(link, timeouts).await?;
        let stream = shared.stream().ok_or_else(Refused::late)?;
        self.0.shared.borrow_mut().push(shared);
        Ok(Opened::Shared(stream))
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.0.dial.scheme()
    }

    fn spot(&self) -> &Spot {
        self.0.address.spot()
    }

    pub(super) fn is_at(&self, endpoint: &Rc<Endpoint>) -> bool {
        Rc::ptr_eq(&self.0, endpoint)
    }

    /// An idle connection, if there is one that is not old.
    pub(super) fn take(&self, now: Instant) -> Option<Box<Connection>> {
        let idle = self.0.idle.borrow_mut().pop()?;
        if self.0.is_fresh(&idle, now) {
            return Some(idle.connection);
        }
        // The last was used most recently: all the others are older.
        self.0.idle.borrow_mut().clear();
        None
    }

    /// Gives back a connection that another request can be sent on. This one is over.
    pub(super) fn keep(self, connection: Box<Connection>, since: Instant) {
        let mut idle = self.0.idle.borrow_mut();
        if idle.len() < self.0.bounds.idle_connections {
            idle.push(Idle { connection, since });
        }
    }

    /// It has answered.
    pub(super) fn succeeded(&self) {
        if self.0.is_fine.replace(true) {
            return;
        }
        if self.0.standing.borrow_mut().succeeded() {
            self.0.meters.restored();
            let (endpoint, address) = (self.0.meters.url(), self.spot());
            tracing::info!(endpoint, %address, "upstream endpoint is back");
        }
    }

    /// It broke off, or was too late. Other faults are not its own.
    pub(super) fn failed(&self, fault: Fault) {
        use UpstreamErrorKind::{Reset, Timeout};
        if matches!(fault, Fault::Upstream(Reset | Timeout)) {
            self.count(fault);
        }
    }

    fn count(&self, fault: Fault) {
        let mut standing = self.0.standing.borrow_mut();
        self.0.is_fine.set(false);
        if standing.failed(self.0.bounds.eject_after, clock::instant(), fastrand::f64()) {
            self.0.meters.ejected();
            let (endpoint, address, error) =
                (self.0.meters.url(), self.spot(), fault.proxy_error());
            tracing::warn!(endpoint, %address, error, "upstream endpoint is left out");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.load.set(self.0.load.get() - 1);
    }
}

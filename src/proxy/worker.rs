//! One worker: a thread, a runtime, a listener, and everything that its requests share.

use std::cell::{RefCell, RefMut};
use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::activity::Activity;
use super::control::{Control, Life, Queue};
use super::date::Date;
use super::door::{self, Peer, Protocol};
use super::drain::Drain;
use super::fault::Fault;
use super::fields::Fields;
use super::http2;
use super::lasting::Lasting;
use super::listen::Listener;
use super::pool::Pool;
use super::rate::Rates;
use super::respond;
use super::rest;
use super::scout::Source;
use super::settings::{Limits, Settings, Timeouts};
use super::trace::Trace;
use super::transport::Transport;
use super::tunnel;
use crate::current::{Held, Reader};
use crate::policy::{Facts, Snapshot};
use crate::telemetry::{Journal, WorkerMeters};

/// How often idle upstream connections are looked at.
const SWEEP: Duration = Duration::from_secs(1);
/// Buffers that are kept for requests to come.
const KEPT_ROOMS: usize = 64;
/// From a client's first packet to its second, but for those who are far away.
const HANDSHAKE: Duration = Duration::from_millis(100);
/// Turns of the reactor before a drain: one sees what is there, one reads it, one to spare.
const TURNS: usize = 3;
/// How long a listener rests when the process has no file left for a connection.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// What the workers of a process share.
#[derive(Debug)]
pub(super) struct Shared {
    settings: Settings,
    /// How often one key may ask.
    rates: Option<Rates>,
    journal: Journal,
}

impl Shared {
    pub(super) fn new(settings: Settings, journal: Journal) -> Self {
        Self { rates: settings.limits.key_rate.map(Rates::new), settings, journal }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// What the requests of one worker share. Never leaves its thread.
#[derive(Debug)]
pub(super) struct Worker {
    shared: Arc<Shared>,
    date: Date,
    reader: RefCell<Reader>,
    meters: RefCell<WorkerMeters>,
    pools: Vec<Rc<Pool>>,
    random: RefCell<fastrand::Rng>,
    /// Empty buffers that were used before.
    rooms: RefCell<Vec<Vec<u8>>>,
    scratch: RefCell<Box<[u8]>>,
    drain: Drain,
    lasting: Lasting,
    closed: Notify,
    /// This worker's part of the process's limits.
    connections: i64,
    requests: i64,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        sources: Vec<Vec<Source>>,
        reader: Reader,
        meters: WorkerMeters,
    ) -> Rc<Self> {
        let settings = &shared.settings;
        let part = |limit: usize| {
            i64::try_from(limit.div_ceil(settings.workers.max(1))).unwrap_or(i64::MAX)
        };
        let pools = settings
            .upstreams
            .iter()
            .zip(sources)
            .map(|(it, sources)| {
                let meters = meters.pool(&it.name);
                Pool::new(it, sources, settings.workers, settings.timeouts, meters)
            })
            .collect();
        Rc::new(Self {
            date: Date::default(),
            reader: RefCell::new(reader),
            meters: RefCell::new(meters),
            pools,
            random: RefCell::new(fastrand::Rng::new()),
            rooms: RefCell::default(),
            scratch: RefCell::new(vec![0; tunnel::SCRATCH_BYTES].into()),
            drain: Drain::new(settings.timeouts.linger),
            lasting: Lasting::default(),
            closed: Notify::new(),
            connections: part(settings.limits.connections),
            requests: part(settings.limits.requests),
            shared,
        })
    }

    /// Accepts and serves until the process's life ends or every connection is drained. Calls `beat`
    /// now and then.
    pub(super) async fn run(
        self: Rc<Self>,
        listener: Listener,
        control: Control,
        beat: impl Fn() + 'static,
    ) {
        let mut life = control.life();
        for pool in &self.pools {
            for number in 0..pool.sources() {
                tokio::task::spawn_local(Rc::clone(pool).follow(number));
            }
        }
        let sweeper = tokio::task::spawn_local(Rc::clone(&self).sweep());
        let judge = tokio::task::spawn_local(Lasting::watch(Rc::clone(&self), beat));
        tokio::select! {
            () = self.accept(&listener) => {}
            _ = life.wait_for(|life| *life != Life::Running) => {}
        }
        self.drain.begin();
        if *life.borrow() == Life::Draining(Queue::Ours) {
            self.accept_last(&listener, &control, &mut life).await;
        }
        drop(listener);
        tokio::select! {
            () = self.drained() => {}
            () = tokio::time::sleep(self.shared.settings.timeouts.drain) => {
                let left = self.meters().connections(0);
                tracing::warn!(connections = left, "drain deadline passed, connections are cut");
            }
            _ = life.wait_for(|life| *life == Life::Stopped) => {}
        }
        sweeper.abort();
        judge.abort();
    }

    /// Accepts until whoever sends clients here has seen that they should go elsewhere, and then what
    /// was on its way.
    async fn accept_last(
        self: &Rc<Self>,
        listener: &Listener,
        control: &Control,
        life: &mut watch::Receiver<Life>,
    ) {
        for (number, time) in [self.timeouts().drain_delay, HANDSHAKE].into_iter().enumerate() {
            if number == 1 {
                listener.lock();
                control.remove_file();
            }
            tokio::select! {
                () = self.accept(listener) => {}
                () = tokio::time::sleep(time) => {}
                _ = life.wait_for(|life| *life == Life::Stopped) => return,
            }
        }
        // The reactor has to turn for that: it may not have seen the last connections.
        for _turn in 0..TURNS {
            self.accept_waiting(listener);
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn date(&self) -> &Date {
        &self.date
    }

    /// Whether clients speak TLS.
    pub(super) fn is_secure(&self) -> bool {
        self.shared.settings.tls
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.shared.settings.limits
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.shared.settings.timeouts
    }

    /// Whether connections begin with where they come from.
    pub(super) fn is_told_of_origins(&self) -> bool {
        self.shared.settings.proxy_protocol
    }

    /// A client by its address.
    pub(super) fn peer(&self, address: IpAddr) -> Peer {
        Peer::new(address, self.is_secure(), self.trusts(address))
    }

    /// Whether this client's forwarding fields are kept.
    fn trusts(&self, peer: IpAddr) -> bool {
        self.shared.settings.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    pub(super) fn generation(&self) -> Rc<Held> {
        self.reader.borrow_mut().load()
    }

    /// Never held over an `await`: every use is one call.
    pub(super) fn meters(&self) -> RefMut<'_, WorkerMeters> {
        self.meters.borrow_mut()
    }

    pub(super) fn pool(&self, upstream: usize) -> Option<Rc<Pool>> {
        self.pools.get(upstream).map(Rc::clone)
    }

    pub(super) fn trace(&self, fields: &Fields) -> Trace {
        Trace::of(fields, &mut self.random.borrow_mut(), self.shared.journal.spans())
    }

    /// An empty buffer.
    pub(super) fn room(&self) -> Vec<u8> {
        self.rooms.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a buffer for the next who asks for one.
    pub(super) fn give_back(&self, mut room: Vec<u8>) {
        let mut rooms = self.rooms.borrow_mut();
        if rooms.len() < KEPT_ROOMS {
            room.clear();
            rooms.push(room);
        }
    }

    /// Keeps the buffer of a stream, once its request is over.
    pub(super) fn give_back_of(&self, stream: &Activity) {
        if let Some(room) = stream.right.take_room() {
            self.give_back(room);
        }
    }

    /// Where heads are read, and what tunnels carry. Never held over an `await`.
    pub(super) fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    /// What lasts longer than a moment.
    pub(super) fn lasting(&self) -> &Lasting {
        &self.lasting
    }

    /// What is told of requests.
    pub(super) fn journal(&self) -> &Journal {
        &self.shared.journal
    }

    /// Whether this request is told of even if it is allowed.
    pub(super) fn is_sampled(&self) -> bool {
        let sample = self.shared.journal.sample();
        sample > 0.0 && (sample >= 1.0 || self.random.borrow_mut().f64() < sample)
    }

    /// Whether the request that was just counted in is one too many.
    pub(super) fn overload(&self) -> Option<Fault> {
        (self.meters().in_flight(0) > self.requests).then_some(Fault::Overloaded)
    }

    /// Whether the key of a permitted request may ask already.
    ///
    /// # Errors
    ///
    /// When it may.
    pub(super) fn pace(
        &self,
        snapshot: &Snapshot,
        facts: &Facts,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(rates) = &self.shared.rates else { return Ok(()) };
        snapshot.identify(facts).key_id.map_or(Ok(()), |key_id| rates.take(key_id, now))
    }

    /// What is known of its end.
    pub(super) fn drain(&self) -> &Drain {
        &self.drain
    }

    async fn accept(self: &Rc<Self>, listener: &Listener) {
        loop {
            match poll_fn(|cx| listener.poll_accept(cx)).await {
                Ok((transport, address)) => self.take(transport, address),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_REST).await;
                }
            }
        }
    }

    /// What the kernel has accepted for us is served: closing the listener would reset it.
    fn accept_waiting(self: &Rc<Self>, listener: &Listener) {
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Ok((transport, address))) = listener.poll_accept(&mut cx) {
            self.take(transport, address);
        }
    }

    fn take(self: &Rc<Self>, mut transport: Transport, address: Option<IpAddr>) {
        if self.meters().connections(1) > self.connections {
            self.meters().connections(-1);
            self.meters().connection_refused();
            // Nobody would understand it before a TLS handshake.
            if !self.is_secure() {
                let id = format!("{:032x}", fastrand::u128(..));
                let text =
                    respond::raw("503 Service Unavailable", "too many connections are open", &id);
                // Best effort: a new socket's buffer takes it whole.
                transport.say(text.as_bytes());
            }
            return;
        }
        let peer = address.map_or_else(|| Peer::local(false), |address| self.peer(address));
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            let counted = Counted(worker);
            // Boxed, as it is over when the connection begins: its state would be carried all along.
            let opened = Box::pin(door::open(&counted.0, transport, peer)).await;
            let worker = Rc::clone(&counted.0);
            match opened {
                None => {}
                Some((transport, Protocol::Http1, peer)) => {
                    rest::serve(worker, transport, Activity::new(peer)).await;
                }
                Some((transport, Protocol::Http2, peer)) => {
                    Box::pin(http2::serve(worker, transport, peer)).await;
                }
            }
        });
    }

    async fn drained(&self) {
        while self.meters().connections(0) > 0 {
            self.closed.notified().await;
        }
    }

    async fn sweep(self: Rc<Self>) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            self.pools.iter().for_each(|pool| pool.sweep());
        }
    }
}

/// A connection that is counted, even if serving it panics.
struct Counted(Rc<Worker>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.meters().connections(-1);
        self.0.closed.notify_one();
    }
}

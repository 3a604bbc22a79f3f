//! The data plane: accept, extract, decide, forward, respond, drain.
//!
//! # The life of a request
//!
//! `worker` accepts → `door` takes an `origin` where proxies tell of one, shakes hands where clients
//! speak TLS, and sees which HTTP they speak →
//! `connection` has every timeout on one timer, and its `line` takes one request at a time by its
//! `inlet`, and none whose framing is in doubt (`head` says what that is); the body comes as
//! `incoming`, by a `reader` as every body does. Between requests it may `rest`; `http2` runs hyper,
//! with a timer for each `stream`, and watches the `frames` → `gate` has the request: `extract` makes of it a policy query
//! (the only reader of credential headers), the snapshot decides, `respond` refuses, or `headers` cleans it,
//! `preamble` says who asks, and `pool` exchanges it: its `roster` chooses an `endpoint`, which has
//! or makes a connection, one of HTTP/1.1 for each request (`upstream`, which writes by its `outlet`
//! and reads an `answer`) or one of HTTP/2 for many (`shared`). What endpoints are there and well,
//! the `scout` finds out beside the requests. `record` counts and tells it once, when its last byte
//! is gone; in HTTP/1.1 a `reply` is its head, and an `outlet` writes it. A WebSocket goes on in a `tunnel` when both sides have agreed on it; one on a stream of
//! HTTP/2 is made that of HTTP/1.1 first (`extended`). What is `lasting` longer than a moment is
//! judged again: it has its `right` by a `claim`, and ends when that is denied. `control` ends it
//! all, and each connection finds in `drain` what that means for it.
//!
//! # Invariants
//!
//! - One thread a worker, nothing shared but the policy in force, the metrics and the signal to
//!   drain: no lock is taken for a request.
//! - A request loads the policy once. It keeps that generation until it is over or, if it lasts, until
//!   the next has judged it.
//! - Only a `Permit`, used up, makes a request that goes on.
//! - Every wait has a deadline; bodies are streamed, and of one that may have to be sent again to an
//!   upstream of HTTP/2, the first 64 KiB are kept until it is answered.
//!
//! Start at `gate`.

mod activity;
mod address;
mod answer;
mod body;
mod bounded;
mod budget;
mod chunks;
mod claim;
mod connection;
mod control;
mod date;
mod dial;
mod door;
mod download;
mod drain;
mod ear;
mod endpoint;
mod extended;
mod extract;
mod farewell;
mod fault;
mod fields;
mod frames;
mod gate;
mod head;
mod headers;
mod health;
mod held;
mod hints;
mod http2;
mod incoming;
mod inherit;
mod inlet;
mod lasting;
mod line;
mod link;
mod listen;
mod message;
mod names;
mod network;
mod origin;
mod outlet;
mod plain;
mod pool;
mod preamble;
mod protocols;
mod rate;
mod reader;
mod record;
mod reply;
mod respond;
mod rest;
mod right;
mod roster;
mod scout;
mod settings;
mod shared;
mod socket;
mod standing;
mod stream;
mod timer;
mod tls;
mod trace;
mod transport;
mod trust;
mod tunnel;
mod upstream;
mod watched;
mod way;
mod worker;

use std::io::{Error, ErrorKind, Result};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};

use crate::current::{Current, Reader};
use crate::telemetry::{Journal, Telemetry};
use control::Queue;
pub use control::{Control, Pulse};
pub(crate) use extract::asks;
pub use listen::Address;
use listen::{Listener, Listening};
pub(crate) use listen::{SocketFile, listen_at};
pub use network::{Network, NetworkError};
use scout::Scout;
pub use settings::{Endpoint, Health, Limits, Protocol, Rate, Settings, Site, Timeouts, Upstream};
pub use tls::{Tls, crypto, names};
pub use trust::Trust;
use worker::{Shared, Worker};

/// Lets `see` look at what the policy is asked by the request that bytes begin with, or at why it
/// has more than one reading: for the fuzzer of it alone. Nothing where they begin with none.
#[cfg(fuzzing)]
pub fn read<T>(
    bytes: &[u8],
    see: impl FnOnce(std::result::Result<crate::policy::Query<'_>, crate::policy::DenyReason>) -> T,
) -> Option<T> {
    let head = inlet::Inlet::holding(bytes).next_head(&Limits::default()).ok()??;
    Some(see(extract::query(&head)))
}

/// What the workers accept from, all on the same address.
#[derive(Debug)]
pub struct Listeners {
    address: Address,
    /// For each worker.
    sockets: Vec<Vec<Listening>>,
    file: Option<SocketFile>,
    queue: Queue,
}

impl Listeners {
    /// Binds the address once for each worker (`SO_REUSEPORT`: the kernel spreads connections). A
    /// Unix socket is bound once, for all of them; a file of one that nobody listens on is replaced.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, as when another process has it.
    pub fn bind(settings: &Settings) -> Result<Self> {
        let workers = settings.workers.max(1);
        let (address, sockets) = settings.listen.bind(workers)?;
        let file = SocketFile::of(&address);
        let sockets = inherit::deal(sockets, workers)?;
        Ok(Self { address, sockets, file, queue: Queue::Ours })
    }

    /// Uses a socket that a service manager opened, wherever it listens, and goes on to keep.
    ///
    /// # Errors
    ///
    /// When it is no listening stream socket, or a Unix socket where clients are to speak TLS.
    pub fn activated(settings: &Settings, socket: OwnedFd) -> Result<Self> {
        let (address, socket) = inherit::listening(socket)?;
        if settings.tls && address.ip().is_none() {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "TLS is for TCP: leave `listen.tls` out",
            ));
        }
        let sockets = inherit::deal(vec![socket], settings.workers.max(1))?;
        Ok(Self { address, sockets, file: None, queue: Queue::Kept })
    }

    /// Uses all sockets of a process that ends. Nothing, where they are not at the address that is
    /// asked for.
    ///
    /// # Errors
    ///
    /// When one of them is no listening stream socket.
    pub fn follow(settings: &Settings, sockets: Vec<OwnedFd>) -> Result<Option<Self>> {
        let sockets: Vec<_> = sockets.into_iter().map(inherit::listening).collect::<Result<_>>()?;
        let meets = |(at, _): &(Address, Listening)| settings.listen.is_met_by(at);
        let (Some((at, _)), true) = (sockets.first(), sockets.iter().all(meets)) else {
            return Ok(None);
        };
        let address = match &settings.listen {
            Address::Ip(_) => at.clone(),
            address => address.clone(),
        };
        let sockets = sockets.into_iter().map(|(_, socket)| socket).collect();
        let sockets = inherit::deal(sockets, settings.workers.max(1))?;
        let file = SocketFile::of(&address);
        Ok(Some(Self { address, sockets, file, queue: Queue::Ours }))
    }

    /// Where clients connect.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Another handle of each socket, for whoever follows this process.
    ///
    /// # Errors
    ///
    /// When the process has no file left.
    pub fn again(&self) -> Result<Vec<OwnedFd>> {
        self.sockets.iter().flatten().map(|it| it.again().map(OwnedFd::from)).collect()
    }
}

/// The running data plane.
#[derive(Debug)]
pub struct Proxy {
    threads: Vec<JoinHandle<()>>,
    scout: Scout,
    control: Control,
    pulse: Pulse,
}

impl Proxy {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// When a thread or its runtime cannot be made.
    pub fn start(
        listeners: Listeners,
        settings: Settings,
        current: &Arc<Current>,
        telemetry: &Arc<Telemetry>,
        journal: Journal,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::new(settings, journal));
        let upstreams = &shared.settings().upstreams;
        let names: Vec<String> = upstreams.iter().map(|it| it.name.clone()).collect();
        let (scout, sources) = Scout::start(upstreams, telemetry)?;
        let control = Control::new(listeners.queue, listeners.file);
        let mut threads = Vec::with_capacity(listeners.sockets.len());
        let (report, started) = mpsc::channel();
        let pulse = Pulse::new(listeners.sockets.len());
        for (number, sockets) in listeners.sockets.into_iter().enumerate() {
            let (shared, current) = (Arc::clone(&shared), Arc::clone(current));
            let (meters, control) = (telemetry.worker(&names), control.clone());
            let sources = sources.clone();
            let name = format!("sidegate-{number}");
            let (report, pulse) = (report.clone(), pulse.clone());
            threads.push(thread::Builder::new().name(name).spawn(move || {
                let worker = || Worker::new(shared, sources, Reader::new(current), meters);
                let beat = move || pulse.beat(number);
                if let Err(error) = run(sockets, worker, beat, control, &report) {
                    // Whoever starts the workers waits for this.
                    let _ = report.send(Err(error));
                }
            })?);
        }
        for _ in &threads {
            started.recv().map_err(std::io::Error::other)??;
        }
        Ok(Self { threads, scout, control, pulse })
    }

    /// What tells whether its workers turn.
    pub fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }

    /// What ends it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits until every worker has ended. `false` where one of them panicked.
    pub fn join(self) -> bool {
        let ends: Vec<_> = self.threads.into_iter().map(JoinHandle::join).collect();
        drop(self.scout);
        self.control.remove_file();
        ends.iter().all(std::result::Result::is_ok)
    }
}

fn run(
    sockets: Vec<Listening>,
    worker: impl FnOnce() -> Rc<Worker>,
    beat: impl Fn() + 'static,
    control: Control,
    report: &mpsc::Sender<Result<()>>,
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = Listener::new(sockets)?;
        let _ = report.send(Ok(()));
        worker().run(listener, control, beat).await;
        Ok(())
    })
}

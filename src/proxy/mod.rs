//! The data plane: accept, extract, decide, forward, respond, drain.
//!
//! # The life of a request
//!
//! `worker` accepts → `door` shakes hands where clients speak TLS, and sees which HTTP they speak →
//! `connection` runs hyper and every timeout on one timer; `http2` does so for each `stream`, and
//! watches the `frames` → `gate` has the request: `extract` makes of it a policy query (the only
//! reader of credential headers), the snapshot decides, `respond` refuses, or `headers` cleans it,
//! `preamble` says who asks, and `pool` exchanges it on a connection to the `upstream`. `record`
//! counts and tells it once, when its last byte is gone. A WebSocket goes on in a `tunnel` when both
//! sides have agreed on it.
//!
//! # Invariants
//!
//! - One thread a worker, nothing shared but the policy in force, the metrics and the signal to
//!   drain: no lock is taken for a request.
//! - A request loads the policy once, and keeps that generation until it is over.
//! - Only a `Permit`, used up, makes a request that goes on.
//! - Every wait has a deadline; bodies are streamed, never kept whole.
//!
//! Start at `gate`.

mod body;
mod connection;
mod door;
mod extract;
mod fault;
mod frames;
mod gate;
mod headers;
mod http2;
mod io;
mod pool;
mod preamble;
mod record;
mod respond;
mod settings;
mod socket;
mod stream;
mod timer;
mod tls;
mod trace;
mod transport;
mod tunnel;
mod upstream;
mod wire;
mod worker;

use std::io::Result;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

use crate::current::{Current, Reader};
use crate::telemetry::{Telemetry, WorkerMeters};
pub use settings::{Limits, Settings, Timeouts, Upstream};
pub use tls::{Tls, crypto, names};
use worker::{Life, Worker};

/// Connections that the kernel holds for a worker that is busy.
const BACKLOG: i32 = 1024;

/// One listener a worker, all on the same address.
#[derive(Debug)]
pub struct Listeners {
    address: SocketAddr,
    sockets: Vec<TcpListener>,
}

impl Listeners {
    /// Binds the address once for each worker (`SO_REUSEPORT`: the kernel spreads connections).
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, as when another process has it.
    pub fn bind(settings: &Settings) -> Result<Self> {
        let mut address = settings.listen;
        let mut sockets = Vec::with_capacity(settings.workers);
        for _ in 0..settings.workers.max(1) {
            let socket = listen(address)?;
            // Port 0 is the kernel's choice: the others follow the first.
            address = socket.local_addr()?;
            sockets.push(socket);
        }
        Ok(Self { address, sockets })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The running data plane.
#[derive(Debug)]
pub struct Proxy {
    threads: Vec<JoinHandle<()>>,
    control: Control,
}

/// Ends a running data plane, from anywhere.
#[derive(Debug, Clone)]
pub struct Control(watch::Sender<Life>);

impl Control {
    /// Takes no new connections and lets requests end, until the drain timeout.
    pub fn drain(&self) {
        self.0.send_if_modified(|life| {
            let running = *life == Life::Running;
            if running {
                *life = Life::Draining;
            }
            running
        });
    }

    /// Ends every connection at once.
    pub fn stop(&self) {
        self.0.send_replace(Life::Stopped);
    }
}

impl Proxy {
    /// Starts the workers. `sample` is the share of allowed requests that are logged.
    ///
    /// # Errors
    ///
    /// When a thread or its runtime cannot be made.
    pub fn start(
        listeners: Listeners,
        settings: Settings,
        current: &Arc<Current>,
        telemetry: &Arc<Telemetry>,
        sample: f64,
    ) -> Result<Self> {
        let settings = Arc::new(settings);
        let names: Vec<String> = settings.upstreams.iter().map(|it| it.name.clone()).collect();
        let (life, _) = watch::channel(Life::Running);
        let mut threads = Vec::with_capacity(listeners.sockets.len());
        let (report, started) = mpsc::channel();
        for (number, socket) in listeners.sockets.into_iter().enumerate() {
            let (settings, current) = (Arc::clone(&settings), Arc::clone(current));
            let (meters, life) = (telemetry.worker(&names), life.subscribe());
            let name = format!("sidegate-{number}");
            let report = report.clone();
            threads.push(thread::Builder::new().name(name).spawn(move || {
                if let Err(error) = run(socket, settings, current, meters, sample, life, &report) {
                    // Whoever starts the workers waits for this.
                    let _ = report.send(Err(error));
                }
            })?);
        }
        for _ in &threads {
            started.recv().map_err(std::io::Error::other)??;
        }
        Ok(Self { threads, control: Control(life) })
    }

    /// What ends it.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Waits until every worker has ended. `false` where one of them panicked.
    pub fn join(self) -> bool {
        let ends: Vec<_> = self.threads.into_iter().map(JoinHandle::join).collect();
        ends.iter().all(std::result::Result::is_ok)
    }
}

fn listen(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn run(
    socket: TcpListener,
    settings: Arc<Settings>,
    current: Arc<Current>,
    meters: WorkerMeters,
    sample: f64,
    life: watch::Receiver<Life>,
    report: &mpsc::Sender<Result<()>>,
) -> Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(socket)?;
        let _ = report.send(Ok(()));
        let worker = Worker::new(settings, Reader::new(current), meters, sample);
        worker.run(listener, life).await;
        Ok(())
    })
}

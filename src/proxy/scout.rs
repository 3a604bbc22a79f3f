//! What is found out about upstreams beside the requests: one thread of the process, which workers
//! hear from and never wait for.
//!
//! One, and not each worker: what upstreams and name servers are asked does not grow with the cores.

use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

use super::address::{Known, Spot};
use super::dial::Dial;
use super::health::Checks;
use super::names::Name;
use super::settings::{Endpoint, Site, Upstream};
use crate::telemetry::Telemetry;

/// Threads that wait for the system's resolver.
const LOOKUPS: usize = 8;

/// The addresses of one endpoint, now and later.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) url: String,
    pub(super) known: watch::Receiver<Known>,
    pub(super) dial: Dial,
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Scout {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be followed.
#[derive(Debug, Default)]
struct Errands {
    names: Vec<(Name, watch::Sender<Known>)>,
    checks: Vec<Checks>,
}

impl Scout {
    /// Begins to look. Returns the sources of each upstream, in order.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be made.
    pub(super) fn start(
        upstreams: &[Upstream],
        telemetry: &Telemetry,
    ) -> io::Result<(Self, Vec<Vec<Source>>)> {
        let mut errands = Errands::default();
        let sources = upstreams
            .iter()
            .map(|it| it.endpoints.iter().map(|end| errands.source(it, end, telemetry)).collect())
            .collect();
        Ok((Self::run(errands)?, sources))
    }

    fn run(errands: Errands) -> io::Result<Self> {
        if errands.names.is_empty() && errands.checks.is_empty() {
            return Ok(Self { stop: None, thread: None });
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(LOOKUPS)
            .thread_name("sidegate-lookup")
            .build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = thread::Builder::new().name("sidegate-scout".to_owned()).spawn(move || {
            for (name, known) in errands.names {
                runtime.spawn(name.follow(known));
            }
            for checks in errands.checks {
                runtime.spawn(checks.run());
            }
            // An error is as good as a word: who could say it has gone.
            let _ = runtime.block_on(stopped);
            // Nobody waits for a resolver that does not answer.
            runtime.shutdown_background();
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Scout {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Errands {
    fn source(
        &mut self,
        upstream: &Upstream,
        endpoint: &Endpoint,
        telemetry: &Telemetry,
    ) -> Source {
        let board = telemetry.endpoint(&upstream.name, &endpoint.url, upstream.health.is_some());
        let dial = Dial::new(upstream, endpoint);
        let mut known = Known::default();
        let spot = match &endpoint.site {
            Site::Address(address) => Some(Spot::Tcp(*address)),
            Site::Unix(path) => Some(Spot::Unix(path.clone())),
            Site::Name(..) => None,
        };
        if let Some(spot) = spot {
            known.learn(&[spot]);
            board.addresses(1);
            board.healthy(1);
        }
        let (sender, receiver) = watch::channel(known);
        if let Some(health) = upstream.health.clone() {
            let (url, known, board) = (endpoint.url.clone(), receiver.clone(), board.clone());
            self.checks.push(Checks { url, dial: dial.clone(), health, known, board });
        }
        if let Site::Name(host, port) = &endpoint.site {
            let (host, port, refresh) = (host.clone(), *port, upstream.dns_refresh);
            self.names.push((Name { host, port, refresh, board }, sender));
        }
        Source { url: endpoint.url.clone(), known: receiver, dial }
    }
}

//! A sidegate that serves, until a signal or a follower ends it.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Interval, interval};

use super::handover::{Offer, Taking};
use super::manager::Manager;
use super::uses::Keeper;
use crate::admin::{self, Readiness, Stage, State};
use crate::current::Current;
use crate::proxy::{Address, Control, Proxy, Pulse, Timeouts};
use crate::reload;
use crate::telemetry::{Audit, ServiceEntry};

/// A sidegate that serves.
pub(super) struct Service {
    pub(super) address: Address,
    pub(super) admin_address: SocketAddr,
    pub(super) operators: TcpListener,
    pub(super) offer: Option<Offer>,
    pub(super) taking: Option<Taking>,
    pub(super) manager: Manager,
    pub(super) timeouts: Timeouts,
    pub(super) state: State,
    pub(super) proxy: Proxy,
    pub(super) reload: reload::Handle,
    pub(super) keeper: Option<Keeper>,
    pub(super) audit: Option<Audit>,
}

impl Service {
    /// Serves until a signal or a follower ends it. `true` where no worker had died.
    ///
    /// # Errors
    ///
    /// When signals cannot be waited for.
    pub(super) fn until_ended(self) -> io::Result<bool> {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?
            .block_on(self.serve())
    }

    async fn serve(self) -> io::Result<bool> {
        let Self { operators, offer, taking, manager, timeouts, .. } = self;
        let Self { state, proxy, reload, keeper, audit, .. } = self;
        let mut signals = Signals::new()?;
        let (stop, stopped) = watch::channel(false);
        let (control, pulse) = (proxy.control(), proxy.pulse());
        let current = Arc::clone(&state.current);
        let end = End { control, manager, timeouts, readiness: Arc::clone(&state.readiness), stop };
        let operators = tokio::task::spawn_local(admin::serve(operators, state, stopped));
        let mut workers = tokio::task::spawn_blocking(move || proxy.join());
        if let Some(taking) = taking {
            takes_over(taking).await;
        }
        end.manager.ready(&in_force(&current));
        tell(audit.as_ref(), "started", &current);
        let mut heart = Heart::new(&end.manager, pulse);
        let mut follower = Follower::of(offer);
        let mut reloaded = None;
        let well = loop {
            let wish = tokio::select! {
                well = &mut workers => break well.unwrap_or(false),
                wish = signals.next() => wish,
                pid = follower.has_taken_over() => Wish::Follow(pid),
                () = settled(&mut reloaded) => Wish::Reloaded,
                () = heart.beats() => Wish::Beat,
            };
            match wish {
                Wish::Reopen => {
                    if let Some(audit) = &audit {
                        audit.reopen();
                    }
                }
                Wish::Reload => {
                    reload.trigger();
                    let (sender, receiver) = oneshot::channel();
                    end.manager.reloading();
                    // Nobody may wait for it any more.
                    reload.asker().ask(move || _ = sender.send(()));
                    reloaded = Some(receiver);
                }
                Wish::Reloaded if end.is_near() => {}
                Wish::Reloaded => end.manager.ready(&in_force(&current)),
                Wish::Beat => heart.tell(&end),
                Wish::End if end.is_near() => end.control.stop(),
                // Whoever has the sockets is to have what waits in their queues, too.
                Wish::End if follower.is_asked() => end.hand_over(None),
                Wish::End => {
                    follower = Follower::default();
                    end.drain();
                }
                Wish::Follow(_) if end.is_near() => {}
                Wish::Follow(pid) => {
                    follower = Follower::default();
                    end.hand_over(Some(pid));
                }
            }
        };
        // With what was used until the end.
        drop(keeper);
        tracing::info!("stopped");
        end.stop.send_replace(true);
        // Its connections end within ten seconds; nobody waits for them.
        operators.abort();
        reload.stop();
        tell(audit.as_ref(), "stopped", &current);
        Ok(well)
    }

    pub(super) fn control(&self) -> Control {
        self.proxy.control()
    }
}

/// Has the process that is followed drain. It serves beside this one where that fails.
async fn takes_over(taking: Taking) {
    let told = tokio::task::spawn_blocking(|| taking.serving()).await;
    match told.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(()) => tracing::info!("took over from the process that served before"),
        Err(error) => {
            tracing::warn!(%error, "the process that served before did not hear of this one");
        }
    }
}

fn in_force(current: &Current) -> String {
    let number = current.load().number;
    match current.status().failing {
        None => format!("serving by generation {number}"),
        Some(_) => format!("the files are bad: generation {number} stays in force"),
    }
}

fn tell(audit: Option<&Audit>, state: &'static str, current: &Current) {
    let Some(audit) = audit else { return };
    let (version, pid) = (env!("CARGO_PKG_VERSION"), std::process::id());
    audit.service(&ServiceEntry { state, version, pid, generation: current.load().number });
}

/// How a process ends.
struct End {
    control: Control,
    manager: Manager,
    timeouts: Timeouts,
    readiness: Arc<Readiness>,
    /// Ends the operators' plane.
    stop: watch::Sender<bool>,
}

impl End {
    fn is_near(&self) -> bool {
        self.readiness.stage() == Stage::Draining
    }

    fn drain(&self) {
        tracing::info!("draining");
        self.readiness.draining();
        let Timeouts { drain_delay, drain, .. } = self.timeouts;
        self.manager.stopping(drain_delay.saturating_add(drain), "draining");
        self.control.drain();
    }

    fn hand_over(&self, pid: Option<i32>) {
        tracing::info!(pid, "another process has taken over: draining");
        self.readiness.draining();
        self.manager.stopping(self.timeouts.drain, "another process has taken over: draining");
        self.control.hand_over();
        // Whoever asks from now on asks the other one.
        self.stop.send_replace(true);
    }
}

/// Tells the service manager that every thread that serves turns.
struct Heart {
    ticks: Option<Interval>,
    pulse: Pulse,
}

impl Heart {
    fn new(manager: &Manager, pulse: Pulse) -> Self {
        let rate = manager.watches().map(|rate| rate.max(Duration::from_millis(1)));
        Self { ticks: rate.map(interval), pulse }
    }

    async fn beats(&mut self) {
        match &mut self.ticks {
            Some(ticks) => _ = ticks.tick().await,
            None => pending().await,
        }
    }

    fn tell(&self, end: &End) {
        let is_slow_enough = end.manager.watches().is_some_and(|rate| rate > Pulse::BEAT * 2);
        // In a drain, workers end one after the other.
        if self.pulse.is_felt() || end.is_near() || !is_slow_enough {
            end.manager.alive();
        } else {
            tracing::error!("a worker does not turn: the service manager is not told otherwise");
        }
    }
}

/// Who may take over.
#[derive(Default)]
struct Follower {
    task: Option<JoinHandle<()>>,
    come: Option<oneshot::Receiver<i32>>,
    given: Arc<AtomicBool>,
}

impl Follower {
    fn of(offer: Option<Offer>) -> Self {
        let Some(offer) = offer else { return Self::default() };
        let (sender, receiver) = oneshot::channel();
        let given = offer.given();
        let task = tokio::task::spawn_local(async move {
            match offer.next().await {
                Ok(pid) => _ = sender.send(pid),
                Err(error) => tracing::error!(%error, "no process can take over"),
            }
        });
        Self { task: Some(task), come: Some(receiver), given }
    }

    /// Whether one has the sockets that does not serve yet.
    fn is_asked(&self) -> bool {
        self.given.load(Ordering::Relaxed)
    }

    async fn has_taken_over(&mut self) -> i32 {
        let Some(come) = &mut self.come else { return pending().await };
        let pid = come.await;
        self.come = None;
        match pid {
            Ok(pid) => pid,
            Err(_) => pending().await,
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn settled(reloaded: &mut Option<oneshot::Receiver<()>>) {
    match reloaded {
        Some(receiver) => {
            // An end of the thread that reloads is told of elsewhere.
            let _ = receiver.await;
            *reloaded = None;
        }
        None => pending().await,
    }
}

/// What is to be done next.
enum Wish {
    Beat,
    End,
    Follow(i32),
    Reload,
    Reloaded,
    Reopen,
}

struct Signals {
    reload: Signal,
    reopen: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.reload.recv() => Wish::Reload,
            _ = self.reopen.recv() => Wish::Reopen,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
        }
    }
}

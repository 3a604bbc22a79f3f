//! `sidegate serve`: the only place where all rooms meet.

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::uses::Keeper;
use super::{Exit, FileArgs};
use crate::admin::{self, Look, Readiness, State};
use crate::clock;
use crate::config::{self, Config, Loaded, Report};
use crate::current::Current;
use crate::keystore::Permissions;
use crate::proxy::{Address, Control, Listeners, Proxy, Tls};
use crate::reload::{self, Fingerprint};
use crate::telemetry::{self, Telemetry};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    files: FileArgs,
}

/// Why serving could not begin.
pub(super) enum Failure {
    Broke(String),
    Invalid(Report),
}

pub(super) fn run(args: &ServeArgs) -> Exit {
    match serve(args) {
        Ok(true) => Exit::Fine,
        Ok(false) => Exit::Broke,
        Err(Failure::Broke(what)) => {
            eprintln!("{what}");
            Exit::Broke
        }
        Err(Failure::Invalid(report)) => {
            eprint!("{report}");
            eprintln!("nothing is served: mend the above; `sidegate check` says whether it is");
            Exit::Invalid
        }
    }
}

fn serve(args: &ServeArgs) -> Result<bool, Failure> {
    outlive_hangups().map_err(could_not_start)?;
    let (path, permissions) = (args.files.path(), args.files.permissions());
    let Ok(config) = config::read(&path) else {
        // With what is wrong in the files that it names.
        let everything = config::open(&path, permissions);
        return Err(everything.map_or_else(Failure::Invalid, |_| {
            Failure::Broke(format!("{} changed while it was read: try again", path.display()))
        }));
    };
    let plane = Plane::bind(config, permissions)?;
    let log = telemetry::install(&plane.config.log)
        .map_err(|error| Failure::Broke(format!("the log cannot be set up: {error}")))?;
    plane.telemetry.watch_log(&log);
    let service = plane.start().map_err(could_not_start)?;
    service.until_signalled().map_err(could_not_start)
}

/// SIGHUP asks for a look at the files, which is what a start does: without a handler it would end the
/// process. The handler stays when its runtime is gone.
fn outlive_hangups() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async { signal(SignalKind::hangup()).map(drop) })
}

fn could_not_start(error: io::Error) -> Failure {
    Failure::Broke(format!("cannot start: {error}"))
}

/// Everything that can fail before a request is served: files are read, listeners stand.
pub(super) struct Plane {
    config: Config,
    permissions: Permissions,
    seen: Fingerprint,
    tls: Option<Tls>,
    current: Arc<Current>,
    telemetry: Arc<Telemetry>,
    listeners: Listeners,
    operators: TcpListener,
    warnings: Vec<String>,
}

impl Plane {
    pub(super) fn bind(config: Config, permissions: Permissions) -> Result<Self, Failure> {
        // Taken before the files are read: an edit during the load is seen afterwards.
        let seen = Fingerprint::of(&config);
        let Loaded { snapshot, tls, report } =
            config::load(&config, permissions).map_err(Failure::Invalid)?;
        let operators = admin::bind(&config.admin)
            .map_err(|error| taken("[admin] address", &config.admin.listen, &error))?;
        let listeners = alone(&config.proxy.listen)
            .and_then(|()| Listeners::bind(&config.proxy))
            .map_err(|error| taken("[listen] address", &config.proxy.listen, &error))?;
        let telemetry = Telemetry::new(VERSION)
            .map_err(|error| Failure::Broke(format!("the metrics cannot be set up: {error}")))?;
        let begin = match config.last_used {
            Some(_) => Current::keeping_uses,
            None => Current::new,
        };
        let current = begin(snapshot, tls.as_ref().map(Tls::config), clock::now());
        let warnings = report.lines();
        Ok(Self {
            config,
            permissions,
            seen,
            tls,
            current,
            telemetry,
            listeners,
            operators,
            warnings,
        })
    }

    /// Serves from now on.
    pub(super) fn start(self) -> io::Result<Service> {
        let address = self.listeners.address().clone();
        let admin_address = self.operators.local_addr()?;
        for warning in &self.warnings {
            tracing::warn!(warning, "policy warning");
        }
        let generation = self.current.load();
        tracing::info!(
            version = VERSION,
            %address,
            admin = %admin_address,
            workers = self.config.proxy.workers,
            generation = generation.number,
            keys = generation.snapshot.key_count(),
            routes = generation.snapshot.route_count(),
            "serving"
        );
        let started = clock::now();
        let proxy = Proxy::start(
            self.listeners,
            self.config.proxy.clone(),
            &self.current,
            &self.telemetry,
            self.config.log.sample,
        )?;
        let settings = self.config.path.canonicalize().unwrap_or_else(|_| self.config.path.clone());
        let current = Arc::clone(&self.current);
        let keeper = |path: &PathBuf| Keeper::start(Arc::clone(&current), path.clone());
        let keeper = self.config.last_used.as_ref().map(keeper).transpose()?;
        let reload =
            reload::spawn(self.config, self.permissions, self.current, self.seen, self.tls)?;
        let asker = reload.asker();
        let state = State {
            current,
            telemetry: self.telemetry,
            readiness: Arc::new(Readiness::default()),
            look: Look::new(settings, move |settled| asker.ask(settled)),
            started,
            version: VERSION,
        };
        state.readiness.ready();
        let operators = self.operators;
        Ok(Service { address, admin_address, operators, state, proxy, reload, keeper })
    }
}

/// Fails where somebody listens on `address`. The workers' listeners share their port, and the system
/// would let another sidegate in, too: each would then judge a part of the requests by its own policy.
fn alone(address: &Address) -> io::Result<()> {
    address.ip().map_or(Ok(()), |address| TcpListener::bind(address).map(drop))
}

fn taken(field: &str, address: &dyn Display, error: &io::Error) -> Failure {
    let way_out = match error.kind() {
        io::ErrorKind::AddrInUse => "another process has it: end that one, or change",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 are the system's, and folders have their owners: change"
        }
        _ => "change",
    };
    Failure::Broke(format!("cannot listen on {address}: {error} — {way_out} `{field}`"))
}

/// A sidegate that serves.
pub(super) struct Service {
    pub(super) address: Address,
    pub(super) admin_address: SocketAddr,
    operators: TcpListener,
    state: State,
    proxy: Proxy,
    reload: reload::Handle,
    keeper: Option<Keeper>,
}

impl Service {
    /// Serves until a signal ends it. `true` where no worker had died.
    ///
    /// # Errors
    ///
    /// When signals cannot be waited for.
    pub(super) fn until_signalled(self) -> io::Result<bool> {
        Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())?
            .block_on(self.signalled())
    }

    async fn signalled(self) -> io::Result<bool> {
        let Self { operators, state, proxy, reload, keeper, .. } = self;
        let mut signals = Signals::new()?;
        let readiness = Arc::clone(&state.readiness);
        let (stop, stopped) = watch::channel(false);
        let operators = tokio::task::spawn_local(admin::serve(operators, state, stopped));
        let control = proxy.control();
        let mut workers = tokio::task::spawn_blocking(move || proxy.join());
        let well = loop {
            let wish = tokio::select! {
                well = &mut workers => break well.unwrap_or(false),
                wish = signals.next() => wish,
            };
            match wish {
                Wish::Reload => reload.trigger(),
                Wish::End if readiness.stage() == admin::Stage::Draining => control.stop(),
                Wish::End => {
                    tracing::info!("draining");
                    readiness.draining();
                    control.drain();
                }
            }
        };
        drop(keeper);
        tracing::info!("stopped");
        stop.send_replace(true);
        // Its connections end within ten seconds; nobody waits for them.
        operators.abort();
        reload.stop();
        Ok(well)
    }

    pub(super) fn control(&self) -> Control {
        self.proxy.control()
    }
}

/// What an operator says by a signal.
enum Wish {
    End,
    Reload,
}

struct Signals {
    reload: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            reload: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.reload.recv() => Wish::Reload,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.terminate.recv() => Wish::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::cli::init::{self, InitArgs};

    #[test]
    fn a_hangup_during_the_start_ends_nothing() {
        outlive_hangups().unwrap();
        let pid = std::process::id().to_string();
        // Without a handler this test's process ends here.
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
    }

    #[test]
    fn a_port_that_another_sidegate_listens_on_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let args = InitArgs { directory: folder.path().join("etc") };
        init::print(&args, &mut io::sink(), &mut io::sink()).unwrap();
        let mut config = config::read(&args.directory.join("sidegate.toml")).unwrap();
        config.admin.listen = "127.0.0.1:0".parse().unwrap();
        config.proxy.listen = Address::Ip(config.admin.listen);
        let bind = |config: &Config| Plane::bind(config.clone(), Permissions::Private);
        let Ok(first) = bind(&config) else { panic!("the first one could not start") };
        config.proxy.listen = first.listeners.address().clone();
        let Err(Failure::Broke(told)) = bind(&config) else { panic!("both listen") };
        assert!(told.contains("another process has it"), "{told}");
        assert!(told.ends_with("change `[listen] address`"), "{told}");
        drop(first);
        assert!(bind(&config).is_ok());
    }
}

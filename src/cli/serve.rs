//! `sidegate serve`: the only place where all rooms meet.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::desk;
use super::life::Service;
use super::manager::Manager;
use super::sockets::{Opened, Sockets};
use super::uses::Keeper;
use super::{Exit, FileArgs};
use crate::admin::{Desk, Look, Readiness, State};
use crate::clock;
use crate::config::{self, Config, Loaded, Loader, Report};
use crate::current::Current;
use crate::keystore::Permissions;
use crate::proxy::{Proxy, Tls};
use crate::reload::{self, Beginning, Fallback, Fingerprint, NoBeginning};
use crate::telemetry::{
    self, Audit, AuditSettings, AuditWriter, Journal, SpanSender, Spans, Telemetry, TracingSettings,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    files: FileArgs,
    /// Take the sockets of the sidegate that serves with these settings, which then drains; where
    /// none serves, begin as usual. Needs `[handover]`
    #[arg(long)]
    take_over: bool,
}

/// Why serving could not begin.
pub(super) enum Failure {
    Broke(String),
    Invalid(Report),
    /// With the reason for which there is no last good copy either.
    NotEvenCopied(Report, String),
    Usage(String),
}

pub(super) fn run(args: &ServeArgs) -> Exit {
    match serve(args) {
        Ok(true) => Exit::Fine,
        Ok(false) => Exit::Broke,
        Err(Failure::Broke(what)) => {
            eprintln!("{what}");
            Exit::Broke
        }
        Err(Failure::Usage(what)) => {
            eprintln!("{what}");
            Exit::Usage
        }
        Err(Failure::Invalid(report)) => refused(&report),
        Err(Failure::NotEvenCopied(report, why)) => {
            eprintln!("no last good copy can be served: {why}");
            refused(&report)
        }
    }
}

fn refused(report: &Report) -> Exit {
    eprint!("{report}");
    eprintln!("nothing is served: mend the above; `sidegate check` says whether it is");
    Exit::Invalid
}

fn serve(args: &ServeArgs) -> Result<bool, Failure> {
    let sockets = Sockets::of_process(args.take_over)?;
    let manager = Manager::from_environment()
        .map_err(|error| Failure::Broke(format!("`NOTIFY_SOCKET` cannot be used: {error}")))?;
    outlive_hangups().map_err(could_not_start)?;
    let (path, permissions) = (args.files.path(), args.files.permissions());
    let Ok(config) = config::read(&path) else {
        // With what is wrong in the files that it names.
        let everything = config::open(&path, permissions);
        return Err(everything.map_or_else(Failure::Invalid, |_| {
            Failure::Broke(format!("{} changed while it was read: try again", path.display()))
        }));
    };
    sockets.suits(&config)?;
    let plane = Plane::bind(config, permissions, sockets)?;
    let log = telemetry::install(&plane.config.log)
        .map_err(|error| Failure::Broke(format!("the log cannot be set up: {error}")))?;
    plane.telemetry.watch_log(&log);
    // Before the log ends, which is told what becomes of it.
    let (audit, _writer) = plane.config.audit.as_ref().map(audited).transpose()?.unzip();
    if let Some(audit) = &audit {
        plane.telemetry.watch_audit(audit);
    }
    let (spans, _sender) = plane.config.tracing.as_ref().map(traced).transpose()?.unzip();
    if let Some(spans) = &spans {
        plane.telemetry.watch_spans(spans);
    }
    let journal = log.journal().audited(audit.clone()).traced(spans);
    let service = plane.start(manager, journal, audit).map_err(could_not_start)?;
    service.until_ended().map_err(could_not_start)
}

fn traced(settings: &TracingSettings) -> Result<(Spans, SpanSender), Failure> {
    Spans::start(settings)
        .map_err(|error| Failure::Broke(format!("`[tracing]`: spans cannot be sent: {error}")))
}

fn audited(settings: &AuditSettings) -> Result<(Audit, AuditWriter), Failure> {
    Audit::start(settings).map_err(|error| {
        let file = settings.file.display();
        Failure::Broke(format!("{file}: the audit log cannot be written: {error}"))
    })
}

/// SIGHUP asks for a look at the files, and SIGUSR1 for the audit log to be opened, which is what a
/// start does: without handlers they would end the process. The handler stays when its runtime is gone.
fn outlive_hangups() -> io::Result<()> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        drop(signal(SignalKind::hangup())?);
        signal(SignalKind::user_defined1()).map(drop)
    })
}

fn could_not_start(error: io::Error) -> Failure {
    Failure::Broke(format!("cannot start: {error}"))
}

/// Everything that can fail before a request is served: files are read, listeners stand.
pub(super) struct Plane {
    config: Config,
    loader: Loader,
    seen: Fingerprint,
    tls: Option<Tls>,
    current: Arc<Current>,
    telemetry: Arc<Telemetry>,
    desk: Desk,
    opened: Opened,
    warnings: Vec<String>,
    fallback: Option<Fallback>,
}

impl Plane {
    pub(super) fn bind(
        mut config: Config,
        permissions: Permissions,
        sockets: Sockets,
    ) -> Result<Self, Failure> {
        let begun = reload::begin(&config, permissions);
        let Beginning { loaded, loader, seen, fallback, warnings } =
            begun.map_err(|NoBeginning { report, last_good }| match last_good {
                None => Failure::Invalid(report),
                Some(why) => Failure::NotEvenCopied(report, why),
            })?;
        let Loaded { snapshot, tls, trusts, certificates, report } = loaded;
        config.proxy.trust(trusts);
        let desk = desk::open(&config, permissions)?;
        let opened = sockets.open(&config)?;
        let telemetry = Telemetry::new(VERSION)
            .map_err(|error| Failure::Broke(format!("the metrics cannot be set up: {error}")))?;
        let begin = match config.last_used {
            Some(_) => Current::keeping_uses,
            None => Current::new,
        };
        let current = begin(snapshot, tls.as_ref().map(Tls::config), clock::now());
        current.show(certificates);
        let warnings = [report.lines(), warnings].concat();
        Ok(Self { config, loader, seen, tls, current, telemetry, desk, opened, warnings, fallback })
    }

    /// Serves from now on.
    pub(super) fn start(
        self,
        manager: Manager,
        journal: Journal,
        audit: Option<Audit>,
    ) -> io::Result<Service> {
        let Opened { data, operators, offer, taking } = self.opened;
        let address = data.address().clone();
        let admin_address = operators.local_addr()?;
        if admin_address.port() != self.config.admin.listen.port()
            && self.config.admin.listen.port() != 0
        {
            tracing::warn!(
                admin = %admin_address,
                settings = %self.config.admin.listen,
                "operators' commands ask at the `[admin] address` of the settings, where nobody is"
            );
        }
        for warning in &self.warnings {
            tracing::warn!(warning, "policy warning");
        }
        if let Some(fallback) = self.fallback {
            fallback.tell(&self.current);
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
        let timeouts = self.config.proxy.timeouts;
        let proxy =
            Proxy::start(data, self.config.proxy.clone(), &self.current, &self.telemetry, journal)?;
        let settings = self.config.path.canonicalize().unwrap_or_else(|_| self.config.path.clone());
        let current = Arc::clone(&self.current);
        let keeper = |path: &PathBuf| Keeper::start(Arc::clone(&current), path.clone());
        let keeper = self.config.last_used.as_ref().map(keeper).transpose()?;
        let reload = reload::spawn(
            &self.config,
            self.loader,
            self.current,
            self.seen,
            self.tls,
            audit.clone(),
        )?;
        let asker = reload.asker();
        let state = State {
            current,
            telemetry: self.telemetry,
            readiness: Arc::new(Readiness::default()),
            look: Look::new(settings, move |accept, settled| match accept {
                Some(id) => asker.accept(id, settled),
                None => asker.ask(settled),
            }),
            desk: self.desk,
            started,
            version: VERSION,
        };
        state.readiness.ready();
        Ok(Service {
            address,
            admin_address,
            operators,
            offer,
            taking,
            manager,
            timeouts,
            state,
            proxy,
            reload,
            keeper,
            audit,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::cli::init::{self, InitArgs};
    use crate::proxy::Address;

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
        let args =
            InitArgs { directory: folder.path().join("etc"), output: crate::cli::Output::Text };
        init::print(&args, &mut io::sink(), &mut io::sink()).unwrap();
        let mut config = config::read(&args.directory.join("sidegate.toml")).unwrap();
        config.admin.listen = "127.0.0.1:0".parse().unwrap();
        config.proxy.listen = Address::Ip(config.admin.listen);
        let bind =
            |config: &Config| Plane::bind(config.clone(), Permissions::Private, Sockets::default());
        let Ok(first) = bind(&config) else { panic!("the first one could not start") };
        config.proxy.listen = first.opened.data.address().clone();
        let Err(Failure::Broke(told)) = bind(&config) else { panic!("both listen") };
        assert!(told.contains("another process has it"), "{told}");
        assert!(told.ends_with("change `[listen] address`"), "{told}");
        drop(first);
        assert!(bind(&config).is_ok());
    }
}

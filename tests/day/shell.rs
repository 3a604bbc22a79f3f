//! A folder, and commands that are run in it as in one shell.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;
use tempfile::TempDir;

use crate::client;
use crate::harness::{PATIENCE, Running, ask, free_port};
use crate::upstream;

static KEPT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^([A-Z]+)=\$\(").unwrap());

/// Each port that the files from `init` name, and the one that this run has in its place.
type Ports = [(u16, u16); 3];

/// The shell, and what runs in its background.
pub(crate) struct Shell {
    background: Vec<Running>, // Before the folder, which goes when they have.
    folder: TempDir,
    variables: Vec<(String, String)>,
    ports: Ports,
}

impl Shell {
    /// Begins in an empty folder, with a service for sidegate to stand before.
    pub(crate) fn open() -> Self {
        let ports = [(8080, free_port()), (9464, free_port()), (9000, upstream::start())];
        let folder = tempfile::tempdir().unwrap();
        Self { background: Vec::new(), folder, variables: Vec::new(), ports }
    }

    /// Runs a command until its end, which has to be a good one, and returns what it says on either
    /// output. One that ends in ` &` goes on, and is waited for until it is ready.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let answer = if let Some(line) = command.strip_suffix(" &") {
            self.start(line);
            String::new()
        } else if command.starts_with("curl ") {
            client::curl(command, self.port(8080), &self.variables)
        } else {
            self.finish(command)
        };
        self.settle();
        self.ports.iter().fold(answer, |answer, (named, is)| {
            answer.replace(&format!(":{is}"), &format!(":{named}"))
        })
    }

    fn start(&mut self, line: &str) {
        let log = self.folder.path().join("sidegate.log");
        let mut running = Running::begin(&mut self.command(&format!("exec {line}")));
        let admin = self.port(9464);
        running.await_ready(&log, || {
            ask(admin, "GET", "/readyz", "").is_ok_and(|it| it.status == 200)
        });
        self.background.push(running);
    }

    fn finish(&mut self, line: &str) -> String {
        let kept = KEPT.captures(line).map(|found| found[1].to_owned());
        let keep = kept
            .iter()
            .map(|name| format!("\ncode=$?; printf %s \"${name}\" > .{name}; exit $code"));
        let mut command = self.command(&format!("{line}{}", keep.collect::<String>()));
        let said = self.path(".said");
        let file = File::create(&said).unwrap();
        let mut running = Running::begin(command.stdout(file.try_clone().unwrap()).stderr(file));
        let code = running.end();
        let answer = fs::read_to_string(said).unwrap();
        assert_eq!(code, Some(0), "{PATIENCE:?} at most: {line}\n{answer}");
        if let Some(name) = kept {
            let value = fs::read_to_string(self.path(&format!(".{name}"))).unwrap();
            self.variables.retain(|(known, _)| *known != name);
            self.variables.push((name, value));
        }
        answer
    }

    fn command(&self, script: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_sidegate")).parent().unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", program.display());
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&self.folder).stdin(Stdio::null());
        command.envs(self.variables.iter().cloned()).env("PATH", path);
        command
    }

    /// The settings that `init` writes, with this run's ports.
    fn settle(&self) {
        let file = self.path("config/sidegate.toml");
        let Ok(text) = fs::read_to_string(&file) else { return };
        let new =
            self.ports.iter().fold(text.replace("0.0.0.0", "127.0.0.1"), |text, (named, is)| {
                text.replace(&format!("127.0.0.1:{named}\""), &format!("127.0.0.1:{is}\""))
            });
        if new != text {
            fs::write(file, new).unwrap();
        }
    }

    fn port(&self, named: u16) -> u16 {
        self.ports.iter().find(|(port, _)| *port == named).unwrap().1
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

//! A folder with all that a process needs, and processes in it, one after the other.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::{Running, ask, free_port, record};
use crate::upstream::Upstream;

const POLICY: &str = include_str!("../peers/policy.toml");
const PROGRAM: &str = env!("CARGO_BIN_EXE_sidegate");

pub(crate) struct House {
    pub(crate) folder: TempDir,
    pub(crate) port: u16,
    pub(crate) admin: u16,
    upstream: Upstream,
}

impl House {
    /// Over TCP, with more lines for `sidegate.toml`.
    pub(crate) fn new(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
        let keys = folder.path().join("keys.jsonl");
        fs::write(&keys, format!("{}\n", record("reader", "reader"))).unwrap();
        fs::set_permissions(&keys, Permissions::from_mode(0o600)).unwrap();
        let (port, admin) = (free_port(), free_port());
        let house = Self { folder, port, admin, upstream: Upstream::start() };
        house.write(&format!("127.0.0.1:{port}"), lines);
        house
    }

    /// Other settings, for the processes to come.
    pub(crate) fn write(&self, listen: &str, lines: &str) {
        let linger = if lines.contains("linger") { "" } else { "timeouts.linger = \"100ms\"\n" };
        let settings = format!(
            "environment = \"production\"\n{linger}{lines}\nlisten.address = \"{listen}\"\n\
             admin.address = \"127.0.0.1:{}\"\nupstream.app.urls = [\"{}\"]\n",
            self.admin,
            self.upstream.url()
        );
        fs::write(self.path("sidegate.toml"), settings).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(&format!("{name}.log"))).unwrap()
    }

    /// A process that begins, or follows the one that serves here.
    pub(crate) fn begin(&self, name: &str) -> Running {
        let arguments = ["serve", "--take-over", "-c", "sidegate.toml"];
        Running::start(PROGRAM, &arguments, self.folder.path(), name)
    }

    /// Waits until its log says this.
    pub(crate) fn says(&self, running: &mut Running, name: &str, what: &str) {
        let log = self.path(&format!("{name}.log"));
        running.await_ready(&log, || self.log(name).contains(what));
    }

    /// The first process.
    pub(crate) fn serve(&self, name: &str) -> Running {
        let mut running = self.begin(name);
        self.is_ready(&mut running, name);
        running
    }

    /// A process that has taken over.
    pub(crate) fn follow(&self, name: &str) -> Running {
        let mut running = self.begin(name);
        self.says(&mut running, name, "\"took over");
        running
    }

    pub(crate) fn is_ready(&self, running: &mut Running, name: &str) {
        running.await_ready(&self.path(&format!("{name}.log")), || {
            ask(self.admin, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// A process that systemd has begun, or what it takes for that: with these sockets, of which
    /// there are two at most, and these variables.
    pub(crate) fn activated(
        &self,
        name: &str,
        sockets: Vec<(&str, OwnedFd)>,
        variables: &[(&str, &str)],
        arguments: &str,
    ) -> Running {
        let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
        let log = File::create(self.path(&format!("{name}.log"))).unwrap();
        let mut command = Command::new("sh");
        // A test can say which sockets a child has only as what it reads and writes.
        let moved = match sockets.len() {
            0 => "",
            1 => "3<&0 2>&1",
            _ => "3<&0 4<&2 2>&1",
        };
        let script = format!(
            "exec {moved} 0</dev/null; LISTEN_PID=${{LISTENER:-$$}} WATCHDOG_PID=$$ \
             exec {PROGRAM} serve -c sidegate.toml {arguments}"
        );
        command.args(["-c", &script]).current_dir(self.folder.path());
        command.env("LISTEN_FDS", sockets.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        command.envs(variables.iter().copied());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut sockets = sockets.into_iter().map(|(_, socket)| Stdio::from(socket));
        command.stdin(sockets.next().unwrap_or_else(Stdio::null));
        if let Some(second) = sockets.next() {
            command.stderr(second);
        }
        Running::begin(&mut command)
    }
}

/// The status of an answer that came through a Unix socket.
pub(crate) fn ask_at(path: PathBuf) -> u16 {
    let mut stream = UnixStream::connect(path).unwrap();
    let head = "GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-reader\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

//! Real processes for tests: the gate, nginx and their like, on free loopback ports, each ended by
//! its own id when it goes out of scope; and plain requests to them.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sidegate::clock;
use sidegate::policy::key::KeyDigest;
use tempfile::TempDir;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A child process.
pub(crate) struct Running(Child);

impl Running {
    /// Starts `program` in `folder`; what it says goes to `folder/NAME.log`.
    pub(crate) fn start(program: &str, arguments: &[&str], folder: &Path, name: &str) -> Self {
        let log = File::create(folder.join(format!("{name}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        Self::begin(&mut command)
    }

    /// Starts it as it stands.
    pub(crate) fn begin(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Waits until `ready`; panics with what the process said if it ends before or takes too long.
    pub(crate) fn await_ready(&mut self, log: &Path, ready: impl Fn() -> bool) {
        let deadline = clock::instant() + PATIENCE;
        while !ready() {
            let ended = self.0.try_wait().unwrap();
            if ended.is_some() || clock::instant() > deadline {
                panic!("not ready ({ended:?}): {}", fs::read_to_string(log).unwrap());
            }
            thread::yield_now();
        }
    }

    /// Waits for a process that ends by itself.
    pub(crate) fn wait(&mut self) {
        self.0.wait().unwrap();
    }

    /// Sends a signal by name, such as `INT`, and waits for the end.
    pub(crate) fn signal(&mut self, name: &str) {
        if self.0.try_wait().unwrap().is_some() {
            return;
        }
        self.send(name);
        self.end();
    }

    /// Sends a signal by name to a process that runs.
    pub(crate) fn send(&self, name: &str) {
        let line = format!("kill -{name} {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &line]).status().unwrap().success(), "{line}");
    }

    /// Waits for the end, and makes one where it takes too long: then there is no exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let deadline = clock::instant() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            if clock::instant() > deadline {
                self.0.kill().unwrap();
            }
            thread::yield_now();
        }
    }

    /// The most memory that it has held, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal("TERM");
    }
}

/// nginx as an upstream, with `locations` in its one server.
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) port: u16,
    running: Running, // Before the folder: that goes when the process has.
    /// Its folder; `root` in it is served by `root root;`.
    pub(crate) folder: TempDir,
}

impl Nginx {
    /// Starts nginx and waits until it accepts connections.
    pub(crate) fn start(locations: &str) -> Self {
        Self::start_with(locations, "")
    }

    /// The same over HTTP/2 without TLS.
    pub(crate) fn start_http2(locations: &str) -> Self {
        Self::start_with(locations, "http2")
    }

    fn start_with(locations: &str, listen: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = include_str!("nginx.conf")
            .replace("@PORT@", &port.to_string())
            .replace("backlog=4096", &format!("backlog=4096 {listen}"))
            .replace("@LOCATIONS@", locations);
        fs::write(folder.path().join("nginx.conf"), config).unwrap();
        let running = Self::run(folder.path(), port);
        Self { port, running, folder }
    }

    fn run(folder: &Path, port: u16) -> Running {
        let arguments = ["-p", ".", "-e", "stderr", "-c", "nginx.conf"];
        let mut running = Running::start("nginx", &arguments, folder, "nginx");
        running.await_ready(&folder.join("nginx.log"), || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        running
    }

    /// Ends it at once, whatever it is doing: nobody listens any more.
    pub(crate) fn stop(&mut self) {
        self.running.signal("TERM");
    }

    /// Kills the process that serves, in the midst of it. nginx begins another by itself.
    pub(crate) fn crash(&self) {
        let id = self.running.0.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let children: Vec<_> = children.split_whitespace().collect();
        assert!(Command::new("kill").arg("-KILL").args(children).status().unwrap().success());
    }

    /// Begins again where it was.
    pub(crate) fn start_again(&mut self) {
        self.running = Self::run(self.folder.path(), self.port);
    }
}

/// The gate itself, as built for this test.
pub(crate) struct Gate {
    /// Where clients connect.
    pub(crate) port: u16,
    /// Where operators connect.
    pub(crate) admin: u16,
    /// The process.
    pub(crate) running: Running,
}

impl Gate {
    /// Starts the gate in `folder`, which holds a `policy.toml` that names the upstream `app`, and
    /// waits until it says that it is ready.
    pub(crate) fn start(folder: &Path, upstream: u16, keys: &[Value]) -> Self {
        Self::start_with(folder, upstream, keys, "workers = 2\n")
    }

    /// The same with more lines for the top of `sidegate.toml`.
    pub(crate) fn start_with(folder: &Path, upstream: u16, keys: &[Value], lines: &str) -> Self {
        Self::start_over(folder, &[format!("http://127.0.0.1:{upstream}")], keys, lines)
    }

    /// The same with all urls of the upstream `app`.
    pub(crate) fn start_over(folder: &Path, urls: &[String], keys: &[Value], lines: &str) -> Self {
        Self::start_into(None, folder, urls, keys, lines)
    }

    /// The same with a standard output of its own.
    pub(crate) fn start_into(
        output: Option<Stdio>,
        folder: &Path,
        urls: &[String],
        keys: &[Value],
        lines: &str,
    ) -> Self {
        let (port, admin) = (free_port(), free_port());
        let config = format!(
            "policy = \"policy.toml\"\nkeys = \"keys.jsonl\"\nenvironment = \"production\"\n{lines}\
             listen.address = \"127.0.0.1:{port}\"\nadmin.address = \"127.0.0.1:{admin}\"\n\
             upstream.app.urls = {urls:?}\n"
        );
        fs::write(folder.join("sidegate.toml"), config).unwrap();
        let mut lines = String::new();
        keys.iter().for_each(|key| writeln!(lines, "{key}").unwrap());
        let key_file = folder.join("keys.jsonl");
        fs::write(&key_file, lines).unwrap();
        fs::set_permissions(&key_file, Permissions::from_mode(0o600)).unwrap();

        let log = File::create(folder.join("sidegate.log")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sidegate"));
        command.args(["serve", "-c", "sidegate.toml"]).current_dir(folder).stdin(Stdio::null());
        command.stdout(output.unwrap_or_else(|| log.try_clone().unwrap().into())).stderr(log);
        let mut running = Running::begin(&mut command);
        running.await_ready(&folder.join("sidegate.log"), || {
            ask(admin, "GET", "/readyz", "").is_ok_and(|answer| answer.status == 200)
        });
        Self { port, admin, running }
    }

    /// The body of a page of the operator's listener, which must be there.
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = ask(self.admin, "GET", path, "").unwrap();
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    }

    /// The sum of the samples of `metric` whose labels contain `label`; panics if there is none.
    pub(crate) fn metric(&self, metric: &str, label: &str) -> f64 {
        let page = self.page("/metrics");
        let lines = page.lines().filter(|line| {
            let rest = line.strip_prefix(metric);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']) && rest.contains(label))
        });
        let samples: Vec<f64> =
            lines.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        assert!(!samples.is_empty(), "no `{metric}` with `{label}` in:\n{page}");
        samples.iter().sum()
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One request without a body on a connection of its own; `headers` are whole lines.
pub(crate) fn ask(port: u16, method: &str, target: &str, headers: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}{headers}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    parse(&text).ok_or_else(|| io::Error::other(format!("no answer but {text:?}")))
}

/// Reads a whole answer whose body is not chunked.
pub(crate) fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    assert!(!head.to_ascii_lowercase().contains("transfer-encoding: chunked"), "{head}");
    Some(Answer { status, body: body.to_owned() })
}

/// Polls until `done`; panics if it never is.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = clock::instant() + PATIENCE;
    while !done() {
        assert!(clock::instant() < deadline, "waited in vain: {what}");
        thread::yield_now();
    }
}

/// A key record of workspace `main` for the key `key-ID`.
pub(crate) fn record(id: &str, account: &str) -> Value {
    json!({
        "id": format!("k_{id}"), "hash": KeyDigest::sha256(&format!("key-{id}")).to_string(),
        "workspace": "main", "account": account, "environment": "production", "label": id,
        "created": "2026-01-01T00:00:00Z", "not_before": null, "expires": null, "revoked": null,
        "ceiling": null,
    })
}

/// A loopback port that nobody listens on, given out once. Not one of the kernel's choice: it could
/// choose the same for two tests, and gates that share a port share its connections.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    let start = std::process::id().wrapping_mul(997);
    loop {
        let offset = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let port = u16::try_from(FIRST + offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

//! How long a revoked key still passes: from the rename of the key file to the refusal by every
//! worker, and from the start of `sidegate key revoke` to its return, under the load of wrk.
//!
//! `cargo bench --bench revoke -- [--keys 1000]… [--revocations 500] [--commands 100]
//! [--pause MILLISECONDS] [--smoke] [--folder DIR]`
//!
//! `--pause` lies between a rename and the next one at least: revocations that follow each other for
//! long use up the time that loading may take, and wait. Half a second is enough at 10⁶ keys.
//!
//! What the kernel still does within the rename after the file has its name (it frees the old one) is
//! not waited for: the keys are asked about meanwhile.
//!
//! The kernel spreads connections over the workers. So many are asked that none is left out, all of
//! them at once and again and again; a round of that is as exact as it gets. Loopback only.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot go on should stop")]

#[path = "../tests/harness/mod.rs"]
#[expect(dead_code, reason = "tests need more of it")]
mod harness;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use sidegate::clock;

use harness::{Gate, Nginx, PATIENCE, Running, record};

const POLICY: &str = include_str!("../tests/peers/policy.toml");
const WORKERS: usize = 2;
const CONNECTIONS: usize = 8 * WORKERS;
/// For how long a million keys may be read on a machine that has other things to do.
const WHOLE_LOAD: Duration = Duration::from_secs(60);
const NOT_REVOKED: &[u8] = b"\"revoked\":null";
const REVOKED: &[u8] = b"\"revoked\":\"2026-01-02T00:00:00Z\"";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        println!("revoke: measures under `cargo bench` only");
        return;
    }
    let options = Options::read(arguments);
    for (number, keys) in options.keys.iter().enumerate() {
        if number > 0 {
            println!();
        }
        Bench::new(*keys, &options).run(&options);
    }
}

struct Options {
    keys: Vec<usize>,
    revocations: usize,
    commands: usize,
    pause: Duration,
    folder: PathBuf,
}

impl Options {
    fn read(arguments: Vec<String>) -> Self {
        let mut options = Self {
            keys: Vec::new(),
            revocations: 500,
            commands: 100,
            pause: Duration::ZERO,
            folder: std::env::temp_dir(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("`{name}` needs a value"));
            let number =
                |text: String| text.parse().unwrap_or_else(|_| panic!("`{text}` is not a number"));
            match name.as_str() {
                "--bench" => {}
                "--smoke" => {
                    (options.keys, options.revocations, options.commands) = (vec![1000], 5, 2);
                }
                "--keys" => options.keys.push(number(value())),
                "--revocations" => options.revocations = number(value()),
                "--commands" => options.commands = number(value()),
                "--pause" => options.pause = Duration::from_millis(number(value()) as u64),
                "--folder" => options.folder = value().into(),
                _ => panic!("unknown option `{name}`"),
            }
        }
        if options.keys.is_empty() {
            options.keys = vec![1000, 100_000, 1_000_000];
        }
        options
    }
}

/// A gate with keys, and what is asked of it.
struct Bench {
    gate: Gate, // Before the folder: that goes when the process has.
    _nginx: Nginx,
    folder: tempfile::TempDir,
    file: KeyFile,
    connections: Vec<Connection>,
}

impl Bench {
    fn new(keys: usize, options: &Options) -> Self {
        let nginx = Nginx::start("location / { return 200 answer; }");
        let folder = tempfile::tempdir_in(&options.folder).unwrap();
        fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
        let revoked = options.revocations + options.commands;
        assert!(keys >= revoked, "{keys} keys are fewer than are to be revoked");
        let gate = Gate::start(folder.path(), nginx.port, &[record("reader", "reader")]);
        let file = KeyFile::new(keys, revoked, &folder.path().join("keys.jsonl"));
        file.write();
        file.put_in_place();
        let loaded = format!("sidegate_policy_keys {}\n", keys + 1);
        until_loaded(|| gate.page("/metrics").contains(&loaded));
        // As after a start: all of them compiled together.
        let generation = || gate.metric("sidegate_policy_generation", "");
        let before = generation();
        gate.running.send("HUP");
        until_loaded(|| generation() > before);
        let connections = (0..CONNECTIONS).map(|_| Connection::new(gate.port)).collect();
        Self { gate, _nginx: nginx, folder, file, connections }
    }

    fn run(mut self, options: &Options) {
        let url = format!("http://127.0.0.1:{}/app", self.gate.port);
        let header = "X-API-Key: key-reader";
        let arguments = ["-t1", "-c64", "-d3600s", "-H", header, &url];
        let folder = self.folder.path().to_owned();
        let mut load = Running::start("wrk", &arguments, &folder, "wrk");

        let (mut to_first, mut to_all) = (Vec::new(), Vec::new());
        let mut due = clock::instant();
        for number in 0..options.revocations {
            let (first, all) = self.by_rename(number, due);
            due = clock::instant() + options.pause;
            to_first.push(first);
            to_all.push(all);
        }
        let loads = loads(&folder);
        let mut to_return = Vec::new();
        for number in options.revocations..options.revocations + options.commands {
            to_return.push(self.by_command(number));
        }
        load.signal("INT");
        let told = fs::read_to_string(folder.join("wrk.log")).unwrap();
        assert!(!told.contains("Non-2xx") && !told.contains("Socket errors"), "{told}");
        let rate = told.lines().find_map(|line| line.strip_prefix("Requests/sec:")).unwrap();
        println!(
            "{} keys ({} MB), {WORKERS} workers, {} requests/s meanwhile, none failed",
            self.file.keys,
            self.file.text.len() / 1_000_000,
            rate.trim()
        );
        for (what, times) in [
            ("rename to the first refusal", to_first),
            ("rename to refusal by all workers", to_all),
            ("the load alone", loads),
            ("`key revoke`, start to return", to_return),
        ] {
            print_times(what, times);
        }
    }

    /// From the rename, which is not before `due`, to the first refusal, and to refusal on every
    /// connection.
    fn by_rename(&mut self, number: usize, due: Instant) -> (Duration, Duration) {
        self.file.revoke(number);
        self.file.write();
        std::thread::sleep(due.saturating_duration_since(clock::instant()));
        let request = request(number);
        assert_eq!(self.round(&request), vec![200; CONNECTIONS], "before the revocation {number}");
        let Self { file, connections, .. } = self;
        std::thread::scope(|scope| {
            let renamed = clock::instant();
            scope.spawn(|| file.put_in_place());
            let mut refused: Vec<Option<Instant>> = vec![None; CONNECTIONS];
            while refused.contains(&None) {
                assert!(renamed.elapsed() < PATIENCE, "revocation {number} is not in force");
                for connection in connections.iter_mut() {
                    connection.send(&request);
                }
                for (connection, refused) in connections.iter_mut().zip(&mut refused) {
                    match (connection.status(), &refused) {
                        (401, None) => *refused = Some(clock::instant()),
                        (401, Some(_)) | (200, None) => {}
                        (status, _) => panic!("revocation {number}: {status}"),
                    }
                }
            }
            let times = || refused.iter().flatten().map(|at| *at - renamed);
            (times().min().unwrap(), times().max().unwrap())
        })
    }

    /// From the start of the command to its end. From then on nobody lets the key pass.
    fn by_command(&mut self, number: usize) -> Duration {
        let request = request(number);
        assert_eq!(self.round(&request), vec![200; CONNECTIONS], "before the revocation {number}");
        let began = clock::instant();
        let revoked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
            .args(["key", "revoke", "-c", "sidegate.toml", &format!("k_{number:09}")])
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let took = began.elapsed();
        let said = String::from_utf8(revoked.stderr).unwrap();
        assert!(revoked.status.success() && said.starts_with("in force in generation "), "{said}");
        assert_eq!(self.round(&request), vec![401; CONNECTIONS], "after {said}");
        took
    }

    /// Asks on every connection at once.
    fn round(&mut self, request: &str) -> Vec<u16> {
        self.connections.iter_mut().for_each(|connection| connection.send(request));
        self.connections.iter_mut().map(Connection::status).collect()
    }
}

fn until_loaded(loaded: impl Fn() -> bool) {
    let due = clock::instant() + WHOLE_LOAD;
    while !loaded() {
        assert!(clock::instant() < due, "the keys are not loaded");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn request(number: usize) -> String {
    format!("GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-{number:09}\r\n\r\n")
}

/// How long the reloads took that changed anything, as the log tells.
fn loads(folder: &Path) -> Vec<Duration> {
    let log = fs::read_to_string(folder.join("sidegate.log")).unwrap();
    let events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let reloads = events.filter_map(|event| {
        let fields = event.get("fields")?;
        let is_one = fields.get("changes")? == "keys: 1 revoked (1 lost)";
        is_one.then_some(fields.get("duration_ms")?.as_f64()?)
    });
    reloads.map(|took| Duration::from_secs_f64(took / 1000.0)).collect()
}

fn print_times(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let Some(last) = times.len().checked_sub(1) else { return };
    let at = |percent: usize| {
        let time = times.get((times.len() * percent / 100).min(last)).copied().unwrap_or_default();
        format!("{:.1} ms", time.as_secs_f64() * 1000.0)
    };
    let [median, p99, most] = [50, 99, 100].map(at);
    println!("{what:<34} {:>4} times: p50 {median}, p99 {p99}, max {most}", times.len());
}

/// The key file and what it is to hold next.
struct KeyFile {
    keys: usize,
    text: Vec<u8>,
    /// Of those that are to be revoked: where each line is.
    lines: Vec<Range<usize>>,
    path: PathBuf,
    next: PathBuf,
}

impl KeyFile {
    /// Those that are to be revoked stand all over the file.
    fn new(keys: usize, revoked: usize, path: &Path) -> Self {
        let mut text = Vec::new();
        let mut lines = Vec::new();
        let every = keys / revoked;
        writeln!(text, "{}", record("reader", "reader")).unwrap();
        for number in 0..keys {
            let is_next = number % every == 0 && number / every < revoked;
            let id = if is_next { number / every } else { revoked + number };
            let start = text.len();
            writeln!(text, "{}", record(&format!("{id:09}"), "reader")).unwrap();
            if is_next {
                lines.push(start..text.len());
            }
        }
        Self { keys, text, lines, path: path.into(), next: path.with_extension("next") }
    }

    fn revoke(&mut self, number: usize) {
        let line = self.lines.get(number).unwrap().clone();
        let text = self.text.get(line.clone()).unwrap();
        let at = text.windows(NOT_REVOKED.len()).position(|part| part == NOT_REVOKED).unwrap();
        let start = line.start + at;
        self.text.splice(start..start + NOT_REVOKED.len(), REVOKED.iter().copied());
        let longer = REVOKED.len() - NOT_REVOKED.len();
        for later in self.lines.iter_mut().skip(number + 1) {
            *later = later.start + longer..later.end + longer;
        }
    }

    /// As `sidegate key` writes it: all of it is on the disk before it gets its name. Otherwise some
    /// file systems write it out within the rename.
    fn write(&self) {
        fs::write(&self.next, &self.text).unwrap();
        fs::File::open(&self.next).unwrap().sync_all().unwrap();
        fs::set_permissions(&self.next, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn put_in_place(&self) {
        fs::rename(&self.next, &self.path).unwrap();
    }
}

/// A connection that is kept.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, request: &str) {
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    fn status(&mut self) -> u16 {
        let (mut line, mut status, mut length) = (String::new(), None, 0);
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the connection was closed");
            let lower = line.to_ascii_lowercase();
            if status.is_none() {
                status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
            } else if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            } else if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        status.unwrap()
    }
}

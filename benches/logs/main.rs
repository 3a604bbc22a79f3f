//! What it costs to write down what happens: no log, denials, a share, all; and the audit log.
//!
//! `cargo bench --bench logs -- [--rounds 5] [--seconds 2] [--smoke] [--sidegate FILE]`
//!
//! The same binary with other settings, each with all of its threads on the first core, one worker,
//! and a pipe as its output that somebody reads as fast as it comes. nginx answers and wrk asks on other
//! cores. Rounds are interleaved, medians compared. Loopback only.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use serde_json::json;
use sidegate::clock;
use sidegate::policy::key::KeyDigest;

use process::Running;

#[expect(dead_code, reason = "shared with a bench that needs more of it")]
#[path = "../peers/process.rs"]
mod process;

type Outcome<T> = Result<T, Box<dyn Error>>;

const CONNECTIONS: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/logs");
const KEY: &str = "a-key-of-the-bench";

/// What is written, and the settings of that.
const SUBJECTS: [(&str, &str); 6] = [
    ("no log", "log = { level = \"error\", sample = 0.0 }"),
    ("denials", "log = { sample = 0.0, denials_per_second = 1000000 }"),
    ("default", ""),
    ("all", "log = { sample = 1.0, denials_per_second = 1000000 }"),
    (
        "audit",
        "log = { level = \"error\", sample = 0.0 }\naudit = { file = \"@AUDIT@\", writes = true }",
    ),
    (
        "all, audit",
        "log = { sample = 1.0, denials_per_second = 1000000 }\n\
         audit = { file = \"@AUDIT@\", writes = true }",
    ),
];

/// What is asked: a name, the method, and whether there is a key.
const LOADS: [(&str, &str, bool); 3] =
    [("reads", "GET", true), ("writes", "POST", true), ("denials", "GET", false)];

fn main() -> ExitCode {
    // `cargo test --benches` starts benches, too: there is nothing to measure then.
    if !env::args().any(|argument| argument == "--bench") {
        println!("logs: measures under `cargo bench` only");
        return ExitCode::SUCCESS;
    }
    match Options::read(env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("logs: {failed}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    rounds: usize,
    seconds: u32,
    sidegate: PathBuf,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let sidegate = env!("CARGO_BIN_EXE_sidegate").into();
        let mut options = Self { rounds: 5, seconds: 2, sidegate };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{name}` needs a value"));
            match name.as_str() {
                "--bench" => {}
                "--smoke" => (options.rounds, options.seconds) = (1, 1),
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--sidegate" => options.sidegate = fs::canonicalize(value()?)?,
                _ => return Err(format!("unknown option `{name}`").into()),
            }
        }
        if options.rounds == 0 || options.seconds == 0 {
            return Err("at least 1 round and 1 second".into());
        }
        Ok(options)
    }
}

fn run(options: &Options) -> Outcome<()> {
    let last = thread::available_parallelism()?.get() - 1;
    if last == 0 {
        return Err("two cores are needed, one of them for sidegate alone".into());
    }
    let folder = tempfile::tempdir()?;
    let upstream = free_port()?;
    let config = fs::read_to_string(Path::new(TEMPLATES).join("upstream.conf"))?
        .replace("@UPSTREAM@", &upstream.to_string())
        .replace("@ANSWER@", &"x".repeat(121));
    fs::write(folder.path().join("upstream.conf"), config)?;
    let mut nginx = pinned(1, "nginx".as_ref(), folder.path());
    nginx.args(["-p", ".", "-e", "stderr", "-c", "upstream.conf"]).stderr(Stdio::null());
    let _upstream = Running(nginx.stdout(Stdio::null()).spawn()?);
    await_port(upstream)?;

    let mut subjects = Vec::new();
    for (number, (name, lines)) in SUBJECTS.into_iter().enumerate() {
        let folder = folder.path().join(number.to_string());
        subjects.push(Subject::start(name, lines, &folder, upstream, &options.sidegate)?);
    }
    for _ in 0..options.rounds {
        for (number, load) in LOADS.into_iter().enumerate() {
            for subject in &mut subjects {
                let measured = subject.measure(last, options.seconds, load)?;
                subject.rounds.get_mut(number).ok_or("no such load")?.push(measured);
            }
        }
    }
    report(options, &subjects)
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn pinned(core: usize, program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program).current_dir(folder).stdin(Stdio::null());
    command
}

fn await_port(port: u16) -> Outcome<()> {
    let deadline = clock::instant() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if clock::instant() > deadline {
            return Err(format!("nobody listens on port {port}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

struct Measured {
    per_second: f64,
    cpu_micros: f64,
}

struct Subject {
    name: &'static str,
    port: u16,
    admin: u16,
    running: Running,
    /// By load.
    rounds: [Vec<Measured>; LOADS.len()],
}

impl Subject {
    fn start(
        name: &'static str,
        lines: &str,
        folder: &Path,
        upstream: u16,
        sidegate: &Path,
    ) -> Outcome<Self> {
        fs::create_dir(folder)?;
        let (port, admin) = (free_port()?, free_port()?);
        let lines = lines.replace("@AUDIT@", "audit.jsonl");
        let settings = fs::read_to_string(Path::new(TEMPLATES).join("sidegate.toml"))?
            .replace("@PORT@", &port.to_string())
            .replace("@ADMIN@", &admin.to_string())
            .replace("@UPSTREAM@", &upstream.to_string());
        let policy = fs::read_to_string(Path::new(TEMPLATES).join("policy.toml"))?;
        let key = json!({
            "id": "k_bench", "hash": KeyDigest::sha256(KEY).to_string(), "workspace": "bench",
            "account": "app", "environment": "production", "label": "bench",
            "created": "2026-01-01T00:00:00Z", "not_before": null, "expires": null,
            "revoked": null, "ceiling": null,
        });
        fs::write(folder.join("sidegate.toml"), format!("{lines}\n{settings}"))?;
        fs::write(folder.join("policy.toml"), policy)?;
        fs::write(folder.join("keys.jsonl"), format!("{key}\n"))?;
        fs::set_permissions(folder.join("keys.jsonl"), fs::Permissions::from_mode(0o600))?;
        let (mut output, into) = io::pipe()?;
        // As a collector that keeps up.
        thread::spawn(move || {
            let mut room = vec![0; 1 << 16];
            while output.read(&mut room).is_ok_and(|count| count > 0) {}
        });
        let mut command = pinned(0, sidegate, folder);
        command.args(["serve", "-c", "sidegate.toml"]).stdout(into);
        let running = Running(command.spawn()?);
        await_port(port)?;
        Ok(Self { name, port, admin, running, rounds: Default::default() })
    }

    fn measure(
        &self,
        core: usize,
        seconds: u32,
        (load, method, with_key): (&str, &str, bool),
    ) -> Outcome<Measured> {
        let before = self.running.cpu()?;
        let mut command = Command::new("timeout");
        command.arg((seconds + 10).to_string()).args(["taskset", "-c", &core.to_string(), "wrk"]);
        command.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")]);
        let script = env::temp_dir().join(format!("sidegate-bench-{}.lua", std::process::id()));
        fs::write(&script, format!("wrk.method = \"{method}\"\n"))?;
        command.arg("-s").arg(&script);
        if with_key {
            command.args(["-H", &format!("X-API-Key: {KEY}")]);
        }
        let output = command.arg(format!("http://127.0.0.1:{}/", self.port)).output()?;
        fs::remove_file(&script)?;
        let cpu = self.running.cpu()? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return Err(format!("wrk: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label));
        let requests = text.lines().find(|line| line.contains(" requests in "));
        let requests = requests.and_then(|line| line.split_whitespace().next());
        let requests: f64 = requests.ok_or("wrk counted no requests")?.parse()?;
        let refused = after("Non-2xx or 3xx responses:").map_or(Ok(0.0), |it| it.trim().parse())?;
        let expected = if with_key { 0.0 } else { requests };
        if requests == 0.0 || refused != expected {
            return Err(format!("{}, {load}: {refused} of {requests} refused", self.name).into());
        }
        let per_second = after("Requests/sec:").ok_or("wrk gave no rate")?.trim().parse()?;
        Ok(Measured { per_second, cpu_micros: cpu * 1e6 / requests })
    }

    fn counted(&self, name: &str) -> Outcome<u64> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin))?;
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or("no such metric")?.trim().parse()?)
    }
}

fn median(rounds: &[Measured], of: impl Fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = rounds.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn report(options: &Options, subjects: &[Subject]) -> Outcome<()> {
    let Options { rounds, seconds, .. } = options;
    println!("{CONNECTIONS} connections, medians of {rounds} rounds of {seconds} s");
    print!("{:<11}", "");
    LOADS.iter().for_each(|(load, ..)| print!(" {:>18}", format!("{load}/s, µs CPU")));
    println!(" {:>18} {:>18}", "log dropped", "audit +dropped");
    for subject in subjects {
        print!("{:<11}", subject.name);
        for rounds in &subject.rounds {
            let rate = median(rounds, |it| it.per_second);
            print!(" {:>18}", format!("{rate:.0}, {:.1}", median(rounds, |it| it.cpu_micros)));
        }
        let log = subject.counted("sidegate_log_events_dropped_total")?;
        let audit = ["sidegate_audit_events_total", "sidegate_audit_events_dropped_total"]
            .map(|name| subject.counted(name));
        let [written, dropped] = audit;
        println!(" {log:>18} {:>18}", format!("{} +{}", written?, dropped?));
    }
    Ok(())
}

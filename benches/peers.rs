//! sidegate beside HAProxy and nginx, all looking a key up and applying view or full.
//!
//! `cargo bench --bench peers -- [--rounds 5] [--seconds 5] [--keys 10000] [--smoke] [--sidegate FILE]`
//!
//! Each proxy has the first core to itself, one upstream and the load have the others. Rounds are
//! interleaved, so that a machine that slows down slows all of them; medians are compared. A round
//! in which one request was not answered 2xx counts for nothing. Loopback only.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;
use std::{env, fs, io, thread};

use serde_json::json;
use sidegate::clock;
use sidegate::policy::key::{BASE62, KeyDigest, RANDOM_CHARACTERS, checksum};

const CONNECTIONS: usize = 64;
const ACCOUNTS: usize = 100;
const ANSWER_BYTES: usize = 121;
const PATIENCE: Duration = Duration::from_secs(10);
/// What `/proc` counts in, on every Linux of the last decades.
const TICKS_PER_SECOND: f64 = 100.0;

/// A program and its words; the last one is its configuration, of which there is a template.
type Peer = (&'static str, &'static [&'static str]);

const UPSTREAM: Peer = ("nginx", &["-p", ".", "-e", "stderr", "-c", "upstream.conf"]);
const PROXIES: [Peer; 3] = [
    ("haproxy", &["-db", "-f", "haproxy.cfg"]),
    ("nginx", &["-p", ".", "-e", "stderr", "-c", "nginx.conf"]),
    ("sidegate", &["serve", "-c", "sidegate.toml"]),
];
const TEMPLATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers");

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    // `cargo test --benches` starts benches, too: there is nothing to measure then.
    if !env::args().any(|argument| argument == "--bench") {
        println!("peers: measures under `cargo bench` only");
        return ExitCode::SUCCESS;
    }
    match Options::read(env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("peers: {failed}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    rounds: usize,
    seconds: u32,
    keys: usize,
    sidegate: PathBuf,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let sidegate = env!("CARGO_BIN_EXE_sidegate").into();
        let mut options = Self { rounds: 5, seconds: 5, keys: 10_000, sidegate };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("`{name}` needs a value"));
            match name.as_str() {
                "--bench" => {}
                "--smoke" => (options.rounds, options.seconds) = (1, 1),
                "--rounds" => options.rounds = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--keys" => options.keys = value()?.parse()?,
                "--sidegate" => options.sidegate = fs::canonicalize(value()?)?,
                _ => return Err(format!("unknown option `{name}`").into()),
            }
        }
        if options.rounds == 0 || options.seconds == 0 || options.keys < ACCOUNTS {
            return Err(format!("at least 1 round, 1 second and {ACCOUNTS} keys").into());
        }
        Ok(options)
    }
}

fn run(options: &Options) -> Outcome<()> {
    let [proxy_core, upstream_core, load_core] = cores()?;
    println!("cores: proxy {proxy_core}, upstream {upstream_core}, load {load_core}");
    let keys = make_keys(options.keys);
    let folder = tempfile::tempdir()?;
    let site = Site { folder: folder.path(), upstream: free_port()?, admin: free_port()? };
    site.write_keys(&keys)?;
    let _upstream = site.start(UPSTREAM, "nginx".as_ref(), site.upstream, upstream_core)?;

    let mut subjects = Vec::new();
    for peer in PROXIES {
        let (name, port, void, rounds) = (peer.0, free_port()?, 0, Vec::new());
        let program = if name == "sidegate" { &options.sidegate } else { Path::new(name) };
        match site.start(peer, program, port, proxy_core) {
            Ok(running) => {
                prove_rules(name, port, &keys)?;
                subjects.push(Subject { name, port, running, void, rounds });
            }
            Err(missing) if name != "sidegate" => println!("{name}: left out: {missing}"),
            Err(missing) => return Err(format!("{name}: {missing}").into()),
        }
    }
    let reader = keys.iter().find(|key| key.level == "view").ok_or("no key of level view")?;
    for round in 1..=options.rounds {
        for subject in &mut subjects {
            match subject.measure(load_core, options.seconds, reader)? {
                Ok(measured) => subject.rounds.push(measured),
                Err(why) => {
                    subject.void += 1;
                    println!("{}: round {round} is void: {why}", subject.name);
                }
            }
        }
    }
    report(options, &subjects)
}

/// Cores for the proxy, the upstream and the load: the proxy shares its core with nothing of ours.
fn cores() -> Outcome<[usize; 3]> {
    match thread::available_parallelism()?.get() {
        1 => Err("two cores are needed, one of them for the proxy alone".into()),
        cores => Ok([0, 1, cores - 1]),
    }
}

struct Key {
    text: String,
    number: usize,
    level: &'static str,
}

/// The same keys in every run.
fn make_keys(count: usize) -> Vec<Key> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut key = |number| {
        let mut text = String::from("sg_production_");
        text.extend(
            (0..RANDOM_CHARACTERS).filter_map(|_| random.choice(BASE62)).map(|c| *c as char),
        );
        text.push('_');
        let sum = checksum(&text);
        text.extend(sum.map(char::from));
        Key { text, number, level: level_of(number % ACCOUNTS) }
    };
    (0..count).map(&mut key).collect()
}

fn level_of(account: usize) -> &'static str {
    if account.is_multiple_of(2) { "view" } else { "full" }
}

fn record(key: &Key) -> String {
    let record = json!({
        "id": format!("k_{}", key.number), "hash": KeyDigest::blake3(&key.text).to_string(),
        "workspace": "bench", "account": format!("app{}", key.number % ACCOUNTS),
        "environment": "production", "label": "bench", "created": "2026-01-01T00:00:00Z",
        "not_before": null, "expires": null, "revoked": null, "ceiling": null,
    });
    format!("{record}\n")
}

/// A folder with every configuration, and the ports that they share.
struct Site<'a> {
    folder: &'a Path,
    upstream: u16,
    admin: u16,
}

impl Site<'_> {
    fn write_keys(&self, keys: &[Key]) -> io::Result<()> {
        let lines = |line: &dyn Fn(&Key) -> String| keys.iter().map(line).collect::<String>();
        let nginx = lines(&|key| format!("\"{}\" {};\n", key.text, key.level));
        let haproxy = lines(&|key| format!("{} {}\n", key.text, key.level));
        let sidegate = lines(&record);
        let quoted = |level: &str| {
            let names = (0..ACCOUNTS).filter(|account| level_of(*account) == level);
            names.map(|account| format!("\"app{account}\"")).collect::<Vec<_>>().join(", ")
        };
        let members: String =
            (0..ACCOUNTS).map(|account| format!("app{account} = \"member\"\n")).collect();
        let policy = fs::read_to_string(Path::new(TEMPLATES).join("policy.toml"))?
            .replace("@MEMBERS@", &members)
            .replace("@READERS@", &quoted("view"))
            .replace("@WRITERS@", &quoted("full"));
        let files = [
            ("nginx.keys", nginx),
            ("haproxy.keys", haproxy),
            ("keys.jsonl", sidegate),
            ("policy.toml", policy),
        ];
        for (name, text) in files {
            let file = self.folder.join(name);
            fs::write(&file, text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Starts a peer and waits until it answers.
    fn start(&self, peer: Peer, program: &Path, port: u16, core: usize) -> Outcome<Running> {
        let file = peer.1.last().ok_or("a peer without configuration")?;
        let config = fs::read_to_string(Path::new(TEMPLATES).join(file))?
            .replace("@PORT@", &port.to_string())
            .replace("@ADMIN@", &self.admin.to_string())
            .replace("@UPSTREAM@", &self.upstream.to_string())
            .replace("@ANSWER@", &"x".repeat(ANSWER_BYTES));
        fs::write(self.folder.join(file), config)?;
        let log_file = self.folder.join(format!("{file}.log"));
        let log = fs::File::create(&log_file)?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(program)
            .args(peer.1)
            .current_dir(self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("`taskset`: {error}"))?;
        let mut running = Running(child);
        let deadline = clock::instant() + PATIENCE;
        while status(port, "GET", None).is_err() {
            if running.0.try_wait()?.is_some() || clock::instant() > deadline {
                let said = fs::read_to_string(log_file)?;
                return Err(format!("does not answer; it said: {}", said.trim()).into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(running)
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The status of one request on a connection of its own.
fn status(port: u16, method: &str, key: Option<&str>) -> Outcome<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let credential = key.map_or(String::new(), |key| format!("X-API-Key: {key}\r\n"));
    let head = format!(
        "{method} / HTTP/1.1\r\nHost: bench\r\nContent-Length: 0\r\nConnection: close\r\n{credential}\r\n"
    );
    stream.write_all(head.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split(' ').nth(1).ok_or("no status line")?.parse()?)
}

/// A proxy that skips its work is not measured.
fn prove_rules(name: &str, port: u16, keys: &[Key]) -> Outcome<()> {
    let of = |level: &str| keys.iter().rfind(|key| key.level == level).map(|key| &*key.text);
    let cases = [
        ("GET", None, 401),
        ("GET", Some("sg_production_unknown"), 401),
        ("GET", of("view"), 200),
        ("POST", of("view"), 403),
        ("GET", of("full"), 200),
        ("POST", of("full"), 200),
    ];
    for (method, key, expected) in cases {
        let answered = status(port, method, key)?;
        if answered != expected {
            return Err(format!("{name}: {method} {key:?}: {answered}, not {expected}").into());
        }
    }
    Ok(())
}

/// A child that is asked to end, by its id, when it goes out of scope.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(None)) {
            return;
        }
        let ask = format!("kill -TERM {}", self.0.id());
        let _asked = Command::new("sh").args(["-c", &ask]).status();
        let deadline = clock::instant() + PATIENCE;
        while matches!(self.0.try_wait(), Ok(None)) && clock::instant() < deadline {
            thread::sleep(Duration::from_millis(5));
        }
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

struct Measured {
    per_second: f64,
    cpu_micros: f64,
}

struct Subject {
    name: &'static str,
    port: u16,
    running: Running,
    rounds: Vec<Measured>,
    void: usize,
}

impl Subject {
    /// One round; within, why it is void.
    fn measure(&self, core: usize, seconds: u32, key: &Key) -> Outcome<Result<Measured, String>> {
        let before = cpu_ticks(self.running.0.id())?;
        let output = Command::new("timeout")
            .arg((seconds + 10).to_string())
            .args(["taskset", "-c", &core.to_string(), "wrk", "-t1"])
            .args([format!("-c{CONNECTIONS}"), format!("-d{seconds}s")])
            .args(["-H", &format!("X-API-Key: {}", key.text)])
            .arg(format!("http://127.0.0.1:{}/", self.port))
            .output()?;
        let ticks = cpu_ticks(self.running.0.id())? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        let after = |label: &str| text.lines().find_map(|line| line.trim().strip_prefix(label));
        if !output.status.success() {
            return Err(format!("wrk: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        if let Some(count) = after("Non-2xx or 3xx responses:") {
            return Ok(Err(format!("{} answers were not 2xx", count.trim())));
        }
        if let Some(errors) = after("Socket errors:") {
            return Ok(Err(format!("socket errors:{errors}")));
        }
        let requests = text.lines().find(|line| line.contains(" requests in "));
        let requests = requests.and_then(|line| line.split_whitespace().next());
        let requests: f64 = requests.ok_or("wrk counted no requests")?.parse()?;
        let per_second = after("Requests/sec:").ok_or("wrk gave no rate")?.trim().parse()?;
        if requests == 0.0 {
            return Ok(Err("no request was answered".into()));
        }
        let cpu_micros = ticks as f64 / TICKS_PER_SECOND * 1e6 / requests;
        Ok(Ok(Measured { per_second, cpu_micros }))
    }

    fn median(&self, of: impl Fn(&Measured) -> f64) -> Option<f64> {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// User and system time of a process and of all that it started.
fn cpu_ticks(root: u32) -> Outcome<u64> {
    let mut stats = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may be gone by now; its name may hold spaces, so the fields begin after it.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let field = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        if let (Some(parent), Some(user), Some(system)) = (field(1), field(11), field(12)) {
            stats.push((id, parent, user + system));
        }
    }
    let mut family = vec![root];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        family.extend(stats.iter().filter(|stat| stat.1 == u64::from(parent)).map(|stat| stat.0));
        at += 1;
    }
    Ok(stats.iter().filter(|stat| family.contains(&stat.0)).map(|stat| stat.2).sum())
}

fn report(options: &Options, subjects: &[Subject]) -> Outcome<()> {
    let medians = |subject: &Subject| {
        let rate = subject.median(|round| round.per_second)?;
        Some((rate, subject.median(|round| round.cpu_micros)?))
    };
    let of = |name: &str| subjects.iter().find(|subject| subject.name == name).and_then(medians);
    let ratio = |mine: f64, theirs: Option<f64>| {
        theirs.map_or("-".into(), |theirs| format!("{:.2}", mine / theirs))
    };
    let Options { rounds, seconds, keys, .. } = options;
    println!("{keys} keys, {CONNECTIONS} connections, medians of {rounds} rounds of {seconds} s\n");
    println!(
        "proxy     requests/s ×haproxy ×nginx  CPU µs/request ×haproxy ×nginx  core busy  void"
    );
    let mut rows = Vec::new();
    for subject in subjects {
        let (name, void) = (subject.name, subject.void);
        let Some((rate, cpu)) = medians(subject) else {
            println!("{name:<9} no valid round");
            continue;
        };
        let [rate_haproxy, rate_nginx] =
            ["haproxy", "nginx"].map(|peer| ratio(rate, of(peer).map(|medians| medians.0)));
        let [cpu_haproxy, cpu_nginx] =
            ["haproxy", "nginx"].map(|peer| ratio(cpu, of(peer).map(|medians| medians.1)));
        println!(
            "{name:<9} {rate:>10.0} {rate_haproxy:>8} {rate_nginx:>6}  {cpu:>14.1} {cpu_haproxy:>8} \
             {cpu_nginx:>6}  {:>8.0}% {void:>5}",
            rate * cpu / 1e4
        );
        let rounds: Vec<_> = subject.rounds.iter().map(|r| [r.per_second, r.cpu_micros]).collect();
        rows.push(json!({
            "proxy": name, "requests_per_second": rate, "cpu_micros_per_request": cpu,
            "rounds": rounds, "void_rounds": void,
        }));
    }
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers.json");
    let text = json!({
        "keys": keys, "connections": CONNECTIONS, "answer_bytes": ANSWER_BYTES,
        "seconds": seconds, "proxies": rows,
    });
    fs::write(&file, format!("{text:#}\n"))?;
    println!("\nwritten to {}", file.display());
    let all = rows.len() == subjects.len();
    if all { Ok(()) } else { Err("a proxy had no valid round".into()) }
}

//! The gate between real peers: nginx behind it, wrk in front.
//!
//! They need what `.ci/run` installs: `cargo test --test peers -- --ignored --test-threads=1`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should stop")]

mod harness;
#[path = "proxy/nasty.rs"]
mod nasty;

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use serde_json::Value;
use sidegate::clock;

use harness::{Gate, Nginx, PATIENCE, Running, ask, free_port, parse, record, until};

const POLICY: &str = include_str!("peers/policy.toml");
const READER: &str = "X-API-Key: key-reader\r\n";

/// The number for a release build; a debug build is given one that it reaches in seconds.
const REQUESTS: u64 = if cfg!(debug_assertions) { 20_000 } else { 200_000 };
const GIBIBYTE: u64 = 1 << 30;
const MOST_MEMORY: u64 = 64 << 20;
const EDITS: usize = 50;
const REVOCATIONS: usize = 200;
/// Besides those that are revoked; a debug build reads as many in the time of ten times more.
const KEYS: usize = if cfg!(debug_assertions) { 1000 } else { 100_000 };
const OUTAGES: usize = 12;
const RESTARTS: usize = 20;

#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn load_meets_no_unexpected_status() {
    let nginx = Nginx::start("location / { return 200 answer; }");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let gate = Gate::start(folder.path(), nginx.port, &[record("reader", "reader")]);
    let mut requests = 0;
    for _run in 0..10 {
        requests += Load::start(&gate, folder.path(), 5).finish();
        if requests >= REQUESTS {
            println!("{requests} requests, each answered with 200");
            return;
        }
    }
    panic!("only {requests} requests in 10 runs of 5 s");
}

/// wrk at 64 connections, reading with a key that may.
struct Load<'a> {
    wrk: Running,
    folder: &'a Path,
}

impl<'a> Load<'a> {
    fn start(gate: &Gate, folder: &'a Path, seconds: u32) -> Self {
        let (duration, url) =
            (format!("-d{seconds}s"), format!("http://127.0.0.1:{}/app", gate.port));
        let arguments = ["-t1", "-c64", &duration, "-H", READER.trim_end(), &url];
        Self { wrk: Running::start("wrk", &arguments, folder, "wrk"), folder }
    }

    /// Waits for the end of a short run.
    fn finish(mut self) -> u64 {
        self.wrk.wait();
        self.count()
    }

    /// Ends a long run now: wrk sums up when it is interrupted.
    fn stop(mut self) -> u64 {
        self.wrk.signal("INT");
        self.count()
    }

    /// How many requests were answered; panics if one of them was not as it should be.
    fn count(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join("wrk.log")).unwrap();
        assert!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "{text}");
        let line = text
            .lines()
            .find(|line| line.contains(" requests in "))
            .unwrap_or_else(|| panic!("{text}"));
        let count = line.split_whitespace().next().unwrap().parse().unwrap();
        assert!(count > 0, "{text}");
        count
    }
}

/// Each of two upstreams goes away and comes back, or crashes, in turn.
#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn no_read_is_lost_when_an_upstream_goes_and_comes_back() {
    let mut both = [0; 2].map(|_| Nginx::start("location / { return 200 answer; }"));
    let urls = both.each_ref().map(|nginx| format!("http://127.0.0.1:{}", nginx.port));
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let keys = [record("reader", "reader")];
    let gate = Gate::start_over(folder.path(), &urls, &keys, "workers = 2\n");
    let answered = |times: u32| {
        let count = || gate.metric("sidegate_requests_total", "code=\"2xx\"");
        until("the first requests", || gate.page("/metrics").contains("code=\"2xx\""));
        let start = count();
        until("requests to be answered", || count() >= start + f64::from(times));
    };
    let load = Load::start(&gate, folder.path(), 600);
    answered(1000);
    for round in 0..OUTAGES {
        let nginx = &mut both[round % 2];
        if round % 3 == 2 {
            nginx.crash();
        } else {
            nginx.stop();
            answered(2000);
            nginx.start_again();
        }
        // Until it is asked again, lest both be away.
        let url = format!("endpoint=\"{}\"", urls[round % 2]);
        until("it to be back", || gate.metric("sidegate_upstream_endpoints_ejected", &url) == 0.0);
        answered(1000);
    }
    let requests = load.stop();
    let retries = gate.metric("sidegate_upstream_retries_total", "");
    let ejections = gate.metric("sidegate_upstream_ejections_total", "");
    println!(
        "{OUTAGES} outages, {requests} requests, {retries} retries, {ejections} ejections, none failed"
    );
    assert!(retries > 0.0 && ejections > 0.0);
}

/// nginx says GOAWAY after so many requests on a connection.
#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn no_request_is_lost_when_http_2_connections_end() {
    let nginx = Nginx::start_http2("keepalive_requests 50; location / { return 200 answer; }");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let keys = [record("reader", "reader")];
    let urls = [format!("h2c://127.0.0.1:{}", nginx.port)];
    let gate = Gate::start_over(folder.path(), &urls, &keys, "workers = 2\n");
    let requests = Load::start(&gate, folder.path(), 3).finish();
    let retries = gate.metric("sidegate_upstream_retries_total", "");
    println!("{requests} requests, {retries} retries, none failed");
}

#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn no_request_is_lost_when_processes_follow_each_other() {
    let nginx = Nginx::start("location / { return 200 answer; }");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let lines = "workers = 2\nhandover.socket = \"handover.sock\"\n";
    let mut gate =
        Gate::start_with(folder.path(), nginx.port, &[record("reader", "reader")], lines);
    let load = Load::start(&gate, folder.path(), 600);
    for number in 0..RESTARTS {
        let name = format!("follower-{number}");
        let arguments = ["serve", "--take-over", "-c", "sidegate.toml"];
        let program = env!("CARGO_BIN_EXE_sidegate");
        let follower = Running::start(program, &arguments, folder.path(), &name);
        assert_eq!(gate.running.end(), Some(0), "it was not taken over from");
        gate.running = follower;
        until("requests to be answered by the new one", || {
            let page = gate.page("/metrics");
            page.lines().any(|line| {
                let count =
                    line.strip_prefix("sidegate_requests_total{code=\"2xx\",route=\"app\"} ");
                count.is_some_and(|count| count.parse::<f64>().unwrap() >= 1000.0)
            })
        });
    }
    println!("{RESTARTS} restarts, {} requests, none failed", load.stop());
}

#[test]
#[ignore = "needs nginx; .ci/run installs it"]
fn a_gibibyte_streams_both_ways_in_little_memory() {
    let counter = free_port();
    let nginx = Nginx::start(&format!(
        "location /app/down {{ root root; }}
         location /app/up {{ proxy_pass http://127.0.0.1:{counter}; proxy_http_version 1.1; proxy_request_buffering off; }}"
    ));
    let file = nginx.folder.path().join("root/app/down");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    File::create(file).unwrap().set_len(GIBIBYTE).unwrap(); // Sparse: it takes no room.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let gate = Gate::start(folder.path(), nginx.port, &[record("writer", "writer")]);

    // It waits unread while the others run: a gate that reads ahead would hold all of it.
    let mut waiting = begin(&gate, "GET", "/app/down", 0);
    let mut down = begin(&gate, "GET", "/app/down", 0);
    assert_eq!(body_length(&mut down), GIBIBYTE);

    let counting =
        thread::spawn(move || count_one_body(&TcpListener::bind(("127.0.0.1", counter)).unwrap()));
    until("the counter", || TcpStream::connect(("127.0.0.1", counter)).is_ok());
    let mut up = begin(&gate, "POST", "/app/up", GIBIBYTE);
    let chunk = vec![7; 1 << 16];
    (0..GIBIBYTE >> 16).for_each(|_| up.write_all(&chunk).unwrap());
    let mut answer = String::new();
    up.read_to_string(&mut answer).unwrap();
    assert_eq!(parse(&answer).unwrap().status, 200, "{answer}");
    assert_eq!(counting.join().unwrap(), GIBIBYTE);

    assert_eq!(body_length(&mut waiting), GIBIBYTE);
    let peak = gate.running.peak_memory();
    println!("peak memory {} MiB after a gibibyte down and one up", peak >> 20);
    assert!(peak < MOST_MEMORY, "{} MiB", peak >> 20);
}

fn begin(gate: &Gate, method: &str, path: &str, length: u64) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", gate.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let length = if length > 0 { format!("Content-Length: {length}\r\n") } else { String::new() };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{length}X-API-Key: key-writer\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Reads a 200 to its end.
fn body_length(stream: &mut TcpStream) -> u64 {
    let mut reader = BufReader::with_capacity(1 << 18, stream);
    let (first, _length) = read_head(&mut reader);
    assert!(first.starts_with("HTTP/1.1 200"), "{first}");
    std::io::copy(&mut reader, &mut std::io::sink()).unwrap()
}

/// The first line of a head, and its `Content-Length`.
fn read_head(reader: &mut impl std::io::BufRead) -> (String, u64) {
    let mut lines = reader.lines().map(Result::unwrap).take_while(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    let length = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    (first, length.last().unwrap_or(0))
}

/// Answers one request when it has read all of its body, and returns the length of that.
fn count_one_body(listener: &TcpListener) -> u64 {
    loop {
        let (stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::with_capacity(1 << 18, stream);
        let (_first, length) = read_head(&mut reader);
        let read = std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).unwrap();
        if read > 0 {
            reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
            return read;
        }
    }
}

#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn every_rename_takes_effect_under_load() {
    every_edit_takes_effect_under_load(
        |folder, text| fs::write(folder.join("policy.toml"), text).unwrap(),
        |folder, text, _number| {
            fs::write(folder.join("policy.toml.new"), text).unwrap();
            fs::rename(folder.join("policy.toml.new"), folder.join("policy.toml")).unwrap();
        },
    );
}

#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn every_write_in_place_takes_effect_under_load() {
    every_edit_takes_effect_under_load(
        |folder, text| fs::write(folder.join("policy.toml"), text).unwrap(),
        |folder, text, _number| fs::write(folder.join("policy.toml"), text).unwrap(),
    );
}

/// As Kubernetes updates a volume: `policy.toml` → `..data/policy.toml`, `..data` → a folder.
#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn every_symlink_flip_takes_effect_under_load() {
    let version = |folder: &Path, text: &str, number: usize| {
        let name = format!("..version{number}");
        fs::create_dir(folder.join(&name)).unwrap();
        fs::write(folder.join(&name).join("policy.toml"), text).unwrap();
        symlink(&name, folder.join("..data.new")).unwrap();
        fs::rename(folder.join("..data.new"), folder.join("..data")).unwrap();
    };
    every_edit_takes_effect_under_load(
        |folder, text| {
            version(folder, text, 0);
            symlink("..data/policy.toml", folder.join("policy.toml")).unwrap();
        },
        |folder, text, number| {
            version(folder, text, number);
            fs::remove_dir_all(folder.join(format!("..version{}", number - 1))).unwrap();
        },
    );
}

/// `begin` lays the first policy down; `edit` replaces it, and is told which edit it is, from 1.
fn every_edit_takes_effect_under_load(
    begin: impl Fn(&Path, &str),
    edit: impl Fn(&Path, &str, usize),
) {
    let nginx = Nginx::start("location / { return 200 answer; }");
    let folder = tempfile::tempdir().unwrap();
    begin(folder.path(), POLICY);
    let keys = [record("reader", "reader"), record("probe", "probe")];
    let gate = Gate::start(folder.path(), nginx.port, &keys);
    let write = || ask(gate.port, "POST", "/app", "X-API-Key: key-probe\r\n").unwrap();
    assert_eq!(write().status, 403);

    let load = Load::start(&gate, folder.path(), 600);
    for number in 1..=EDITS {
        let (level, expected) = if number % 2 == 1 { ("full", 200) } else { ("view", 403) };
        edit(folder.path(), &policy_with_probe(level), number);
        until(&format!("edit {number}"), || {
            let status = write().status;
            assert!([200, 403].contains(&status), "edit {number}: {status}");
            status == expected
        });
    }
    let requests = load.stop();
    println!("{EDITS} edits took effect under {requests} requests, none failed");
    assert_eq!(gate.metric("sidegate_policy_last_reload_successful", ""), 1.0);
}

/// `sidegate key revoke` returns when no request that begins from then on is let through, and says
/// how long that took.
#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn no_request_is_allowed_once_key_revoke_has_returned() {
    const PROBES: usize = 4;
    let nginx = Nginx::start("location / { return 200 answer; }");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
    let others = (0..KEYS).map(|n| record(&format!("other{n}"), "reader"));
    let victims = (0..REVOCATIONS).map(|n| record(&format!("victim{n}"), "reader"));
    let keys: Vec<_> = others.chain(victims).chain([record("reader", "reader")]).collect();
    let gate = Gate::start(folder.path(), nginx.port, &keys);

    let load = Load::start(&gate, folder.path(), 600);
    let (mut to_return, mut to_first, mut to_last) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..REVOCATIONS {
        let header = format!("X-API-Key: key-victim{number}\r\n");
        let probe = || {
            let mut answers = Vec::new();
            loop {
                let began = clock::instant();
                let status = ask(gate.port, "GET", "/app", &header).unwrap().status;
                answers.push((began, clock::instant(), status));
                match status {
                    200 => {}
                    401 => return answers,
                    other => panic!("revocation {number}: {other}"),
                }
            }
        };
        let (renamed, revoked, returned, probes) = thread::scope(|scope| {
            let probes: Vec<_> = (0..PROBES).map(|_| scope.spawn(probe)).collect();
            let path = folder.path().join("keys.jsonl");
            let inode = fs::metadata(&path).unwrap().ino();
            let rename = scope.spawn(move || {
                until("the rename", || fs::metadata(&path).unwrap().ino() != inode);
                clock::instant()
            });
            let revoked = Command::new(env!("CARGO_BIN_EXE_sidegate"))
                .args(["key", "revoke", "-c", "sidegate.toml", &format!("k_victim{number}")])
                .current_dir(&folder)
                .output()
                .unwrap();
            let returned = clock::instant();
            let answers: Vec<_> = probes.into_iter().map(|probe| probe.join().unwrap()).collect();
            (rename.join().unwrap(), revoked, returned, answers)
        });
        let said = String::from_utf8(revoked.stderr).unwrap();
        assert!(revoked.status.success() && said.starts_with("in force in generation "), "{said}");
        let allowed =
            |(began, _, status): &&(Instant, Instant, u16)| *status == 200 && *began > returned;
        let late = probes.iter().flatten().filter(allowed).count();
        assert_eq!(late, 0, "revocation {number}: {late} requests allowed after {said}");
        let refused: Vec<_> = probes.iter().map(|answers| answers.last().unwrap().1).collect();
        to_return.push(returned - renamed);
        to_first.push(refused.iter().min().unwrap().saturating_duration_since(renamed));
        to_last.push(refused.iter().max().unwrap().saturating_duration_since(renamed));
    }
    let requests = load.stop();
    println!("{REVOCATIONS} revocations of {} keys under {requests} requests", keys.len());
    let log = fs::read_to_string(folder.path().join("sidegate.log")).unwrap();
    let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    // What is told of a file late has it loaded again, and changes nothing.
    let reloads = events.filter(|event| {
        event["fields"]["message"] == "policy reloaded" && event["fields"]["rows"] != 0
    });
    let (loads, differences): (Vec<_>, Vec<_>) = reloads
        .map(|event| {
            let took = |field: &str| {
                Duration::from_secs_f64(event["fields"][field].as_f64().unwrap() / 1000.0)
            };
            assert_eq!(event["fields"]["changes"], "keys: 1 revoked (1 lost)", "{event}");
            (took("duration_ms"), took("difference_ms"))
        })
        .unzip();
    assert_eq!(loads.len(), REVOCATIONS, "each revocation is one reload");
    for (what, mut took) in [
        ("load alone", loads),
        ("comparing alone", differences),
        ("from rename to first refusal", to_first),
        ("from rename to refusal by all probes", to_last),
        ("from rename to the return of `key revoke`", to_return),
    ] {
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
        println!("{what}: p50 {:?}, p99 {:?}, max {:?}", at(50), at(99), at(100));
    }
}

/// For every byte string that is forwarded: nginx, which decodes, merges slashes and resolves dots,
/// serves the location of the product that was judged.
#[test]
#[ignore = "needs nginx; .ci/run installs it"]
fn nginx_serves_no_other_location_than_was_judged() {
    const CASES: u32 = 5000;
    let answer = |location: &str| {
        format!(
            "{{ return 200 \"{location} $http_x_sidegate_product $http_x_sidegate_account\"; }}"
        )
    };
    let nginx = Nginx::start(&format!(
        "location / {none}
         location = /app {app} location /app/ {app}
         location = /app/secret {secret} location /app/secret/ {secret}
         location = /kept {kept} location /kept/ {kept}
         location = /kept/secret {secret} location /kept/secret/ {secret}
         location = /late {late} location /late/ {late}
         location ~ ^/ws/main/data(/|$) {ws}",
        none = answer("none"),
        app = answer("app"),
        secret = answer("secret"),
        kept = answer("kept"),
        late = answer("late"),
        ws = answer("ws"),
    ));
    let folder = tempfile::tempdir().unwrap();
    let policy = include_str!("proxy/reading.toml").replace("strip_prefix = true", "");
    // nginx decodes before it splits, and cuts nothing off.
    let policy = policy.replace("= \"keep\"", "= \"refuse\"");
    fs::write(folder.path().join("policy.toml"), policy).unwrap();
    let gate = Gate::start(folder.path(), nginx.port, &[record("writer", "writer")]);

    let (served, refused) = (Cell::new(0_u32), Cell::new(0_u32));
    let request = RefCell::new(Vec::new());
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let run = TestRunner::new(config).run(&nasty::nasty(), |nasty| {
        let lines = "Host: localhost\r\nX-API-Key: key-writer\r\nConnection: close\r\n";
        request.replace(nasty.request(lines));
        let mut stream = TcpStream::connect(("127.0.0.1", gate.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&request.borrow()).unwrap();
        let mut answer = Vec::new();
        // A refused request may leave bytes unread, for which the kernel resets the connection.
        match stream.read_to_end(&mut answer).map_err(|error| error.kind()) {
            Ok(_) | Err(ErrorKind::ConnectionReset) => {}
            Err(error) => return Err(TestCaseError::fail(format!("hangs: {error}"))),
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        if !answer.contains("\r\nserver: nginx") {
            refused.set(refused.get() + 1);
            let status = answer.get(9..12);
            return match status {
                None | Some("400" | "401" | "403" | "404" | "405" | "414" | "431") => Ok(()),
                Some(_) => Err(TestCaseError::fail(answer)),
            };
        }
        // nginx takes no method in lower case.
        if answer.starts_with("HTTP/1.1 400 ") && request.borrow().starts_with(b"get ") {
            return Ok(());
        }
        served.set(served.get() + 1);
        let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
        let mut same =
            ["app", "kept", "late", "ws"].iter().map(|name| format!("{name} {name} writer"));
        // Nothing was judged of it but a prefix that nginx has no location for.
        let is_open = body == "none stripped writer";
        if answer.starts_with("HTTP/1.1 200 ") && (is_open || same.any(|same| same == body)) {
            return Ok(());
        }
        Err(TestCaseError::fail(answer))
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, _)) => {
            panic!("{why} of {:?}", String::from_utf8_lossy(&request.borrow()));
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
    let (served, refused) = (served.get(), refused.get());
    println!("{CASES} requests: {served} served where they were judged, {refused} refused");
    assert!(served >= CASES / 8 && refused >= CASES / 8, "the generator misses its aim");
}

fn policy_with_probe(level: &str) -> String {
    let grant = |level| format!("to = \"account:probe\"\nproduct = \"app\"\nlevel = \"{level}\"");
    let policy = POLICY.replace(&grant("view"), &grant(level));
    assert_eq!(policy == POLICY, level == "view");
    policy
}

#[test]
#[ignore = "needs nginx and wrk; .ci/run installs them"]
fn a_broken_file_keeps_the_last_good_policy_and_says_why() {
    let nginx = Nginx::start("location / { return 200 answer; }");
    let folder = tempfile::tempdir().unwrap();
    let policy = folder.path().join("policy.toml");
    fs::write(&policy, POLICY).unwrap();
    let gate = Gate::start(folder.path(), nginx.port, &[record("reader", "reader")]);
    let load = Load::start(&gate, folder.path(), 600);
    let successful = || gate.metric("sidegate_policy_last_reload_successful", "");
    assert_eq!(successful(), 1.0);

    let wrong = POLICY.replace("prefix = \"/late\"", "prefix = \"/late\"\nprefiks = \"/late\"");
    let line = 1 + wrong.lines().position(|line| line.starts_with("prefiks")).unwrap();
    fs::write(&policy, wrong).unwrap();
    until("the failure in the metrics", || successful() == 0.0);
    let status = gate.page("/status");
    assert!(status.contains(&format!("policy.toml:{line}:")), "{status}");
    assert!(status.contains("prefiks"), "{status}");
    assert_eq!(ask(gate.port, "GET", "/app", READER).unwrap().status, 200);

    fs::write(&policy, POLICY).unwrap();
    until("the success in the metrics", || successful() == 1.0);
    load.stop();
}

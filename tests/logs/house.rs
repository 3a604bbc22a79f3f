//! A gate whose output the test reads when it likes, and clients that are refused.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Gate, PATIENCE, free_port, record};

/// Without a limit to what is logged.
pub(crate) const EVERYTHING: &str = "workers = 2\nlog.sample = 1.0\nlog.denials_per_second = 1000000\n\
    timeouts.linger = \"100ms\"\n";

/// A gate whose log goes to `output`, before an upstream that is not there.
pub(crate) fn gate(output: impl Into<Stdio>, lines: &str) -> (Gate, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (gate_in(folder.path(), output, lines), folder)
}

pub(crate) fn gate_in(folder: &Path, output: impl Into<Stdio>, lines: &str) -> Gate {
    fs::write(folder.join("policy.toml"), include_str!("../peers/policy.toml")).unwrap();
    let keys = ["reader", "writer"].map(|name| record(name, name));
    let urls = [format!("http://127.0.0.1:{}", free_port())];
    Gate::start_into(Some(output.into()), folder, &urls, &keys, lines)
}

/// Asks `count` times on one connection without a key, and is refused each time.
pub(crate) fn refused(gate: &Gate, count: usize) {
    asked(gate, count, "GET /app HTTP/1.1\r\nHost: localhost\r\n\r\n", "401");
}

/// Asks `count` times on one connection, and is answered with `status` each time.
pub(crate) fn asked(gate: &Gate, count: usize, request: &str, status: &str) {
    let stream = TcpStream::connect(("127.0.0.1", gate.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answers = BufReader::new(&stream);
    for _ in 0..count {
        (&stream).write_all(request.as_bytes()).unwrap();
        let (mut line, mut length) = (String::new(), 0);
        answers.read_line(&mut line).unwrap();
        assert_eq!(line.split(' ').nth(1), Some(status), "{line}");
        while line != "\r\n" {
            line.clear();
            answers.read_line(&mut line).unwrap();
            if let Some(number) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = number.trim().parse().unwrap();
            }
        }
        answers.by_ref().take(length).read_to_end(&mut Vec::new()).unwrap();
    }
}

/// What a log has: each line is an event, whole.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// Requests, each by itself.
    pub(crate) requests: u64,
    /// What the log says that it has not.
    pub(crate) missing: u64,
    /// Denials that it tells as a number.
    pub(crate) left_out: u64,
}

impl Told {
    pub(crate) fn by(text: &str) -> Self {
        let mut told = Self::default();
        assert!(text.is_empty() || text.ends_with('\n'), "torn: {text:.300}");
        for line in text.lines() {
            let event: Value =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            let number = |name: &str| event["fields"][name].as_u64().unwrap();
            match event["fields"]["message"].as_str().unwrap() {
                "request" => told.requests += 1,
                "more requests were denied than are logged" => told.left_out += number("left_out"),
                message if message.starts_with("the log could not keep up") => {
                    told.missing += number("events");
                }
                _ => {}
            }
        }
        told
    }
}

//! A real Prometheus, and what its HTTP API says.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use sidegate::clock;
use tempfile::TempDir;

use crate::harness::{Running, free_port};

/// Its starts, scrapes and evaluations take seconds on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// On loopback, with its data in a folder that goes with it.
pub(crate) struct Prometheus {
    port: u16,
    _running: Running, // Before the folder: that goes when the process has.
    _folder: TempDir,
}

impl Prometheus {
    /// Scrapes the admin listener on that port each second, with the rules as they stand in `config`
    /// but for how long an alert waits: not at all.
    pub(crate) fn start(target: u16) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let scrape = config("scrape.yml").replace("127.0.0.1:9464", &format!("127.0.0.1:{target}"));
        assert!(scrape.contains(": 15s"), "{scrape}");
        fs::write(folder.path().join("scrape.yml"), scrape.replace(": 15s", ": 1s")).unwrap();
        let rules = config("alerts.yml");
        let rules = rules.lines().filter(|line| !line.trim_start().starts_with("for: "));
        fs::write(folder.path().join("alerts.yml"), rules.collect::<Vec<_>>().join("\n")).unwrap();
        let listen = format!("--web.listen-address=127.0.0.1:{port}");
        let arguments =
            ["--config.file=scrape.yml", "--storage.tsdb.path=data", "--log.level=warn", &listen];
        let running = Running::start("prometheus", &arguments, folder.path(), "prometheus");
        let it = Self { port, _running: running, _folder: folder };
        eventually("Prometheus to be ready", |_| it.ask("/-/ready").map(drop));
        it
    }

    /// The `data` of an answer, once it is one that `wanted` takes.
    pub(crate) fn until<T>(
        &self,
        path: &str,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> (Value, T) {
        eventually(path, |last| {
            let body = self.ask(path)?;
            last.clone_from(&body);
            let mut answer: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(answer["status"], "success", "{path}: {body}");
            let data = answer["data"].take();
            wanted(&data).map(|found| (data, found))
        })
    }

    /// The samples of a query, once they are what is wanted.
    pub(crate) fn query<T>(
        &self,
        query: &str,
        mut wanted: impl FnMut(&[Value]) -> Option<T>,
    ) -> (Value, T) {
        let path = format!("/api/v1/query?query={}", escaped(query));
        self.until(&path, |data| wanted(data["result"].as_array().unwrap()))
    }

    /// In HTTP/1.0, so that no answer is chunked. Nothing, where it is not 200, 400 or 422.
    fn ask(&self, path: &str) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?;
        ["200", "400", "422"].contains(&status).then(|| body.to_owned())
    }
}

/// A file of `config/prometheus`.
pub(crate) fn config(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Until there is something; `done` notes what there was last.
fn eventually<T>(what: &str, mut done: impl FnMut(&mut String) -> Option<T>) -> T {
    let (deadline, mut last) = (clock::instant() + PATIENCE, String::new());
    loop {
        if let Some(found) = done(&mut last) {
            return found;
        }
        assert!(clock::instant() < deadline, "waited in vain: {what}: {last}");
        thread::yield_now();
    }
}

fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

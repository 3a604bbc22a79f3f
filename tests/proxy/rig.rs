//! A gate between raw sockets: whatever a client or an upstream may put on the wire.

use std::collections::VecDeque;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Gate, PATIENCE, record};
use crate::wire::Wire;

const POLICY: &str = include_str!("../peers/policy.toml");

/// And routes that let WebSockets through.
const SOCKETS: &str = r#"
[[route]]
name = "socket"
prefix = "/socket"
workspace = "main"
product = "app"
upstream = "app"
upgrade = "view"
[[route]]
name = "console"
prefix = "/console"
workspace = "main"
product = "app"
upstream = "app"
upgrade = "full"
[[route]]
name = "open"
prefix = "/open"
public = true
upstream = "app"
upgrade = "view"
"#;

/// The accounts that have a key `key-NAME`.
const ACCOUNTS: [&str; 4] = ["banned", "outsider", "reader", "writer"];

/// Lines of a request head that says who asks.
pub(crate) const WRITER: &str = "Host: localhost\r\nX-API-Key: key-writer\r\n";
pub(crate) const READER: &str = "Host: localhost\r\nX-API-Key: key-reader\r\n";
/// And one that says nothing.
pub(crate) const NOBODY: &str = "Host: localhost\r\n";

pub(crate) const GET: &str =
    "GET /app HTTP/1.1\r\nHost: localhost\r\nX-API-Key: key-writer\r\n\r\n";
pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A gate with one worker, its upstream, and its folder.
pub(crate) struct Rig {
    pub(crate) gate: Gate,
    pub(crate) upstream: Upstream,
    pub(crate) folder: TempDir,
}

impl Drop for Rig {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

impl Rig {
    /// With more lines for `sidegate.toml`.
    pub(crate) fn new(lines: &str) -> Self {
        Self::with(lines, &[])
    }

    /// With more keys than those of [`ACCOUNTS`].
    pub(crate) fn with(lines: &str, more: &[Value]) -> Self {
        Self::start(lines, more, None)
    }

    /// Before a server of the test's own.
    pub(crate) fn before(port: u16) -> Self {
        Self::start("", &[], Some(port))
    }

    fn start(lines: &str, more: &[Value], server: Option<u16>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), format!("{POLICY}{SOCKETS}")).unwrap();
        let mut keys: Vec<Value> = ACCOUNTS.iter().map(|name| record(name, name)).collect();
        keys.extend_from_slice(more);
        let upstream = Upstream::start();
        let drain = if lines.contains("timeouts.drain") { "" } else { "timeouts.drain = \"1s\"\n" };
        let sample = if lines.contains("log.") { "" } else { "log.sample = 1.0\n" };
        let workers = if lines.contains("workers") { "" } else { "workers = 1\n" };
        let lines = format!("{workers}{drain}{sample}{lines}\n");
        let gate =
            Gate::start_with(folder.path(), server.unwrap_or(upstream.port()), &keys, &lines);
        Self { gate, upstream, folder }
    }

    pub(crate) fn client(&self) -> Wire {
        Wire::new(TcpStream::connect(("127.0.0.1", self.gate.port)).unwrap())
    }

    /// A client that has sent this.
    pub(crate) fn sent(&self, bytes: impl AsRef<[u8]>) -> Wire {
        let mut client = self.client();
        client.send(bytes);
        client
    }

    /// A client that has sent a request to `/app` and the upstream that has got it.
    pub(crate) fn asked(&mut self) -> (Wire, Wire) {
        let client = self.sent(GET);
        let mut peer = self.upstream.next();
        peer.message(false).unwrap();
        (client, peer)
    }

    /// What the gate has said, whole lines.
    pub(crate) fn log(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("sidegate.log")).unwrap();
        text.rsplit_once('\n').map_or(String::new(), |(lines, _)| lines.to_owned())
    }

    /// The events of requests so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        let log = self.log();
        let events = log.lines().filter(|line| line.contains("sidegate::request"));
        let facts = |line| {
            let mut event: Value = serde_json::from_str(line).unwrap();
            let mut facts = event["fields"].take();
            facts["timestamp"] = event["timestamp"].take();
            facts
        };
        events.map(facts).collect()
    }
}

/// A listener whose connections the test itself answers.
pub(crate) struct Upstream {
    address: SocketAddr,
    accepted: Receiver<(TcpStream, SocketAddr)>,
    seen: VecDeque<TcpStream>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, accepted) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(accepted) = listener.accept() {
                if sender.send(accepted).is_err() {
                    return;
                }
            }
        });
        Self { address, accepted, seen: VecDeque::new() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The next connection of the gate.
    pub(crate) fn next(&mut self) -> Wire {
        let early = self.seen.pop_front();
        let stream = early.unwrap_or_else(|| {
            self.accepted.recv_timeout(PATIENCE).expect("nobody came to the upstream").0
        });
        Wire::new(stream)
    }

    /// How many connections came that [`Upstream::next`] has not given. Connections are taken in
    /// the order in which they came: when one of ours is seen, all before it have been.
    pub(crate) fn waiting(&mut self) -> usize {
        let ours = TcpStream::connect(self.address).unwrap().local_addr().unwrap();
        loop {
            let (stream, peer) = self.accepted.recv_timeout(PATIENCE).unwrap();
            if peer == ours {
                return self.seen.len();
            }
            self.seen.push_back(stream);
        }
    }
}

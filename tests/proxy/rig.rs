//! A gate between raw sockets: whatever a client or an upstream may put on the wire.

use std::collections::VecDeque;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Gate, PATIENCE, record, until};
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
        Self::start(lines, more, None, &[])
    }

    /// With more urls than that of the upstream.
    pub(crate) fn beside(urls: &[String], lines: &str) -> Self {
        Self::start(lines, &[], None, urls)
    }

    /// Before a server of the test's own.
    pub(crate) fn before(port: u16) -> Self {
        let url = format!("http://127.0.0.1:{port}");
        Self::start("", &[], Some(url), &[])
    }

    fn start(lines: &str, more: &[Value], server: Option<String>, others: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("policy.toml"), format!("{POLICY}{SOCKETS}")).unwrap();
        let mut keys: Vec<Value> = ACCOUNTS.iter().map(|name| record(name, name)).collect();
        keys.extend_from_slice(more);
        let upstream = Upstream::start();
        let drain = if lines.contains("timeouts.drain") { "" } else { "timeouts.drain = \"1s\"\n" };
        let sample = if lines.contains("log.") { "" } else { "log.sample = 1.0\n" };
        let workers = if lines.contains("workers") { "" } else { "workers = 1\n" };
        let linger = if lines.contains("linger") { "" } else { "timeouts.linger = \"100ms\"\n" };
        let lines = format!("{workers}{drain}{linger}{sample}{lines}\n");
        let urls = [&[server.unwrap_or_else(|| upstream.url())], others].concat();
        let gate = Gate::start_over(folder.path(), &urls, &keys, &lines);
        Self { gate, upstream, folder }
    }

    /// Sends what comes by a route to another upstream, from now on.
    pub(crate) fn reroute(&self, route: &str, upstream: &str) {
        let policy = self.folder.path().join("policy.toml");
        let text = fs::read_to_string(&policy).unwrap();
        let name = format!("name = \"{route}\"");
        let (before, after) = text.split_once(&name).unwrap();
        let after = after.replacen("upstream = \"app\"", &format!("upstream = \"{upstream}\""), 1);
        fs::write(&policy, format!("{before}{name}{after}")).unwrap();
        until("the reload", || self.gate.metric("sidegate_policy_generation", "") >= 2.0);
    }

    /// Gives a route these lines, from now on.
    pub(crate) fn amend(&self, route: &str, lines: &str) {
        let policy = self.folder.path().join("policy.toml");
        let text = fs::read_to_string(&policy).unwrap();
        let name = format!("[[route]]\nname = \"{route}\"\n");
        assert!(text.contains(&name), "{text}");
        let next = self.gate.metric("sidegate_policy_generation", "") + 1.0;
        fs::write(&policy, text.replace(&name, &format!("{name}{lines}\n"))).unwrap();
        until("the reload", || self.gate.metric("sidegate_policy_generation", "") >= next);
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
        Self::at(0)
    }

    pub(crate) fn at(port: u16) -> Self {
        Self::on(Ipv4Addr::LOCALHOST.into(), port)
    }

    pub(crate) fn on(host: IpAddr, port: u16) -> Self {
        let listener = TcpListener::bind((host, port)).unwrap();
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

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next connection of the gate.
    pub(crate) fn next(&mut self) -> Wire {
        let early = self.seen.pop_front();
        let stream = early.unwrap_or_else(|| {
            self.accepted.recv_timeout(PATIENCE).expect("nobody came to the upstream").0
        });
        Wire::new(stream)
    }

    /// Answers one request on each connection from now on, without the test, and closes it.
    pub(crate) fn answer_all(&mut self, answer: &'static str) {
        let (_, none) = mpsc::channel();
        let accepted = std::mem::replace(&mut self.accepted, none);
        thread::spawn(move || {
            for (stream, _) in accepted {
                thread::spawn(move || {
                    let mut wire = Wire::new(stream);
                    if wire.message(false).is_ok() {
                        // The gate may have gone.
                        let _ = wire.try_send(answer);
                    }
                });
            }
        });
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
